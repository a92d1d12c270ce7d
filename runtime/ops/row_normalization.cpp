// Normalization of rows by their own statistics, and the ONNX ops that consist of it: layer, root-mean-square, instance
// and group normalization.
#include "runtime/kernels/row_normalization.h"

#include <algorithm>

#include "runtime/ops/decimal.h"
#include "runtime/ops/types.h"

namespace marvin {
namespace {

int64_t product(const Shape& shape, size_t begin, size_t end) {
  int64_t result = 1;
  for (size_t i = begin; i < end; ++i) result *= shape[i];
  return result;
}

// The rows of x from an axis on with this scale; none where the scale's elements are not where RowShape says.
std::optional<RowShape> rows_with(const Shape& x, int64_t any_axis, const Shape& scale, bool centered) {
  const size_t rank = x.size();
  const size_t axis = static_cast<size_t>(normalized_axis(any_axis, static_cast<int64_t>(rank)));
  if (scale.size() > rank) return {};
  Shape aligned(rank - scale.size(), 1);
  aligned.insert(aligned.end(), scale.begin(), scale.end());
  size_t begin = axis, end = axis;  // of the axes that the scale covers: from the first to the last, and up to `axis`
  for (size_t i = 0; i < rank; ++i) {
    if (aligned[i] == 1) continue;
    begin = std::min(begin, i);
    end = std::max(end, i + 1);
  }
  for (size_t i = begin; i < end; ++i)
    if (aligned[i] != x[i]) return {};
  return RowShape{.rows = product(x, 0, axis),
                  .channels = product(x, axis, end),
                  .inner = product(x, end, rank),
                  .groups = product(x, begin, axis),
                  .centered = centered};
}

RowShape rows_of(const Type& x, const Type* scale, const Attrs& attrs) {
  const std::optional<RowShape> rows =
      rows_with(x.shape, attrs.integer("axis"), scale ? scale->shape : Shape{}, attrs.integer("centered") != 0);
  if (!rows) throw Error("a scale of ", text_of(*scale), " does not cover consecutive axes of ", text_of(x));
  return *rows;
}

// The type of the statistics: one per row.
Type statistics_of(const Type& x, const Attrs& attrs) {
  Type type = x;
  std::fill(type.shape.begin() + normalized_axis(attrs.integer("axis"), x.rank()), type.shape.end(), 1);
  return type;
}

void check_rows(const InferContext& context, size_t x, size_t scale) {
  for (const size_t i : {x, scale}) {
    if (context.has(i) && context.type(i).dtype != DType::f32)
      throw Error("operand ", i, " must be f32, not ", text_of(context.type(i)));
  }
  const RowShape rows = rows_of(context.type(x), context.has(scale) ? &context.type(scale) : nullptr, context.attrs);
  if (rows.rows > 0 && rows.row_elements() == 0) throw Error("rows without elements have no statistics");
}

std::vector<Type> infer_normalization(const InferContext& context) {
  check_rows(context, 0, 1);
  if (context.has(2) && (!context.has(1) || context.type(2) != context.type(1))) {
    throw Error("the bias must be of the scale's type, not ", text_of(context.type(2)));
  }
  const Type statistics = statistics_of(context.type(0), context.attrs);
  return {context.type(0), statistics, statistics};
}

std::vector<Type> infer_normalization_grad(const InferContext& context) {
  check_rows(context, 1, 4);
  const Type& x = context.type(1);
  const Type statistics = statistics_of(x, context.attrs);
  const bool centered = context.attrs.integer("centered") != 0;
  if (context.type(0) != x) throw Error("the gradient is ", text_of(context.type(0)), ", x is ", text_of(x));
  if (context.type(2) != statistics || (centered && context.type(3) != statistics)) {
    throw Error("the statistics must be ", text_of(statistics));
  }
  const Type scale = context.has(4) ? context.type(4) : Type{DType::f32, {}};
  return {x, scale, scale};
}

struct NormalizationState {
  RowShape rows;
  double epsilon = 0;
  std::vector<float> ones;  // for a scale that is left out

