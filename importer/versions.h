// Which libraries the importer reads files with, for --version and run.json.
#pragma once

#include <string>

namespace marvin {

std::string onnx_version();
std::string protobuf_version();

}  // namespace marvin
