#include <algorithm>
#include <unordered_set>

#include "importer/control_flow.h"
#include "importer/graph_names.h"
#include "importer/graph_reader.h"
#include "importer/inference_form.h"
#include "importer/node_attributes.h"
#include "importer/onnx_ops.h"
#include "importer/tensor_proto.h"
#include "importer/weights.h"

namespace marvin {
namespace {

// ---- What the file may contain --------------------------------------------------------------------------------------

using NodeList = std::vector<const onnx::NodeProto*>;

// The nodes that marvin has no op for, those of subgraphs and of functions that are called too.
NodeList unknown_nodes(const onnx::ModelProto& model) {
  const Functions functions(model);
  NodeList unknown;
  std::unordered_set<const onnx::FunctionProto*> called;
  const std::function<void(const NodeProtos&)> walk = [&](const NodeProtos& nodes) {
    for (const onnx::NodeProto& node : nodes) {
      if (const onnx::FunctionProto* function = functions.find(node)) {
        if (called.insert(function).second) walk(function->node());
      } else if (!is_known(node)) {
        unknown.push_back(&node);
      }
      for_each_subgraph(node, [&](const onnx::GraphProto& graph) { walk(graph.node()); });
    }
  };
  walk(model.graph().node());
  return unknown;
}

std::string counted(const std::string& what, int64_t count) {
  return cat("'", what, "' (", count, count == 1 ? " node)" : " nodes)");
}

void check_ops(const onnx::ModelProto& model) {
  const NodeList unknown = unknown_nodes(model);
  if (unknown.empty()) return;
  const onnx::NodeProto& first = *unknown.front();
  const auto full_name = [](const onnx::NodeProto& node) {
    return is_default_domain(node.domain()) ? node.op_type() : node.domain() + "." + node.op_type();
  };
  std::vector<std::pair<std::string, int64_t>> counts;
  for (const onnx::NodeProto* node : unknown) {
    const auto row = std::ranges::find(counts, full_name(*node), &std::pair<std::string, int64_t>::first);
    row == counts.end() ? void(counts.emplace_back(full_name(*node), 1)) : void(++row->second);
  }
  std::vector<std::string> rows;
  for (const auto& [op, count] : counts) rows.push_back(counted(op, count));
  std::string advice;
  if (is_default_domain(first.domain())) {
    std::vector<std::string> known;
    for (const OpDef* op : all_ops())
      if (is_onnx_op(op->name)) known.emplace_back(op->name);
    advice = suggestion(first.op_type(), known);
  } else if (first.domain() == "marvin") {
    advice = " It is marvin's own: this is a training graph, written for viewers; name the model that it was made of";
  } else {
    advice = cat(" It is of the domain '", first.domain(), "'; export the model for ONNX without extensions");
  }
  throw Error(rows.size() == 1 ? "the op " : "the ops ", join(rows), rows.size() == 1 ? " is" : " are",
              " not known; the first is ", described(first), ".", advice);
}

// ---- Importer -------------------------------------------------------------------------------------------------------

class Importer {
 public:
  Importer(const OnnxModel::File& file, const ImportOptions& options, const NodeProtos& nodes)
      : file_(file),
        options_(options),
        nodes_(nodes),
        wiring_(file.proto.graph(), nodes),
        batch_(file.proto.graph(), options.batch),
        reader_(file, batch_, options.form, graph_),
        frame_(nullptr, "", "", file.opset) {}

  Graph run() {
    if (!batch_.is_rebound()) return read();
    const std::string where = cat("with a batch of ", batch_.wanted(), " where the file fixes ", batch_.found());
    try {
      return with_context(where, [&] { return read(); });
    } catch (const Error& error) {
      if (!reads_as_found()) throw;
      throw Error(error.what(), "; the file has its batch in its nodes as well: use --batch-size ", batch_.found(),
                  ", or export the model with dynamic axes");
    }
  }

 private:
  // Whether it is the batch that is in the way.
  bool reads_as_found() const {
    ImportOptions options = options_;
    options.batch = batch_.found();
    try {
      Importer(file_, options, nodes_).run();
      return true;
    } catch (const Error&) {
      return false;
    }
  }

  Graph read() {
    const onnx::GraphProto& proto = file_.proto.graph();
    if (proto.sparse_initializer_size() > 0) throw Error("sparse initializers are not supported");
    graph_.name = proto.name();
    for (const std::string& name : names_in(proto)) graph_.reserve_name(name);
    bind_dims();
    for (const onnx::TensorProto& tensor : proto.initializer()) add_initializer(tensor);
    for (const onnx::ValueInfoProto& input : proto.input())
      if (!frame_.defines(input.name())) add_input(input);
    reader_.read(wiring_, frame_);
    for (const onnx::ValueInfoProto& output : proto.output()) graph_.outputs.push_back(output_of(output));
    graph_.release_names();
    return std::move(graph_);
  }

