// Ops that work element by element: out[i] = f(in[i]), out[i] = f(a[i], b[i]) with broadcasting.
#include <algorithm>
#include <cmath>

#include "runtime/kernels/parallel.h"
#include "runtime/ops/list.h"

namespace marvin {
namespace {

std::vector<Type> same_as_input(const InferContext& context) { return {context.type(0)}; }

std::vector<Type> float_same_as_input(const InferContext& context) {
  if (!is_float(context.type(0).dtype)) throw Error("takes floats, not ", text_of(context.type(0)));
  return {context.type(0)};
}

// A kernel that applies F to every element of input 0, for every element type.
template <class F>
void run_unary(const KernelArgs& args) {
  visit(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* in = args.input<T>(0);
    T* out = args.output<T>();
    parallel_blocks(args.in_type(0).elements(), 4096, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) out[i] = static_cast<T>(F{}(in[i]));
    });
  });
}

}  // namespace

const OpDef kRelu = {
    .name = "Relu",
    .doc = "y = max(x, 0)",
    .infer = same_as_input,
    .gradient = [](GradContext& context) -> std::vector<ValueId> {
      return {context.build("ReluGrad", {context.grad(), context.out(0)})};
    },
    .kernels = {{.name = "relu", .run = run_unary<decltype([](auto x) { return x > 0 ? x : decltype(x){}; })>}},
    .in_place = true,
};

const OpDef kReluGrad = {
    .name = "ReluGrad",
    .doc = "dx = dy where y > 0, else 0; y is Relu's output",
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = float_same_as_input,
    .kernels = {{.name = "relu_grad",
                 .run =
                     [](const KernelArgs& args) {
                       visit(args.in_type(0).dtype, [&](auto zero) {
                         using T = decltype(zero);
                         const T* dy = args.input<T>(0);
                         const T* y = args.input<T>(1);
                         T* dx = args.output<T>();
                         parallel_blocks(args.in_type(0).elements(), 4096, [&](int64_t begin, int64_t end) {
                           for (int64_t i = begin; i < end; ++i) dx[i] = y[i] > 0 ? dy[i] : T{};
                         });
                       });
                     }}},
    .in_place = true,
};

}  // namespace marvin
