// The page that CMake puts together from the files of this folder and the chart library.
#pragma once

#include <string_view>

namespace marvin {

struct EmbeddedPage {
  std::string_view before_data, after_data;  // UTF-8
};
EmbeddedPage embedded_page();

}  // namespace marvin
