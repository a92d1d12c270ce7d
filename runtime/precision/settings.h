// The settings of a policy, as text: "buff=4,gamma=0.33".
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace marvin {

struct Setting {
  std::string name;
  double* value;
  double lowest, highest;
  bool whole;  // an integer
};

// Sets what `text` names. Throws Error, with a suggestion, on other names, on numbers that are none or out of bounds,
// and on names that come twice.
void read_settings(std::string_view text, std::span<const Setting> known);

// Takes the text up to the next comma, and the comma, away from `text`.
std::string_view next_word(std::string_view& text);

}  // namespace marvin
