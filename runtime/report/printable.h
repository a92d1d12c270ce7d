// Text from files on its way to a terminal.
#pragma once

#include <string>
#include <string_view>

namespace marvin {

// The text with control characters (ASCII's and, in UTF-8, those from U+0080 to U+009F) as \n, \t, \r or \xNN, so that
// names in files neither break lines nor command a terminal. `keep` are left alone.
std::string printable(std::string_view text, std::string_view keep = "");

}  // namespace marvin
