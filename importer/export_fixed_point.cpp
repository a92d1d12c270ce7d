#include <algorithm>
#include <cmath>
#include <map>

#include "importer/graph_names.h"
#include "importer/inference_form.h"
#include "importer/model_patch.h"
#include "importer/tensor_proto.h"
#include "importer/writable_tensors.h"
#include "runtime/ops/op.h"

namespace marvin {
namespace {

constexpr int64_t kOpsetOfQuantizeLinear = 10;
constexpr int64_t kOpsetOfRound = 11;
constexpr int64_t kOpsetOfClipOperands = 11;
constexpr int64_t kOpsetOf16BitQuantizeLinear = 21;
constexpr int kMaxExponent = 126;  // 2^fl and 2^-fl are normal float32 numbers

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

class QdqWriter {
 public:
  QdqWriter(onnx::GraphProto& graph, int64_t opset, const Formats& formats)
      : graph_(graph), opset_(opset), names_(names_in(graph)), formats_(formats) {
    std::erase_if(formats_, [](const auto& slot) { return slot.second.is_float(); });
  }

  // Outputs of nodes.
  std::vector<std::string> products() {
    give_views_formats();
    std::vector<std::string> outputs;
    for (const onnx::NodeProto& node : graph_.node()) {
      const OpDef* op = product_of(node);
      const auto has_format = [&](size_t i) {
        return static_cast<int>(i) < node.input_size() && formats_.contains(node.input(static_cast<int>(i)));
      };
      if (op && std::ranges::all_of(*op->product, has_format)) outputs.push_back(node.output(0));
    }
    return outputs;
  }

  void run() {
    const Names read_before = names_read(graph_);
    give_views_formats();
    redirect_products();
    NodeProtos nodes;
    nodes.Swap(graph_.mutable_node());
    Names initialized;
    for (int i = 0, count = graph_.initializer_size(); i < count; ++i) {
      initialized.insert(graph_.initializer(i).name());
      quantize_weight(graph_.initializer(i).name(), graph_.initializer(i));
    }
    for (const onnx::ValueInfoProto& input : graph_.input())
      if (!initialized.contains(input.name())) quantize_computed(input.name());
    for (onnx::NodeProto& node : nodes) {
      *graph_.add_node() = node;
      if (const onnx::TensorProto* tensor = tensor_of_constant(node)) {
        quantize_weight(node.output(0), *tensor);
      } else {
        for (const std::string& output : node.output()) quantize_computed(output);
      }
    }
    erase_unread(graph_, read_before);
  }

 private:
  // A value that products read in fixed point.
  struct Quantized {
    FixedPoint format;
    std::string dequantized;  // what they read instead
  };

  // The op of a node that is a product; null otherwise.
  static const OpDef* product_of(const onnx::NodeProto& node) {
    const OpDef* op = is_default_domain(node.domain()) ? find_op(node.op_type()) : nullptr;
    return op && op->product && node.output_size() > 0 ? op : nullptr;
  }

  // A view of a value with a format has the same.
  void give_views_formats() {
    for (const onnx::NodeProto& node : graph_.node()) {
      const OpDef* op = find_op(node.op_type());
      if (!op || !op->view || node.input_size() == 0 || node.output_size() == 0) continue;
      const auto format = formats_.find(node.input(0));
      if (format != formats_.end()) formats_.emplace(node.output(0), format->second);
    }
  }

  void redirect_products() {
    for (onnx::NodeProto& node : *graph_.mutable_node()) {
      const OpDef* op = product_of(node);
      if (!op) continue;
      for (const size_t operand : *op->product) {
        if (static_cast<int>(operand) < node.input_size()) redirect(*node.mutable_input(static_cast<int>(operand)));
      }
    }
  }

  void redirect(std::string& input) {
    const auto format = formats_.find(input);
    if (format == formats_.end()) return;
    if (std::abs(format->second.fl) > kMaxExponent) {
      throw Error("'", input, "' has ", int{format->second.fl}, " fractional bits; a float32 scale holds at most ",
                  kMaxExponent);
    }
    const auto [entry, added] = quantized_.try_emplace(input, Quantized{format->second, ""});
    if (added) entry->second.dequantized = unused_name(input + "_dequantized");
    input = entry->second.dequantized;
  }

  void quantize_weight(const std::string& name, const onnx::TensorProto& proto) {
    const auto entry = quantized_.find(name);
    if (entry == quantized_.end()) return;
    const auto& [format, dequantized] = entry->second;
    if (const DType dtype = dtype_of_onnx(proto.data_type()); dtype != DType::f32) {
      throw Error("the weight '", name, "' is ", name_of(dtype), ", but QuantizeLinear and DequantizeLinear are written for ",
                  "float32 alone; export the model in floating point, or train a float32 one");
    }
    require_opset(kOpsetOfQuantizeLinear, "DequantizeLinear", name);
    const DType container = format.wl <= native_bits() ? storage_of(format) : DType::i32;
    const std::string words = add_initializer(name + "_quantized", words_of(tensor_from(proto, {}), format, container));
    add_node("DequantizeLinear", with_scale(words, name, format, container), dequantized);
  }

