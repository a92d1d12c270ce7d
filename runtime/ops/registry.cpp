#include <algorithm>
#include <unordered_map>

#include "runtime/ir/text.h"
#include "runtime/ir/verify.h"
#include "runtime/ops/list.h"
#include "runtime/ops/types.h"

namespace marvin {

std::span<const OpDef* const> all_ops() {
#define MARVIN_ADDRESS_OF_OP(name) &k##name,
  static const OpDef* const ops[] = {MARVIN_OPS(MARVIN_ADDRESS_OF_OP)};
#undef MARVIN_ADDRESS_OF_OP
  return ops;
}

const OpDef* find_op(std::string_view name) {
  static const auto by_name = [] {
    std::unordered_map<std::string_view, const OpDef*> map;
    for (const OpDef* op : all_ops()) map.emplace(op->name, op);
    return map;
  }();
  const auto entry = by_name.find(name);
  return entry == by_name.end() ? nullptr : entry->second;
}

const OpDef& op_named(std::string_view name) {
  if (const OpDef* op = find_op(name)) return *op;
  std::vector<std::string> known;
  for (const OpDef* op : all_ops()) known.emplace_back(op->name);
  throw Error("the op '", name, "' is not known.", suggestion(name, known));
}

std::string_view name_of(Backend backend) {
  constexpr std::array<std::string_view, 3> kNames = {"own", "openblas", "onednn"};
  return kNames[static_cast<size_t>(backend)];
}

const Type& InferContext::type(size_t i) const {
  if (!has(i)) throw Error("operand ", i, " is missing");
  return *operands[i].type;
}

std::vector<int64_t> InferContext::integers(size_t i, std::string_view what) const {
  type(i);
  if (!operands[i].constant) throw Error(what, " depends on data; only values known before the run are supported");
  return to_int64(*operands[i].constant);
}

namespace {

void complete_attrs(const OpDef& op, Attrs& attrs) {
  for (const auto& [key, value] : attrs) {
    bool known = false;
    for (const auto& [name, implied] : op.defaults) {
      if (name != key) continue;
      known = true;
      if (value.index() != implied.index()) throw Error("attribute '", key, "' has the wrong type");
    }
    for (const std::string_view name : op.required) known |= name == key;
    if (known) continue;
    std::vector<std::string> legal;
    for (const auto& [name, implied] : op.defaults) legal.push_back(name);
    for (const std::string_view name : op.required) legal.emplace_back(name);
    throw Error("unknown attribute '", key, "'.", suggestion(key, legal));
  }
  for (const auto& [name, implied] : op.defaults)
    if (!attrs.has(name)) attrs.set(name, implied);
  for (const std::string_view name : op.required)
    if (!attrs.has(name)) throw Error("attribute '", name, "' is required");
}

void check_rank(const Type& type) {
  if (type.rank() > kMaxRank) throw Error("more than ", kMaxRank, " axes are not supported: ", text_of(type));
}

// `operands`: whether each is present.
void check_counts(const OpDef& op, const std::vector<bool>& operands, size_t output_count) {
  size_t present = operands.size();
  while (present > 0 && !operands[present - 1]) --present;
  if (static_cast<int>(present) < op.min_inputs || static_cast<int>(present) > op.max_inputs) {
    throw Error("takes ", op.min_inputs, op.min_inputs == op.max_inputs ? "" : cat(" to ", op.max_inputs),
                " inputs, not ", present);
  }
  for (size_t i = 0; i < static_cast<size_t>(op.min_inputs); ++i)
    if (!operands[i]) throw Error("operand ", i, " is missing");
  if (static_cast<int>(output_count) > op.max_outputs) {
    throw Error("has at most ", op.max_outputs, " outputs, not ", output_count);
  }
}

// Refuses layouts that the op does not take, and gives outputs the layout of the operands that they go with.
void infer_layouts(const OpDef& op, std::span<const InferContext::Operand> operands, std::vector<Type>& types) {
  if (op.layouts == LayoutRule::own) return;
  const auto is_last = [](const Type& type) { return type.layout == Layout::channels_last; };
  bool any = false;
  for (const InferContext::Operand& operand : operands) any |= operand.type && is_last(*operand.type);
  if (!any) return;
  for (const InferContext::Operand& operand : operands) {
    if (!operand.type || (op.layouts == LayoutRule::same && operand.type->elements() == 1)) continue;
    const bool fits = op.layouts == LayoutRule::same && operand.type->shape == types[0].shape;
    if (!fits || !is_last(*operand.type))
      throw Error("cannot take ", text_of(*operand.type), " beside channels_last operands");
  }
  for (Type& type : types)
    if (type.shape == types[0].shape) type.layout = Layout::channels_last;
}

std::vector<Type> infer_from(const OpDef& op, std::span<const InferContext::Operand> operands, Attrs& attrs,
                             size_t output_count) {
  if (!op.infer) throw std::logic_error(cat(op.name, " is a composition of others: emit() writes it"));
  complete_attrs(op, attrs);
  std::vector<bool> present;
  for (const InferContext::Operand& operand : operands) present.push_back(operand.type != nullptr);
  check_counts(op, present, output_count);
  for (const InferContext::Operand& operand : operands)
    if (operand.type) check_rank(*operand.type);
  std::vector<Type> types = op.infer(InferContext{.operands = operands, .attrs = attrs, .output_count = output_count});
  if (types.size() < output_count) throw std::logic_error(cat(op.name, " infers too few outputs"));
  for (const Type& type : types) {
    elements(type.shape);
    check_rank(type);
  }
  infer_layouts(op, operands, types);
  return types;
}

}  // namespace

std::vector<Type> infer_types(const Graph& graph, const OpDef& op, std::span<const ValueId> inputs, Attrs& attrs,
                              size_t output_count) {
  std::vector<InferContext::Operand> operands(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].valid()) continue;
    const Value& value = graph[inputs[i]];
    operands[i] = {&value.type, value.kind == ValueKind::constant ? value.data.get() : nullptr};
  }
  return infer_from(op, operands, attrs, output_count);
}

