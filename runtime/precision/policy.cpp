#include "runtime/precision/policy.h"

#include <charconv>
#include <optional>

#include "runtime/ir/error.h"

namespace marvin {
namespace {

std::optional<int> integer(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::unique_ptr<SwitchPolicy> fixed_policy(const std::string& spec) {
  const std::string format = spec.substr(6);
  const size_t dot = format.find('.');
  const std::optional<int> wl = integer(std::string_view(format).substr(0, dot));
  const bool fitted = dot == std::string::npos;
  const std::optional<int> fl = fitted ? 0 : integer(std::string_view(format).substr(dot + 1));
  if (!wl || !fl || *wl < 2 || *wl > FixedPoint::kMaxWl || *fl < -100 || *fl > 100) {
    throw Error("--precision ", spec, ": fixed:WL or fixed:WL.FL takes a word length from 2 to ", FixedPoint::kMaxWl,
                " and a fractional length from -100 to 100, as in fixed:8 or fixed:16.10");
  }
  return make_fixed_policy(*wl, *fl, fitted);
}

}  // namespace

std::unique_ptr<SwitchPolicy> make_policy(const std::string& spec) {
  if (spec == "adaptive") return make_adaptive_policy();
  if (spec == "float32") return nullptr;
  if (spec.starts_with("fixed:")) return fixed_policy(spec);
  const std::vector<std::string> known = {"adaptive", "float32", "fixed:8"};
  throw Error("unknown precision '", spec, "'; it is adaptive, float32, fixed:WL or fixed:WL.FL.",
              suggestion(spec, known));
}

}  // namespace marvin
