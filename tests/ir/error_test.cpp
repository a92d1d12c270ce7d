#include "runtime/ir/error.h"

#include <catch2/catch.hpp>
#include <vector>

namespace marvin {

TEST_CASE("names are joined as in a sentence, and counted where they are many") {
  const std::vector<std::string> names = {"a", "b", "c", "d"};
  CHECK(join(names) == "a, b, c and d");
  CHECK(join_some(names, 3) == "a, b, c and d");
  CHECK(join_some(names, 2) == "a, b and 2 more");
  CHECK(join_some({}, 2).empty());
}

TEST_CASE("the nearest known name is suggested for a wrong one, and none that is far") {
  const std::vector<std::string> known = {"float32", "adaptive", "muppet"};
  CHECK(suggestion("adaptiv", known).find("'adaptive'") != std::string::npos);
  CHECK(suggestion("xyz", known).empty());
}

}  // namespace marvin