NodeId append(Graph& graph, Node node, const std::vector<std::string>& output_names) {
  const std::vector<Type> types = infer_types(graph, op_named(node.op), node.inputs, node.attrs, output_names.size());
  return graph.add_node(std::move(node), output_names, types);
}

std::vector<ValueId> name_values(Graph& graph, std::span<const ValueId> values, const std::vector<std::string>& names,
                                 size_t first_new) {
  std::vector<ValueId> named;
  for (size_t i = 0; i < names.size(); ++i) {
    const ValueId value = i < values.size() ? values[i] : ValueId{};
    if (names[i].empty()) {
      named.emplace_back();
      continue;
    }
    if (!value.valid()) throw Error("output '", names[i], "' is not supported");
    const bool is_free = value.index >= first_new && std::ranges::find(named, value) == named.end();
    if (is_free) graph.rename(value, names[i]);
    named.push_back(is_free ? value
                            : graph[append(graph, {.op = "Identity", .inputs = {value}}, {names[i]})].outputs[0]);
  }
  return named;
}

std::vector<ValueId> emit(Graph& graph, Node node, const std::vector<std::string>& output_names) {
  const OpDef& op = op_named(node.op);
  if (!op.expand) return graph[append(graph, std::move(node), output_names)].outputs;
  complete_attrs(op, node.attrs);
  std::vector<bool> present;
  for (const ValueId input : node.inputs) present.push_back(input.valid());
  check_counts(op, present, output_names.size());
  const size_t first_new = graph.value_count();
  ExpandContext context(graph, std::move(node), output_names);
  return name_values(graph, op.expand(context), output_names, first_new);
}

namespace {

// Every operand has one element, or the output's shape.
std::optional<Tiling> elementwise_tiling(const KernelQuery& query) {
  const Type& result = *query.out[0];
  Tiling tiling{.elements = result.elements()};
  for (size_t i = 0; i < query.in.size(); ++i) {
    if (!query.in[i]) continue;
    if (query.in[i]->shape == result.shape)
      tiling.in |= 1u << i;
    else if (query.in[i]->elements() != 1)
      return std::nullopt;
  }
  for (size_t i = 0; i < query.out.size(); ++i)
    if (query.out[i]) tiling.out |= 1u << i;
  return tiling;
}

}  // namespace

std::optional<Tiling> tiling_of(const OpDef& op, const Kernel& kernel, const KernelQuery& query) {
  if (kernel.tiling) return kernel.tiling(query);
  return op.layouts == LayoutRule::same ? elementwise_tiling(query) : std::nullopt;
}

