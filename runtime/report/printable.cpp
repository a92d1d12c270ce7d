#include "runtime/report/printable.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "runtime/ir/error.h"

namespace marvin {
namespace {

std::string escaped(unsigned char byte) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  if (byte == '\n') return "\\n";
  if (byte == '\t') return "\\t";
  if (byte == '\r') return "\\r";
  return {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
}

unsigned char byte_at(std::string_view text, size_t i) { return static_cast<unsigned char>(text[i]); }

struct Character {
  uint32_t code = 0;
  size_t bytes = 0;  // 0: the text begins with no character of UTF-8
};

Character first_character(std::string_view text) {
  const unsigned char lead = byte_at(text, 0);
  const size_t bytes = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
  if (bytes == 0 || bytes > text.size()) return {};
  uint32_t code = bytes == 1 ? lead : lead & (0xffU >> (bytes + 1));
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte_at(text, i) & 0xc0) != 0x80) return {};
    code = code << 6 | (byte_at(text, i) & 0x3f);
  }
  constexpr std::array<uint32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kLeast[bytes] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return {};
  return {code, bytes};
}

// Controls of lines and of the direction of writing, and what is no character in XML.
bool is_hidden(uint32_t code) {
  const auto in = [&](uint32_t first, uint32_t last) { return code >= first && code <= last; };
  return in(0x7f, 0x9f) || in(0x2028, 0x202e) || in(0x2066, 0x2069) || in(0xfffe, 0xffff);
}

// \u202e
std::string escaped_code(uint32_t code) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  return {'\\', 'u', kDigits[code >> 12], kDigits[code >> 8 & 15], kDigits[code >> 4 & 15], kDigits[code & 15]};
}

}  // namespace

std::string printable(std::string_view text, std::string_view keep) {
  std::string result;
  while (!text.empty()) {
    const auto [code, bytes] = first_character(text);
    if (bytes == 0 || (code < ' ' && keep.find(text[0]) == std::string_view::npos)) {
      result += escaped(byte_at(text, 0));
    } else if (is_hidden(code)) {
      result += code < 0x100 ? escaped(static_cast<unsigned char>(code)) : escaped_code(code);
    } else {
      result += text.substr(0, bytes);
    }
    text.remove_prefix(std::max<size_t>(bytes, 1));
  }
  return result;
}

std::string shortened(const std::string& text) {
  constexpr size_t kLongestWord = 200, kLongest = 1200, kEnd = 400;
  const auto cut = [](std::string_view part, size_t most) {
    while (most > 0 && (byte_at(part, most) & 0xc0) == 0x80) --most;
    return std::string(part.substr(0, most));
  };
  std::string result;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find_first_of(" \n", begin), text.size());
    const std::string_view word = std::string_view(text).substr(begin, end - begin);
    result += word.size() > kLongestWord ? cut(word, kLongestWord) + "..." : word;
    if (end < text.size()) result += text[end];
    begin = end + 1;
  }
  if (result.size() <= kLongest) return result;
  size_t last = result.size() - kEnd;
  while ((byte_at(result, last) & 0xc0) == 0x80) ++last;
  return cat(cut(result, kLongest - kEnd), " ... ", result.substr(last));
}

}  // namespace marvin
