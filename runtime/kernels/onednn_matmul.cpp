#include "runtime/kernels/onednn_matmul.h"

#include <algorithm>

namespace marvin {
namespace {

using dnnl::memory;

// The strides of dense [batch..., rows, columns], stored as [batch..., columns, rows] when transposed.
memory::desc matrices(const std::vector<int64_t>& batch, int64_t rows, int64_t columns, bool transposed,
                      memory::data_type type) {
  memory::dims dims = batch;
  dims.push_back(rows);
  dims.push_back(columns);
  memory::dims strides(dims.size());
  int64_t stride = rows * columns;
  for (size_t i = batch.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= batch[i];
  }
  strides[batch.size()] = transposed ? 1 : columns;
  strides[batch.size() + 1] = transposed ? rows : 1;
  return {dims, type, strides};
}

}  // namespace

bool OnednnMatmul::admits(const GemmShape& shape, Operands operands) {
  constexpr size_t kMaxBatchAxes = 4;
  const std::vector<int64_t> batch = shape.batch();
  const bool empty = shape.m * shape.n * shape.k == 0 || std::count(batch.begin(), batch.end(), 0) > 0;
  if (empty || batch.size() > kMaxBatchAxes) return false;
  return operands == Operands::f32 || (onednn_int8_is_exact() && int32_is_exact(shape.k, 8, 8));
}

OnednnMatmul::OnednnMatmul(const GemmShape& shape, Operands operands, bool biased) {
  const memory::data_type type = operands == Operands::s8 ? memory::data_type::s8 : memory::data_type::f32;
  const std::vector<int64_t> ones(shape.a_batch.size(), 1);
  const memory::desc a = matrices(shape.a_batch, shape.m, shape.k, shape.trans_a, type);
  const memory::desc b = matrices(shape.b_batch, shape.k, shape.n, shape.trans_b, type);
  const memory::desc y = matrices(shape.batch(), shape.m, shape.n, false, memory::data_type::f32);
  const memory::desc scale = matrices(ones, 1, 1, false, memory::data_type::f32);
  const memory::desc bias = matrices(ones, 1, shape.n, false, memory::data_type::f32);

  std::vector<OnednnCall::Argument> arguments = {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, y}};
  dnnl::post_ops post_ops;
  const auto append = [&](dnnl::algorithm algorithm, const memory::desc& operand) {
    const int argument = DNNL_ARG_ATTR_MULTIPLE_POST_OP(post_ops.len()) | DNNL_ARG_SRC_1;
    post_ops.append_binary(algorithm, operand);
    arguments.emplace_back(argument, operand);
    return argument;
  };
  if (operands == Operands::s8) scale_argument_ = append(dnnl::algorithm::binary_mul, scale);
  if (biased) bias_argument_ = append(dnnl::algorithm::binary_add, bias);

  dnnl::primitive_attr attr = onednn_user_scratchpad();
  attr.set_post_ops(post_ops);
  const dnnl::matmul::primitive_desc primitive(dnnl::matmul::desc(a, b, y), attr, onednn_engine());
  scratch_bytes_ = static_cast<int64_t>(primitive.scratchpad_desc().get_size());
  arguments.emplace_back(DNNL_ARG_SCRATCHPAD, primitive.scratchpad_desc());
  call_ = OnednnCall(dnnl::matmul(primitive), arguments);
}

void OnednnMatmul::run(const void* a, const void* b, float scale, const float* bias, float* y, std::byte* scratch) {
  call_.bind(DNNL_ARG_SRC, a);
  call_.bind(DNNL_ARG_WEIGHTS, b);
  call_.bind(DNNL_ARG_DST, y);
  call_.bind(DNNL_ARG_SCRATCHPAD, scratch);
  if (scale_argument_) call_.bind(scale_argument_, &scale);
  if (bias_argument_) call_.bind(bias_argument_, bias);
  call_.run();
}

}  // namespace marvin
