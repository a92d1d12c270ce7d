// The nodes of a model as its file has them, whether marvin knows their ops or not.
#pragma once

#include <string>
#include <vector>

#include "importer/onnx_model.h"

namespace marvin {

struct ListedNode {
  std::string name;       // or its first output's, when it has none
  std::string op;         // with its domain in front where that is not ONNX's
  std::string described;  // as errors on it begin: "node 'conv1' (Conv"
  std::vector<std::string> outputs;
  bool known = false;  // marvin reads this op
};

std::vector<ListedNode> list_nodes(const OnnxModel& model);

// The quantizers among the nodes of the file's graph, by op: QuantizeLinear, DequantizeLinear, IntQuant, BipolarQuant.
// Each once; none where the file computes in real numbers.
std::vector<std::string> quantizer_ops(const OnnxModel& model);

// The initializers that a DequantizeLinear reads as its integers: nothing trains them.
std::vector<std::string> integer_weights(const OnnxModel& model);

}  // namespace marvin
