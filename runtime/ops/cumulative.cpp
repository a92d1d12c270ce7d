// Sums that run along an axis.
#include "runtime/kernels/parallel.h"
#include "runtime/ops/types.h"

namespace marvin {
namespace {

int64_t axis_of(int64_t axis, const Type& type) { return normalized_axis(axis, type.rank()); }

std::vector<Type> infer_cumsum(const InferContext& context) {
  require_numeric(context, 0);
  const std::vector<int64_t> axis = context.integers(1, "the axis");
  if (axis.size() != 1) throw Error("the axis must be a scalar, not ", text_of(context.type(1)));
  axis_of(axis[0], context.type(0));
  return {context.type(0)};
}

// Which elements a sum runs over: of every row of `length` elements, `inner` apart.
struct Rows {
  int64_t count = 1, length = 1, inner = 1;
  bool exclusive = false, reverse = false;
};

// Floats are summed up in double; integers wrap.
template <class T>
void cumsum(const Rows& rows, const T* x, T* y) {
  using Acc = std::conditional_t<std::is_integral_v<T>, uint64_t, double>;
  parallel_blocks(rows.count, 1 << 8, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t first = row / rows.inner * rows.length * rows.inner + row % rows.inner;
      Acc sum = 0;
      for (int64_t i = 0; i < rows.length; ++i) {
        const int64_t at = first + (rows.reverse ? rows.length - 1 - i : i) * rows.inner;
        const Acc before = sum;
        sum += static_cast<Acc>(x[at]);
        y[at] = static_cast<T>(rows.exclusive ? before : sum);
      }
    }
  });
}

void run_cumsum(const KernelArgs& args) {
  const Shape& shape = args.in_type(0).shape;
  int64_t axis = 0;
  visit_integer(args.in_type(1).dtype, [&](auto zero) { axis = static_cast<int64_t>(*args.input<decltype(zero)>(1)); });
  axis = axis_of(axis, args.in_type(0));
  Rows rows{.exclusive = args.attrs().integer("exclusive") != 0, .reverse = args.attrs().integer("reverse") != 0};
  for (size_t i = 0; i < shape.size(); ++i) {
    if (static_cast<int64_t>(i) != axis) rows.count *= shape[i];
    if (static_cast<int64_t>(i) == axis) rows.length = shape[i];
    if (static_cast<int64_t>(i) > axis) rows.inner *= shape[i];
  }
  if (args.in_type(0).elements() == 0) return;
  visit_modular(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    cumsum(rows, args.input<T>(0), args.output<T>());
  });
}

}  // namespace

extern const OpDef kCumSum = {
    .name = "CumSum",
    .doc =
        "y = the sum of x up to each element along the axis (operand 1, an integer), without itself if exclusive, from "
        "the end if reverse",
    .min_inputs = 2,
    .max_inputs = 2,
    .defaults = {{"exclusive", int64_t{0}}, {"reverse", int64_t{0}}},
    .infer = infer_cumsum,
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      Attrs attrs = c.attrs();
      attrs.set("reverse", int64_t{c.attrs().integer("reverse") == 0});
      return {c.build("CumSum", {c.grad(), c.in(1)}, attrs)};
    },
    .kernels = {{.name = "cumsum", .run = run_cumsum}},
};

}  // namespace marvin
