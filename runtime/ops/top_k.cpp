// TopK.
#include <algorithm>

#include "runtime/kernels/parallel.h"
#include "runtime/kernels/strided.h"
#include "runtime/ops/order_keys.h"
#include "runtime/ops/types.h"

namespace marvin {
namespace {

size_t axis_of(const Attrs& attrs, const Type& type) {
  return static_cast<size_t>(normalized_axis(attrs.integer("axis"), type.rank()));
}

std::vector<Type> infer_top_k(const InferContext& context) {
  const Type& in = context.type(0);
  if (in.dtype == DType::boolean) throw Error("operand 0 must be of numbers, not ", text_of(in));
  const size_t axis = axis_of(context.attrs, in);
  const std::vector<int64_t> k = int64_operand(context, 1, "k");
  if (k.size() != 1) throw Error("k must be one number, not ", text_of(context.type(1)));
  if (k[0] < 0 || k[0] > in.shape[axis]) throw Error("k is ", k[0], " for an axis of ", in.shape[axis], " elements");
  Type values = in;
  values.shape[axis] = k[0];
  return {values, Type{DType::i64, values.shape}};
}

// Sorts first what is wanted first: the best key, of equal ones the first.
struct Ranked {
  uint64_t key;
  int64_t index;
  auto operator<=>(const Ranked&) const = default;
};

// Lanes (the elements along the axis at one place of the others) are shared out over so many tasks.
constexpr int64_t kTasks = 16;

int64_t lanes_of(const Type& in, size_t axis) {
  const int64_t extent = in.shape[axis];
  return extent ? in.elements() / extent : 0;
}

Prepared prepare_top_k(const KernelQuery& query) {
  const Type& in = *query.in[0];
  const size_t axis = axis_of(query.attrs, in);
  const int64_t tasks = std::min(kTasks, lanes_of(in, axis));
  return {.scratch_bytes = tasks * in.shape[axis] * static_cast<int64_t>(sizeof(Ranked))};
}

// The best k of a lane's n elements, `step` apart, get to the front.
void rank(DType dtype, const std::byte* x, int64_t step, bool largest, int64_t k, std::span<Ranked> lane) {
  const int64_t n = std::ssize(lane);
  order_keys(dtype, x, step, &lane[0].key, sizeof(Ranked) / sizeof(uint64_t), n);
  for (int64_t i = 0; i < n; ++i) {
    Ranked& element = lane[static_cast<size_t>(i)];
    element.index = i;
    if (largest) element.key = ~element.key;
  }
  std::partial_sort(lane.begin(), lane.begin() + k, lane.end());
}

void run_top_k(const KernelArgs& args) {
  const Type& in = args.in_type(0);
  const size_t axis = axis_of(args.attrs(), in);
  const int64_t extent = in.shape[axis], lanes = lanes_of(in, axis), tasks = std::min(kTasks, lanes);
  const int64_t inner = row_major_strides(in.shape)[axis], k = *args.input<int64_t>(1), bytes = bytes_of(in.dtype);
  const bool largest = args.attrs().integer("largest") != 0;
#pragma omp parallel for schedule(static) if (lanes * extent >= kParallelElements)
  for (int64_t task = 0; task < tasks; ++task) {
    const std::span<Ranked> ranked(reinterpret_cast<Ranked*>(args.scratch) + task * extent,
                                   static_cast<size_t>(extent));
    for (int64_t lane = lanes * task / tasks; lane < lanes * (task + 1) / tasks; ++lane) {
      const int64_t from = lane / inner * extent * inner + lane % inner, to = lane / inner * k * inner + lane % inner;
      rank(in.dtype, args.input<std::byte>(0) + from * bytes, inner, largest, k, ranked);
      for (int64_t i = 0; i < k; ++i) {
        const int64_t index = ranked[static_cast<size_t>(i)].index;
        if (args.output<std::byte>(0)) {
          std::copy_n(args.input<std::byte>(0) + (from + index * inner) * bytes, bytes,
                      args.output<std::byte>(0) + (to + i * inner) * bytes);
        }
        if (args.output<int64_t>(1)) args.output<int64_t>(1)[to + i * inner] = index;
      }
    }
  }
}

std::vector<ValueId> top_k_gradient(GradContext& context) {
  const ValueId indices = context.require_out(1);
  const ValueId shape = context.constant_shape(context.shape(context.in(0)));
  return {context.build("GatherElementsGrad", {context.grad(), indices, shape},
                        {{"axis", context.attrs().integer("axis")}})};
}

}  // namespace

extern const OpDef kTopK = {
    .name = "TopK",
    .doc =
        "The k (constant i64) largest or smallest elements of x along `axis`, the best first and of equal ones the "
        "first "
        "first (whatever `sorted` says), and their indices as i64. NaNs are greater than all numbers",
    .min_inputs = 2,
    .max_inputs = 2,
    .max_outputs = 2,
    .defaults = {{"axis", int64_t{-1}}, {"largest", int64_t{1}}, {"sorted", int64_t{1}}},
    .infer = infer_top_k,
    .gradient = top_k_gradient,
    .kernels = {{.name = "top_k", .prepare = prepare_top_k, .run = run_top_k}},
};

}  // namespace marvin
