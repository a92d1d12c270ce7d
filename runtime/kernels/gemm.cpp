#include "runtime/kernels/gemm.h"

#include <functional>
#include <numeric>
#include <utility>

#include "runtime/kernels/parallel.h"

namespace marvin {
namespace {

int64_t product(const std::vector<int64_t>& extents) {
  return std::accumulate(extents.begin(), extents.end(), int64_t{1}, std::multiplies<>());
}

// Where each product of the batch finds an operand whose own leading extents are `own`.
std::vector<int64_t> batch_offsets(const std::vector<int64_t>& batch, const std::vector<int64_t>& own, int64_t matrix) {
  std::vector<int64_t> offsets(static_cast<size_t>(product(batch)));
  for (size_t i = 0; i < offsets.size(); ++i) {
    int64_t rest = static_cast<int64_t>(i), stride = matrix, offset = 0;
    for (size_t axis = batch.size(); axis-- > 0;) {
      if (own[axis] != 1) offset += rest % batch[axis] * stride;
      rest /= batch[axis];
      stride *= own[axis];
    }
    offsets[i] = offset;
  }
  return offsets;
}

#define MARVIN_GEMM_ROW(T)                                                                          \
  MARVIN_CLONES void epilogue_row(int64_t n, T alpha, T beta, const T* c, int64_t c_column, T* y) { \
    if (!c) {                                                                                       \
      for (int64_t j = 0; j < n; ++j) y[j] *= alpha;                                                \
    } else if (c_column == 1) {                                                                     \
      for (int64_t j = 0; j < n; ++j) y[j] = alpha * y[j] + beta * c[j];                            \
    } else {                                                                                        \
      const T added = beta * *c;                                                                    \
      for (int64_t j = 0; j < n; ++j) y[j] = alpha * y[j] + added;                                  \
    }                                                                                               \
  }
MARVIN_GEMM_ROW(float)
MARVIN_GEMM_ROW(double)
#undef MARVIN_GEMM_ROW

template <class Sum, class A, class B, class Y, class Finish>
void reference(const Gemm& gemm, const A* a, const B* b, Y* y, Finish finish) {
  const GemmShape& s = gemm.shape;
  const int64_t a_row = s.trans_a ? 1 : s.k, a_step = s.trans_a ? s.m : 1;
  const int64_t b_column = s.trans_b ? s.k : 1, b_step = s.trans_b ? 1 : s.n;
  const int64_t rows = static_cast<int64_t>(gemm.a_offsets.size()) * s.m;
#pragma omp parallel for schedule(static) if (gemm.y_elements * s.k >= kParallelElements)
  for (int64_t row = 0; row < rows; ++row) {
    const size_t item = static_cast<size_t>(row / s.m);
    const A* a_first = a + gemm.a_offsets[item] + row % s.m * a_row;
    for (int64_t j = 0; j < s.n; ++j) {
      const B* b_first = b + gemm.b_offsets[item] + j * b_column;
      Sum sum = 0;
      for (int64_t k = 0; k < s.k; ++k) {
        sum += static_cast<Sum>(a_first[k * a_step]) * static_cast<Sum>(b_first[k * b_step]);
      }
      y[row * s.n + j] = finish(sum);
    }
  }
}

template <class Body>
void visit_words(Words words, Body&& body) {
  if (words.bytes == 1) return body(static_cast<const int8_t*>(words.data));
  if (words.bytes == 2) return body(static_cast<const int16_t*>(words.data));
  body(static_cast<const int32_t*>(words.data));
}

}  // namespace

std::vector<int64_t> GemmShape::batch() const {
  std::vector<int64_t> extents = a_batch;
  for (size_t i = 0; i < extents.size(); ++i)
    if (extents[i] == 1) extents[i] = b_batch[i];
  return extents;
}

Gemm::Gemm(GemmShape given)
    : shape(std::move(given)),
      a_offsets(batch_offsets(shape.batch(), shape.a_batch, shape.m * shape.k)),
      b_offsets(batch_offsets(shape.batch(), shape.b_batch, shape.k * shape.n)),
      a_elements(product(shape.a_batch) * shape.m * shape.k),
      b_elements(product(shape.b_batch) * shape.k * shape.n),
      y_elements(product(shape.batch()) * shape.m * shape.n) {}

template <class T>
void gemm_epilogue(int64_t m, int64_t n, T alpha, T beta, const T* c, int64_t c_row, int64_t c_column, T* y) {
#pragma omp parallel for schedule(static) if (m * n >= kParallelElements)
  for (int64_t i = 0; i < m; ++i) epilogue_row(n, alpha, beta, c ? c + i * c_row : nullptr, c_column, y + i * n);
}
template void gemm_epilogue(int64_t, int64_t, float, float, const float*, int64_t, int64_t, float*);
template void gemm_epilogue(int64_t, int64_t, double, double, const double*, int64_t, int64_t, double*);

void gemm_reference(const Gemm& gemm, const float* a, const float* b, float* y) {
  reference<double>(gemm, a, b, y, [](double sum) { return static_cast<float>(sum); });
}

void gemm_reference(const Gemm& gemm, const double* a, const double* b, double* y) {
  reference<double>(gemm, a, b, y, [](double sum) { return sum; });
}

void gemm_reference(const Gemm& gemm, Words a, Words b, float scale, float* y) {
  visit_words(a, [&](const auto* a_words) {
    visit_words(b, [&](const auto* b_words) {
      reference<int128_t>(gemm, a_words, b_words, y, [=](int128_t sum) { return static_cast<float>(sum) * scale; });
    });
  });
}

}  // namespace marvin
