#include <google/protobuf/unknown_field_set.h>

#include <algorithm>
#include <array>
#include <set>

#include "importer/model_patch.h"
#include "importer/onnx_ops.h"
#include "importer/tensor_proto.h"
#include "runtime/ir/error.h"
#include "runtime/ops/op.h"

namespace marvin {
namespace {

constexpr int64_t kIrVersion = 8;
constexpr char kOwnDomain[] = "marvin";
constexpr int kNodeMetadataField = 9;  // NodeProto.metadata_props, newer than the protobuf classes

constexpr std::array<std::string_view, 3> kPhaseNames = {"forward", "backward", "update"};

void add_metadata(onnx::NodeProto& node, const std::string& key, const std::string& value) {
  onnx::StringStringEntryProto entry;
  entry.set_key(key);
  entry.set_value(value);
  node.GetReflection()->MutableUnknownFields(&node)->AddLengthDelimited(kNodeMetadataField, entry.SerializeAsString());
}

void add_opset(onnx::ModelProto& model, const std::string& domain, int64_t version) {
  onnx::OperatorSetIdProto& import = *model.add_opset_import();
  import.set_domain(domain);
  import.set_version(version);
}

struct AttrWriter {
  onnx::AttributeProto& proto;
  void operator()(int64_t value) const {
    proto.set_type(onnx::AttributeProto::INT);
    proto.set_i(value);
  }
  void operator()(float value) const {
    proto.set_type(onnx::AttributeProto::FLOAT);
    proto.set_f(value);
  }
  void operator()(const std::string& value) const {
    proto.set_type(onnx::AttributeProto::STRING);
    proto.set_s(value);
  }
  void operator()(const std::vector<int64_t>& values) const {
    proto.set_type(onnx::AttributeProto::INTS);
    proto.mutable_ints()->Assign(values.begin(), values.end());
  }
  void operator()(const std::vector<float>& values) const {
    proto.set_type(onnx::AttributeProto::FLOATS);
    proto.mutable_floats()->Assign(values.begin(), values.end());
  }
  void operator()(const std::vector<std::string>& values) const {
    proto.set_type(onnx::AttributeProto::STRINGS);
    proto.mutable_strings()->Assign(values.begin(), values.end());
  }
};

// Those are implied; some stand for an attribute that is left out, which has no other form in a file.
bool is_default(const OpDef& op, const std::string& key, const Attr& attr) {
  return std::ranges::any_of(op.defaults,
                             [&](const auto& entry) { return entry.first == key && entry.second == attr; });
}

class GraphExporter {
 public:
  GraphExporter(const Graph& graph, const Formats& formats) : graph_(graph), formats_(formats) {}

  onnx::ModelProto run() {
    model_.set_ir_version(kIrVersion);
    model_.set_producer_name("marvin");
    add_opset(model_, "", kMaxOpset);
    add_opset(model_, kOwnDomain, 1);
    proto_.set_name(graph_.name.empty() ? "graph" : graph_.name);
    const std::vector<NodeId> live = live_nodes(graph_);
    for (const ValueId input : graph_.inputs) describe(input, *proto_.add_input());
    for (const ValueId value : values_read(live)) add_state(value);
    for (const NodeId node : live) add_node(graph_[node]);
    add_outputs();
    set_formats(model_, formats_);
    return std::move(model_);
  }

 private:
  void describe(ValueId id, onnx::ValueInfoProto& info) const {
    const Value& value = graph_[id];
    info.set_name(value.name);
    onnx::TypeProto::Tensor& tensor = *info.mutable_type()->mutable_tensor_type();
    tensor.set_elem_type(static_cast<int32_t>(onnx_number_of(value.type.dtype)));
    tensor.mutable_shape();
    for (const int64_t extent : value.type.shape) tensor.mutable_shape()->add_dim()->set_dim_value(extent);
  }

  std::set<ValueId> values_read(const std::vector<NodeId>& live) const {
    std::set<ValueId> read(graph_.outputs.begin(), graph_.outputs.end());
    for (const NodeId node : live)
      for (const ValueId input : graph_[node].inputs)
        if (input.valid()) read.insert(input);
    for (const Update& update : graph_.updates) read.insert({update.state, update.next});
    return read;
  }

  void add_state(ValueId id) {
    const Value& value = graph_[id];
    if (value.kind != ValueKind::parameter && value.kind != ValueKind::constant) return;
    if (!value.data) return describe(id, *proto_.add_input());
    onnx::TensorProto& tensor = *proto_.add_initializer();
    tensor.set_name(value.name);
    set_tensor(tensor, *value.data);
  }

  void add_node(const Node& node) {
    onnx::NodeProto& proto = *proto_.add_node();
    proto.set_op_type(node.op);
    proto.set_name(node.name);
    for (const ValueId input : node.inputs) proto.add_input(input.valid() ? graph_[input].name : "");
    for (const ValueId output : node.outputs) {
      proto.add_output(output.valid() ? graph_[output].name : "");
      if (output.valid()) describe(output, *proto_.add_value_info());
    }
    bool is_onnx = is_onnx_op(node.op) && has_outputs(node.op, node.outputs.size());
    for (const auto& [key, value] : node.attrs) {
      if (is_default(op_named(node.op), key, value)) continue;
      onnx::AttributeProto& attribute = *proto.add_attribute();
      attribute.set_name(key);
      std::visit(AttrWriter{attribute}, value);
      is_onnx = is_onnx && has_attribute(node.op, key);
    }
    if (!is_onnx) proto.set_domain(kOwnDomain);
    annotate(node, proto);
  }

  void annotate(const Node& node, onnx::NodeProto& proto) const {
    add_metadata(proto, "phase", std::string(kPhaseNames[static_cast<size_t>(node.phase)]));
    if (!node.kernel.empty()) add_metadata(proto, "kernel", node.kernel);
    if (!node.slot.valid()) return;
    const Slot& slot = graph_.slots[node.slot.index];
    add_metadata(proto, "slot", slot.name);
    add_metadata(proto, "layer", slot.layer);
    add_metadata(proto, "role", std::string(name_of(slot.role)));
    const auto format = formats_.find(slot.name);
    if (format != formats_.end()) add_metadata(proto, "format", text_of(format->second));
  }

  void add_outputs() {
    std::vector<ValueId> outputs = graph_.outputs;
    if (graph_.loss.valid()) outputs.push_back(graph_.loss);
    for (const Update& update : graph_.updates) {
      outputs.push_back(update.next);
      set_metadata(model_, "marvin.update." + graph_[update.state].name, graph_[update.next].name);
    }
    std::vector<ValueId> listed;
    for (const ValueId output : outputs) {
      if (std::ranges::find(listed, output) != listed.end()) continue;
      listed.push_back(output);
      describe(output, *proto_.add_output());
    }
  }

  const Graph& graph_;
  const Formats& formats_;
  onnx::ModelProto model_;
  onnx::GraphProto& proto_ = *model_.mutable_graph();
};

}  // namespace

void export_graph(const Graph& graph, const Formats& formats, const std::string& path) {
  save(GraphExporter(graph, formats).run(), path);
}

}  // namespace marvin