  void quantize_computed(const std::string& name) {
    const auto entry = quantized_.find(name);
    if (entry == quantized_.end()) return;
    if (entry->second.format.wl <= native_bits()) {
      quantize_linearly(name, entry->second);
    } else {
      round_to_words(name, entry->second);
    }
  }

  void quantize_linearly(const std::string& name, const Quantized& value) {
    require_opset(kOpsetOfQuantizeLinear, "QuantizeLinear", name);
    const FixedPoint format = value.format;
    const DType container = storage_of(format);
    const float unit = power_of_two(-format.fl);
    const float min = static_cast<float>(format.min()) * unit;
    const float max = static_cast<float>(format.max()) * unit;
    const std::string real = format.wl < max_wl(container) ? clip(name, name, min, max, name + "_clipped") : name;
    std::vector<std::string> operands = with_scale(real, name, format, container);
    const std::string words = add_node("QuantizeLinear", operands, unused_name(name + "_quantized"));
    operands[0] = words;
    add_node("DequantizeLinear", operands, value.dequantized);
  }

  // No integer type of QuantizeLinear holds the words: they are computed as real numbers, exactly.
  void round_to_words(const std::string& name, const Quantized& value) {
    require_opset(kOpsetOfRound, "Round", name);
    const FixedPoint format = value.format;
    const std::string inverse = add_initializer(name + "_inverse_scale", Tensor::scalar(power_of_two(format.fl)));
    const std::string scale = add_initializer(name + "_scale", Tensor::scalar(power_of_two(-format.fl)));
    const std::string scaled = add_node("Mul", {name, inverse}, unused_name(name + "_scaled"));
    const std::string rounded = add_node("Round", {scaled}, unused_name(name + "_rounded"));
    const std::string words =
        clip(rounded, name, static_cast<float>(format.min()), static_cast<float>(format.max()), name + "_quantized");
    add_node("Mul", {words, scale}, value.dequantized);
  }

  // int32 words have no zero point.
  std::vector<std::string> with_scale(const std::string& x, const std::string& name, FixedPoint format,
                                      DType container) {
    std::vector<std::string> operands = {x, add_initializer(name + "_scale", Tensor::scalar(power_of_two(-format.fl)))};
    if (container != DType::i32) {
      operands.push_back(add_initializer(name + "_zero_point", Tensor(Type{container, {}})));
    }
    return operands;
  }

  std::string clip(const std::string& x, const std::string& name, float min, float max, const std::string& output) {
    if (opset_ >= kOpsetOfClipOperands) {
      const std::string low = add_initializer(name + "_min", Tensor::scalar(min));
      const std::string high = add_initializer(name + "_max", Tensor::scalar(max));
      return add_node("Clip", {x, low, high}, unused_name(output));
    }
    std::string clipped = add_node("Clip", {x}, unused_name(output));
    onnx::NodeProto& node = *graph_.mutable_node(graph_.node_size() - 1);
    for (const auto& [key, bound] : {std::pair{"min", min}, std::pair{"max", max}}) {
      onnx::AttributeProto& attribute = *node.add_attribute();
      attribute.set_name(key);
      attribute.set_type(onnx::AttributeProto::FLOAT);
      attribute.set_f(bound);
    }
    return clipped;
  }

  std::string add_node(const std::string& op, const std::vector<std::string>& inputs, const std::string& output) {
    onnx::NodeProto& node = *graph_.add_node();
    node.set_op_type(op);
    node.set_name(output);
    for (const std::string& input : inputs) node.add_input(input);
    node.add_output(output);
    return output;
  }

  std::string add_initializer(const std::string& base, const Tensor& tensor) {
    std::string name = unused_name(base);
    onnx::TensorProto& proto = *graph_.add_initializer();
    proto.set_name(name);
    set_tensor(proto, tensor);
    return name;
  }

  std::string unused_name(const std::string& base) {
    std::string name = base;
    for (int i = 2; !names_.insert(name).second; ++i) name = cat(base, ".", i);
    return name;
  }

  int native_bits() const { return max_wl(opset_ >= kOpsetOf16BitQuantizeLinear ? DType::i16 : DType::i8); }

  void require_opset(int64_t needed, std::string_view op, const std::string& name) const {
    if (opset_ >= needed) return;
    throw Error("'", name, "' in fixed point needs ", op, ", which came with opset ", needed,
                "; the model is of opset ", opset_, ". Export the model again with a newer one");
  }

  onnx::GraphProto& graph_;
  int64_t opset_;
  Names names_;
  Formats formats_;
  std::map<std::string, Quantized> quantized_;
};

}  // namespace

std::vector<std::string> qdq_products(const OnnxModel& model, const Formats& formats) {
  onnx::GraphProto graph = model.file().proto.graph();
  return QdqWriter(graph, model.opset(), formats).products();
}

void export_qdq(const OnnxModel& model, const TensorMap& weights, const Formats& formats, const Metadata& metadata,
                const std::string& path) {
  onnx::ModelProto proto = with_weights(model, weights);
  to_inference_form(proto, model.opset());
  QdqWriter(*proto.mutable_graph(), model.opset(), formats).run();
  set_formats(proto, formats);
  for (const auto& [key, value] : metadata) set_metadata(proto, key, value);
  save(std::move(proto), path);
}

}  // namespace marvin
