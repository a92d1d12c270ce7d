#include "runtime/precision/treatment.h"

#include <algorithm>
#include <array>

#include "runtime/ir/error.h"
#include "runtime/precision/settings.h"

namespace marvin {
namespace {

struct Flag {
  const char* name;
  bool Treatment::*member;
};
constexpr std::array<Flag, 4> kFlags = {{{"stochastic", &Treatment::stochastic},
                                         {"mixed", &Treatment::mixed},
                                         {"round-gradients", &Treatment::round_gradients},
                                         {"unit-gradients", &Treatment::unit_gradients}}};

}  // namespace

std::string text_of(const Treatment& treatment) {
  std::string text;
  for (const Flag& flag : kFlags)
    if (treatment.*flag.member) text += (text.empty() ? "" : ",") + std::string(flag.name);
  return text;
}

Treatment treatment_of(std::string_view text) {
  Treatment treatment;
  while (!text.empty()) {
    const std::string_view word = next_word(text);
    const auto* const flag = std::ranges::find(kFlags, word, [](const Flag& f) { return std::string_view(f.name); });
    if (flag == kFlags.end()) throw Error("there is no treatment '", word, "'");
    treatment.*flag->member = true;
  }
  return treatment;
}

}  // namespace marvin
