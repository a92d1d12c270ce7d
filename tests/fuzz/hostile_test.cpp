// Damaged and malicious files are imported or refused; nothing else happens. A short run of what import_fuzzer.cpp does
// for as long as one likes.
#include <catch2/catch.hpp>

#include "tests/data/files.h"
#include "tests/fuzz/hostile_models.h"

namespace marvin {

TEST_CASE("files that are damaged or malicious are imported or refused with an Error") {
  const TemporaryDirectory directory;
  const std::vector<std::string> models = conformance_models();
  REQUIRE(models.size() > 900);
  int64_t imported = 0;
  for (size_t i = 0; i < models.size(); ++i) {
    INFO("model " << i);
    std::mt19937_64 random(i);
    imported += imports(changed(models[i], random), directory / "model.onnx");
  }
  CHECK(imported > 100);
  CHECK(imported < static_cast<int64_t>(models.size()) - 100);
}

}  // namespace marvin
