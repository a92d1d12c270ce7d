// Training commands that take no time.
#pragma once

#include <catch2/catch.hpp>

#include "tests/cli/command.h"

namespace marvin {

namespace fs = std::filesystem;
using nlohmann::json;

// A directory with data for models/mlp.onnx, and training commands on them that take no time.
struct Workshop {
  Workshop() { write_bands(data, 64); }

  std::vector<std::string> train(const std::string& into, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {"train", model_path("mlp.onnx"), "--data", data, "--out", into};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  json recipe_of(const std::string& run) const { return json::parse(file_content(run + "/run.json")).at("recipe"); }

  const TemporaryDirectory directory;
  const std::string data = directory / "bands.npz", out = directory / "run";
};

}  // namespace marvin
