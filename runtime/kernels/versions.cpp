#include "runtime/kernels/versions.h"

#include <cblas.h>

#include <oneapi/dnnl/dnnl.hpp>

namespace marvin {
namespace {

const char* name_of(dnnl::cpu_isa isa) {
  switch (isa) {
    case dnnl::cpu_isa::sse41:
      return "sse4.1";
    case dnnl::cpu_isa::avx:
      return "avx";
    case dnnl::cpu_isa::avx2:
      return "avx2";
    case dnnl::cpu_isa::avx2_vnni:
      return "avx2 with vnni";
    case dnnl::cpu_isa::avx512_core:
      return "avx512";
    case dnnl::cpu_isa::avx512_core_vnni:
      return "avx512 with vnni";
    case dnnl::cpu_isa::avx512_core_bf16:
      return "avx512 with vnni and bf16";
    case dnnl::cpu_isa::avx512_core_amx:
      return "avx512 with amx";
    default:
      return "baseline";
  }
}

const char* threading_of(int parallel) {
  return parallel == 2 ? "OpenMP" : parallel == 1 ? "own threads" : "no threads";
}

// "0.3.21" of "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ...".
std::string number_in(const std::string& config) {
  const size_t begin = config.find_first_of("0123456789");
  return begin == std::string::npos ? config : config.substr(begin, config.find(' ', begin) - begin);
}

}  // namespace

std::string openblas_version() {
  return number_in(openblas_get_config()) + ", " + openblas_get_corename() + " kernels, " +
         threading_of(openblas_get_parallel());
}

std::string onednn_version() {
  const dnnl_version_t& version = *dnnl_version();
  return std::to_string(version.major) + "." + std::to_string(version.minor) + "." + std::to_string(version.patch) +
         ", " + name_of(dnnl::get_effective_cpu_isa());
}

}  // namespace marvin
