// Evaluation of a file, as eval and export --verify do it.
#pragma once

#include <string>

#include "importer/onnx_model.h"
#include "runtime/cli/options.h"
#include "runtime/report/json.h"

namespace marvin {

struct EvaluationOptions {
  std::string loss;                     // empty: the one that the model was trained with, else the usual one
  std::string loss_output;              // empty: the one that the model was trained with, else the first
  std::optional<int64_t> ignore_index;  // over what the model was trained with
  std::optional<int64_t> class_axis;    // over what the model was trained with
  int64_t batch_size = 128;
  bool float32 = false;  // leave the model's formats aside
  std::optional<Backend> backend;
};

// In inference form, with the preprocessing and the formats that the file carries, on the test samples where there are
// any, on the others otherwise.
Evaluation evaluate_model(const OnnxModel& model, const DataSplits& data, const EvaluationOptions& options);

Json to_json(const Evaluation& evaluation);
// "loss 0.2912, accuracy 91.20 %, top-5 99.10 %".
std::string text_of(const Evaluation& evaluation);
// What is printed last: "accuracy: 91.20 %", or the loss of what is not a classifier.
std::string last_line(const Evaluation& evaluation);

}  // namespace marvin
