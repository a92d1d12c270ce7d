#include <algorithm>
#include <cmath>
#include <map>

#include "importer/inference_form.h"
#include "importer/model_patch.h"
#include "importer/quantizers.h"
#include "importer/tensor_proto.h"
#include "importer/writable_tensors.h"
#include "runtime/ops/op.h"

namespace marvin {
namespace {

constexpr int kMaxExponent = 126;  // 2^fl and 2^-fl are normal float32 numbers

class FixedPointGraph {
 public:
  FixedPointGraph(onnx::GraphProto& graph, int64_t opset, const Formats& formats)
      : graph_(graph), writer_(graph, opset), formats_(formats) {
    std::erase_if(formats_, [](const auto& slot) { return slot.second.is_float(); });
  }

  // Outputs of nodes.
  std::vector<std::string> products() {
    give_views_formats();
    std::vector<std::string> outputs;
    for (const onnx::NodeProto& node : graph_.node()) {
      const OpDef* op = product_of(node);
      const auto has_format = [&](size_t i) {
        return static_cast<int>(i) < node.input_size() && formats_.contains(node.input(static_cast<int>(i)));
      };
      if (op && std::ranges::all_of(*op->product, has_format)) outputs.push_back(node.output(0));
    }
    return outputs;
  }

  // Returns whether there is anything to quantize.
  bool write(const QuantizerWriter& quantizer) {
    const Names read_before = names_read(graph_);
    give_views_formats();
    redirect_products();
    NodeProtos nodes;
    nodes.Swap(graph_.mutable_node());
    Names initialized;
    for (int i = 0, count = graph_.initializer_size(); i < count; ++i) {
      initialized.insert(graph_.initializer(i).name());
      quantize_weight(quantizer, graph_.initializer(i).name(), graph_.initializer(i));
    }
    for (const onnx::ValueInfoProto& input : graph_.input())
      if (!initialized.contains(input.name())) quantize_computed(quantizer, input.name());
    for (const onnx::NodeProto& node : nodes) {
      *graph_.add_node() = node;
      if (const onnx::TensorProto* tensor = tensor_of_constant(node)) {
        quantize_weight(quantizer, node.output(0), *tensor);
      } else {
        for (const std::string& output : node.output()) quantize_computed(quantizer, output);
      }
    }
    erase_unread(graph_, read_before);
    return !quantized_.empty();
  }

 private:
  // The op of a node that is a product; null otherwise.
  static const OpDef* product_of(const onnx::NodeProto& node) {
    const OpDef* op = is_default_domain(node.domain()) ? find_op(node.op_type()) : nullptr;
    return op && op->product && node.output_size() > 0 ? op : nullptr;
  }

  // A view of a value with a format has the same.
  void give_views_formats() {
    for (const onnx::NodeProto& node : graph_.node()) {
      const OpDef* op = find_op(node.op_type());
      if (!op || !op->view || node.input_size() == 0 || node.output_size() == 0) continue;
      const auto format = formats_.find(node.input(0));
      if (format != formats_.end()) formats_.emplace(node.output(0), format->second);
    }
  }

  void redirect_products() {
    for (onnx::NodeProto& node : *graph_.mutable_node()) {
      const OpDef* op = product_of(node);
      if (!op) continue;
      for (const size_t operand : *op->product) {
        if (static_cast<int>(operand) < node.input_size()) redirect(*node.mutable_input(static_cast<int>(operand)));
      }
    }
  }

  void redirect(std::string& input) {
    const auto format = formats_.find(input);
    if (format == formats_.end()) return;
    if (std::abs(format->second.fl) > kMaxExponent) {
      throw Error("'", input, "' has ", int{format->second.fl}, " fractional bits; a float32 scale holds at most ",
                  kMaxExponent);
    }
    const auto [entry, added] = quantized_.try_emplace(input, QuantizedValue{input, format->second, ""});
    if (added) entry->second.dequantized = writer_.unused_name(input + "_dequantized");
    input = entry->second.dequantized;
  }

  void quantize_weight(const QuantizerWriter& quantizer, const std::string& name, const onnx::TensorProto& proto) {
    const auto entry = quantized_.find(name);
    if (entry == quantized_.end()) return;
    if (const DType dtype = dtype_of_onnx(proto.data_type()); dtype != DType::f32) {
      throw Error("the weight '", name, "' is ", name_of(dtype), ", but fixed point is written for float32 alone; ",
                  "export the model in floating point, or train a float32 one");
    }
    quantizer.weight(writer_, entry->second, tensor_from(proto, {}));
  }

  void quantize_computed(const QuantizerWriter& quantizer, const std::string& name) {
    const auto entry = quantized_.find(name);
    if (entry != quantized_.end()) quantizer.computed(writer_, entry->second);
  }

  onnx::GraphProto& graph_;
  NodeWriter writer_;
  Formats formats_;
  std::map<std::string, QuantizedValue> quantized_;
};

void import_domain(onnx::ModelProto& proto, std::string_view domain) {
  for (const onnx::OperatorSetIdProto& import : proto.opset_import())
    if (import.domain() == domain) return;
  onnx::OperatorSetIdProto& import = *proto.add_opset_import();
  import.set_domain(std::string(domain));
  import.set_version(1);
}

}  // namespace

std::vector<std::string> fixed_point_products(const OnnxModel& model, const Formats& formats) {
  onnx::GraphProto graph = model.file().proto.graph();
  return FixedPointGraph(graph, model.opset(), formats).products();
}

void export_fixed_point(const OnnxModel& model, QuantizerForm form, const TensorMap& weights, const Formats& formats,
                        const Metadata& metadata, const std::string& path) {
  onnx::ModelProto proto = with_weights(model, weights);
  to_inference_form(proto, model.opset());
  const QuantizerWriter& quantizer = quantizer_writer(form);
  const bool quantizes = FixedPointGraph(*proto.mutable_graph(), model.opset(), formats).write(quantizer);
  if (quantizes && !quantizer.domain.empty()) import_domain(proto, quantizer.domain);
  set_formats(proto, formats);
  for (const auto& [key, value] : metadata) set_metadata(proto, key, value);
  save(std::move(proto), path);
}

}  // namespace marvin
