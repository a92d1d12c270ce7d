// What an OnnxModel holds. Internal to importer/.
#pragma once

#include <onnx/onnx_pb.h>

#include <filesystem>

#include "importer/onnx_model.h"

namespace marvin {

struct OnnxModel::File {
  onnx::ModelProto proto;
  std::filesystem::path directory;  // of tensors that are kept in files beside the model
  int64_t opset = 0;                // of the default domain
  std::map<std::string, std::string> metadata;
};

// "" and "ai.onnx" both name ONNX's own ops.
bool is_default_domain(const std::string& domain);

}  // namespace marvin
