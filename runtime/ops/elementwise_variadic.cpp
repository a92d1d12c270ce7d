// Arithmetic on any number of operands that broadcast against each other.
#include "runtime/ops/elementwise.h"

namespace marvin {
namespace {

// A NaN among the operands is the result.
struct Greatest {
  template <class T>
  T operator()(T a, T b) const {
    return a > b || a != a ? a : b;
  }
};

struct Least {
  template <class T>
  T operator()(T a, T b) const {
    return a < b || a != a ? a : b;
  }
};

struct Plus {
  template <class T>
  T operator()(T a, T b) const {
    return a + b;
  }
};

std::vector<Type> infer_variadic(const InferContext& context) {
  require_numeric(context, 0);
  Shape shape = context.shape(0);
  for (size_t i = 1; i < context.operands.size(); ++i) {
    require_same_dtype(context, 0, i);
    shape = broadcast(shape, context.shape(i));
  }
  return {Type{context.type(0).dtype, shape}};
}

std::vector<Type> infer_float_variadic(const InferContext& context) {
  require_float(context, 0);
  return infer_variadic(context);
}

// y = x0, then y = f(y, xi) for the others.
template <class F, class T>
void accumulate(const KernelArgs& args) {
  const Shape &shape = args.out_type().shape, &first = args.in_type(0).shape;
  const T* x = args.input<T>(0);
  T* y = args.output<T>();
  map_broadcast([](T a, T) { return a; }, x, x, y, broadcast_loop<2>(shape, {first, first}));
  for (size_t i = 1; i < args.in.size(); ++i) {
    const StridedLoop<2> loop = broadcast_loop<2>(shape, {shape, args.in_type(i).shape});
    map_broadcast(F{}, static_cast<const T*>(y), args.input<T>(i), y, loop);
  }
}

template <class F>
void run_extreme(const KernelArgs& args) {
  visit_numeric(args.out_type().dtype, [&](auto zero) { accumulate<F, decltype(zero)>(args); });
}

void run_sum(const KernelArgs& args) {
  visit_float(args.out_type().dtype, [&](auto zero) { accumulate<Plus, decltype(zero)>(args); });
}

void run_mean(const KernelArgs& args) {
  visit_float(args.out_type().dtype, [&](auto zero) {
    using T = decltype(zero);
    accumulate<Plus, T>(args);
    T* y = args.output<T>();
    const T count = static_cast<T>(args.in.size());
    map([count](T sum) { return sum / count; }, static_cast<const T*>(y), y, args.out_type().elements());
  });
}

// The same gradient for every operand.
std::vector<ValueId> sums_to_inputs(GradContext& context, ValueId gradient) {
  std::vector<ValueId> gradients(context.input_count());
  for (size_t i = 0; i < gradients.size(); ++i)
    if (context.wants(i)) gradients[i] = context.sum_to(gradient, context.shape(context.in(i)));
  return gradients;
}

// Operands that tie share the gradient evenly.
std::vector<ValueId> extreme_gradient(GradContext& context) {
  const DType dtype = context.type(context.out(0)).dtype;
  std::vector<ValueId> masks;
  for (size_t i = 0; i < context.input_count(); ++i) {
    masks.push_back(context.cast(context.build("Equal", {context.in(i), context.out(0)}), dtype));
  }
  const ValueId share = context.build("Div", {context.grad(), context.build("Sum", masks)});
  std::vector<ValueId> gradients(masks.size());
  for (size_t i = 0; i < masks.size(); ++i)
    if (context.wants(i)) gradients[i] = context.sum_to(mul(context, masks[i], share), context.shape(context.in(i)));
  return gradients;
}

}  // namespace

extern const OpDef kMax = {
    .name = "Max",
    .doc = "The greatest of all operands, broadcast. Ties share the gradient evenly",
    .max_inputs = kVariadic,
    .infer = infer_variadic,
    .gradient = extreme_gradient,
    .kernels = {{.name = "max", .run = run_extreme<Greatest>}},
};

extern const OpDef kMin = {
    .name = "Min",
    .doc = "The least of all operands, broadcast. Ties share the gradient evenly",
    .max_inputs = kVariadic,
    .infer = infer_variadic,
    .gradient = extreme_gradient,
    .kernels = {{.name = "min", .run = run_extreme<Least>}},
};

extern const OpDef kSum = {
    .name = "Sum",
    .doc = "The sum of all operands, broadcast",
    .max_inputs = kVariadic,
    .infer = infer_float_variadic,
    .gradient = [](GradContext& context) { return sums_to_inputs(context, context.grad()); },
    .kernels = {{.name = "sum", .run = run_sum}},
};

extern const OpDef kMean = {
    .name = "Mean",
    .doc = "The mean of all operands, broadcast",
    .max_inputs = kVariadic,
    .infer = infer_float_variadic,
    .gradient = [](GradContext& context) -> std::vector<ValueId> {
      return sums_to_inputs(context, mul(context, context.grad(), 1.0 / static_cast<double>(context.input_count())));
    },
    .kernels = {{.name = "mean", .run = run_mean}},
};

}  // namespace marvin
