// The machine that a run ran on.
#pragma once

#include <cstdint>
#include <string>

namespace marvin {

struct Machine {
  std::string cpu;  // "AMD EPYC 7763 64-Core Processor"
  std::string isa;  // the widest vector instruction sets: "avx2 fma", "avx512f avx512_vnni amx_int8"
};
Machine this_machine();

// The most memory that this process ever held: VmHWM of /proc/self/status. 0 where the system does not say.
int64_t peak_bytes();

}  // namespace marvin
