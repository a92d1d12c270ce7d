// Comparisons, logic, tests, and the choice between two operands; all broadcast.
#include <functional>
#include <limits>

#include "runtime/ops/elementwise.h"

namespace marvin {
namespace {

std::vector<Type> infer_equal(const InferContext& context) {
  require_same_dtype(context, 0, 1);
  return {Type{DType::boolean, broadcast(context.shape(0), context.shape(1))}};
}

std::vector<Type> infer_order(const InferContext& context) {
  require_numeric(context, 0);
  return infer_equal(context);
}

std::vector<Type> infer_logic(const InferContext& context) {
  same_bool_type(context);
  return infer_equal(context);
}

template <class F>
void run_comparison(const KernelArgs& args) {
  visit(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    map_broadcast(F{}, args.input<T>(0), args.input<T>(1), args.output<bool>(), broadcast_loop(args));
  });
}

template <class F>
void run_logic(const KernelArgs& args) {
  map_broadcast(F{}, args.input<bool>(0), args.input<bool>(1), args.output<bool>(), broadcast_loop(args));
}

template <class F>
OpDef comparison(std::string_view name, std::string_view doc, std::string_view kernel) {
  return {
      .name = name,
      .doc = doc,
      .min_inputs = 2,
      .max_inputs = 2,
      .infer = infer_order,
      .gradient = no_gradient,
      .kernels = {{.name = kernel, .run = run_comparison<F>}},
  };
}

template <class F>
OpDef logic(std::string_view name, std::string_view doc, std::string_view kernel) {
  return {
      .name = name,
      .doc = doc,
      .min_inputs = 2,
      .max_inputs = 2,
      .infer = infer_logic,
      .gradient = no_gradient,
      .kernels = {{.name = kernel, .run = run_logic<F>}},
      .in_place = true,
  };
}

std::vector<Type> infer_where(const InferContext& context) {
  same_bool_type(context);
  require_same_dtype(context, 1, 2);
  return {Type{context.type(1).dtype, broadcast(context.shape(0), broadcast(context.shape(1), context.shape(2)))}};
}

void run_where(const KernelArgs& args) {
  const StridedLoop<3> loop =
      broadcast_loop<3>(args.out_type().shape, {args.in_type(0).shape, args.in_type(1).shape, args.in_type(2).shape});
  visit_unsigned(args.out_type().dtype, [&](auto zero) {
    using T = decltype(zero);
    select_broadcast(args.input<uint8_t>(0), args.input<T>(1), args.input<T>(2), args.output<T>(), loop);
  });
}

std::vector<ValueId> where_gradient(GradContext& context) {
  const ValueId dy = context.grad(), zero = context.scalar_like(dy, 0);
  std::vector<ValueId> gradients(3);
  if (context.wants(1)) {
    gradients[1] = context.sum_to(context.build("Where", {context.in(0), dy, zero}), context.shape(context.in(1)));
  }
  if (context.wants(2)) {
    gradients[2] = context.sum_to(context.build("Where", {context.in(0), zero, dy}), context.shape(context.in(2)));
  }
  return gradients;
}

std::vector<Type> infer_test(const InferContext& context) {
  require_float(context, 0);
  return {Type{DType::boolean, context.shape(0)}};
}

template <class F>
void run_test(const KernelArgs& args) {
  visit_float(args.in_type(0).dtype, [&](auto zero) {
    map(functor<F>(args.attrs()), args.input<decltype(zero)>(0), args.output<bool>(), args.out_type().elements());
  });
}

struct IsInfinite {
  explicit IsInfinite(const Attrs& attrs)
      : above(attrs.integer("detect_positive") != 0), below(attrs.integer("detect_negative") != 0) {}
  template <class T>
  bool operator()(T x) const {
    constexpr T kInfinity = std::numeric_limits<T>::infinity();
    return (above && x == kInfinity) || (below && x == -kInfinity);
  }
  bool above, below;
};

}  // namespace

extern const OpDef kEqual = {
    .name = "Equal",
    .doc = "y = a == b, as bools; also for bools",
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer_equal,
    .gradient = no_gradient,
    .kernels = {{.name = "equal", .run = run_comparison<std::equal_to<>>}},
};

extern const OpDef kGreater = comparison<std::greater<>>("Greater", "y = a > b, as bools", "greater");
extern const OpDef kGreaterOrEqual =
    comparison<std::greater_equal<>>("GreaterOrEqual", "y = a >= b, as bools", "greater_or_equal");
extern const OpDef kLess = comparison<std::less<>>("Less", "y = a < b, as bools", "less");
extern const OpDef kLessOrEqual = comparison<std::less_equal<>>("LessOrEqual", "y = a <= b, as bools", "less_or_equal");

extern const OpDef kAnd = logic<std::logical_and<>>("And", "y = a and b, for bools", "and");
extern const OpDef kOr = logic<std::logical_or<>>("Or", "y = a or b, for bools", "or");
extern const OpDef kXor = logic<std::not_equal_to<>>("Xor", "y = a or b but not both, for bools", "xor");

extern const OpDef kWhere = {
    .name = "Where",
    .doc = "y = a where the condition holds, else b: operands condition, a, b",
    .min_inputs = 3,
    .max_inputs = 3,
    .infer = infer_where,
    .gradient = where_gradient,
    .kernels = {{.name = "where", .run = run_where}},
    .in_place = true,
};

extern const OpDef kIsNaN = {
    .name = "IsNaN",
    .doc = "y = whether x is not a number, as bools",
    .infer = infer_test,
    .gradient = no_gradient,
    .kernels = {{.name = "is_nan", .run = run_test<decltype([](auto x) { return x != x; })>}},
};

extern const OpDef kIsInf = {
    .name = "IsInf",
    .doc = "y = whether x is infinite, as bools; of one sign alone if detect_negative or detect_positive is 0",
    .defaults = {{"detect_negative", int64_t{1}}, {"detect_positive", int64_t{1}}},
    .infer = infer_test,
    .gradient = no_gradient,
    .kernels = {{.name = "is_inf", .run = run_test<IsInfinite>}},
};

}  // namespace marvin
