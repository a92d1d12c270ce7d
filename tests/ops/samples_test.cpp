#include "tests/ops/samples.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <set>

#include "passes/differentiate.h"
#include "tests/ops/interpret.h"

namespace marvin {
namespace {

std::vector<ValueId> float_sources(const Graph& graph) {
  std::vector<ValueId> sources;
  for (uint32_t i = 0; i < graph.value_count(); ++i) {
    const Value& value = graph[ValueId{i}];
    if ((value.kind == ValueKind::input || value.kind == ValueKind::parameter) && value.type.dtype == DType::f32) {
      sources.push_back(ValueId{i});
    }
  }
  return sources;
}

// Adds loss = sum over float outputs of <output, random weights>, so that every output element matters differently.
void add_weighted_loss(Graph& graph) {
  std::mt19937 random(7);
  ValueId total;
  for (const ValueId output : graph.outputs) {
    if (graph.type_of(output).dtype != DType::f32) continue;
    Tensor weights(graph.type_of(output));
    for (float& weight : weights.as<float>()) weight = static_cast<float>((random() >> 8) * 0x1p-24 + 0.5);
    const ValueId constant = graph.add_constant(graph.unused_name("test.weights"), weights);
    const ValueId product =
        graph[append(graph, {.op = "Mul", .inputs = {output, constant}}, {graph.unused_name("test.product")})]
            .outputs[0];
    const ValueId sum =
        graph[append(graph, {.op = "ReduceSum", .inputs = {product}, .attrs = {{"keepdims", int64_t{0}}}},
                     {graph.unused_name("test.sum")})]
            .outputs[0];
    total =
        !total.valid()
            ? sum
            : graph[append(graph, {.op = "Add", .inputs = {total, sum}}, {graph.unused_name("test.total")})].outputs[0];
  }
  graph.loss = total;
}

double loss_at(const Graph& graph, const Values& values) {
  return interpret(graph, values).at(graph[graph.loss].name).as<float>()[0];
}

void check_gradients(const Sample& sample) {
  Graph forward = from_text(sample.graph);
  add_weighted_loss(forward);
  forward.outputs.clear();
  Graph graph = forward;
  const std::vector<ValueId> sources = float_sources(graph);
  const std::vector<ValueId> gradients = differentiate(graph, sources);
  for (const ValueId gradient : gradients)
    if (gradient.valid()) graph.outputs.push_back(gradient);
  verify_types(graph);

  Values values = random_values(graph, sample.low, sample.high);
  const Values results = interpret(graph, values);
  bool any_not_zero = false;
  for (size_t s = 0; s < sources.size(); ++s) {
    if (!gradients[s].valid()) continue;
    const std::string& name = graph[sources[s]].name;
    const std::span<const float> symbolic = results.at(graph[gradients[s]].name).as<float>();
    double largest = 1e-2;
    for (const float g : symbolic) largest = std::max(largest, std::abs(static_cast<double>(g)));
    const int64_t stride = std::max<int64_t>(1, static_cast<int64_t>(symbolic.size()) / 40);
    for (size_t i = 0; i < symbolic.size(); i += static_cast<size_t>(stride)) {
      constexpr float kStep = 1.0f / 256;
      float& element = values.at(name).as<float>()[i];
      const float middle = element;
      element = middle + kStep;
      const double above = loss_at(forward, values);
      element = middle - kStep;
      const double below = loss_at(forward, values);
      element = middle;
      const double numeric = (above - below) / (2.0 * kStep);
      INFO(sample.name << ": d." << name << "[" << i << "] symbolic " << symbolic[i] << ", numeric " << numeric);
      CHECK(std::abs(numeric - symbolic[i]) <= sample.tolerance * largest + 1e-3);
      any_not_zero |= symbolic[i] != 0;
    }
  }
  INFO(sample.name << ": every gradient is zero");
  CHECK(any_not_zero);
}

// Evaluates with one given kernel instead of the reference.
// A kernel's results on operands that lie in memory, whole or tile by tile.
class KernelRun {
 public:
  KernelRun(const Kernel& kernel, const KernelQuery& query, std::span<const void* const> in)
      : kernel_(kernel),
        query_(query),
        in_(in),
        formats_(in.size(), FixedPoint{8, 3}),
        prepared_(kernel.prepare ? kernel.prepare(query) : Prepared{}),
        scratch_(prepared_.scratch_bytes) {
    for (const Type* type : query.out) results_.emplace_back(*type), out_.push_back(results_.back().data());
  }

  std::vector<Tensor> whole() {
    kernel_.run(args(in_, out_, query_, 0));
    return finished();
  }

  // In tiles as small as the kernel takes them.
  std::vector<Tensor> tiled(const Tiling& tiling) {
    for (int64_t first = 0; first < tiling.elements; first += tiling.grain) {
      const int64_t count = std::min(tiling.grain, tiling.elements - first);
      std::vector<Type> in_vectors, out_vectors;
      std::vector<const void*> in = {in_.begin(), in_.end()};
      std::vector<void*> out = out_;
      const auto in_types = cut(query_.in, tiling.in, first, count, in, in_vectors);
      const auto out_types = cut(query_.out, tiling.out, first, count, out, out_vectors);
      kernel_.run(args(in, out, {in_types, out_types, query_.attrs}, first));
    }
    return finished();
  }

