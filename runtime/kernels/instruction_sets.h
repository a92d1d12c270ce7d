// What this machine has of AVX-512, as far as it may be used (ONEDNN_MAX_CPU_ISA).
#pragma once

namespace marvin {

// F, BW, DQ and VL.
bool avx512_is_available();
// VNNI besides.
bool vnni_is_available();

}  // namespace marvin
