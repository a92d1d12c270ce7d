// Quantization as models write it: ONNX's QuantizeLinear and its like, QONNX's quantizers, and what training makes of a
// value that is quantized and dequantized again: FakeQuantize, which gradients pass.
#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/kernels/linear_quantization.h"
#include "runtime/ops/types.h"

namespace marvin {
namespace {

// ---- Scales ---------------------------------------------------------------------------------------------------------

// How scales of that shape belong to the elements of x: one for all, a vector along `axis`, or with `block_size` a
// scale per block of so many neighbours along the axis.
QuantizationGrid grid_of(const Shape& x, const Shape& scale, const Attrs& attrs) {
  const int64_t block_size = attrs.integer("block_size");
  if (block_size < 0) throw Error("block_size must not be negative, but is ", block_size);
  if (block_size == 0 && scale.size() <= 1 && elements(scale) == 1) return {.inner = elements(x)};
  const size_t axis = static_cast<size_t>(normalized_axis(attrs.integer("axis"), static_cast<int64_t>(x.size())));
  QuantizationGrid grid{.extent = x[axis]};
  for (size_t i = axis + 1; i < x.size(); ++i) grid.inner *= x[i];
  Shape wanted = {x[axis]};
  if (block_size > 0) {
    wanted = x;
    grid.block = std::clamp<int64_t>(x[axis], 1, block_size);
    wanted[axis] = (x[axis] + grid.block - 1) / grid.block;
    grid.everywhere = true;
    grid.scales = wanted[axis];
  }
  if (scale != wanted) {
    throw Error("scales of shape [", text_of(scale), "] do not belong to [", text_of(x), "] along axis ", axis,
                block_size > 0 ? cat(" in blocks of ", block_size) : "", ": [", text_of(wanted), "] would");
  }
  return grid;
}

void check_zero_point(const InferContext& context, size_t scale, size_t zero) {
  if (context.has(zero) && context.shape(zero) != context.shape(scale)) {
    throw Error("the scale is [", text_of(context.shape(scale)), "] but the zero point [", text_of(context.shape(zero)),
                "]");
  }
}

void require_f32(const InferContext& context, size_t operand, std::string_view what) {
  if (context.type(operand).dtype != DType::f32)
    throw Error(what, " must be f32, not ", text_of(context.type(operand)));
}

// The values of `scales` (or zero points) as a value that broadcasts to x.
ValueId spread(Builder& c, ValueId scales, const Shape& x, const Attrs& attrs) {
  const QuantizationGrid grid = grid_of(x, c.shape(scales), attrs);
  if (c.type(scales).elements() == 1) return c.reshape(scales, {});
  const int64_t axis = normalized_axis(attrs.integer("axis"), static_cast<int64_t>(x.size()));
  if (grid.everywhere) {
    if (grid.block == 1) return scales;
    Tensor blocks(Type{DType::i64, {grid.extent}});
    for (int64_t i = 0; i < grid.extent; ++i) blocks.as<int64_t>()[static_cast<size_t>(i)] = i / grid.block;
    return c.build("Gather", {scales, c.constant(std::move(blocks))}, {{"axis", axis}});
  }
  Shape shape(x.size() - static_cast<size_t>(axis), 1);
  shape[0] = grid.extent;
  return c.reshape(scales, shape);
}

// ---- QuantizeLinear -------------------------------------------------------------------------------------------------

constexpr bool is_level_type(DType dtype) {
  switch (dtype) {
    case DType::i8:
    case DType::u8:
    case DType::i16:
    case DType::u16:
      return true;
    default:
      return is_narrow(dtype) && dtype != DType::f8e8m0;
  }
}

DType level_type(const InferContext& context) {
  const int64_t stated = context.attrs.integer("output_dtype");
  const DType dtype = context.has(2) ? context.type(2).dtype : stated != 0 ? dtype_of_onnx(stated) : DType::u8;
  if (!is_level_type(dtype))
    throw Error("quantizes to integers of 4, 8 and 16 bits and to the small floats with a sign, not ", name_of(dtype));
  if (context.has(2) && stated != 0 && dtype_of_onnx(stated) != dtype) {
    throw Error("output_dtype is ", name_of(dtype_of_onnx(stated)), " but the zero point ", name_of(dtype));
  }
  return dtype;
}

std::vector<Type> infer_quantize_linear(const InferContext& context) {
  const Type& x = context.type(0);
  if (x.dtype != DType::f32 && x.dtype != DType::i32) throw Error("takes f32 or i32, not ", text_of(x));
  require_f32(context, 1, "the scale");
  check_zero_point(context, 1, 2);
  grid_of(x.shape, context.shape(1), context.attrs);
  const int64_t precision = context.attrs.integer("precision");
  if (precision != 0 && dtype_of_onnx(precision) != DType::f32) throw Error("divides in f32 only");
  return {Type{level_type(context), x.shape}};
}

// Calls body(Q{}) with the type of quantized values.
template <class Body>
void visit_levels(DType dtype, Body&& body) {
  visit_stored(dtype, [&](auto zero) {
    if constexpr (is_level_type(DTypeOf<decltype(zero)>::value)) body(zero);
  });
}

Prepared prepare_quantize_linear(const KernelQuery& query) {
  return {.state = std::make_shared<QuantizationGrid>(grid_of(query.in[0]->shape, query.in[1]->shape, query.attrs))};
}

void run_quantize_linear(const KernelArgs& args) {
  const QuantizationGrid& grid = *static_cast<const QuantizationGrid*>(args.state);
  const int64_t count = args.in_type(0).elements();
  const bool saturate = args.query.attrs.integer("saturate") != 0;
  visit_levels(args.out_type().dtype, [&](auto zero) {
    using Q = decltype(zero);
    if (args.in_type(0).dtype == DType::f32)
      quantize_linear(grid, count, args.input<float>(0), args.input<float>(1), args.input<Q>(2), args.output<Q>(),
                      saturate);
    else
      quantize_linear(grid, count, args.input<int32_t>(0), args.input<float>(1), args.input<Q>(2), args.output<Q>(),
                      saturate);
  });
}

// ---- FakeQuantize ---------------------------------------------------------------------------------------------------

constexpr auto kRoundings =
    std::to_array<std::pair<std::string_view, Rounding>>({{"ROUND", Rounding::half_even},
                                                          {"HALF_EVEN", Rounding::half_even},
                                                          {"HALF_UP", Rounding::half_up},
                                                          {"HALF_DOWN", Rounding::half_down},
                                                          {"UP", Rounding::up},
                                                          {"DOWN", Rounding::down},
                                                          {"ROUND_TO_ZERO", Rounding::down},
                                                          {"CEIL", Rounding::ceil},
                                                          {"FLOOR", Rounding::floor},
                                                          {"BIPOLAR", Rounding::bipolar},
                                                          {"F8E4M3FN", Rounding::float8e4m3fn},
                                                          {"F8E4M3FNUZ", Rounding::float8e4m3fnuz},
                                                          {"F8E5M2", Rounding::float8e5m2},
                                                          {"F8E5M2FNUZ", Rounding::float8e5m2fnuz},
                                                          {"F4E2M1", Rounding::float4e2m1}});

Rounding rounding_named(const std::string& name) {
  std::string upper = name;
  for (char& letter : upper)
    if (letter >= 'a' && letter <= 'z') letter = static_cast<char>(letter - 'a' + 'A');
  std::vector<std::string> known;
  for (const auto& [text, rounding] : kRoundings) {
    if (text == upper) return rounding;
    known.emplace_back(text);
  }
  throw Error("rounding_mode '", name, "' is not known.", suggestion(upper, known));
}

FakeQuantizeRule rule_of(const Attrs& attrs) {
  return {.low = attrs.real("low"),
          .high = attrs.real("high"),
          .rounding = rounding_named(attrs.string("rounding_mode")),
          .shift_first = attrs.integer("shift_first") != 0};
}

// `x` is where x, the scale and the zero point begin among the operands.
Type infer_fake_quantize(const InferContext& context, size_t x) {
  require_f32(context, x, "x");
  require_f32(context, x + 1, "the scale");
  require_f32(context, x + 2, "the zero point");
  check_zero_point(context, x + 1, x + 2);
  grid_of(context.shape(x), context.shape(x + 1), context.attrs);
  rule_of(context.attrs);
  return context.type(x);
}

struct FakeQuantization {
  FakeQuantizeRule rule;
  QuantizationGrid grid;
};

template <size_t kX>
Prepared prepare_fake_quantize(const KernelQuery& query) {
  const QuantizationGrid grid = grid_of(query.in[kX]->shape, query.in[kX + 1]->shape, query.attrs);
  return {.state = std::make_shared<FakeQuantization>(FakeQuantization{rule_of(query.attrs), grid})};
}

Attrs fake_quantize_defaults() {
  return {{"axis", int64_t{1}}, {"block_size", int64_t{0}},  {"low", -128.0f},
          {"high", 127.0f},     {"shift_first", int64_t{0}}, {"rounding_mode", std::string("ROUND")}};
}

// ---- DequantizeLinear -----------------------------------------------------------------------------------------------

struct Levels {
  float low, high;
};

Levels levels_of(DType dtype) {
  Levels levels{};
  visit_levels(dtype, [&](auto zero) { levels = {LevelsOf<decltype(zero)>::low(), LevelsOf<decltype(zero)>::high()}; });
  return levels;
}

// Narrows `levels` to a Clip's constant bounds. False when they are not constant.
bool narrow(const Builder& c, const Node& clip, Levels& levels) {
  for (size_t i = 1; i < clip.inputs.size(); ++i) {
    if (!clip.inputs[i].valid()) continue;
    if (!c.constant(clip.inputs[i])) return false;
    const auto bound = static_cast<float>(c.integers(clip.inputs[i], "a bound")[0]);
    if (i == 1) levels.low = std::max(levels.low, bound);
    if (i == 2) levels.high = std::min(levels.high, bound);
  }
  return true;
}

bool are_equal(const Builder& c, ValueId a, ValueId b) {
  if (a == b) return true;
  const Tensor *x = c.constant(a), *y = c.constant(b);
  return x && y && *x == *y;
}

// The zero point of FakeQuantize: in float32, zeros where the model has none.
ValueId float_zero_point(Builder& c, ValueId zero, ValueId scale) {
  return zero.valid() ? c.cast(zero, DType::f32) : c.constant(Tensor(Type{DType::f32, c.shape(scale)}));
}

// What dequantizes a value that was quantized by the same scale (and maybe clipped) as one op that gradients pass; none
// where that is not so.
ValueId undone_quantization(ExpandContext& c) {
  ValueId quantized = c.in(0);
  if (!is_level_type(c.type(quantized).dtype) || c.type(c.in(1)).dtype != DType::f32) return {};
  const DType dtype = c.type(quantized).dtype;
  Levels levels = levels_of(dtype);
  const Node* node = c.producer(quantized);
  for (; node && node->op == "Clip" && narrow(c, *node, levels); node = c.producer(quantized))
    quantized = node->inputs[0];
  if (!node || node->op != "QuantizeLinear" || c.type(node->inputs[0]).dtype != DType::f32) return {};
  if (node->attrs.integer("saturate") == 0) return {};
  const ValueId x = node->inputs[0], zero = node->inputs.size() > 2 ? node->inputs[2] : ValueId{};
  const bool has_one_scale = c.type(c.in(1)).elements() == 1;
  for (const std::string_view name : {"axis", "block_size"})
    if (!has_one_scale && node->attrs.integer(name) != c.attrs().integer(name)) return {};
  if (!are_equal(c, node->inputs[1], c.in(1)) || !are_equal(c, zero, c.in(2))) return {};
  return c.build("FakeQuantize", {x, c.in(1), float_zero_point(c, zero, c.in(1))},
                 {{"axis", c.attrs().integer("axis")},
                  {"block_size", c.attrs().integer("block_size")},
                  {"low", levels.low},
                  {"high", levels.high},
                  {"rounding_mode", is_real(dtype) ? std::string(name_of(dtype)) : "ROUND"}});
}

std::vector<ValueId> expand_dequantize_linear(ExpandContext& c) {
  const ValueId scale = c.in(1), zero = c.in(2);
  const Type& type = c.type(c.in(0));
  if (!is_integer(type.dtype) && !is_level_type(type.dtype))
    throw Error("takes quantized numbers, not ", text_of(type));
  if (zero.valid() && c.shape(zero) != c.shape(scale)) {
    throw Error("the scale is [", text_of(c.shape(scale)), "] but the zero point [", text_of(c.shape(zero)), "]");
  }
  const int64_t stated = c.attrs().integer("output_dtype");
  const DType result = stated == 0 ? c.type(scale).dtype : dtype_of_onnx(stated);
  if (const ValueId fake = undone_quantization(c); fake.valid()) return {c.cast(fake, result)};
  const Shape shape = c.shape(c.in(0));
  ValueId x = c.cast(c.in(0), DType::f32);
  if (zero.valid()) x = c.build("Sub", {x, c.cast(spread(c, zero, shape, c.attrs()), DType::f32)});
  return {c.cast(c.build("Mul", {x, c.cast(spread(c, scale, shape, c.attrs()), DType::f32)}), result)};
}

// ---- DynamicQuantizeLinear ------------------------------------------------------------------------------------------

std::vector<ValueId> expand_dynamic_quantize_linear(ExpandContext& c) {
  const ValueId x = c.in(0);
  if (c.type(x).dtype != DType::f32) throw Error("takes f32, not ", text_of(c.type(x)));
  const ValueId zero = c.scalar_like(x, 0), levels = c.scalar_like(x, 255);
  const Attrs whole = {{"keepdims", int64_t{0}}};
  const ValueId least = c.build("Min", {c.build("ReduceMin", {x}, whole), zero});
  const ValueId greatest = c.build("Max", {c.build("ReduceMax", {x}, whole), zero});
  const ValueId scale = c.build("Div", {c.build("Sub", {greatest, least}), levels});
  const ValueId offset = c.build("Clip", {c.build("Neg", {c.build("Div", {least, scale})}), zero, levels});
  const ValueId zero_point = c.cast(c.build("Round", {offset}), DType::u8);
  return {c.build("QuantizeLinear", {x, scale, zero_point}), scale, zero_point};
}

// ---- QONNX ----------------------------------------------------------------------------------------------------------

// x as FakeQuantize has it, whatever shapes the scale and the zero point broadcast from.
ValueId fake_quantize(ExpandContext& c, ValueId scale, ValueId zero, Attrs attrs) {
  const Shape shape = c.shape(c.in(0));
  if (c.type(scale).elements() == 1 && c.type(zero).elements() == 1) {
    scale = c.reshape(scale, {});
    zero = c.reshape(zero, {});
  } else {
    const ValueId target = c.constant_shape(shape);
    scale = c.build("Expand", {scale, target});
    zero = c.build("Expand", {zero, target});
    attrs.set("block_size", int64_t{1});
    attrs.set("axis", int64_t{0});
  }
  return c.build("FakeQuantize", {c.in(0), scale, zero}, attrs);
}

// Bounds of 25 bits and more are float32 numbers next to them, as in QONNX.
float bit_width(const Builder& c, ValueId value) {
  const Tensor* width = c.constant(value);
  const DType dtype = c.type(value).dtype;
  if (!width || width->type().elements() != 1 || (dtype != DType::f32 && !is_integer(dtype)))
    throw Error("the bit width must be one constant, of f32 or an integer type");
  const float bits =
      dtype == DType::f32 ? width->as<float>()[0] : static_cast<float>(c.integers(value, "the bit width")[0]);
  if (!(bits >= 1 && bits <= 32) || bits != std::floor(bits)) throw Error("a bit width of ", bits, "; it is 1 to 32");
  return bits;
}

std::vector<ValueId> expand_int_quant(ExpandContext& c) {
  const float bits = bit_width(c, c.in(3));
  const bool is_signed = c.attrs().integer("signed") != 0, narrow = c.attrs().integer("narrow") != 0;
  if (is_signed && bits == 1) {
    return {fake_quantize(
        c, c.in(1), c.in(2),
        {{"low", -1.0f}, {"high", 1.0f}, {"rounding_mode", std::string("BIPOLAR")}, {"shift_first", int64_t{1}}})};
  }
  const float range = std::ldexp(1.0f, static_cast<int>(bits) - (is_signed ? 1 : 0));
  const float low = is_signed ? (narrow ? 1 - range : -range) : 0, high = range - (!is_signed && narrow ? 2.0f : 1.0f);
  return {fake_quantize(c, c.in(1), c.in(2),
                        {{"low", low},
                         {"high", high},
                         {"rounding_mode", c.attrs().string("rounding_mode")},
                         {"shift_first", int64_t{1}}})};
}

std::vector<ValueId> expand_bipolar_quant(ExpandContext& c) {
  const ValueId zero = c.constant(Tensor(c.type(c.in(1))));
  return {fake_quantize(c, c.in(1), zero, {{"low", -1.0f}, {"high", 1.0f}, {"rounding_mode", std::string("BIPOLAR")}})};
}

}  // namespace

extern const OpDef kQuantizeLinear = {
    .name = "QuantizeLinear",
    .doc =
        "q = round(x / scale) + zero point, to nearest even, saturated: operands x, scale (f32) and zero point, whose "
        "type is the output's (integers of 4, 8 and 16 bits; floats of 8 and 4 bits, to which x / scale + zero point "
        "is rounded, saturated where `saturate` says so). One scale for all of x, a vector along `axis`, or one per "
        "`block_size` elements along it",
    .min_inputs = 2,
    .max_inputs = 3,
    .defaults = {{"axis", int64_t{1}},
                 {"block_size", int64_t{0}},
                 {"output_dtype", int64_t{0}},
                 {"precision", int64_t{0}},
                 {"saturate", int64_t{1}}},
    .infer = infer_quantize_linear,
    .gradient = no_gradient,
    .kernels = {{.name = "quantize_linear", .prepare = prepare_quantize_linear, .run = run_quantize_linear}},
};

extern const OpDef kFakeQuantize = {
    .name = "FakeQuantize",
    .doc =
        "x rounded to the numbers that quantization leaves: y = (clamp(round(x / scale) + zero point, low, high) - "
        "zero "
        "point) * scale, the zero point inside of round() where shift_first. Operands as QuantizeLinear's, in f32. The "
        "gradient passes where nothing is clamped",
    .min_inputs = 3,
    .max_inputs = 3,
    .defaults = fake_quantize_defaults(),
    .infer = [](const InferContext& context) -> std::vector<Type> { return {infer_fake_quantize(context, 0)}; },
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      return {c.build("FakeQuantizeGrad", {c.grad(), c.in(0), c.in(1), c.in(2)}, c.attrs())};
    },
    .kernels = {{.name = "fake_quantize",
                 .prepare = prepare_fake_quantize<0>,
                 .run =
                     [](const KernelArgs& args) {
                       const auto& [rule, grid] = *static_cast<const FakeQuantization*>(args.state);
                       fake_quantize(grid, rule, args.out_type().elements(), args.input<float>(0), args.input<float>(1),
                                     args.input<float>(2), args.output<float>());
                     }}},
};

