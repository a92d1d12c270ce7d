// The importer under libFuzzer (scripts/fuzz.sh): every sequence of bytes is imported or refused with an Error.
#include <unistd.h>

#include <cstdint>
#include <filesystem>

#include "tests/fuzz/hostile_models.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t capacity);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string path =
      std::filesystem::temp_directory_path() / ("marvin_fuzz_" + std::to_string(::getpid()) + ".onnx");
  marvin::imports(std::string(reinterpret_cast<const char*>(data), size), path);
  return 0;
}

// Half of the changes keep the file a model, so that they get past the parser.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t capacity, unsigned seed) {
  std::mt19937_64 random(seed);
  if (random() % 2 == 0) return LLVMFuzzerMutate(data, size, capacity);
  const std::string bytes = marvin::changed(std::string(reinterpret_cast<const char*>(data), size), random);
  if (bytes.empty() || bytes.size() > capacity) return LLVMFuzzerMutate(data, size, capacity);
  bytes.copy(reinterpret_cast<char*>(data), bytes.size());
  return bytes.size();
}
