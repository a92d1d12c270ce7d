#include "importer/versions.h"

#include <google/protobuf/stubs/common.h>
#include <onnx/common/version.h>

namespace marvin {

std::string onnx_version() { return onnx::LAST_RELEASE_VERSION; }

std::string protobuf_version() { return google::protobuf::internal::VersionString(GOOGLE_PROTOBUF_VERSION); }

}  // namespace marvin
