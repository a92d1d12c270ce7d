// Which ops are ONNX's. Internal to importer/.
#pragma once

#include <string_view>

namespace marvin {

// Whether some opset of the default domain has an op of this name. The others that marvin knows are its own.
bool is_onnx_op(std::string_view name);

}  // namespace marvin
