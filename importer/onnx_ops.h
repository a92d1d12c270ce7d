// Which ops are ONNX's. Internal to importer/.
#pragma once

#include <cstddef>
#include <string_view>

namespace marvin {

// Whether some opset of the default domain has an op of this name. The others that marvin knows are its own.
bool is_onnx_op(std::string_view name);

// Whether ONNX gives an op of this name so many outputs; marvin's own may have more, for their gradients.
bool is_onnx_op(std::string_view name, size_t outputs);

}  // namespace marvin
