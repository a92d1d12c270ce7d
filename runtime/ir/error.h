// How marvin says that the user's model, data or flag is wrong.
#pragma once

#include <cmath>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace marvin {

// Without the sign of what is not a number, which means nothing.
template <class Arg>
void put(std::ostream& text, const Arg& arg) {
  if constexpr (std::is_floating_point_v<Arg>) {
    text << (std::isnan(arg) ? std::abs(arg) : arg);
  } else {
    text << arg;
  }
}

// Concatenates anything that has an operator<<.
template <class... Args>
std::string cat(const Args&... args) {
  std::ostringstream text;
  (put(text, args), ...);
  return text.str();
}

// The user's model, data or flag is wrong: one line that says what, where and what to do. Caught once, in main.
// A defect of marvin itself is a std::logic_error instead.
class Error : public std::runtime_error {
 public:
  template <class... Args>
  explicit Error(const Args&... args) : std::runtime_error(cat(args...)) {}
};

// Calls `body` and puts "where: " in front of the message of any Error that leaves it.
template <class Body>
decltype(auto) with_context(const std::string& where, Body&& body) {
  try {
    return body();
  } catch (const Error& error) {
    throw Error(where, ": ", error.what());
  }
}

// " Did you mean 'x'?" for the known word nearest to `wrong` in edit distance, or "" when none is near.
std::string suggestion(std::string_view wrong, std::span<const std::string> known);

// "a, b and c".
std::string join(std::span<const std::string> words, std::string_view last = " and ");

// "a, b and 16 more" where there are more words than `most` and one.
std::string join_some(std::span<const std::string> words, size_t most);

}  // namespace marvin
