// What hot loops share: threads.
#pragma once

#include <cstdint>

#include "runtime/kernels/clones.h"

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
