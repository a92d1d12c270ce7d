#include "runtime/cli/test_case.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "importer/test_data.h"
#include "runtime/cli/run_model.h"
#include "runtime/ir/error.h"

namespace marvin {
namespace {

// Of ONNX's backend test runner.
constexpr double kRelativeTolerance = 1e-3, kAbsoluteTolerance = 1e-7;

template <class T>
double number(T element) {
  if constexpr (std::is_class_v<T>)
    return static_cast<double>(static_cast<float>(element));
  else
    return static_cast<double>(element);
}

struct Difference {
  double largest = 0;
  int64_t at = 0;  // the element
  bool within = true;
};

Difference compare(const Tensor& actual, const Tensor& expected) {
  Difference result;
  visit_stored(expected.type().dtype, [&](auto zero) {
    const auto a = actual.as<decltype(zero)>();
    const auto e = expected.as<decltype(zero)>();
    for (size_t i = 0; i < e.size(); ++i) {
      const double got = number(a[i]), wanted = number(e[i]);
      if (got == wanted || (std::isnan(got) && std::isnan(wanted))) continue;
      double difference = std::abs(got - wanted);
      if (std::isnan(difference)) difference = std::numeric_limits<double>::infinity();
      if (!(difference <= kAbsoluteTolerance + kRelativeTolerance * std::abs(wanted)) || std::isinf(difference)) {
        result.within = false;
      }
      if (difference > result.largest) result = {difference, static_cast<int64_t>(i), result.within};
    }
  });
  return result;
}

std::string test_file(const std::string& directory, const std::string& kind, size_t i) {
  return (std::filesystem::path(directory) / cat(kind, "_", i, ".pb")).string();
}

std::vector<NamedArray> read_test_inputs(const std::vector<std::string>& names, const std::string& directory) {
  std::vector<NamedArray> inputs;
  for (size_t i = 0; i < names.size(); ++i)
    inputs.push_back({names[i], read_tensor_file(test_file(directory, "input", i))});
  if (const std::string file = test_file(directory, "input", names.size()); std::filesystem::exists(file))
    throw Error("'", file, "' is one input too many: the model has ", names.size());
  return inputs;
}

// bfloat16 may be written as its bits, in u16: numpy has no such type.
Tensor as_bfloat16(const Tensor& tensor) {
  if (tensor.type().dtype != DType::u16) return tensor;
  Tensor result(Type{DType::bf16, tensor.type().shape});
  std::copy_n(tensor.data(), tensor.type().bytes(), result.data());
  return result;
}

// What is wrong with the output, "" when nothing is.
std::string fault_of(const ComparedOutput& output, const std::string& file, const Difference& difference) {
  if (output.values.type() != output.expected.type()) {
    return cat("the output '", output.name, "' is ", text_of(output.values.type()), ", but ", file, " is ",
               text_of(output.expected.type()));
  }
  if (difference.within) return "";
  return cat("the output '", output.name, "' is not as in ", file, ": the largest difference is ", difference.largest,
             ", at element ", difference.at);
}

}  // namespace

TestCase run_test_case(const OnnxModel& model, const std::string& directory) {
  TestCase result{.not_applicable = foreign_type(model), .inputs = {}, .outputs = {}};
  if (!result.not_applicable.empty()) return result;
  const std::vector<NamedArray> inputs = read_test_inputs(model.inputs(), directory);
  for (const NamedArray& input : inputs) result.inputs.push_back(input.values);
  std::vector<NamedArray> outputs = run_model(model, inputs, directory);
  for (size_t i = 0; i < outputs.size(); ++i) {
    const std::string file = test_file(directory, "output", i);
    ComparedOutput output{outputs[i].name, std::move(outputs[i].values), read_tensor_file(file), 0, ""};
    if (output.values.type() == Type{DType::bf16, output.expected.type().shape})
      output.expected = as_bfloat16(output.expected);
    Difference difference;
    if (output.values.type() == output.expected.type()) difference = compare(output.values, output.expected);
    output.largest = difference.largest;
    output.difference = fault_of(output, file, difference);
    result.outputs.push_back(std::move(output));
  }
  return result;
}

}  // namespace marvin
