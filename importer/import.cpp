#include <algorithm>

#include "importer/inference_form.h"
#include "importer/onnx_file.h"
#include "importer/onnx_ops.h"
#include "importer/opset_quirks.h"
#include "importer/tensor_proto.h"
#include "importer/weights.h"

namespace marvin {
namespace {

bool is_constant_node(const onnx::NodeProto& node) { return node.op_type() == "Constant"; }

// ---- Attributes -----------------------------------------------------------------------------------------------------

// Files of the first IR versions do not say which field an attribute is in.
onnx::AttributeProto::AttributeType type_of(const onnx::AttributeProto& attribute) {
  using Proto = onnx::AttributeProto;
  if (attribute.type() != Proto::UNDEFINED) return attribute.type();
  if (attribute.has_i()) return Proto::INT;
  if (attribute.has_f()) return Proto::FLOAT;
  if (attribute.has_s()) return Proto::STRING;
  if (attribute.has_t()) return Proto::TENSOR;
  if (attribute.strings_size() > 0) return Proto::STRINGS;
  return attribute.floats_size() > 0 ? Proto::FLOATS : Proto::INTS;
}

void add_attribute(ModelNode& node, const onnx::AttributeProto& attribute, const std::filesystem::path& directory) {
  using Proto = onnx::AttributeProto;
  const std::string& name = attribute.name();
  switch (type_of(attribute)) {
    case Proto::INT:
      return node.attrs.set(name, int64_t{attribute.i()});
    case Proto::FLOAT:
      return node.attrs.set(name, attribute.f());
    case Proto::STRING:
      return node.attrs.set(name, attribute.s());
    case Proto::INTS:
      return node.attrs.set(name, std::vector<int64_t>(attribute.ints().begin(), attribute.ints().end()));
    case Proto::FLOATS:
      return node.attrs.set(name, std::vector<float>(attribute.floats().begin(), attribute.floats().end()));
    case Proto::STRINGS:
      return node.attrs.set(name, std::vector<std::string>(attribute.strings().begin(), attribute.strings().end()));
    case Proto::TENSOR:
      node.tensors.insert_or_assign(name, tensor_from(attribute.t(), directory));
      return;
    default:
      throw Error("attribute '", name, "' is of type ", Proto::AttributeType_Name(type_of(attribute)),
                  ", which is not supported");
  }
}

Tensor tensor_of_constant(const ModelNode& node) {
  const auto tensor = node.tensors.find("value");
  if (tensor != node.tensors.end()) return tensor->second;
  for (const auto& [name, value] : node.attrs) {
    if (const auto* number = std::get_if<int64_t>(&value); number && name == "value_int")
      return Tensor::scalar(*number);
    if (const auto* number = std::get_if<float>(&value); number && name == "value_float")
      return Tensor::scalar(*number);
    if (const auto* list = std::get_if<std::vector<int64_t>>(&value); list && name == "value_ints") {
      return Tensor::of<int64_t>({static_cast<int64_t>(list->size())}, *list);
    }
    if (const auto* list = std::get_if<std::vector<float>>(&value); list && name == "value_floats") {
      return Tensor::of<float>({static_cast<int64_t>(list->size())}, *list);
    }
  }
  throw Error("has no value, or one of a kind that is not supported (strings, sparse)");
}

// ---- What the file may contain --------------------------------------------------------------------------------------

void check_domains(const onnx::ModelProto& model) {
  for (const onnx::NodeProto& node : model.graph().node()) {
    if (is_default_domain(node.domain())) continue;
    throw Error(described(node), " is of the domain '", node.domain(), "'; marvin knows the ops of ONNX alone. ",
                model.functions_size() > 0 ? "Export the model without local functions (inline them)"
                                           : "Export the model for ONNX without extensions");
  }
}

bool is_known(const std::string& op) { return op == "Constant" || (find_op(op) && is_onnx_op(op)); }

void check_ops(const onnx::GraphProto& graph) {
  std::vector<std::pair<std::string, int>> unknown;
  const onnx::NodeProto* first = nullptr;
  for (const onnx::NodeProto& node : graph.node()) {
    if (is_known(node.op_type())) continue;
    if (!first) first = &node;
    const auto row = std::ranges::find(unknown, node.op_type(), &std::pair<std::string, int>::first);
    row == unknown.end() ? void(unknown.emplace_back(node.op_type(), 1)) : void(++row->second);
  }
  if (unknown.empty()) return;
  std::vector<std::string> rows;
  for (const auto& [op, count] : unknown) rows.push_back(cat("'", op, "' (", count, count == 1 ? " node)" : " nodes)"));
  std::vector<std::string> known;
  for (const OpDef* op : all_ops())
    if (is_onnx_op(op->name)) known.emplace_back(op->name);
  throw Error(unknown.size() == 1 ? "the op " : "the ops ", join(rows), unknown.size() == 1 ? " is" : " are",
              " not known; the first is ", described(*first), ".", suggestion(first->op_type(), known));
}

// ---- Importer -------------------------------------------------------------------------------------------------------

class Importer {
 public:
  Importer(const OnnxModel::File& file, const ImportOptions& options, const NodeProtos& nodes)
      : file_(file),
        options_(options),
        wiring_(file.proto.graph(), nodes) {}

