#include "runtime/report/precision_file.h"

#include <filesystem>
#include <fstream>
#include <map>

#include "runtime/ir/error.h"
#include "runtime/report/strict_json.h"

namespace marvin {
namespace {

std::ifstream opened(const std::string& path) {
  std::ifstream file(path);
  if (!file || std::filesystem::is_directory(path)) throw Error("cannot open the file");
  return file;
}

std::string string_in(const Json& value) {
  if (!value.is_string()) throw Error("is ", json_text(value), "; it is a text, as in \"8\" or \"float32\"");
  return value.get<std::string>();
}

std::vector<FormatRules::Rule> rules_in(const Json& json) {
  if (!json.is_object()) throw Error("is ", json_text(json), "; it is an object of names and formats");
  std::vector<FormatRules::Rule> rules;
  for (const auto& [pattern, format] : json.items()) {
    with_context(cat("'", pattern, "'"), [&, &p = pattern, &f = format] {
      rules.push_back({p, slot_format(string_in(f))});
    });
  }
  return rules;
}

// The line's value of `key`, as a T. Throws Error when there is none.
template <class T>
T field(const Json& line, const char* key) {
  const auto value = line.find(key);
  if (value == line.end()) throw Error("has no '", key, "'");
  const auto [fits, wanted] = std::is_same_v<T, std::string> ? std::pair(value->is_string(), "a text")
                              : std::is_integral_v<T> ? std::pair(integer_in(*value).has_value(), "a whole number")
                                                      : std::pair(value->is_object(), "an object");
  if (!fits) throw Error("'", key, "' is ", json_text(*value), "; it is ", wanted);
  return value->get<T>();
}

FixedPoint format_in(const Json& line, const char* key) {
  constexpr int kNarrowest = 2, kWidest = 32, kFarthest = 127;
  const Json format = field<Json>(line, key);
  const auto wl = field<int64_t>(format, "wl"), fl = field<int64_t>(format, "fl");
  if (wl < kNarrowest || wl > kWidest || fl < -kFarthest || fl > kFarthest) {
    throw Error("'", key, "' is ", json_text(format), ", which is no format");
  }
  return {static_cast<int8_t>(wl), static_cast<int8_t>(fl)};
}

// `formats`: what the lines before have put every slot into.
void read_switch(const std::string& text, Recording& recording, std::map<std::string, FixedPoint>& formats) {
  std::istringstream stream(text);
  const Json line = parse_strictly(stream);
  if (!line.is_object()) throw Error("is no JSON object");
  const Recording::Switch change{field<int64_t>(line, "step"), field<std::string>(line, "slot"), format_in(line, "to")};
  if (change.step < (recording.switches.empty() ? 0 : recording.switches.back().step)) throw Error("goes back in time");
  const auto [before, is_first] = formats.try_emplace(change.slot, change.to);
  if (!is_first && format_in(line, "from") != before->second)
    throw Error("is a switch from ", text_of(format_in(line, "from")), ", but '", change.slot, "' was at ",
                text_of(before->second), "; a line before it is missing");
  before->second = change.to;
  if (line.contains("treatment")) recording.treatment = treatment_of(field<std::string>(line, "treatment"));
  recording.switches.push_back(change);
}

}  // namespace

FormatRules read_format_rules(const std::string& path) {
  return with_context(cat("the formats '", path, "'"), [&] {
    std::ifstream file = opened(path);
    const Json json = parse_strictly(file);
    if (!json.is_object()) throw Error("is not a JSON object");
    FormatRules rules{.source = cat("the formats '", path, "'")};
    const std::vector<std::string> known = {"default", "slots", "layers"};
    for (const auto& [key, value] : json.items()) {
      with_context(cat("'", key, "'"), [&, &k = key, &v = value] {
        if (k == "default") {
          rules.otherwise = slot_format(string_in(v));
        } else if (k == "slots" || k == "layers") {
          (k == "slots" ? rules.slots : rules.layers) = rules_in(v);
        } else {
          throw Error("there is no such key; they are ", join(known), ".", suggestion(k, known));
        }
      });
    }
    return rules;
  });
}

Recording read_recording(const std::string& path) {
  return with_context(cat("the recording '", path, "'"), [&] {
    std::ifstream file = opened(path);
    Recording recording{.source = cat("the recording '", path, "'")};
    std::map<std::string, FixedPoint> formats;
    int64_t number = 0;
    for (std::string line; std::getline(file, line);) {
      with_context(cat("line ", ++number), [&] { read_switch(line, recording, formats); });
    }
    if (recording.switches.empty())
      throw Error("holds no switches, as that of a run in float32 does; for such a run give --precision float32");
    return recording;
  });
}

}  // namespace marvin
