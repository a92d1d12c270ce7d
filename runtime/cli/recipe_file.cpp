#include "runtime/cli/recipe_file.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>

#include "runtime/cli/options.h"
#include "runtime/report/strict_json.h"

namespace marvin {
namespace {

constexpr const char* kPreprocess = "preprocess";

// The names that a recipe may use.
std::vector<std::string> settings_of(const CLI::App& command) {
  std::vector<std::string> names = {kPreprocess};
  for (const std::string& flag : flags_of(command))
    if (flag != "--help" && flag != "--recipe") names.push_back(flag.substr(2));
  return names;
}

std::string text_of(const Json& value) { return value.is_string() ? value.get<std::string>() : json_text(value); }

// What the option would have been given on a command line.
std::string argument_of(const CLI::Option& option, const std::string& name, const Json& value) {
  const bool is_flag = option.get_items_expected_max() == 0;
  if (is_flag != value.is_boolean())
    throw Error("is ", json_text(value), "; it is ", is_flag ? "true or false" : "a value");
  if (is_flag) return option.get_flag_value(name, value.get<bool>() ? "true" : "false");
  if (value.is_object() || value.is_null()) throw Error("is ", json_text(value), "; it is a number, a text or a list");
  if (!value.is_array()) return text_of(value);
  std::string list;
  for (const Json& element : value) list += (list.empty() ? "" : ",") + text_of(element);
  return list;
}

class RecipeReader {
 public:
  explicit RecipeReader(CLI::App& command) : command_(command), on_command_line_(given(command)) {}

  void apply(const std::string& name, const Json& value) {
    const std::vector<std::string> known = settings_of(command_);
    if (std::ranges::find(known, name) == known.end()) {
      throw Error("there is no setting '", name, "'.", suggestion(name, known));
    }
    CLI::Option& option = *command_.get_option("--" + name);
    if (on_command_line_.contains(&option) || is_excluded(option, name)) return;
    with_context(cat("'", name, "'"), [&] {
      if (option.count() > 0) throw Error("is set twice");  // shuffle and no-shuffle
      set(option, argument_of(option, name, value));
    });
  }

 private:
  // Whether the command line has something that goes instead.
  bool is_excluded(const CLI::Option& option, const std::string& name) const {
    for (const CLI::Option* other : option.get_excludes()) {
      if (on_command_line_.contains(other)) return true;
      if (other->count() > 0) throw Error("'", name, "' and '", other->get_single_name(), "' do not go together");
    }
    return false;
  }

  static void set(CLI::Option& option, const std::string& argument) {
    try {
      option.add_result(argument);
      option.run_callback();
    } catch (const CLI::ParseError& error) {
      throw Error("'", argument, "' does not fit: ", error.what());
    }
  }

  CLI::App& command_;
  const std::set<const CLI::Option*> on_command_line_;
};

// ---- Preprocessing --------------------------------------------------------------------------------------------------

void check_keys(const Json& json, const std::vector<std::string>& known) {
  if (!json.is_object()) throw Error("is ", json_text(json), "; it is an object of ", join(known));
  for (const auto& [key, value] : json.items()) {
    if (std::ranges::find(known, key) == known.end())
      throw Error("there is no setting '", key, "'.", suggestion(key, known));
  }
}

template <class T>
T value_of(const Json& json, const std::string& key, const T& otherwise, const char* kind) {
  const auto value = json.find(key);
  if (value == json.end()) return otherwise;
  const bool fits = std::is_same_v<T, bool> ? value->is_boolean()
                    : std::is_integral_v<T> ? integer_in(*value).has_value()
                                            : value->is_array() && std::ranges::all_of(*value, [](const Json& x) {
                                                return x.is_number() && std::isfinite(x.get<float>());
                                              });
  if (!fits) throw Error("'", key, "' is ", json_text(*value), "; it is ", kind);
  return value->get<T>();
}

void parse_normalize(const Json& json, const Dataset& train, Preprocess& preprocess) {
  const auto normalize = json.find("normalize");
  const bool given = normalize != json.end();
  if (given && !normalize->is_boolean()) {
    with_context("'normalize'", [&] {
      check_keys(*normalize, {"mean", "std"});
      preprocess.mean = value_of<std::vector<float>>(*normalize, "mean", {}, "a list of numbers, one per channel");
      preprocess.deviation = value_of<std::vector<float>>(*normalize, "std", {}, "a list of numbers, one per channel");
      if (preprocess.mean.empty() || preprocess.deviation.empty()) throw Error("needs both 'mean' and 'std'");
    });
  } else if (!given || normalize->get<bool>()) {
    const MeanAndDeviation statistics = mean_and_deviation(train);
    preprocess.mean = statistics.mean;
    preprocess.deviation = statistics.deviation;
  }
}

}  // namespace

Json read_recipe(const std::string& path) {
  std::ifstream file(path);
  if (!file || std::filesystem::is_directory(path)) throw Error("cannot open the recipe '", path, "'");
  return with_context(cat("the recipe '", path, "'"), [&] {
    Json json = parse_strictly(file);
    if (!json.is_object()) throw Error("is not a JSON object of settings");
    return json;
  });
}

void apply_recipe(CLI::App& command, const Json& recipe, const std::string& source) {
  RecipeReader reader(command);
  with_context(cat("the recipe '", source, "'"), [&] {
    for (const auto& [name, value] : recipe.items())
      if (name != kPreprocess) reader.apply(name, value);
  });
}

Json preprocess_of(const Json& recipe) { return recipe.value(kPreprocess, Json()); }

Preprocess parse_preprocess(const Json& json, const std::string& source, const Dataset& train) {
  return with_context(cat("the recipe '", source, "': 'preprocess'"), [&] {
    check_keys(json, {"normalize", "pad", "crop", "flip"});
    if (train.kind != DataKind::images) throw Error("is for images; arrays of an .npz file are fed as they are");
    Preprocess preprocess{.scale = true};
    preprocess.pad = value_of<int64_t>(json, "pad", 0, "a number of pixels");
    preprocess.crop_padding = value_of<int64_t>(json, "crop", 0, "a number of pixels");
    preprocess.crop = preprocess.crop_padding > 0;
    preprocess.flip = value_of<bool>(json, "flip", false, "true or false");
    parse_normalize(json, train, preprocess);
    return preprocess;
  });
}

Json preprocess_json(const Preprocess& preprocess) {
  Json json = {{"normalize", false}};
  if (!preprocess.mean.empty())
    json["normalize"] = {{"mean", json_numbers(preprocess.mean)}, {"std", json_numbers(preprocess.deviation)}};
  json["pad"] = preprocess.pad;
  json["crop"] = preprocess.crop ? preprocess.crop_padding : 0;
  json["flip"] = preprocess.flip;
  return json;
}

}  // namespace marvin
