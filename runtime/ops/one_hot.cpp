// OneHot.
#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/kernels/copy.h"
#include "runtime/ops/types.h"

namespace marvin {
namespace {

constexpr int64_t kNowhere = std::numeric_limits<int64_t>::min();

// A number cut to an integer; kNowhere when there is none.
template <class T>
int64_t whole_number(T number) {
  if constexpr (std::is_floating_point_v<T>)
    return std::abs(number) < T{0x1p62} ? static_cast<int64_t>(number) : kNowhere;
  else
    return static_cast<int64_t>(number);
}

int64_t depth_of(const Tensor& depth) {
  int64_t result = kNowhere;
  visit_numeric(depth.type().dtype, [&](auto zero) { result = whole_number(depth.as<decltype(zero)>()[0]); });
  return result;
}

// Which axis of the output is the new one.
size_t axis_of(const Attrs& attrs, const Type& indices) {
  return static_cast<size_t>(normalized_axis(attrs.integer("axis"), indices.rank() + 1));
}

std::vector<Type> infer_one_hot(const InferContext& context) {
  const Type& indices = context.type(0);
  for (const size_t i : {0, 1}) require_numeric(context, i);
  if (context.type(1).elements() != 1) throw Error("the depth must be one number, not ", text_of(context.type(1)));
  if (!context.operands[1].constant)
    throw Error("the depth depends on data; only values known before the run are supported");
  if (context.type(2).elements() != 2) throw Error("the values must be two, not ", text_of(context.type(2)));
  const int64_t depth = depth_of(*context.operands[1].constant);
  if (depth < 0) throw Error("the depth must not be negative or infinite");
  Shape shape = indices.shape;
  shape.insert(shape.begin() + static_cast<int64_t>(axis_of(context.attrs, indices)), depth);
  return {Type{context.type(2).dtype, shape}};
}

void run_one_hot(const KernelArgs& args) {
  const Type& indices = args.in_type(0);
  const Type& type = args.out_type();
  const size_t axis = axis_of(args.attrs(), indices);
  const int64_t depth = type.shape[axis], inner = row_major_strides(type.shape)[axis], count = indices.elements();
  int64_t* at = reinterpret_cast<int64_t*>(args.scratch);
  visit_numeric(indices.dtype, [&](auto zero) {
    using T = decltype(zero);
    std::transform(args.input<T>(0), args.input<T>(0) + count, at, whole_number<T>);
  });
  visit_unsigned(type.dtype, [&](auto zero) {
    using T = decltype(zero);
    const T off = args.input<T>(2)[0], on = args.input<T>(2)[1];
    T* y = args.output<T>();
    fill(y, type.elements(), off);
    for (int64_t i = 0; i < count; ++i) {
      if (at[i] < -depth || at[i] >= depth) continue;
      const int64_t place = at[i] < 0 ? at[i] + depth : at[i];
      y[(i / inner * depth + place) * inner + i % inner] = on;
    }
  });
}

// Of the values: the sums where each of them is.
std::vector<ValueId> one_hot_gradient(GradContext& context) {
  if (!context.wants(2)) return {};
  const ValueId dy = context.grad(), zero = context.scalar_like(dy, 0);
  const ValueId truth = context.constant(Tensor::of<bool>({2}, {false, true}));
  const ValueId is_on = context.build("OneHot", {context.in(0), context.in(1), truth}, context.attrs());
  const auto sum = [&](ValueId on, ValueId off) {
    const ValueId chosen = context.build("Where", {is_on, on, off});
    return context.reshape(context.build("ReduceSum", {chosen}, {{"keepdims", int64_t{0}}}), {1});
  };
  const ValueId sums = context.build("Concat", {sum(zero, dy), sum(dy, zero)}, {{"axis", int64_t{0}}});
  return {{}, {}, sums};
}

}  // namespace

extern const OpDef kOneHot = {
    .name = "OneHot",
    .doc =
        "For every index (a number; negative ones count from the end) a new axis, which is axis `axis` of the output, "
        "of "
        "`depth` elements (a constant number): values[1] at the index, values[0] elsewhere, and everywhere when the "
        "index is out of range: operands indices, depth, values",
    .min_inputs = 3,
    .max_inputs = 3,
    .defaults = {{"axis", int64_t{-1}}},
    .infer = infer_one_hot,
    .gradient = one_hot_gradient,
    .kernels = {{.name = "one_hot",
                 .prepare = [](const KernelQuery& query) -> Prepared {
                   return {.scratch_bytes = query.in[0]->elements() * static_cast<int64_t>(sizeof(int64_t))};
                 },
                 .run = run_one_hot}},
};

}  // namespace marvin
