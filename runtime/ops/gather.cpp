// Ops that pick out of an array by indices, and their gradients.
#include "runtime/kernels/copy.h"
#include "runtime/ops/indices.h"
#include "runtime/ops/types.h"

namespace marvin {
namespace {

size_t axis_of(const Attrs& attrs, const Shape& whole) {
  return static_cast<size_t>(normalized_axis(attrs.integer("axis"), static_cast<int64_t>(whole.size())));
}

size_t batch_dims_of(const Attrs& attrs, const Shape& whole) {
  const int64_t batch_dims = attrs.integer("batch_dims");
  if (batch_dims < 0 || batch_dims > std::ssize(whole)) throw Error("batch_dims ", batch_dims, " is out of range");
  return static_cast<size_t>(batch_dims);
}

// What the ops differ in.
struct Gathering {
  std::string_view gradient;
  size_t (*axis)(const Attrs&, const Shape& whole);
  PickRows pick;
  Shape (*shape)(const InferContext&, const Shape& whole, size_t axis);
};
constexpr Gathering kSlices = {"GatherGrad", axis_of, pick_slices, picked_slices};
constexpr Gathering kElements = {"GatherElementsGrad", axis_of, pick_elements, picked_elements};
constexpr Gathering kTuples = {"GatherNDGrad", batch_dims_of, pick_tuples, picked_tuples};

PickedRows picked_rows(const Gathering& op, const KernelArgs& args, const Shape& whole) {
  return op.pick(Indices(args, 1), whole, op.axis(args.attrs(), whole), offsets_of(args));
}

template <const Gathering& op>
std::vector<Type> infer_gather(const InferContext& context) {
  const Type& in = context.type(0);
  return {Type{in.dtype, op.shape(context, in.shape, op.axis(context.attrs, in.shape))}};
}

template <const Gathering& op>
void run_gather(const KernelArgs& args) {
  const PickedRows rows = picked_rows(op, args, args.in_type(0).shape);
  visit_unsigned(args.out_type().dtype, [&](auto zero) {
    using T = decltype(zero);
    gather_rows(args.input<T>(0), args.output<T>(), rows);
  });
}

template <const Gathering& op>
std::vector<ValueId> gather_gradient(GradContext& context) {
  const ValueId shape = context.constant_shape(context.shape(context.in(0)));
  return {context.build(op.gradient, {context.grad(), context.in(1), shape}, context.attrs())};
}

template <const Gathering& op>
std::vector<Type> infer_gradient(const InferContext& context) {
  require_float(context, 0);
  const Shape whole = int64_operand(context, 2, "the shape");
  if (op.shape(context, whole, op.axis(context.attrs, whole)) != context.shape(0)) {
    throw Error(text_of(context.type(0)), " is not gathered from [", text_of(whole), "]");
  }
  return {Type{context.type(0).dtype, whole}};
}

template <const Gathering& op>
void run_gradient(const KernelArgs& args) {
  const PickedRows rows = picked_rows(op, args, args.out_type().shape);
  visit_float(args.out_type().dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* dy = args.input<T>(0);
    T* dx = args.output<T>();
    fill(dx, args.out_type().elements(), T{});
    scatter_rows(rows, [&](int64_t from, int64_t to, int64_t n) {
      for (int64_t i = 0; i < n; ++i) dx[to + i] += dy[from + i];
    });
  });
}

template <const Gathering& op>
OpDef gather_op(std::string_view name, std::string_view doc, const Attrs& defaults, std::string_view kernel) {
  return {
      .name = name,
      .doc = doc,
      .min_inputs = 2,
      .max_inputs = 2,
      .defaults = defaults,
      .infer = infer_gather<op>,
      .gradient = gather_gradient<op>,
      .kernels = {{.name = kernel, .prepare = prepare_offsets, .run = run_gather<op>}},
  };
}

template <const Gathering& op>
OpDef gradient_op(std::string_view doc, const Attrs& defaults, std::string_view kernel) {
  return {
      .name = op.gradient,
      .doc = doc,
      .min_inputs = 3,
      .max_inputs = 3,
      .defaults = defaults,
      .infer = infer_gradient<op>,
      .kernels = {{.name = kernel, .prepare = prepare_offsets, .run = run_gradient<op>}},
  };
}

}  // namespace

extern const OpDef kGather = gather_op<kSlices>(
    "Gather", "The slices of x along `axis` at the indices (i32 or i64 of any shape; negative ones count from the end)",
    {{"axis", int64_t{0}}}, "gather");

extern const OpDef kGatherElements =
    gather_op<kElements>("GatherElements",
                         "For every index (i32 or i64; negative ones count from the end) the "
                         "element of x at the index's own place, with the "
                         "index for the coordinate along `axis`",
                         {{"axis", int64_t{0}}}, "gather_elements");

extern const OpDef kGatherND = gather_op<kTuples>(
    "GatherND",
    "The slices of x at the tuples of indices (i64 or i32; negative ones count from the end) that lie along the "
    "indices' last axis; x and the indices have `batch_dims` leading axes in common, behind which tuples begin",
    {{"batch_dims", int64_t{0}}}, "gather_nd");

extern const OpDef kGatherGrad = gradient_op<kSlices>(
    "Zeros of the given shape with dy added where Gather takes from: operands dy, indices, shape (i64 vector)",
    {{"axis", int64_t{0}}}, "gather_grad");

extern const OpDef kGatherElementsGrad = gradient_op<kElements>(
    "Zeros of the given shape with dy added where GatherElements takes from: operands dy, indices, shape (i64 vector)",
    {{"axis", int64_t{0}}}, "gather_elements_grad");

extern const OpDef kGatherNDGrad = gradient_op<kTuples>(
    "Zeros of the given shape with dy added where GatherND takes from: operands dy, indices, shape (i64 vector)",
    {{"batch_dims", int64_t{0}}}, "gather_nd_grad");

}  // namespace marvin
