// ONNX files out. Every file is written whole or not at all. Weights that came in files beside the model are put into
// it, unless it is then over 2 GiB, which protobuf cannot read: such a model keeps them in the file PATH.data. Throws
// Error where a file cannot be written.
#pragma once

#include <map>
#include <string>

#include "importer/onnx_model.h"
#include "runtime/precision/fixed_point.h"

namespace marvin {

using Metadata = std::map<std::string, std::string>;

struct ExportOptions {
  bool keep_training_mode = false;  // else BatchNormalization and Dropout are put into inference form
  Metadata metadata;                // added to the file's metadata_props, over entries of the same key
};

// Writes the model with its initializers, and the tensors of its Constant nodes, replaced by those of `weights` that
// have their names. Names in `weights` that the model does not have (optimizer state) are passed over. All else stays,
// down to fields that marvin does not know. Throws Error when a weight has another type than the model's.
void export_trained(const OnnxModel& model, const TensorMap& weights, const ExportOptions& options,
                    const std::string& path);

// The nodes that round a value to its format: to q * 2^-fl, q of wl bits, half to even, saturating. All forms give the
// same numbers.
//  * Values that are computed or fed. qdq and qcdq have q in int8 up to 8 bits, in int16 up to 16 bits from opset 21
//    on; wider words are real numbers, made by Mul, Round, Clip, Mul.
//  * Weights. qdq and qcdq hold q itself, in these types or else int32, and dequantize it.
enum class QuantizerForm {
  qdq,   // QuantizeLinear and DequantizeLinear as neighbours; where wl is below 8 (16) real numbers are clipped before
  qcdq,  // where wl is below 8 int8 is clipped between the two; all else, and all before opset 12, as qdq
  intquant,  // QONNX's IntQuant, for any wl and opset; of weights too, which stay float32
};

// Writes the trained model in inference form with the fixed-point arithmetic of its slots spelled out in nodes: a value
// that has a format and is an operand of a product is rounded to it. All such operands share the nodes, and views of
// the value are in its format; other readers, biases among them, and values in float32 stay as they are. All formats
// are also in metadata_props: "marvin.format.<slot>" = "wl,fl". The products themselves are float32 ones in the file,
// exact while sums of integer products are below 2^24. Throws Error when the model's opset has not the ops needed (10
// for QuantizeLinear and DequantizeLinear, 11 for Round), and when a weight with a format is not float32.
void export_fixed_point(const OnnxModel& model, QuantizerForm form, const TensorMap& weights, const Formats& formats,
                        const Metadata& metadata, const std::string& path);

// The outputs of the nodes whose product export_fixed_point so writes: products of the model's own graph whose operands
// all have a format. Those inside of functions, branches and loops, and of ops that are made of several (Einsum, LSTM,
// Attention), stay in float32.
std::vector<std::string> fixed_point_products(const OnnxModel& model, const Formats& formats);

// Writes any graph, training graphs included, for graph viewers. marvin's own ops are in the domain "marvin";
// fixed-point values have the type of their container; a node's phase, kernel, slot and its format are in its
// metadata_props, and updates are shown as outputs. Parameters without data are inputs.
void export_graph(const Graph& graph, const Formats& formats, const std::string& path);

}  // namespace marvin
