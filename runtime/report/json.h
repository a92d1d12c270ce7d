// JSON whose numbers are as short as they can be.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace marvin {

using Json = nlohmann::ordered_json;

// The double whose shortest text is the float's: JSON then says 0.9, not 0.8999999761581421, and reads back as the same
// float.
double json_number(float value);
std::vector<double> json_numbers(std::span<const float> values);

// The integer; none where the value is no integer of 64 bits.
std::optional<int64_t> integer_in(const Json& value);

// Milliseconds and seconds with no more digits than there are nanoseconds.
constexpr double ms_of(int64_t ns) { return static_cast<double>(ns) / 1e6; }
constexpr double seconds_of(int64_t ns) { return static_cast<double>(ns) / 1e9; }

// As Json::dump, but with the shortest decimals that read back to the same numbers. What is not finite is null.
std::string json_text(const Json& json, int indent = -1);

}  // namespace marvin
