#include "runtime/report/printable.h"

namespace marvin {
namespace {

std::string escaped(unsigned char byte) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  if (byte == '\n') return "\\n";
  if (byte == '\t') return "\\t";
  if (byte == '\r') return "\\r";
  return {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
}

// U+0080 to U+009F are c2 80 to c2 9f.
bool begins_control(std::string_view text) {
  return text.size() > 1 && text[0] == '\xc2' && static_cast<unsigned char>(text[1]) < 0xa0;
}

}  // namespace

std::string printable(std::string_view text, std::string_view keep) {
  constexpr unsigned char kDelete = 127;
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    const unsigned char byte = static_cast<unsigned char>(text[i]);
    if ((byte < ' ' || byte == kDelete) && keep.find(text[i]) == std::string_view::npos) {
      result += escaped(byte);
    } else if (begins_control(text.substr(i))) {
      result += escaped(static_cast<unsigned char>(text[++i]));
    } else {
      result += text[i];
    }
  }
  return result;
}

}  // namespace marvin
