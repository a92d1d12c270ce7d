#include "runtime/report/machine.h"

#include <array>
#include <fstream>
#include <sstream>

namespace marvin {
namespace {

// What follows "key ... :" on the first such line of a file; "" when there is none.
std::string field(const char* path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(key)) continue;
    const size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const size_t begin = line.find_first_not_of(" \t", colon + 1);
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return "";
}

// Of the flags of /proc/cpuinfo, those that decide which kernels run.
std::string vector_isa(const std::string& flags) {
  constexpr std::array<const char*, 9> kKnown = {"sse4_2",      "avx2",        "fma",      "avx_vnni", "avx512f",
                                                 "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8"};
  std::string isa;
  std::istringstream words(flags);
  for (std::string word; words >> word;)
    for (const char* known : kKnown)
      if (word == known) isa += (isa.empty() ? "" : " ") + word;
  return isa;
}

}  // namespace

Machine this_machine() { return {field("/proc/cpuinfo", "model name"), vector_isa(field("/proc/cpuinfo", "flags"))}; }

int64_t peak_bytes() {
  int64_t kibibytes = 0;
  std::istringstream(field("/proc/self/status", "VmHWM")) >> kibibytes;
  return kibibytes * 1024;
}

}  // namespace marvin