  Graph run() {
    const onnx::GraphProto& proto = file_.proto.graph();
    if (proto.sparse_initializer_size() > 0) throw Error("sparse initializers are not supported");
    graph_.name = proto.name();
    bind_dims();
    for (const onnx::TensorProto& tensor : proto.initializer()) add_initializer(tensor);
    for (const onnx::ValueInfoProto& input : proto.input())
      if (!graph_.find(input.name()).valid()) add_input(input);
    for (const onnx::NodeProto* node : wiring_.order()) {
      with_context(cat("importing ", described_with_opset(*node)), [&] { add_node(*node); });
    }
    for (const onnx::ValueInfoProto& output : proto.output()) graph_.outputs.push_back(value_named(output.name()));
    return std::move(graph_);
  }

 private:
  std::string described_with_opset(const onnx::NodeProto& node) const {
    std::string text = described(node);
    text.pop_back();
    return cat(text, ", opset ", file_.opset, ")");
  }

  // Inputs are declared first, since the name of one's first axis may be an inner axis of another.
  void bind_dims() {
    dims_ = options_.dims;
    std::vector<std::string> symbols;
    for (const onnx::ValueInfoProto& input : file_.proto.graph().input()) {
      const auto& dims = input.type().tensor_type().shape().dim();
      for (const auto& dim : dims)
        if (!dim.dim_param().empty()) symbols.push_back(dim.dim_param());
      if (!dims.empty() && !dims[0].dim_param().empty()) dims_.emplace(dims[0].dim_param(), options_.batch);
    }
    for (const auto& [name, extent] : options_.dims) {
      if (std::ranges::find(symbols, name) != symbols.end()) continue;
      throw Error("no input of the model has an axis '", name, "'.", suggestion(name, symbols));
    }
  }

  int64_t extent_of(const onnx::TensorShapeProto::Dimension& dim, int axis) const {
    if (dim.has_dim_value() && dim.dim_value() >= 0) return dim.dim_value();
    if (const auto bound = dims_.find(dim.dim_param()); bound != dims_.end()) return bound->second;
    if (axis == 0) return options_.batch;
    throw Error("axis ", axis, dim.dim_param().empty() ? "" : cat(" ('", dim.dim_param(), "')"),
                " has no fixed extent; ", dim.dim_param().empty() ? "export the model with one" : "give it one");
  }

  void add_input(const onnx::ValueInfoProto& input) {
    with_context(cat("input '", input.name(), "'"), [&] {
      if (!input.type().has_tensor_type()) throw Error("is not a tensor");
      const onnx::TypeProto::Tensor& tensor = input.type().tensor_type();
      Type type{dtype_of(tensor.elem_type()), {}};
      if (const auto value = options_.values.find(input.name()); value != options_.values.end()) {
        check_value(tensor, type.dtype, value->second.type());
        graph_.add_constant(input.name(), value->second);
        return;
      }
      if (!tensor.has_shape()) throw Error("has no shape in the file; export the model with one");
      for (int i = 0; i < tensor.shape().dim_size(); ++i) type.shape.push_back(extent_of(tensor.shape().dim(i), i));
      elements(type.shape);
      graph_.add_input(input.name(), std::move(type));
    });
  }

  static void check_value(const onnx::TypeProto::Tensor& declared, DType dtype, const Type& given) {
    const auto& dims = declared.shape().dim();
    bool fits = given.dtype == dtype && (!declared.has_shape() || dims.size() == given.rank());
    for (int i = 0; fits && i < dims.size(); ++i) {
      const bool is_fixed = dims[i].has_dim_value() && dims[i].dim_value() >= 0;
      fits = !is_fixed || dims[i].dim_value() == given.shape[static_cast<size_t>(i)];
    }
    if (!fits) throw Error("is of another type or shape in the model than the value given for it, ", text_of(given));
  }

