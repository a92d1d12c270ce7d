// Which libraries the kernels run on, for --version and run.json.
#pragma once

#include <string>

namespace marvin {

// "0.3.21, Haswell kernels, OpenMP": version, the kernels chosen for this CPU, how it runs threads.
std::string openblas_version();
// "2.6.0, avx2": version, the widest instruction set that it uses on this CPU.
std::string onednn_version();

}  // namespace marvin
