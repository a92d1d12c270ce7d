#include "runtime/kernels/probe.h"

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <memory>
#include <numeric>

#include "runtime/kernels/avx512.h"

namespace marvin {
namespace {

constexpr int kGoes = 5;
constexpr int64_t kCopied = int64_t{64} << 20;
constexpr int64_t kRounds = 400'000;
constexpr int64_t kSums = 12;  // of a thread: what it takes to hide the latency of two multipliers

// The best rate of doing `amount` by `work`, which is done once before.
template <class Work>
double best_rate(double amount, Work&& work) {
  using Clock = std::chrono::steady_clock;
  work();
  double best = 0;
  for (int go = 0; go < kGoes; ++go) {
    const Clock::time_point start = Clock::now();
    work();
    best = std::max(best, amount / std::chrono::duration<double, std::nano>(Clock::now() - start).count());
  }
  return best;
}

// The rates of all threads together at `rounds`, a function that multiplies and adds `lanes` numbers kSums times a
// round and returns a sum. Sums begin with different values: equal ones would be computed once.
template <class Rounds>
double mac_rate(int64_t lanes, Rounds rounds) {
  double rate = 0;
#pragma omp parallel reduction(+ : rate)
  rate += best_rate(static_cast<double>(kRounds * kSums * lanes), [&] {
    [[maybe_unused]] const volatile float sum = rounds();  // else nobody would ask for it
  });
  return rate;
}

// Lanes that every instruction set has: products and sums one after the other.
constexpr int64_t kPlainLanes = 4;
float plain_rounds() {
  float sums[kSums * kPlainLanes];
  std::iota(std::begin(sums), std::end(sums), 0.0f);
  for (int64_t round = 0; round < kRounds; ++round)
#pragma GCC unroll 12
    for (float& sum : sums) sum = sum * 0.5f + 1;
  float total = 0;
  for (const float sum : sums) total += sum;
  return total;
}

#if defined(__x86_64__)

MARVIN_AVX512 float avx512_rounds() {
  __m512 sums[kSums];
  for (int64_t i = 0; i < kSums; ++i) sums[i] = _mm512_set1_ps(static_cast<float>(i));
  const __m512 half = _mm512_set1_ps(0.5f), one = _mm512_set1_ps(1);
  for (int64_t round = 0; round < kRounds; ++round)
#pragma GCC unroll 12
    for (__m512& sum : sums) sum = _mm512_fmadd_ps(sum, half, one);
  __m512 total = sums[0];
  for (const __m512& sum : sums) total = _mm512_add_ps(total, sum);
  return _mm512_cvtss_f32(total);
}

__attribute__((target("avx2,fma"))) float avx2_rounds() {
  __m256 sums[kSums];
  for (int64_t i = 0; i < kSums; ++i) sums[i] = _mm256_set1_ps(static_cast<float>(i));
  const __m256 half = _mm256_set1_ps(0.5f), one = _mm256_set1_ps(1);
  for (int64_t round = 0; round < kRounds; ++round)
#pragma GCC unroll 12
    for (__m256& sum : sums) sum = _mm256_fmadd_ps(sum, half, one);
  __m256 total = sums[0];
  for (const __m256& sum : sums) total = _mm256_add_ps(total, sum);
  return _mm256_cvtss_f32(total);
}

MARVIN_VNNI float vnni_rounds() {
  __m512i sums[kSums];
  for (int64_t i = 0; i < kSums; ++i) sums[i] = _mm512_set1_epi32(static_cast<int>(i));
  const __m512i bytes = _mm512_set1_epi8(1);
  for (int64_t round = 0; round < kRounds; ++round)
#pragma GCC unroll 12
    for (__m512i& sum : sums) sum = _mm512_dpbusd_epi32(sum, bytes, bytes);
  __m512i total = sums[0];
  for (const __m512i& sum : sums) total = _mm512_add_epi32(total, sum);
  return static_cast<float>(_mm512_cvtsi512_si32(total));
}

#endif

}  // namespace

double copy_bytes_per_ns() {
  const int threads = omp_get_max_threads();
  const int64_t part = kCopied / threads;
  const auto from = std::make_unique_for_overwrite<std::byte[]>(static_cast<size_t>(kCopied));
  const auto to = std::make_unique_for_overwrite<std::byte[]>(static_cast<size_t>(kCopied));
  std::memset(from.get(), 1, static_cast<size_t>(kCopied));
  return best_rate(2.0 * static_cast<double>(part * threads), [&] {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t i = 0; i < threads; ++i)
      std::memcpy(to.get() + i * part, from.get() + i * part, static_cast<size_t>(part));
  });
}

double float_macs_per_ns() {
#if defined(__x86_64__)
  if (avx512_is_available()) return mac_rate(16, avx512_rounds);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return mac_rate(8, avx2_rounds);
#endif
  return mac_rate(kPlainLanes, plain_rounds);
}

double byte_macs_per_ns() {
#if defined(__x86_64__)
  if (vnni_is_available()) return mac_rate(64, vnni_rounds);
#endif
  return 0;
}

}  // namespace marvin