 private:
  KernelArgs args(std::span<const void* const> in, std::span<void* const> out, const KernelQuery& query,
                  int64_t first) {
    return {.in = in,
            .out = out,
            .query = query,
            .in_formats = formats_,
            .out_format = {8, 5},
            .random = {},
            .state = prepared_.state.get(),
            .first = first,
            .scratch = scratch_.data()};
  }

  template <class Pointer>
  static std::vector<const Type*> cut(std::span<const Type* const> types, uint32_t tiled, int64_t first, int64_t count,
                                      std::vector<Pointer>& pointers, std::vector<Type>& vectors) {
    std::vector<const Type*> result(types.begin(), types.end());
    vectors.reserve(types.size());
    for (size_t i = 0; i < types.size(); ++i) {
      if (!types[i] || (tiled >> i & 1) == 0) continue;
      const auto* bytes = static_cast<const std::byte*>(pointers[i]) + first * bytes_of(types[i]->dtype);
      pointers[i] = const_cast<std::byte*>(bytes);
      result[i] = &vectors.emplace_back(Type{types[i]->dtype, {count}});
    }
    return result;
  }

  std::vector<Tensor> finished() {
    if (kernel_.finish) kernel_.finish(args(in_, out_, query_, 0));
    return results_;
  }

  const Kernel& kernel_;
  const KernelQuery& query_;
  std::span<const void* const> in_;
  std::vector<FixedPoint> formats_;
  Prepared prepared_;
  Buffer scratch_;
  std::vector<Tensor> results_;
  std::vector<void*> out_;
};

const Kernel& last_admissible(const OpDef& op, const KernelQuery& query) {
  const auto admits = [&](const Kernel& kernel) { return !kernel.admits || kernel.admits(query); };
  return *std::ranges::find_if(op.kernels.rbegin(), op.kernels.rend(), admits);
}

}  // namespace

TEST_CASE("every op has a doc, a sample, and kernels, a view or an expansion") {
  std::set<std::string> sampled;
  for (const Sample& sample : all_samples()) {
    const Graph graph = from_text(sample.graph);
    for (const NodeId node : live_nodes(graph)) sampled.insert(graph[node].op);
    for (const OpDef* op : all_ops())
      if (op->expand && sample.graph.find(cat("= ", op->name, "(")) != std::string_view::npos)
        sampled.insert(std::string(op->name));
  }
  for (const OpDef* op : all_ops()) {
    INFO(op->name);
    CHECK(!op->doc.empty());
    CHECK((op->infer == nullptr) == (op->expand != nullptr));
    CHECK((op->expand || op->view || !op->kernels.empty()));
    CHECK(sampled.contains(std::string(op->name)));
    for (const Kernel& kernel : op->kernels) CHECK(kernel.run != nullptr);
  }
}

TEST_CASE("the text form of every sample parses back to itself") {
  for (const Sample& sample : all_samples()) {
    INFO(sample.name);
    const std::string text = to_text(from_text(sample.graph));
    CHECK(to_text(from_text(text)) == text);
  }
}

TEST_CASE("every kernel of every op agrees with the reference kernel") {
  for (const Sample& sample : all_samples()) {
    const Graph graph = from_text(sample.graph);
    const Values values = interpret(graph, random_values(graph, sample.low, sample.high));
    for (const NodeId id : live_nodes(graph)) {
      const Node& node = graph[id];
      const OpDef& op = op_named(node.op);
      std::vector<const Type*> in_types, out_types;
      std::vector<const void*> in;
      for (const ValueId input : node.inputs) {
        in_types.push_back(input.valid() ? &graph.type_of(input) : nullptr);
        in.push_back(input.valid() ? values.at(graph[input].name).data() : nullptr);
      }
      bool all_outputs = true;
      for (const ValueId output : node.outputs) {
        all_outputs &= output.valid();
        if (output.valid()) out_types.push_back(&graph.type_of(output));
      }
      if (!all_outputs) continue;
      const KernelQuery query{in_types, out_types, node.attrs};
      for (const Kernel& kernel : op.kernels) {
        if (kernel.admits && !kernel.admits(query)) continue;
        const std::vector<Tensor> results = KernelRun(kernel, query, in).whole();
        const std::vector<Tensor> expected = KernelRun(last_admissible(op, query), query, in).whole();
        if (const std::optional<Tiling> tiling = tiling_of(op, kernel, query); tiling && tiling->elements > 0) {
          INFO(sample.name << ": " << kernel.name << ", tile by tile");
          CHECK(KernelRun(kernel, query, in).tiled(*tiling) == results);
        }
        for (size_t i = 0; i < results.size(); ++i) {
          INFO(sample.name << ": " << kernel.name << ", output " << i);
          if (results[i].type().dtype != DType::f32) {
            CHECK(results[i] == expected[i]);
            continue;
          }
          const std::span<const float> got = results[i].as<float>(), want = expected[i].as<float>();
          for (size_t k = 0; k < got.size(); ++k) {
            if (std::isnan(want[k])) continue;
            REQUIRE(got[k] == Approx(want[k]).epsilon(1e-4).margin(1e-4));
          }
        }
      }
    }
  }
}

TEST_CASE("symbolic gradients of every differentiable op agree with numeric ones") {
  for (const Sample& sample : all_samples()) {
    if (!sample.differentiable) continue;
    check_gradients(sample);
  }
}

}  // namespace marvin
