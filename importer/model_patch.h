// What the exports have in common. Internal to importer/.
#pragma once

#include <limits>

#include "importer/export.h"
#include "importer/onnx_file.h"

namespace marvin {

// The model as it came in, all data inside, with weights replaced by name.
onnx::ModelProto with_weights(const OnnxModel& model, const TensorMap& weights);

void set_metadata(onnx::ModelProto& proto, const std::string& key, const std::string& value);

// "8,5"
std::string metadata_text(FixedPoint format);
void set_formats(onnx::ModelProto& proto, const Formats& formats);

// What is larger than `most` bytes, which protobuf cannot read, keeps its weights in the file PATH.data. Throws Error
// where the files cannot be written.
void save(onnx::ModelProto proto, const std::string& path, size_t most = std::numeric_limits<int32_t>::max());

}  // namespace marvin