  const float* scale_or_ones(const float* scale) const { return scale ? scale : ones.data(); }
};

Prepared prepared(const KernelQuery& query, size_t x, size_t scale, double epsilon) {
  const RowShape rows = rows_of(*query.in[x], scale < query.in.size() ? query.in[scale] : nullptr, query.attrs);
  std::vector<float> ones(static_cast<size_t>(rows.parameters()), 1.0f);
  return {std::make_shared<NormalizationState>(NormalizationState{rows, epsilon, std::move(ones)}), 0};
}

Prepared prepare_normalization(const KernelQuery& query) {
  return prepared(query, 0, 1, as_written(query.attrs.real("epsilon")));
}

void run_normalization(const KernelArgs& args) {
  const NormalizationState& state = *static_cast<const NormalizationState*>(args.state);
  row_norm(state.rows, {.x = args.input<float>(0),
                        .scale = state.scale_or_ones(args.input<float>(1)),
                        .bias = args.input<float>(2),
                        .y = args.output<float>(0),
                        .mean = args.output<float>(1),
                        .inv_std = args.output<float>(2),
                        .epsilon = state.epsilon});
}

Prepared prepare_normalization_grad(const KernelQuery& query) {
  Prepared result = prepared(query, 1, 4, 0);
  result.scratch_bytes = row_norm_grad_scratch_bytes(static_cast<const NormalizationState*>(result.state.get())->rows);
  return result;
}

void run_normalization_grad(const KernelArgs& args) {
  const NormalizationState& state = *static_cast<const NormalizationState*>(args.state);
  row_norm_grad(state.rows,
                {.dy = args.input<float>(0),
                 .x = args.input<float>(1),
                 .scale = state.scale_or_ones(args.input<float>(4)),
                 .mean = args.input<float>(3),
                 .inv_std = args.input<float>(2),
                 .dx = args.output<float>(0),
                 .dscale = args.output<float>(1),
                 .dbias = args.output<float>(2)},
                args.scratch);
}

// ---- Gradient -------------------------------------------------------------------------------------------------------

// What reaches x through the statistics, where a model reads them: d mean / dx = 1 / n, and d inv_std / dx =
// -inv_std^3 (x - mean) / n.
ValueId gradient_through_statistics(GradContext& context, ValueId mean, ValueId inv_std) {
  const ValueId x = context.in(0);
  ValueId sum;
  if (context.grad(2).valid()) {
    const ValueId cube = context.build("Mul", {context.build("Mul", {inv_std, inv_std}), inv_std});
    const ValueId slope = context.build("Neg", {context.build("Mul", {context.grad(2), cube})});
    sum = context.build("Mul", {mean.valid() ? context.build("Sub", {x, mean}) : x, slope});
  }
  if (mean.valid() && context.grad(1).valid())
    sum = sum.valid() ? context.build("Add", {sum, context.grad(1)}) : context.grad(1);
  if (!sum.valid()) return sum;
  const int64_t rows = std::max<int64_t>(1, context.type(inv_std).elements());
  const int64_t length = context.type(x).elements() / rows;
  const ValueId n = context.scalar_like(x, static_cast<double>(length));
  return context.build("Expand", {context.build("Div", {sum, n}), context.constant_shape(context.shape(x))});
}

std::vector<ValueId> normalization_gradient(GradContext& context) {
  const bool centered = context.attrs().integer("centered") != 0;
  const ValueId mean = centered ? context.require_out(1) : ValueId{}, inv_std = context.require_out(2);
  std::vector<ValueId> gradients(3);
  if (context.grad().valid()) {
    gradients = context.build_many("NormalizationGrad", {context.grad(), context.in(0), inv_std, mean, context.in(1)},
                                   {{"axis", context.attrs().integer("axis")}, {"centered", int64_t{centered}}},
                                   {context.wants(0), context.wants(1), context.wants(2)});
  }
  if (context.wants(0)) {
    const ValueId more = gradient_through_statistics(context, mean, inv_std);
    if (more.valid()) gradients[0] = gradients[0].valid() ? context.build("Add", {gradients[0], more}) : more;
  }
  gradients.resize(context.input_count());
  return gradients;
}

// ---- Compositions ---------------------------------------------------------------------------------------------------

// Statistics are computed in f32 and finer; those that a model reads have the type that it asks for.
DType statistics_dtype(const ExpandContext& context) {
  const DType dtype = dtype_of_onnx(context.attrs().integer("stash_type"));
  if (is_float(dtype) || is_half(dtype)) return dtype;
  throw Error("stash_type must be a type of floats, not ", name_of(dtype));
}

// y and the statistics. A scale that does not cover consecutive axes is multiplied behind.
std::vector<ValueId> normalize(ExpandContext& context, bool centered) {
  const ValueId x = context.in(0), scale = context.in(1), bias = context.in(2);
  const DType dtype = context.type(x).dtype, statistics = statistics_dtype(context);
  const Attrs& given = context.attrs();
  const Attrs attrs = {
      {"axis", given.integer("axis")}, {"centered", int64_t{centered}}, {"epsilon", given.real("epsilon")}};
  const bool with_scale = dtype == DType::f32 && context.type(scale).dtype == dtype &&
                          (!bias.valid() || context.type(bias) == context.type(scale)) &&
                          rows_with(context.shape(x), given.integer("axis"), context.shape(scale), centered);
  std::vector<ValueId> operands = {context.cast(x, DType::f32)};
  if (with_scale) operands.insert(operands.end(), {scale, bias});
  std::vector<ValueId> results =
      context.build_many("Normalization", operands, attrs, {true, context.wants(1), context.wants(2)});
  if (!with_scale) {
    results[0] = context.build("Mul", {context.cast(results[0], dtype), scale});
    if (bias.valid()) results[0] = context.build("Add", {results[0], bias});
    if (context.shape(results[0]) != context.shape(x))
      throw Error("scale and bias do not broadcast to x of [", text_of(context.shape(x)), "]");
  }
  for (size_t i = 1; i < 3; ++i)
    if (results[i].valid()) results[i] = context.cast(results[i], statistics);
  return results;
}

// Normalizes x[n,c,...] by the statistics of every group of consecutive channels.
ValueId normalize_groups(ExpandContext& context, int64_t groups) {
  const Shape x = context.shape(context.in(0));
  if (x.size() < 2) throw Error("takes [n,c,...], not [", text_of(x), "]");
  const int64_t channels = x[1];
  if (groups < 1 || channels % groups != 0) throw Error(groups, " groups do not divide ", channels, " channels");
  for (const size_t i : {size_t{1}, size_t{2}}) {
    if (context.shape(context.in(i)) == Shape{channels}) continue;
    throw Error("operand ", i, " is ", text_of(context.type(context.in(i))), ", not one number per channel of [",
                text_of(x), "]");
  }
  const Shape per_channel = {groups, channels / groups, 1};
  const ValueId rows = context.reshape(context.in(0), {x[0], groups, channels / groups, product(x, 2, x.size())});
  const ValueId scale = context.reshape(context.in(1), per_channel);
  const ValueId bias = context.reshape(context.in(2), per_channel);
  const Attrs attrs = {{"axis", int64_t{2}}, {"epsilon", context.attrs().real("epsilon")}};
  return context.reshape(context.build("Normalization", {rows, scale, bias}, attrs), x);
}

const Attrs kLayerDefaults = {{"axis", int64_t{-1}}, {"epsilon", 1e-5f}, {"stash_type", int64_t{1}}};

}  // namespace

extern const OpDef kNormalization = {
    .name = "Normalization",
    .doc =
        "y = (x - mean) * inv_std * scale + bias with the statistics of the axes from `axis` on: mean, and inv_std = "
        "1 / sqrt(variance + epsilon). Where it is not `centered` the mean stays and the variance is the mean square. "
        "scale and bias have one shape, which covers consecutive axes; they may be left out. Outputs y, mean, inv_std",
    .max_inputs = 3,
    .max_outputs = 3,
    .defaults = {{"axis", int64_t{-1}}, {"centered", int64_t{1}}, {"epsilon", 1e-5f}},
    .infer = infer_normalization,
    .gradient = normalization_gradient,
    .kernels = {{.name = "normalization_f32", .prepare = prepare_normalization, .run = run_normalization}},
    .in_place = true,
};

extern const OpDef kNormalizationGrad = {
    .name = "NormalizationGrad",
    .doc = "dx, dscale and dbias of Normalization from dy, x, inv_std, mean (where it is centered) and scale",
    .min_inputs = 3,
    .max_inputs = 5,
    .max_outputs = 3,
    .defaults = {{"axis", int64_t{-1}}, {"centered", int64_t{1}}},
    .infer = infer_normalization_grad,
    .kernels = {{.name = "normalization_grad_f32",
                 .prepare = prepare_normalization_grad,
                 .run = run_normalization_grad}},
    .in_place = true,
};

extern const OpDef kLayerNormalization = {
    .name = "LayerNormalization",
    .doc =
        "x normalized by mean and variance of the axes from `axis` on, times scale, plus bias, which broadcast to x. "
        "Outputs y, mean and 1 / sqrt(variance + epsilon)",
    .min_inputs = 2,
    .max_inputs = 3,
    .max_outputs = 3,
    .defaults = kLayerDefaults,
    .expand = [](ExpandContext& context) { return normalize(context, true); },
};

extern const OpDef kRMSNormalization = {
    .name = "RMSNormalization",
    .doc = "x / sqrt(mean square of the axes from `axis` on + epsilon) * scale, which broadcasts to x",
    .min_inputs = 2,
    .max_inputs = 2,
    .defaults = kLayerDefaults,
    .expand = [](ExpandContext& context) { return normalize(context, false); },
};

extern const OpDef kInstanceNormalization = {
    .name = "InstanceNormalization",
    .doc = "x[n,c,...] normalized by mean and variance of every plane, times scale[c], plus bias[c]",
    .min_inputs = 3,
    .max_inputs = 3,
    .defaults = {{"epsilon", 1e-5f}},
    .expand = [](ExpandContext& context) -> std::vector<ValueId> {
      const Shape x = context.shape(context.in(0));
      return {normalize_groups(context, x.size() < 2 ? 1 : x[1])};
    },
};

extern const OpDef kGroupNormalization = {
    .name = "GroupNormalization",
    .doc =
        "x[n,c,...] normalized by mean and variance of every one of num_groups groups of channels, times scale[c], "
        "plus bias[c]",
    .min_inputs = 3,
    .max_inputs = 3,
    .defaults = {{"epsilon", 1e-5f}, {"stash_type", int64_t{1}}},
    .required = {"num_groups"},
    .expand = [](ExpandContext& context) -> std::vector<ValueId> {
      return {normalize_groups(context, context.attrs().integer("num_groups"))};
    },
};

}  // namespace marvin
