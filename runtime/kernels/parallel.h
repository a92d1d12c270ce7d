// What hot loops share: threads, and compilation for several instruction sets.
#pragma once

#include <cstdint>

// Compiles a function for AVX-512, AVX2 and baseline x86-64; the best one is chosen when the program starts. Results are
// the same to the bit, since contraction is off. Sanitizers run before the choice can be made, so they get baseline.
#if defined(MARVIN_SANITIZE) || !defined(__x86_64__) || defined(__clang__)
#define MARVIN_CLONES
#else
#define MARVIN_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#endif

namespace marvin {

// Below this many elements a loop is cheaper on one thread.
constexpr int64_t kParallelElements = 1 << 15;

// Calls body(begin, end) for consecutive blocks of [0, count), in parallel when there is enough to do. Blocks do not
// depend on the number of threads, so whoever reduces per block and combines in order is deterministic.
template <class Body>
void parallel_blocks(int64_t count, int64_t block, Body&& body) {
  const int64_t blocks = (count + block - 1) / block;
  if (count < kParallelElements || blocks == 1) {
    for (int64_t begin = 0; begin < count; begin += block) body(begin, begin + block < count ? begin + block : count);
    return;
  }
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < blocks; ++i) {
    const int64_t begin = i * block;
    body(begin, begin + block < count ? begin + block : count);
  }
}

}  // namespace marvin
