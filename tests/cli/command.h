// Runs the marvin binary.
#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "runtime/data/npz.h"
#include "tests/data/files.h"

namespace marvin {

struct Outcome {
  int code = -1;  // of exit; -1 when a signal ended it
  std::string out, err;

  bool says(const std::string& text) const { return err.find(text) != std::string::npos; }
  nlohmann::json json() const { return nlohmann::json::parse(out); }
};

inline Outcome run_marvin(const std::vector<std::string>& arguments) {
  const TemporaryDirectory directory;
  const std::string out = directory / "out", err = directory / "err";
  std::vector<std::string> words = {MARVIN_BINARY};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, out.c_str(), O_WRONLY | O_CREAT, 0600);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, err.c_str(), O_WRONLY | O_CREAT, 0600);
  pid_t child = 0;
  const int error = posix_spawn(&child, MARVIN_BINARY, &actions, nullptr, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::runtime_error("cannot run " MARVIN_BINARY);
  int status = 0;
  waitpid(child, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, file_content(out), file_content(err)};
}

inline std::string model_path(const std::string& name) { return MARVIN_SOURCE_DIR "/models/" + name; }

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

inline std::vector<nlohmann::json> json_lines_of(const std::string& path) {
  std::vector<nlohmann::json> objects;
  for (const std::string& line : lines_of(file_content(path))) objects.push_back(nlohmann::json::parse(line));
  return objects;
}

// Images for models/mlp.onnx: class k is a bright band of rows. Learnt within a few steps.
inline void write_bands(const std::string& path, int64_t samples) {
  Tensor images(Type{DType::f32, {samples, 1, 28, 28}}), labels(Type{DType::i64, {samples}});
  for (int64_t n = 0; n < samples; ++n) {
    const int64_t label = n % 10;
    labels.as<int64_t>()[static_cast<size_t>(n)] = label;
    for (int64_t i = 0; i < 784; ++i) {
      const float noise = static_cast<float>((n * 31 + i * 17) % 7) / 20;
      images.as<float>()[static_cast<size_t>(n * 784 + i)] = (i / 28 / 3 == label ? 1.0f : 0.0f) + noise;
    }
  }
  write_npz(path, std::vector<NamedArray>{{"input", std::move(images)}, {"labels", std::move(labels)}});
}

}  // namespace marvin
