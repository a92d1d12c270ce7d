#include "runtime/precision/settings.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <vector>

#include "runtime/ir/error.h"

namespace marvin {
namespace {

void set(const Setting& setting, std::string_view text) {
  double number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = error == std::errc() && stop == text.data() + text.size();
  const bool fits = whole && number >= setting.lowest && number <= setting.highest;
  if (!fits || (setting.whole && number != std::floor(number))) {
    throw Error(setting.name, "=", text, " makes no sense; it is ", setting.whole ? "an integer" : "a number", " from ",
                setting.lowest, " to ", setting.highest);
  }
  *setting.value = number;
}

}  // namespace

std::string_view next_word(std::string_view& text) {
  const std::string_view word = text.substr(0, text.find(','));
  text.remove_prefix(std::min(text.size(), word.size() + 1));
  return word;
}

void read_settings(std::string_view text, std::span<const Setting> known) {
  std::set<std::string_view> seen;
  while (!text.empty()) {
    const std::string_view word = next_word(text);
    const size_t equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    const auto setting = std::ranges::find(known, name, &Setting::name);
    if (setting == known.end()) {
      std::vector<std::string> names;
      for (const Setting& other : known) names.push_back(other.name);
      throw Error("there is no setting '", name, "'; they are ", join(names), ".", suggestion(name, names));
    }
    if (!seen.insert(name).second) throw Error("'", name, "' is set twice");
    if (equals == std::string_view::npos) throw Error("'", name, "' has no value; write ", name, "=NUMBER");
    set(*setting, word.substr(equals + 1));
  }
}

}  // namespace marvin