  // Inputs are declared first, since the name of one's first axis may be an inner axis of another.
  void bind_dims() {
    dims_ = options_.dims;
    std::vector<std::string> symbols;
    for (const onnx::ValueInfoProto& input : file_.proto.graph().input()) {
      const auto& dims = input.type().tensor_type().shape().dim();
      const Shape* given = shape_given(input);
      for (int i = 0; i < dims.size(); ++i) {
        if (dims[i].dim_param().empty()) continue;
        symbols.push_back(dims[i].dim_param());
        if (given) dims_.emplace(dims[i].dim_param(), (*given)[static_cast<size_t>(i)]);
      }
      if (!dims.empty() && !dims[0].dim_param().empty()) dims_.emplace(dims[0].dim_param(), open_batch());
    }
    for (const auto& [name, extent] : options_.dims) {
      if (std::ranges::find(symbols, name) != symbols.end()) continue;
      throw Error("no input of the model has an axis '", name, "'.", suggestion(name, symbols));
    }
  }

  // Null where none of the file's rank is.
  const Shape* shape_given(const onnx::ValueInfoProto& input) const {
    const auto shape = options_.shapes.find(input.name());
    const bool fits = shape != options_.shapes.end() &&
                      static_cast<int>(shape->second.size()) == input.type().tensor_type().shape().dim_size();
    return fits ? &shape->second : nullptr;
  }

  int64_t open_batch() const { return std::max<int64_t>(options_.batch, 1); }

  int64_t extent_of(const onnx::TensorShapeProto::Dimension& dim, int axis, const Shape* given) const {
    if (dim.has_dim_value() && dim.dim_value() >= 0)
      return axis == 0 ? batch_.rebound(dim.dim_value()) : dim.dim_value();
    if (const auto bound = dims_.find(dim.dim_param()); bound != dims_.end()) return bound->second;
    if (given) return (*given)[static_cast<size_t>(axis)];
    if (axis == 0) return open_batch();
    throw Error("axis ", axis, dim.dim_param().empty() ? "" : cat(" ('", dim.dim_param(), "')"),
                " has no fixed extent; give the input's shape (--shape NAME=1,3,224,224), or data that have one");
  }

  void add_input(const onnx::ValueInfoProto& input) {
    with_context(cat("input '", input.name(), "'"), [&] {
      if (!input.type().has_tensor_type()) throw Error("is not a tensor");
      const onnx::TypeProto::Tensor& tensor = input.type().tensor_type();
      Type type{dtype_of_onnx(tensor.elem_type()), {}};
      if (options_.widen && is_half(type.dtype)) type.dtype = DType::f32;
      if (const auto value = options_.values.find(input.name()); value != options_.values.end()) {
        check_value(tensor, type.dtype, value->second.type());
        reader_.add_tensor(frame_, input.name(), value->second, false);
        return;
      }
      if (!tensor.has_shape()) throw Error("has no shape in the file; export the model with one");
      for (int i = 0; i < tensor.shape().dim_size(); ++i)
        type.shape.push_back(extent_of(tensor.shape().dim(i), i, shape_given(input)));
      elements(type.shape);
      reader_.define(frame_, input.name(), graph_.add_input(input.name(), std::move(type)));
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
    reader_.add_tensor(frame_, proto.name(), std::move(tensor), trained);
  }

  // What is computed as float32 in place of a narrower type comes out as what the file declares.
  ValueId output_of(const onnx::ValueInfoProto& output) {
    const ValueId value = reader_.value_named(frame_, output.name());
    batch_.check_output(output, graph_.type_of(value));
    const int32_t declared = output.type().tensor_type().elem_type();
    if (options_.widen || declared == 0 || !is_widened(dtype_of_onnx(declared))) return value;
    const ValueId given = graph_.find(output.name());
    if (given.valid() && graph_.type_of(given).dtype == dtype_of_onnx(declared)) return given;
    if (graph_[value].name == output.name()) graph_.rename(value, graph_.unused_name(output.name() + ".f32"));
    Node cast{.op = "Cast", .inputs = {value}, .attrs = {{"to", int64_t{declared}}}};
    return emit(graph_, std::move(cast), {output.name()})[0];
  }

  const OnnxModel::File& file_;
  const ImportOptions& options_;
  const NodeProtos& nodes_;
  Wiring wiring_;
  FixedBatch batch_;
  Graph graph_;
  GraphReader reader_;
  Frame frame_;
  std::map<std::string, int64_t> dims_;
};

}  // namespace

Graph OnnxModel::import(const ImportOptions& options) const {
  const onnx::GraphProto& graph = file_->proto.graph();
  if (options.batch < 0) throw Error("the batch size is ", options.batch, "; it must be at least 1");
  check_ops(file_->proto);
  if (options.form == ImportOptions::Form::as_found) return Importer(*file_, options, graph.node()).run();
  const NodeProtos nodes = inference_nodes(graph, file_->opset);
  return Importer(*file_, options, nodes).run();
}

}  // namespace marvin
