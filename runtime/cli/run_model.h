// Executing a model forward, as it stands.
#pragma once

#include <string>
#include <vector>

#include "importer/onnx_model.h"
#include "runtime/data/npz.h"

namespace marvin {

// The model's outputs on these inputs, under their names. Where shapes depend on what is fed, inputs are taken for
// constants. Throws Error, naming `source` (of the inputs), when they do not fit the model.
std::vector<NamedArray> run_model(const OnnxModel& model, const std::vector<NamedArray>& inputs,
                                  const std::string& source);

}  // namespace marvin
