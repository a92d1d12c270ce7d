#include "runtime/kernels/gemm.h"

#include <omp.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <random>

#include "runtime/ir/tensor.h"
#include "runtime/kernels/onednn_matmul.h"

extern "C" int openblas_get_parallel(void);

namespace marvin {
namespace {

// Words of one container, drawn from its widest word: from all of it, or one extreme value.
class Operand {
 public:
  enum Fill { random, lowest, highest, mostly_low };

  Operand(int64_t count, int bytes, Fill fill, unsigned seed)
      : memory_(static_cast<size_t>(count * bytes)), bytes_(bytes) {
    const int32_t low = -(1 << (word_bits(bytes) - 1)), high = -low - 1;
    std::mt19937 bits(seed);
    std::uniform_int_distribution<int32_t> any(low, high), bottom(low, low + (high >> 2));
    for (int64_t i = 0; i < count; ++i) {
      set(i, fill == lowest ? low : fill == highest ? high : fill == random ? any(bits) : bottom(bits));
    }
  }
  Words words() const { return {memory_.data(), bytes_}; }

 private:
  void set(int64_t i, int32_t word) {
    std::memcpy(memory_.data() + i * bytes_, &word, static_cast<size_t>(bytes_));  // little-endian
  }
  std::vector<std::byte> memory_;
  int bytes_;
};

constexpr float kScale = 0x1p-9f;

std::vector<float> by_reference(const Gemm& gemm, const Operand& a, const Operand& b) {
  std::vector<float> y(static_cast<size_t>(gemm.y_elements));
  gemm_reference(gemm, a.words(), b.words(), kScale, y.data());
  return y;
}

std::vector<float> by_exact_f32(const Gemm& gemm, const Operand& a, const Operand& b) {
  std::vector<float> y(static_cast<size_t>(gemm.y_elements), -1);
  Buffer scratch(gemm_exact_f32_scratch_bytes(gemm));
  gemm_exact_f32(gemm, a.words(), b.words(), kScale, y.data(), scratch.data());
  return y;
}

std::vector<float> by_exact_f64(const Gemm& gemm, const Operand& a, const Operand& b) {
  std::vector<float> y(static_cast<size_t>(gemm.y_elements), -1);
  Buffer scratch(gemm_exact_f64_scratch_bytes(gemm, a.words().bytes, b.words().bytes));
  gemm_exact_f64(gemm, a.words(), b.words(), kScale, y.data(), scratch.data());
  return y;
}

std::vector<float> by_onednn(const Gemm& gemm, const Operand& a, const Operand& b) {
  std::vector<float> y(static_cast<size_t>(gemm.y_elements), -1);
  OnednnMatmul matmul(gemm.shape, OnednnMatmul::Operands::s8, false);
  Buffer scratch(matmul.scratch_bytes());
  matmul.run(a.words().data, b.words().data, kScale, nullptr, y.data(), scratch.data());
  return y;
}

// Every kernel for the containers gives the reference's bits, for every fill, on one thread and on two.
void check_all(const GemmShape& shape, int a_bytes, int b_bytes) {
  const Gemm gemm(shape);
  const int most_threads = omp_get_max_threads();
  INFO("m " << shape.m << " n " << shape.n << " k " << shape.k << " trans " << shape.trans_a << shape.trans_b
            << " bytes " << a_bytes << b_bytes);
  for (const auto& [fill_a, fill_b] : {std::pair{Operand::random, Operand::random},
                                       {Operand::lowest, Operand::lowest},
                                       {Operand::lowest, Operand::highest},
                                       {Operand::random, Operand::mostly_low}}) {
    const Operand a(gemm.a_elements, a_bytes, fill_a, 1), b(gemm.b_elements, b_bytes, fill_b, 2);
    const std::vector<float> expected = by_reference(gemm, a, b);
    for (const int threads : {1, 2}) {
      omp_set_num_threads(threads);
      INFO("fills " << fill_a << fill_b << ", threads " << threads);
      CHECK(by_exact_f64(gemm, a, b) == expected);
      if (a_bytes > 1 || b_bytes > 1) continue;
      CHECK(by_exact_f32(gemm, a, b) == expected);
      if (OnednnMatmul::admits(shape, OnednnMatmul::Operands::s8)) CHECK(by_onednn(gemm, a, b) == expected);
    }
    omp_set_num_threads(most_threads);
  }
}

template <class T>
std::vector<T> reals(int64_t count, unsigned seed) {
  std::mt19937 bits(seed);
  std::vector<T> values(static_cast<size_t>(count));
  for (T& value : values) value = static_cast<T>(0.5 + (bits() >> 8) * 0x1p-24);
  return values;
}

template <class T>
void check_close(const std::vector<T>& got, const std::vector<T>& expected, double tolerance) {
  for (size_t i = 0; i < got.size(); ++i) REQUIRE(got[i] == Approx(expected[i]).epsilon(tolerance));
}

template <class T>
void check_openblas(const Gemm& gemm, double tolerance) {
  const std::vector<T> a = reals<T>(gemm.a_elements, 1), b = reals<T>(gemm.b_elements, 2);
  std::vector<T> y(static_cast<size_t>(gemm.y_elements)), expected = y;
  gemm_openblas(gemm, a.data(), b.data(), y.data());
  gemm_reference(gemm, a.data(), b.data(), expected.data());
  check_close(y, expected, tolerance);
}

void check_onednn_f32(const Gemm& gemm) {
  const std::vector<float> a = reals<float>(gemm.a_elements, 1), b = reals<float>(gemm.b_elements, 2);
  const std::vector<float> bias = reals<float>(gemm.shape.n, 3);
  std::vector<float> y(static_cast<size_t>(gemm.y_elements)), expected = y;
  OnednnMatmul matmul(gemm.shape, OnednnMatmul::Operands::f32, true);
  Buffer scratch(matmul.scratch_bytes());
  matmul.run(a.data(), b.data(), 1, bias.data(), y.data(), scratch.data());
  gemm_reference(gemm, a.data(), b.data(), expected.data());
  for (size_t i = 0; i < expected.size(); ++i) expected[i] += bias[i % bias.size()];
  check_close(y, expected, 1e-5);
}

const std::vector<GemmShape>& float_shapes() {
  static const std::vector<GemmShape> shapes = {
      {.m = 1, .n = 1, .k = 1},
      {.m = 3, .n = 5, .k = 7, .trans_b = true},
      {.m = 65, .n = 33, .k = 129, .trans_a = true},
      {.m = 17, .n = 64, .k = 1025, .trans_a = true, .trans_b = true},
      {.m = 128, .n = 10, .k = 300},
      {.m = 4, .n = 6, .k = 5, .trans_b = true, .a_batch = {6}, .b_batch = {6}},
      {.m = 4, .n = 6, .k = 5, .a_batch = {2, 1}, .b_batch = {1, 3}},
  };
  return shapes;
}

}  // namespace

TEST_CASE("the OpenMP build of OpenBLAS is linked") { CHECK(openblas_get_parallel() == 2); }

TEST_CASE("products of words are equal to the bit on every kernel") {
  for (const bool trans_a : {false, true}) {
    for (const bool trans_b : {false, true}) {
      for (const int64_t k : {1, 63, 2050}) check_all({3, 17, k, trans_a, trans_b, {}, {}}, 1, 1);
      check_all({33, 20, 70, trans_a, trans_b, {}, {}}, 1, 1);
      check_all({1, 40, 129, trans_a, trans_b, {}, {}}, 1, 1);
      check_all({40, 1, 129, trans_a, trans_b, {}, {}}, 1, 1);
    }
  }
}

TEST_CASE("containers of different sizes are multiplied") {
  for (const bool trans : {false, true})
    for (const int a_bytes : {1, 2, 4})
      for (const int b_bytes : {1, 2, 4}) check_all({5, 9, 300, trans, !trans, {}, {}}, a_bytes, b_bytes);
}

TEST_CASE("batches of products broadcast on every kernel") {
  for (const int bytes : {1, 4}) {
    check_all({.m = 7, .n = 5, .k = 1030, .trans_b = true, .a_batch = {5}, .b_batch = {5}}, bytes, bytes);
    check_all({.m = 7, .n = 5, .k = 9, .trans_a = true, .a_batch = {4}, .b_batch = {1}}, bytes, bytes);
    check_all({.m = 7, .n = 5, .k = 9, .a_batch = {1}, .b_batch = {3}}, bytes, bytes);
    check_all({.m = 2, .n = 3, .k = 4, .a_batch = {2, 1, 3}, .b_batch = {1, 4, 3}}, bytes, bytes);
  }
}

TEST_CASE("sums at the bounds of a container are exact, beyond them they are split") {
  CHECK(exact_chunk_f32(8, 8) == 1024);
  CHECK(exact_chunk_f64(16, 16) == int64_t{1} << 23);
  CHECK(exact_chunk_f64(24, 24) == 128);
  CHECK(int32_is_exact(131071, 8, 8));
  CHECK(!int32_is_exact(131072, 8, 8));
  CHECK(sum_for_f64(128, 24, 24) == Sum::f64);
  CHECK(sum_for_f64(129, 24, 24) == Sum::i64);
  CHECK(sum_for_f64(65536, 24, 24) == Sum::i64);
  CHECK(sum_for_f64(65537, 24, 24) == Sum::i128);
  for (const int64_t k : {1024, 2048, 131071, 131072}) check_all({2, 3, k, false, true, {}, {}}, 1, 1);
  for (const int64_t k : {128, 129, 65537}) check_all({2, 3, k, false, true, {}, {}}, 4, 4);
}

TEST_CASE("oneDNN's int8 product is admitted only while int32 holds the sum") {
  const GemmShape longest{.m = 1, .n = 1, .k = 131071}, too_long{.m = 1, .n = 1, .k = 131072};
  CHECK(OnednnMatmul::admits(longest, OnednnMatmul::Operands::s8) == onednn_int8_is_exact());
  CHECK(!OnednnMatmul::admits(too_long, OnednnMatmul::Operands::s8));
  CHECK(OnednnMatmul::admits(too_long, OnednnMatmul::Operands::f32));
  CHECK(!OnednnMatmul::admits({.m = 0, .n = 1, .k = 1}, OnednnMatmul::Operands::f32));
}

TEST_CASE("integer sums are rounded to float32 once") {
  // Just above the middle of two floats: by way of float64 it would become the middle and round down to even.
  const int64_t sum = (int64_t{1} << 54) + (int64_t{1} << 30) + 1;
  const int128_t wide = sum;
  float from_i64 = 0, from_i128 = 0;
  round_sums(&sum, Sum::i64, 1, 1, &from_i64);
  round_sums(&wide, Sum::i128, 1, 1, &from_i128);
  CHECK(from_i64 == 0x1.000002p54f);
  CHECK(from_i128 == 0x1.000002p54f);
}

TEST_CASE("float products agree with sums in float64") {
  for (const GemmShape& shape : float_shapes()) {
    const Gemm gemm(shape);
    check_openblas<float>(gemm, 1e-5);
    check_openblas<double>(gemm, 1e-13);
    check_onednn_f32(gemm);
  }
}

TEST_CASE("an empty sum is zero") {
  const Gemm gemm({.m = 2, .n = 3, .k = 0});
  std::vector<float> y(6, 5);
  gemm_reference(gemm, static_cast<const float*>(nullptr), static_cast<const float*>(nullptr), y.data());
  CHECK(y == std::vector<float>(6, 0));
}

TEST_CASE("the epilogue adds c by its strides") {
  const std::vector<float> c = {10, 20, 30, 40, 50, 60};
  const auto run = [&](float alpha, float beta, const float* addend, int64_t row, int64_t column) {
    std::vector<float> y = {1, 2, 3, 4, 5, 6};
    gemm_epilogue<float>(2, 3, alpha, beta, addend, row, column, y.data());
    return y;
  };
  CHECK(run(2, 1, nullptr, 0, 0) == std::vector<float>{2, 4, 6, 8, 10, 12});
  CHECK(run(1, 2, c.data(), 3, 1) == std::vector<float>{21, 42, 63, 84, 105, 126});
  CHECK(run(1, 1, c.data(), 0, 1) == std::vector<float>{11, 22, 33, 14, 25, 36});
  CHECK(run(2, 1, c.data(), 1, 0) == std::vector<float>{12, 14, 16, 28, 30, 32});
  CHECK(run(1, 1, c.data(), 0, 0) == std::vector<float>{11, 12, 13, 14, 15, 16});
}

}  // namespace marvin
