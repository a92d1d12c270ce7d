// How the forms of export_fixed_point write a quantizer. Internal to importer/.
#pragma once

#include "importer/export.h"
#include "importer/node_writer.h"

namespace marvin {

// A value that products read in fixed point.
struct QuantizedValue {
  std::string name;
  FixedPoint format;
  std::string dequantized;  // what they read instead
};

// Functions that write the nodes from value.name to value.dequantized. They throw Error where the model's opset has not
// the ops needed.
struct QuantizerWriter {
  // Of a value with these float32 elements.
  void (*weight)(NodeWriter& writer, const QuantizedValue& value, const Tensor& elements);
  // Of one that a node computes, or the user gives.
  void (*computed)(NodeWriter& writer, const QuantizedValue& value);
  // Of its nodes, in version 1; "" where they are ONNX's.
  std::string_view domain;
};

const QuantizerWriter& quantizer_writer(QuantizerForm form);

}  // namespace marvin
