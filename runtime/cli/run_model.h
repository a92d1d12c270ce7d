// Executing a model forward, as it stands.
#pragma once

#include <string>
#include <vector>

#include "importer/onnx_model.h"
#include "runtime/data/npz.h"

namespace marvin {

// The model with its inputs bound to the shapes of these. Where shapes depend on what is fed, integers and bools among
// the inputs are constants, and where that is not enough, all are. `widen`: see ImportOptions.
Graph import_for(const OnnxModel& model, const std::vector<NamedArray>& inputs, bool widen = false);

// The model's outputs on these inputs, under their names. Where shapes depend on what is fed, inputs are taken for
// constants. Throws Error, naming `source` (of the inputs), when they do not fit the model.
std::vector<NamedArray> run_model(const OnnxModel& model, const std::vector<NamedArray>& inputs,
                                  const std::string& source);

}  // namespace marvin
