#include "runtime/kernels/quantize.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <limits>
#include <numeric>
#include <vector>

#include "runtime/ir/error.h"
#include "runtime/kernels/instruction_sets.h"
#include "runtime/kernels/quantize_row.h"
#include "runtime/kernels/random.h"

namespace marvin {
namespace {

struct Quantized {
  std::vector<int32_t> words;
  LaneTally tally;
};

std::vector<float> numbers(int64_t count) {
  std::vector<float> x(static_cast<size_t>(count));
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(random_normal(7, i)) * (i % 5 == 0 ? 90.0f : 0.3f);
  const float special[] = {0.0f,
                           -0.0f,
                           0.5f,
                           -1.5f,
                           2.5f,
                           1e30f,
                           -1e30f,
                           std::numeric_limits<float>::infinity(),
                           -std::numeric_limits<float>::infinity(),
                           1e-40f,
                           NAN};
  for (size_t i = 0; i < std::size(special) && 3 * i < x.size(); ++i) x[3 * i] = special[i];
  return x;
}

// By the definition, one after the other.
Quantized defined(const std::vector<float>& x, const QuantizeRule& rule, uint64_t position, uint64_t stride) {
  Quantized result;
  for (size_t i = 0; i < x.size(); ++i) {
    const float scaled = x[i] * rule.scale, low = static_cast<float>(rule.min), high = static_cast<float>(rule.max);
    const float bounded = std::isnan(scaled) ? low : std::min(std::max(scaled, low), high);
    float rounded = std::nearbyint(bounded);
    if (rule.stochastic) {
      const uint64_t at = position + i * stride, upper = at >> 32 << 32, lower = at & 0xffffffff;
      const uint32_t bits = random_bits(rule.key, upper | (lower / 32 * 16 + lower % 16));
      const uint32_t half = lower / 16 % 2 == 0 ? bits & 0xffff : bits >> 16;
      const double units = std::nearbyint(static_cast<double>(bounded) * 65536);
      rounded = static_cast<float>(std::floor((units + half) / 65536));
    }
    const size_t lane = i % kTallyLanes;
    if (std::abs(x[i]) > result.tally.absmax[lane]) result.tally.absmax[lane] = std::abs(x[i]);
    result.tally.abs[lane] += std::abs(x[i]);
    result.tally.quantized[lane] += std::abs(rounded);
    result.tally.saturated[lane] += bounded != scaled;
    result.tally.underflowed[lane] += rounded == 0 && x[i] != 0;
    result.words.push_back(static_cast<int32_t>(rounded));
  }
  return result;
}

template <class Word>
Quantized quantized(const std::vector<float>& x, const QuantizeRule& rule, uint64_t position, uint64_t stride) {
  Quantized result;
  std::vector<Word> words(x.size() + 1, Word{77});
  quantize_row(x.data(), words.data(), static_cast<int64_t>(x.size()), rule, position, stride, result.tally);
  CHECK(words.back() == 77);
  result.words.assign(words.begin(), words.end() - 1);
  return result;
}

template <class T>
double sum_of(const T (&lanes)[kTallyLanes]) {
  return std::accumulate(std::begin(lanes), std::end(lanes), 0.0);
}

// What is exact may be in any lane.
bool same(const Quantized& a, const Quantized& b) {
  return a.words == b.words && std::memcmp(a.tally.absmax, b.tally.absmax, sizeof a.tally.absmax) == 0 &&
         std::memcmp(a.tally.abs, b.tally.abs, sizeof a.tally.abs) == 0 &&
         sum_of(a.tally.quantized) == sum_of(b.tally.quantized) &&
         sum_of(a.tally.saturated) == sum_of(b.tally.saturated) &&
         sum_of(a.tally.underflowed) == sum_of(b.tally.underflowed);
}

}  // namespace

TEST_CASE("a row is quantized and tallied by the definition, to the bit") {
  for (const int64_t count : {1, 15, 16, 17, 64, 200}) {
    const std::vector<float> x = numbers(count);
    for (const bool stochastic : {false, true}) {
      for (const uint64_t stride : {1, 3}) {
        const auto rule = [&](int wl) {
          return QuantizeRule{.scale = 16,
                              .unscale = 1 / 16.0f,
                              .min = -(1 << (wl - 1)),
                              .max = (1 << (wl - 1)) - 1,
                              .stochastic = stochastic,
                              .key = 12345};
        };
        for (const uint64_t position : {96, 99}) {
          INFO(count << " elements from " << position << (stochastic ? ", stochastic" : ""));
          const auto is_defined = [&]<class Word>(Word, const QuantizeRule& r) {
            return same(quantized<Word>(x, r, position, stride), defined(x, r, position, stride));
          };
          CHECK(is_defined(int8_t{}, rule(8)));
          CHECK(is_defined(int8_t{}, rule(5)));
          CHECK(is_defined(int16_t{}, rule(16)));
          CHECK(is_defined(int32_t{}, rule(24)));
          QuantizeRule steep = rule(8);
          steep.scale = 0x1p126f;
          CHECK(is_defined(int8_t{}, steep));
        }
      }
    }
  }
}

TEST_CASE("a row's random draws go on beyond 2^32 elements") {
  const std::vector<float> x(64, 0.4f);
  const QuantizeRule rule{.scale = 1, .min = -128, .max = 127, .stochastic = true, .key = 5};
  const uint64_t position = (uint64_t{1} << 32) - 20;
  CHECK(quantized<int8_t>(x, rule, position, 1).words == defined(x, rule, position, 1).words);
}

TEST_CASE("stochastic rounding of a row gives the number itself in the mean over keys") {
  constexpr int kKeys = 20000;
  for (const float x : {0.02f, 0.3f, -1.75f}) {
    std::vector<double> sums(3);
    for (int key = 0; key < kKeys; ++key) {
      const QuantizeRule rule{.min = -128, .max = 127, .stochastic = true, .key = random_key(1, 2, key)};
      const std::vector<int32_t> words = quantized<int8_t>(std::vector<float>(sums.size(), x), rule, 4096, 1).words;
      for (size_t i = 0; i < sums.size(); ++i) sums[i] += words[i];
    }
    // The standard deviation of a mean is at most 0.5 / sqrt(20000).
    for (const double sum : sums) CHECK(sum / kKeys == Approx(x).margin(5 * 0.0036));
  }
}

TEST_CASE("images are rounded by the draws of their channels-last positions, whichever order they come and go in") {
  const int64_t n = 2, channels = 67, pixels = 70;
  const QuantizeRule rule{.scale = 4, .unscale = 0.25f, .min = -128, .max = 127, .stochastic = true, .key = 99};
  const std::vector<float> x = numbers(n * channels * pixels);  // channels-last
  std::vector<float> planes(x.size());
  const auto plane_position = [&](int64_t i) {
    const int64_t image = i / (pixels * channels), pixel = i / channels % pixels;
    return static_cast<size_t>((image * channels + i % channels) * pixels + pixel);
  };
  for (size_t i = 0; i < x.size(); ++i) planes[plane_position(static_cast<int64_t>(i))] = x[i];
  const std::vector<int32_t> want = defined(x, rule, 0, 1).words;

  const auto words_of = [&](const QuantizeShape& shape, const std::vector<float>& source) {
    std::vector<int8_t> words(source.size());
    std::vector<std::byte> scratch(static_cast<size_t>(quantize_scratch_bytes(shape)));
    quantize(shape, rule, source.data(), words.data(), scratch.data());
    return words;
  };
  const std::vector<int8_t> kept = words_of({.n = n * channels * pixels}, x);
  const std::vector<int8_t> turned = words_of({n, channels, pixels, true}, planes);
  const std::vector<int8_t> in_planes = words_of({n, channels, pixels, false}, planes);
  for (size_t i = 0; i < want.size(); ++i) {
    if (kept[i] != want[i] || turned[i] != want[i] || in_planes[plane_position(static_cast<int64_t>(i))] != want[i])
      FAIL("element " << i);
  }
}

TEST_CASE("without AVX-512 rows are quantized to the same bits") {
  if (const char* limit = std::getenv("ONEDNN_MAX_CPU_ISA"); limit && std::string_view(limit) == "AVX2") {
    CHECK(!avx512_is_available());
    return;
  }
  // The limit is read once, so the tests above run again in a process of their own.
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  const std::string command = cat("ONEDNN_MAX_CPU_ISA=AVX2 '", self, "' '*row*' > /dev/null");
  CHECK(std::system(command.c_str()) == 0);
}

}  // namespace marvin
