// What of a model's fixed point a file of nodes alone cannot say.
#pragma once

#include "importer/onnx_model.h"
#include "runtime/cli/options.h"
#include "runtime/precision/fixed_point.h"

namespace marvin {

// Nodes of a file whose products, all or some, are computed in fixed point by `formats`, but stay in float32 where
// export writes the fixed point as nodes.
struct FloatProducts {
  struct Layer {
    std::string name, op;
  };
  std::vector<Layer> layers;
  bool all = false;     // no product is in fixed point there
  std::string unknown;  // why layers could not be told, where shapes are missing; else ""
};

// `shapes`: of inputs whose axes the file leaves open.
FloatProducts float_products(const OnnxModel& model, const Formats& formats, const InputShapes& shapes);

}  // namespace marvin
