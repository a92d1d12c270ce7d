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

std::unique_ptr<SwitchPolicy> uniform_policy(std::string_view text) {
  const SlotFormat format = slot_format(text);
  if (format.format.is_float())
    throw Error("fixed: takes a word length; --precision float32 is what quantizes nothing");
  return make_fixed_policy(
      [format](std::span<const SlotWindow> windows) { return std::vector<SlotFormat>(windows.size(), format); },
      format.fitted);
}

// What follows "name", "name:" or "name," where `spec` begins so.
std::optional<std::string_view> settings_of(std::string_view spec, std::string_view name) {
  if (!spec.starts_with(name)) return std::nullopt;
  spec.remove_prefix(name.size());
  if (spec.empty()) return spec;
  if (spec[0] != ':' && spec[0] != ',') return std::nullopt;
  if (spec.size() == 1)
    throw Error("nothing follows the ", spec == ":" ? "colon" : "comma", "; give ", name, " alone, or settings");
  return spec.substr(1);
}

}  // namespace

SlotFormat slot_format(std::string_view text) {
  constexpr int kWidest = 100;
  if (text == "float32") return {};
  const size_t dot = text.find('.');
  const bool fitted = dot == std::string_view::npos;
  const std::optional<int> wl = integer(text.substr(0, dot));
  const std::optional<int> fl = fitted ? 0 : integer(text.substr(dot + 1));
  if (!wl || !fl || *wl < 2 || *wl > FixedPoint::kMaxWl || *fl < -kWidest || *fl > kWidest) {
    throw Error("'", text, "' is no format; it is float32, a word length from 2 to ", FixedPoint::kMaxWl,
                ", or that and a fractional length from -100 to 100, as in 8 or 16.10");
  }
  return {{static_cast<int8_t>(*wl), static_cast<int8_t>(*fl)}, fitted};
}

std::unique_ptr<SwitchPolicy> make_policy(const std::string& spec) {
  if (spec == "float32") return nullptr;
  if (spec == "adaptive") return make_adaptive_policy();
  return with_context("--precision " + spec, [&]() -> std::unique_ptr<SwitchPolicy> {
    if (spec.starts_with("fixed:")) return uniform_policy(std::string_view(spec).substr(6));
    if (const auto settings = settings_of(spec, "paper")) return make_paper_policy(*settings);
    if (const auto settings = settings_of(spec, "muppet")) return make_muppet_policy(*settings);
    const std::vector<std::string> known = {"adaptive", "float32", "fixed:8", "paper", "muppet"};
    throw Error("there is no such precision; it is ", kPrecisionSpecs, ".", suggestion(spec, known));
  });
}

}  // namespace marvin
