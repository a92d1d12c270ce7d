#include "runtime/kernels/instruction_sets.h"

#include "runtime/kernels/onednn.h"

namespace marvin {

#if defined(__x86_64__)

bool avx512_is_available() {
  static const bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                          onednn_has_avx512();
  return has;
}

bool vnni_is_available() {
  static const bool has = avx512_is_available() && __builtin_cpu_supports("avx512vnni") && onednn_int8_is_exact();
  return has;
}

#else

bool avx512_is_available() { return false; }
bool vnni_is_available() { return false; }

#endif

}  // namespace marvin
