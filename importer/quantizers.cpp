#include "importer/quantizers.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "runtime/ir/error.h"

namespace marvin {
namespace {

constexpr int64_t kOpsetOfQuantizeLinear = 10;
constexpr int64_t kOpsetOfRound = 11;
constexpr int64_t kOpsetOfIntegerClip = 12;
constexpr int64_t kOpsetOf16BitQuantizeLinear = 21;
constexpr std::string_view kQonnxDomain = "qonnx.custom_op.general";

// ---- QuantizeLinear and DequantizeLinear ----------------------------------------------------------------------------

void require_opset(const NodeWriter& writer, int64_t needed, std::string_view op, const std::string& name) {
  if (writer.opset() >= needed) return;
  throw Error("'", name, "' in fixed point needs ", op, ", which came with opset ", needed, "; the model is of opset ",
              writer.opset(), ". Export the model again with a newer one, or write it with IntQuant");
}

// Whether QuantizeLinear has integers that hold such words.
bool is_native(const NodeWriter& writer, FixedPoint format) {
  return format.wl <= max_wl(writer.opset() >= kOpsetOf16BitQuantizeLinear ? DType::i16 : DType::i8);
}

bool is_narrower(FixedPoint format) { return format.wl < max_wl(storage_of(format)); }

// Half to even, saturating; what is not a number becomes zero.
Tensor words_of(const Tensor& real, FixedPoint format, DType container) {
  Tensor words(Type{container, real.type().shape});
  const std::span<const float> elements = real.as<float>();
  visit(container, [&](auto zero) {
    using Word = decltype(zero);
    const std::span<Word> q = words.as<Word>();
    for (size_t i = 0; i < q.size(); ++i) {
      const double scaled = std::nearbyint(std::ldexp(double{elements[i]}, format.fl));
      q[i] = std::isnan(scaled) ? Word{} : static_cast<Word>(std::clamp<double>(scaled, format.min(), format.max()));
    }
  });
  return words;
}

// The operands behind the first one; int32 words have no zero point.
struct Grid {
  std::string scale, zero_point;
  std::vector<std::string> with(const std::string& x) const {
    return zero_point.empty() ? std::vector{x, scale} : std::vector{x, scale, zero_point};
  }
};

Grid add_grid(NodeWriter& writer, const QuantizedValue& value, DType container) {
  Grid grid{.scale = writer.add_initializer(value.name + "_scale", Tensor::scalar(power_of_two(-value.format.fl))),
            .zero_point = ""};
  if (container != DType::i32)
    grid.zero_point = writer.add_initializer(value.name + "_zero_point", Tensor(Type{container, {}}));
  return grid;
}

void write_words(NodeWriter& writer, const QuantizedValue& value, const Tensor& elements) {
  require_opset(writer, kOpsetOfQuantizeLinear, "DequantizeLinear", value.name);
  const DType container = is_native(writer, value.format) ? storage_of(value.format) : DType::i32;
  const std::string words =
      writer.add_initializer(value.name + "_quantized", words_of(elements, value.format, container));
  writer.add_node("DequantizeLinear", add_grid(writer, value, container).with(words), value.dequantized);
}

// No integer type of QuantizeLinear holds the words: they are computed as real numbers, exactly.
void write_rounding(NodeWriter& writer, const QuantizedValue& value) {
  require_opset(writer, kOpsetOfRound, "Round", value.name);
  const auto& [name, format, dequantized] = value;
  const std::string inverse = writer.add_initializer(name + "_inverse_scale", Tensor::scalar(power_of_two(format.fl)));
  const std::string scale = writer.add_initializer(name + "_scale", Tensor::scalar(power_of_two(-format.fl)));
  const std::string scaled = writer.unused_name(name + "_scaled"), rounded = writer.unused_name(name + "_rounded");
  writer.add_node("Mul", {name, inverse}, scaled);
  writer.add_node("Round", {scaled}, rounded);
  const std::string words = writer.add_clip(rounded, name, Tensor::scalar(static_cast<float>(format.min())),
                                            Tensor::scalar(static_cast<float>(format.max())), name + "_quantized");
  writer.add_node("Mul", {words, scale}, dequantized);
}

// Saturation at the ends of a word that is narrower than its container.
enum class Saturation { none, before_rounding, of_integers };

void write_pair(NodeWriter& writer, const QuantizedValue& value, Saturation saturation) {
  require_opset(writer, kOpsetOfQuantizeLinear, "QuantizeLinear", value.name);
  const auto& [name, format, dequantized] = value;
  std::string real = name;
  if (saturation == Saturation::before_rounding) {
    const float unit = power_of_two(-format.fl);
    real = writer.add_clip(name, name, Tensor::scalar(static_cast<float>(format.min()) * unit),
                           Tensor::scalar(static_cast<float>(format.max()) * unit), name + "_clipped");
  }
  const Grid grid = add_grid(writer, value, storage_of(format));
  std::string words = writer.unused_name(name + "_quantized");
  writer.add_node("QuantizeLinear", grid.with(real), words);
  if (saturation == Saturation::of_integers)
    words = writer.add_clip(words, name, Tensor::scalar(static_cast<int8_t>(format.min())),
                            Tensor::scalar(static_cast<int8_t>(format.max())), name + "_clipped");
  writer.add_node("DequantizeLinear", grid.with(words), dequantized);
}

void write_qdq(NodeWriter& writer, const QuantizedValue& value) {
  if (!is_native(writer, value.format)) return write_rounding(writer, value);
  write_pair(writer, value, is_narrower(value.format) ? Saturation::before_rounding : Saturation::none);
}

// ONNX Runtime clips int8, but not int16.
void write_qcdq(NodeWriter& writer, const QuantizedValue& value) {
  const bool clips = writer.opset() >= kOpsetOfIntegerClip && storage_of(value.format) == DType::i8;
  if (!clips || !is_narrower(value.format)) return write_qdq(writer, value);
  write_pair(writer, value, Saturation::of_integers);
}

// ---- IntQuant -------------------------------------------------------------------------------------------------------

void write_int_quant(NodeWriter& writer, const QuantizedValue& value) {
  const auto& [name, format, dequantized] = value;
  const std::string scale = writer.add_initializer(name + "_scale", Tensor::scalar(power_of_two(-format.fl)));
  const std::string zero_point = writer.add_initializer(name + "_zero_point", Tensor::scalar(0.0f));
  const std::string width = writer.add_initializer(name + "_bit_width", Tensor::scalar(static_cast<float>(format.wl)));
  onnx::NodeProto& node = writer.add_node("IntQuant", {name, scale, zero_point, width}, dequantized);
  node.set_domain(std::string(kQonnxDomain));
  add_attribute(node, "signed", int64_t{1});
  add_attribute(node, "narrow", int64_t{0});
  add_attribute(node, "rounding_mode", "ROUND");
}

void write_int_quant_of_weight(NodeWriter& writer, const QuantizedValue& value, const Tensor& /*elements*/) {
  write_int_quant(writer, value);
}

}  // namespace

const QuantizerWriter& quantizer_writer(QuantizerForm form) {
  static constexpr std::array<QuantizerWriter, 3> kWriters = {{
      {.weight = write_words, .computed = write_qdq, .domain = ""},
      {.weight = write_words, .computed = write_qcdq, .domain = ""},
      {.weight = write_int_quant_of_weight, .computed = write_int_quant, .domain = kQonnxDomain},
  }};
  return kWriters.at(static_cast<size_t>(form));
}

}  // namespace marvin
