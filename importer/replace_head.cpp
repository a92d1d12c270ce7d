#include "importer/replace_head.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "importer/node_attributes.h"
#include "importer/onnx_file.h"
#include "importer/tensor_proto.h"
#include "importer/wiring.h"
#include "runtime/ops/op.h"

namespace marvin {
namespace {

// What may stand between the last layer and the output: it keeps the class axis as it is.
constexpr auto kPassing = std::to_array<std::string_view>({"Add", "Dropout", "Flatten", "GlobalAveragePool", "Identity",
                                                           "LogSoftmax", "Relu", "Sigmoid", "Softmax", "Squeeze"});
constexpr auto kLayers = std::to_array<std::string_view>({"Conv", "Gemm", "MatMul"});

bool is_one_of(std::span<const std::string_view> ops, const onnx::NodeProto& node) {
  return is_default_domain(node.domain()) && std::ranges::find(ops, node.op_type()) != ops.end();
}

int64_t integer(const onnx::NodeProto& node, std::string_view name) {
  for (const onnx::AttributeProto& attribute : node.attribute())
    if (attribute.name() == name) return attribute.i();
  return 0;
}

class HeadReplacer {
 public:
  HeadReplacer(OnnxModel::File& file, int64_t width, uint64_t seed)
      : graph_(*file.proto.mutable_graph()), width_(width), seed_(seed) {}

  void run() {
    if (graph_.output_size() == 0) throw Error("the model has no output");
    const onnx::NodeProto& layer = find_layer();
    if (layer.input_size() < 2) throw Error(described(layer), " has no weight");
    onnx::TensorProto& weight = initializer(layer, layer.input(1));
    const bool rows = layer.op_type() == "Conv" || integer(layer, "transB") != 0;
    const int axis = rows ? 0 : weight.dims_size() - 1;
    if (weight.dims_size() < 2) throw Error("the weight '", weight.name(), "' of ", described(layer), " is no matrix");
    int64_t fan_in = 1;
    for (int i = 0; i < weight.dims_size(); ++i) fan_in *= i == axis ? 1 : weight.dims(i);
    const int64_t before = weight.dims(axis);
    draw(weight, axis, fan_in);
    if (layer.input_size() > 2 && !layer.input(2).empty()) biases_.push_back(layer.input(2));
    for (const std::string& name : biases_) draw_bias(layer, name, before, fan_in);
    declare_output(before);
  }

 private:
  const onnx::NodeProto& find_layer() {
    std::string name = graph_.output(0).name();
    for (int hops = 0; hops <= graph_.node_size(); ++hops) {
      const onnx::NodeProto& node = maker_of(name);
      if (is_one_of(kLayers, node)) return node;
      if (!is_one_of(kPassing, node)) {
        throw Error("--replace-head: ", described(node), " stands between the output '", graph_.output(0).name(),
                    "' and the last layer; only ops that keep the classes apart may");
      }
      name = node.input(0);
      if (node.op_type() != "Add") continue;
      const bool second_is_bias = is_initializer(node.input(1));
      if (!second_is_bias && !is_initializer(node.input(0)))
        throw Error("--replace-head: ", described(node), " adds two computed values: there is no single last layer");
      biases_.push_back(node.input(second_is_bias ? 1 : 0));
      name = node.input(second_is_bias ? 0 : 1);
    }
    throw Error("--replace-head: the model has a cycle");
  }

  const onnx::NodeProto& maker_of(const std::string& name) const {
    for (const onnx::NodeProto& node : graph_.node())
      if (std::ranges::find(node.output(), name) != node.output().end()) return node;
    throw Error("--replace-head: the output '", graph_.output(0).name(), "' comes from '", name,
                "', which no Gemm, MatMul or Conv makes");
  }

  bool is_initializer(const std::string& name) const {
    return std::ranges::any_of(graph_.initializer(), [&](const auto& tensor) { return tensor.name() == name; });
  }

  onnx::TensorProto& initializer(const onnx::NodeProto& layer, const std::string& name) {
    for (onnx::TensorProto& tensor : *graph_.mutable_initializer())
      if (tensor.name() == name) return tensor;
    throw Error("--replace-head: '", name, "', which ", described(layer), " reads, is no initializer");
  }

  void draw(onnx::TensorProto& proto, int axis, int64_t fan_in) {
    Type type = type_of(proto);
    if (type.dtype != DType::f32) throw Error("--replace-head: '", proto.name(), "' is ", text_of(type), ", not f32");
    type.shape[static_cast<size_t>(axis)] = width_;
    const float bound = 1 / std::sqrt(static_cast<float>(fan_in));
    const auto stream = static_cast<float>((salt_of(proto.name()) + seed_) % (1 << 24));  // every integer is a float
    const std::vector<Tensor> drawn = evaluate(
        op_named("RandomUniform"), {}, {{"low", -bound}, {"high", bound}, {"seed", stream}, {"shape", type.shape}}, 1);
    const std::string name = proto.name();
    proto.Clear();
    proto.set_name(name);
    set_tensor(proto, drawn[0]);
  }

  void draw_bias(const onnx::NodeProto& layer, const std::string& name, int64_t before, int64_t fan_in) {
    onnx::TensorProto& bias = initializer(layer, name);
    for (int axis = 0; axis < bias.dims_size(); ++axis)
      if (bias.dims(axis) == before) return draw(bias, axis, fan_in);
  }

  // What the file says of shapes: the output's classes change, and inner values are not declared any more.
  void declare_output(int64_t before) {
    graph_.clear_value_info();
    onnx::TypeProto::Tensor& type = *graph_.mutable_output(0)->mutable_type()->mutable_tensor_type();
    if (!type.has_shape()) return;
    auto& dims = *type.mutable_shape()->mutable_dim();
    for (int i = 1; i < dims.size(); ++i)
      if (dims[i].has_dim_value() && dims[i].dim_value() == before) return dims[i].set_dim_value(width_);
  }

  onnx::GraphProto& graph_;
  int64_t width_;
  uint64_t seed_;
  std::vector<std::string> biases_;
};

}  // namespace

OnnxModel with_head(const OnnxModel& model, int64_t width, uint64_t seed) {
  if (width < 1) throw Error("--replace-head ", width, " makes no sense; it is at least 1");
  auto file = std::make_shared<OnnxModel::File>(model.file());
  HeadReplacer(*file, width, seed).run();
  return OnnxModel(std::move(file));
}

}  // namespace marvin
