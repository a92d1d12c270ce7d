// Determinants of square matrices.
#include <algorithm>
#include <cmath>

#include "runtime/ops/types.h"

namespace marvin {
namespace {

// The determinant of the n by n matrix at `a`, by Gaussian elimination with partial pivoting. Overwrites the matrix.
double eliminate(double* a, int64_t n) {
  double determinant = 1;
  for (int64_t k = 0; k < n; ++k) {
    int64_t pivot = k;
    for (int64_t i = k + 1; i < n; ++i)
      if (std::abs(a[i * n + k]) > std::abs(a[pivot * n + k])) pivot = i;
    if (a[pivot * n + k] == 0) return 0;
    if (pivot != k) {
      std::swap_ranges(a + k * n, a + (k + 1) * n, a + pivot * n);
      determinant = -determinant;
    }
    determinant *= a[k * n + k];
    for (int64_t i = k + 1; i < n; ++i) {
      const double factor = a[i * n + k] / a[k * n + k];
      for (int64_t j = k + 1; j < n; ++j) a[i * n + j] -= factor * a[k * n + j];
    }
  }
  return determinant;
}

// (-1)^(row + column) times the determinant of x without that row and column.
template <class T>
double cofactor(const T* x, int64_t n, int64_t row, int64_t column, double* scratch) {
  double* to = scratch;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j)
      if (i != row && j != column) *to++ = static_cast<double>(x[i * n + j]);
  const double minor = eliminate(scratch, n - 1);
  return (row + column) % 2 == 0 ? minor : -minor;
}

// The type of the determinants of operand `i`. Throws Error unless that is of square float matrices.
Type determinants_of(const InferContext& context, size_t i) {
  require_float(context, i);
  Type type = context.type(i);
  const size_t rank = type.shape.size();
  if (rank < 2 || type.shape[rank - 1] != type.shape[rank - 2])
    throw Error("takes square matrices, not ", text_of(type));
  type.shape.resize(rank - 2);
  return type;
}

template <size_t kOperand>
Prepared prepare_matrix(const KernelQuery& query) {
  const int64_t n = query.in[kOperand]->shape.back();
  return {nullptr, n * n * static_cast<int64_t>(sizeof(double))};
}

void run_det(const KernelArgs& args) {
  const int64_t n = args.in_type(0).shape.back();
  double* matrix = reinterpret_cast<double*>(args.scratch);
  visit_float(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < args.out_type().elements(); ++i) {
      std::copy_n(args.input<T>(0) + i * n * n, n * n, matrix);
      args.output<T>()[i] = static_cast<T>(eliminate(matrix, n));
    }
  });
}

void run_det_gradient(const KernelArgs& args) {
  const int64_t n = args.in_type(1).shape.back();
  double* scratch = reinterpret_cast<double*>(args.scratch);
  visit_float(args.in_type(1).dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* x = args.input<T>(1);
    T* dx = args.output<T>();
    for (int64_t i = 0; i < args.in_type(0).elements(); ++i, x += n * n, dx += n * n) {
      const double dy = static_cast<double>(args.input<T>(0)[i]);
      for (int64_t k = 0; k < n * n; ++k) dx[k] = static_cast<T>(dy * cofactor(x, n, k / n, k % n, scratch));
    }
  });
}

}  // namespace

extern const OpDef kDet = {
    .name = "Det",
    .doc = "y = the determinants of x[...,n,n]",
    .infer = [](const InferContext& context) -> std::vector<Type> { return {determinants_of(context, 0)}; },
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      return {c.build("DetGrad", {c.grad(), c.in(0)})};
    },
    .kernels = {{.name = "det", .prepare = prepare_matrix<0>, .run = run_det}},
};

extern const OpDef kDetGrad = {
    .name = "DetGrad",
    .doc = "dx = dy times the cofactors of x: operands dy and x[...,n,n]; exact for singular matrices too",
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = [](const InferContext& context) -> std::vector<Type> {
      const Type dy = determinants_of(context, 1);
      if (context.type(0) != dy) throw Error("dy is ", text_of(context.type(0)), ", not ", text_of(dy));
      return {context.type(1)};
    },
    .kernels = {{.name = "det_grad", .prepare = prepare_matrix<1>, .run = run_det_gradient}},
};

}  // namespace marvin
