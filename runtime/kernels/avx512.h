// What a function that is written in intrinsics of AVX-512 begins with. It runs where avx512_is_available() or, of
// those marked MARVIN_VNNI, vnni_is_available() says so.
#pragma once

#include <cstdint>

#include "runtime/kernels/instruction_sets.h"

#if defined(__x86_64__)
#if !defined(__clang__)
// GCC 12 warns of its own header's _mm512_undefined_*.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>

#define MARVIN_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define MARVIN_VNNI __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))

namespace marvin {

// The first `count` lanes of sixteen; all where there are more, none where count is negative.
inline __mmask16 first_lanes(int64_t count) {
  return count >= 16 ? 0xffff : count <= 0 ? 0 : static_cast<__mmask16>((1 << count) - 1);
}

}  // namespace marvin
#endif
