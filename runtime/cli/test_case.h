// The cases of ONNX's backend tests: a model and what it makes of given inputs.
#pragma once

#include <string>
#include <vector>

#include "importer/onnx_model.h"

namespace marvin {

struct ComparedOutput {
  std::string name;
  Tensor values, expected;
  double largest = 0;      // absolute difference
  std::string difference;  // what is wrong, "" when the output is as expected
};

struct TestCase {
  std::string not_applicable;  // why the case is outside of what marvin runs; "" when it is not
  std::vector<Tensor> inputs;
  std::vector<ComparedOutput> outputs;
};

// Runs the model on input_N.pb of the directory and compares its outputs with output_N.pb, with the tolerances of
// ONNX's runner (relative 1e-3, absolute 1e-7). Throws Error when the model cannot be run.
TestCase run_test_case(const OnnxModel& model, const std::string& directory);

}  // namespace marvin
