#include "runtime/cli/model_metadata.h"

#include <charconv>

namespace marvin {
namespace {

constexpr const char* kPreprocess = "marvin.preprocess";
constexpr const char *kLoss = "marvin.loss", *kLossOutput = "marvin.loss-output";
constexpr const char *kSmoothing = "marvin.label-smoothing", *kIgnored = "marvin.ignore-index";
constexpr const char* kClassAxis = "marvin.class-axis";
constexpr std::string_view kFormat = "marvin.format.";
constexpr const char *kFixedPoint = "marvin.fixed-point", *kInNodes = "nodes", *kInFormats = "formats";

// "8,5"
FixedPoint parse_format(const std::string& key, const std::string& text) {
  int wl = 0, fl = 0;
  const char* const end = text.data() + text.size();
  const auto [comma, first] = std::from_chars(text.data(), end, wl);
  const bool split = first == std::errc() && comma != end && *comma == ',';
  const auto [stop, second] =
      split ? std::from_chars(comma + 1, end, fl) : std::from_chars_result{comma, std::errc::invalid_argument};
  if (second != std::errc() || stop != end || wl < 2 || wl > 32 || fl < -127 || fl > 127) {
    throw Error("the model's metadata entry '", key, "' is '", text,
                "'; expected a word and a fractional length, as in 8,5");
  }
  return {static_cast<int8_t>(wl), static_cast<int8_t>(fl)};
}

template <class T>
T parse_number(const std::string& key, const std::string& text) {
  T number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || stop != text.data() + text.size())
    throw Error("the model's metadata entry '", key, "' is '", text, "', which is no number");
  return number;
}

}  // namespace

Json to_json(const Preprocess& preprocess) {
  return {{"scale", preprocess.scale},
          {"mean", json_numbers(preprocess.mean)},
          {"std", json_numbers(preprocess.deviation)},
          {"pad", preprocess.pad}};
}

Metadata training_metadata(const Preprocess& preprocess, const LossOptions& loss, const Formats& formats) {
  Metadata metadata = {{kPreprocess, json_text(to_json(preprocess))}, {kLoss, loss.name}};
  metadata[kLossOutput] = loss.output;
  if (loss.label_smoothing != 0) metadata[kSmoothing] = json_text(json_number(loss.label_smoothing));
  if (loss.ignore_index) metadata[kIgnored] = std::to_string(*loss.ignore_index);
  if (loss.class_axis) metadata[kClassAxis] = std::to_string(*loss.class_axis);
  if (!formats.empty()) metadata[kFixedPoint] = kInFormats;
  for (const auto& [slot, format] : formats) {
    metadata[std::string(kFormat) + slot] = cat(int{format.wl}, ",", int{format.fl});
  }
  return metadata;
}

std::optional<Preprocess> stored_preprocess(const OnnxModel& model) {
  const std::string text = model.metadata(kPreprocess);
  if (text.empty()) return std::nullopt;
  try {
    const Json json = Json::parse(text);
    return Preprocess{.scale = json.at("scale").get<bool>(),
                      .mean = json.at("mean").get<std::vector<float>>(),
                      .deviation = json.at("std").get<std::vector<float>>(),
                      .pad = json.at("pad").get<int64_t>()};
  } catch (const Json::exception&) {
    throw Error("the model's metadata entry '", kPreprocess, "' is damaged: ", text);
  }
}

bool has_fixed_point_nodes(const OnnxModel& model) { return model.metadata(kFixedPoint) == kInNodes; }

Metadata fixed_point_nodes_metadata() { return {{kFixedPoint, kInNodes}}; }

Formats stored_formats(const OnnxModel& model) {
  Formats formats;
  if (has_fixed_point_nodes(model)) return formats;
  for (const auto& [key, value] : model.metadata())
    if (key.starts_with(kFormat)) formats[key.substr(kFormat.size())] = parse_format(key, value);
  return formats;
}

LossOptions stored_loss(const OnnxModel& model) {
  LossOptions loss{.name = model.metadata(kLoss), .output = model.metadata(kLossOutput)};
  if (const std::string text = model.metadata(kSmoothing); !text.empty())
    loss.label_smoothing = parse_number<double>(kSmoothing, text);
  if (const std::string text = model.metadata(kIgnored); !text.empty())
    loss.ignore_index = parse_number<int64_t>(kIgnored, text);
  if (const std::string text = model.metadata(kClassAxis); !text.empty())
    loss.class_axis = parse_number<int64_t>(kClassAxis, text);
  return loss;
}

}  // namespace marvin