std::vector<Tensor> evaluate(const OpDef& op, std::span<const Tensor* const> inputs, const Attrs& given,
                             size_t output_count) {
  std::vector<InferContext::Operand> operands;
  std::vector<const Type*> in_types;
  std::vector<const void*> in;
  for (const Tensor* tensor : inputs) {
    operands.push_back({tensor ? &tensor->type() : nullptr, tensor});
    in_types.push_back(tensor ? &tensor->type() : nullptr);
    in.push_back(tensor ? tensor->data() : nullptr);
  }
  Attrs attrs = given;
  std::vector<Type> types = infer_from(op, operands, attrs, output_count);
  std::vector<Tensor> results;
  std::vector<const Type*> out_types;
  std::vector<void*> out;
  results.reserve(output_count);
  for (size_t i = 0; i < output_count; ++i) {
    results.emplace_back(types[i]);
    out_types.push_back(&types[i]);
    out.push_back(results.back().data());
  }
  const KernelQuery query{in_types, out_types, attrs};
  if (op.view) {
    std::copy_n(inputs[0]->data(), results[0].type().bytes(), results[0].data());
    return results;
  }
  for (auto kernel = op.kernels.rbegin(); kernel != op.kernels.rend(); ++kernel) {
    if (kernel->admits && !kernel->admits(query)) continue;
    const Prepared prepared = kernel->prepare ? kernel->prepare(query) : Prepared{};
    Buffer scratch(prepared.scratch_bytes);
    const std::vector<FixedPoint> formats(in.size());
    const KernelArgs args{.in = in,
                          .out = out,
                          .query = query,
                          .in_formats = formats,
                          .out_format = {8, 7},
                          .random = {},
                          .state = prepared.state.get(),
                          .scratch = scratch.data()};
    kernel->run(args);
    if (kernel->finish) kernel->finish(args);
    return results;
  }
  throw Error("no kernel of ", op.name, " takes ", inputs.empty() ? "nothing" : text_of(*in_types[0]));
}

Tensor converted(const Tensor& tensor, DType to) {
  const std::array inputs = {&tensor};
  return std::move(evaluate(op_named("Cast"), inputs, {{"to", onnx_number_of(to)}}, 1)[0]);
}

bool fold(Graph& graph, NodeId id, int64_t limit_bytes) {
  const Node& node = graph[id];
  const OpDef& op = op_named(node.op);
  if (op.random || (op.kernels.empty() && !op.view)) return false;
  std::vector<Tensor> placeholders(node.inputs.size());
  std::vector<const Tensor*> inputs;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const ValueId input = node.inputs[i];
    inputs.push_back(input.valid() ? graph[input].data.get() : nullptr);
    if (!input.valid() || graph[input].kind == ValueKind::constant) continue;
    if (!op.types_only) return false;
    placeholders[i] = Tensor::without_elements(graph[input].type);
    inputs.back() = &placeholders[i];
  }
  int64_t bytes = 0;
  for (const ValueId output : node.outputs) bytes += output.valid() ? graph.type_of(output).bytes() : 0;
  if (bytes > limit_bytes) return false;
  std::vector<Tensor> results = evaluate(op, inputs, node.attrs, node.outputs.size());
  const std::vector<ValueId> outputs = node.outputs;
  for (size_t i = 0; i < outputs.size(); ++i)
    if (outputs[i].valid()) graph.make_constant(outputs[i], std::move(results[i]));
  return true;
}

void fold_producers(Graph& graph, std::span<const ValueId> values) {
  for (const ValueId value : values)
    if (value.valid() && graph[value].kind == ValueKind::computed) fold(graph, graph[value].producer);
}

std::string to_text(const Graph& graph, int64_t elide_above) {
  const auto defaults = [](std::string_view name) {
    const OpDef* op = find_op(name);
    return op ? &op->defaults : nullptr;
  };
  return print(graph, {.defaults = defaults, .elide_above = elide_above});
}

Graph from_text(std::string_view text) {
  return parse(text, [](Graph& graph, Node node, const std::vector<std::string>& names,
                        const std::vector<std::optional<Type>>& written) {
    const std::vector<ValueId> outputs = emit(graph, std::move(node), names);
    for (size_t i = 0; i < written.size(); ++i) {
      const ValueId output = outputs[i];
      if (written[i] && *written[i] != graph.type_of(output)) {
        throw Error("'", graph[output].name, "' is ", text_of(graph.type_of(output)), ", not ", text_of(*written[i]));
      }
    }
  });
}

void verify_types(const Graph& graph) {
  verify(graph);
  for (const NodeId id : live_nodes(graph)) {
    const Node& node = graph[id];
    Attrs attrs = node.attrs;
    try {
      const std::vector<Type> types = infer_types(graph, op_named(node.op), node.inputs, attrs, node.outputs.size());
      for (size_t i = 0; i < node.outputs.size(); ++i) {
        if (!node.outputs[i].valid() || types[i] == graph.type_of(node.outputs[i])) continue;
        throw Error("output ", i, " is ", text_of(graph.type_of(node.outputs[i])), " but should be ",
                    text_of(types[i]));
      }
    } catch (const Error& error) {
      throw std::logic_error(cat("verify: ", node.op, " '", node.name, "': ", error.what()));
    }
  }
}

uint64_t salt_of(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace marvin