  void add_initializer(const onnx::TensorProto& proto) {
    Tensor tensor = tensor_from(proto, file_.directory);
    const bool trained = initializer_is_parameter(tensor.type(), wiring_.uses(proto.name()));
    add_tensor(proto.name(), std::move(tensor), trained);
  }

  void add_tensor(const std::string& name, Tensor tensor, bool trained) {
    if (!trained) {
      graph_.add_constant(name, std::move(tensor));
      return;
    }
    const Type type = tensor.type();
    graph_.add_parameter(name, type, std::make_shared<const Tensor>(std::move(tensor)));
  }

  // An output that the file lists may have no equivalent in canonical form.
  ValueId value_named(const std::string& name) const {
    const ValueId value = graph_.find(name);
    if (!value.valid())
      throw Error("'", name, "', an output of ", described(*wiring_.maker(name)), ", is not supported");
    return value;
  }

  void add_node(const onnx::NodeProto& proto) {
    ModelNode node{.op = proto.op_type(), .name = proto.name()};
    for (const onnx::AttributeProto& attribute : proto.attribute()) add_attribute(node, attribute, file_.directory);
    for (const std::string& input : proto.input())
      node.inputs.push_back(input.empty() ? ValueId{} : value_named(input));
    node.outputs.assign(proto.output().begin(), proto.output().end());
    if (is_constant_node(proto)) return add_constant(node);

    Builder builder(graph_, Phase::forward, node.outputs.empty() ? node.name : node.outputs[0], node.name);
    apply_quirks(node, file_.opset, builder);
    if (!node.tensors.empty()) throw Error("attribute '", node.tensors.begin()->first, "' is a tensor");
    const std::vector<RunningStatistic> statistics = running_statistics(node);
    const NodeId id =
        append(graph_, {.op = node.op, .name = node.name, .inputs = node.inputs, .attrs = node.attrs}, node.outputs);
    for (const RunningStatistic& statistic : statistics) {
      std::erase_if(graph_.updates, [&](const Update& update) { return update.state == statistic.state; });
      graph_.updates.push_back({statistic.state, graph_[id].outputs[statistic.output]});
    }
    fold(graph_, id);
  }

  void add_constant(const ModelNode& node) {
    if (node.outputs.size() != 1 || node.outputs[0].empty()) throw Error("a constant has one output");
    Tensor tensor = tensor_of_constant(node);
    const bool is_tensor = node.tensors.contains("value");  // the form that export can write weights back to
    const bool trained = is_tensor && constant_is_parameter(tensor.type(), wiring_.uses(node.outputs[0]));
    add_tensor(node.outputs[0], std::move(tensor), trained);
  }

  static bool in_training_mode(const ModelNode& node) {
    return node.op == "BatchNormalization" && node.inputs.size() == 5 && node.attrs.has("training_mode") &&
           node.attrs.integer("training_mode") != 0;
  }

  struct RunningStatistic {
    ValueId state;
    size_t output;  // which output of the node is the next state
  };

  // Outputs 1 and 2 of a BatchNormalization in training mode are the running statistics after operands 3 and 4. Those
  // that are parameters are listed; their outputs are added where the file leaves them out. A layer that is used twice
  // moves its statistics twice, so the second use goes on from the first.
  std::vector<RunningStatistic> running_statistics(ModelNode& node) const {
    std::vector<RunningStatistic> statistics;
    if (!in_training_mode(node)) return statistics;
    node.outputs.resize(std::max<size_t>(node.outputs.size(), 3));
    for (const size_t output : {size_t{1}, size_t{2}}) {
      ValueId& before = node.inputs[output + 2];
      if (!before.valid() || graph_[before].kind != ValueKind::parameter) continue;
      if (node.outputs[output].empty()) node.outputs[output] = graph_.unused_name(graph_[before].name + ".next");
      statistics.push_back({before, output});
      const auto update = std::ranges::find(graph_.updates, before, &Update::state);
      if (update != graph_.updates.end()) before = update->next;
    }
    return statistics;
  }

  const OnnxModel::File& file_;
  const ImportOptions& options_;
  Wiring wiring_;
  Graph graph_;
  std::map<std::string, int64_t> dims_;
};

}  // namespace

Graph OnnxModel::import(const ImportOptions& options) const {
  const onnx::GraphProto& graph = file_->proto.graph();
  if (options.batch < 1) throw Error("the batch size is ", options.batch, "; it must be at least 1");
  check_domains(file_->proto);
  check_ops(graph);
  if (options.form == ImportOptions::Form::as_found) return Importer(*file_, options, graph.node()).run();
  const NodeProtos nodes = inference_nodes(graph, file_->opset);
  return Importer(*file_, options, nodes).run();
}

}  // namespace marvin
