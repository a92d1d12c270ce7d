// Text from files on its way to a terminal.
#pragma once

#include <string>
#include <string_view>

namespace marvin {

// The text with control characters (ASCII's and those from U+0080 to U+009F) and bytes that are not UTF-8 as \n, \t, \r
// or \xNN, and separators of lines and directions of writing (U+2028 to U+202E, U+2066 to U+2069) as \u202e, so that
// names in files neither break lines nor command a terminal nor reorder what is read. `keep` are left alone.
std::string printable(std::string_view text, std::string_view keep = "");

// Cut so that it can be read: words of over 200 bytes, and then the middle of what has over 1200, are "...".
std::string shortened(const std::string& text);

}  // namespace marvin
