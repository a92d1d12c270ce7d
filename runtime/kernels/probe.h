// How fast this machine is at most, to compare kernels with. Measured on as many threads as OpenMP would use, for some
// 30 ms each; the fastest of a few goes counts.
#pragma once

namespace marvin {

// Bytes read and written per nanosecond (GB/s) when 64 MiB are copied.
double copy_bytes_per_ns();
// Fused float32 multiply-accumulates per nanosecond (GMAC/s), out of registers.
double float_macs_per_ns();
// Multiply-accumulates of bytes per nanosecond by VNNI's vpdpbusd, out of registers; 0 where vnni_is_available() says
// no.
double byte_macs_per_ns();

}  // namespace marvin