extern const OpDef kFakeQuantizeGrad = {
    .name = "FakeQuantizeGrad",
    .doc = "dx = dy where FakeQuantize does not clamp, else 0: operands dy and FakeQuantize's",
    .min_inputs = 4,
    .max_inputs = 4,
    .defaults = fake_quantize_defaults(),
    .infer = [](const InferContext& context) -> std::vector<Type> {
      if (context.type(0) != context.type(1)) {
        throw Error("dy is ", text_of(context.type(0)), ", x is ", text_of(context.type(1)));
      }
      return {infer_fake_quantize(context, 1)};
    },
    .kernels = {{.name = "fake_quantize_grad",
                 .prepare = prepare_fake_quantize<1>,
                 .run =
                     [](const KernelArgs& args) {
                       const auto& [rule, grid] = *static_cast<const FakeQuantization*>(args.state);
                       fake_quantize_grad(grid, rule, args.out_type().elements(), args.input<float>(0),
                                          args.input<float>(1), args.input<float>(2), args.input<float>(3),
                                          args.output<float>());
                     }}},
};

extern const OpDef kDequantizeLinear = {
    .name = "DequantizeLinear",
    .doc =
        "y = (q - zero point) * scale: operands q, scale and zero point as QuantizeLinear's. Of a value that was "
        "quantized by the same scale it is FakeQuantize, so that gradients pass",
    .min_inputs = 2,
    .max_inputs = 3,
    .defaults = {{"axis", int64_t{1}}, {"block_size", int64_t{0}}, {"output_dtype", int64_t{0}}},
    .expand = expand_dequantize_linear,
};

extern const OpDef kDynamicQuantizeLinear = {
    .name = "DynamicQuantizeLinear",
    .doc = "x quantized to u8 over the range of its elements and zero: outputs q, the scale and the zero point",
    .max_outputs = 3,
    .expand = expand_dynamic_quantize_linear,
};

extern const OpDef kIntQuant = {
    .name = "IntQuant",
    .doc =
        "QONNX's Quant, FakeQuantize to a number of bits: operands x, scale, zero point (these broadcast to x) and the "
        "bit width, a constant",
    .min_inputs = 4,
    .max_inputs = 4,
    .defaults = {{"signed", int64_t{1}}, {"narrow", int64_t{0}}, {"rounding_mode", std::string("ROUND")}},
    .expand = expand_int_quant,
};

extern const OpDef kBipolarQuant = {
    .name = "BipolarQuant",
    .doc = "QONNX's BipolarQuant: scale where x >= 0, else -scale. The gradient passes",
    .min_inputs = 2,
    .max_inputs = 2,
    .expand = expand_bipolar_quant,
};

}  // namespace marvin
