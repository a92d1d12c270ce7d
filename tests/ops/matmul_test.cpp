#include <omp.h>

#include <catch2/catch.hpp>
#include <random>

#include "passes/differentiate.h"
#include "runtime/kernels/instruction_sets.h"
#include "tests/ops/interpret.h"

namespace marvin {
namespace {

// An operand of the widest words of its container, some of them extreme.
Tensor random_words(DType dtype, const Shape& shape, unsigned seed) {
  Tensor tensor({dtype, shape});
  const FixedPoint format{.wl = static_cast<int8_t>(max_wl(dtype))};
  std::mt19937 bits(seed);
  std::uniform_int_distribution<int32_t> any(format.min(), format.max());
  visit(dtype, [&](auto zero) {
    using T = decltype(zero);
    for (T& word : tensor.as<T>()) word = static_cast<T>(bits() % 4 == 0 ? format.min() : any(bits));
  });
  return tensor;
}

Tensor random_reals(DType dtype, const Shape& shape, unsigned seed) {
  Tensor tensor({dtype, shape});
  std::mt19937 bits(seed);
  visit(dtype, [&](auto zero) {
    using T = decltype(zero);
    for (T& value : tensor.as<T>()) value = static_cast<T>((bits() >> 8) * 0x1p-24 + 0.5);
  });
  return tensor;
}

// One node with everything that its kernels need.
class Call {
 public:
  Call(std::string_view op, Attrs attrs, std::vector<Tensor> inputs, std::vector<FixedPoint> formats)
      : op_(op_named(op)), inputs_(std::move(inputs)), formats_(std::move(formats)) {
    // The words are of the widest that their containers hold.
    for (size_t i = 0; i < formats_.size(); ++i) formats_[i].wl = static_cast<int8_t>(max_wl(inputs_[i].type().dtype));
    Graph graph;
    Node node{.op = std::string(op), .attrs = std::move(attrs)};
    for (const Tensor& input : inputs_) {
      node.inputs.push_back(graph.add_input(graph.unused_name("x"), input.type()));
      in_types_.push_back(&input.type());
      in_.push_back(input.data());
    }
    const NodeId id = append(graph, node, {"y"});
    attrs_ = graph[id].attrs;
    out_type_ = graph.type_of(graph[id].outputs[0]);
    out_types_ = {&out_type_};
  }

  Call(const Call&) = delete;  // its pointers lead into itself

  KernelQuery query() const { return {in_types_, out_types_, attrs_}; }
  const OpDef& op() const { return op_; }
  bool admits(const Kernel& kernel) const { return !kernel.admits || kernel.admits(query()); }

  Tensor run(const Kernel& kernel) const {
    const KernelQuery query = this->query();
    Tensor result(out_type_);
    void* const out[] = {result.data()};
    const Prepared prepared = kernel.prepare ? kernel.prepare(query) : Prepared{};
    Buffer scratch(prepared.scratch_bytes);
    kernel.run({.in = in_,
                .out = out,
                .query = query,
                .in_formats = formats_,
                .out_format = {},
                .random = {},
                .state = prepared.state.get(),
                .scratch = scratch.data()});
    return result;
  }

  // The names of the kernels that gave the reference's bits; all admissible ones must.
  std::vector<std::string> check_equal() const {
    const Tensor expected = run(op_.kernels.back());
    const int most_threads = omp_get_max_threads();
    std::vector<std::string> names;
    for (const Kernel& kernel : op_.kernels) {
      if (!admits(kernel)) continue;
      for (const int threads : {1, 2}) {
        omp_set_num_threads(threads);
        INFO(kernel.name << " on " << threads << " threads");
        CHECK(run(kernel) == expected);
      }
      omp_set_num_threads(most_threads);
      names.emplace_back(kernel.name);
    }
    return names;
  }

  // Every admissible kernel, and not the reference alone, is within 1e-5 of it.
  void check_close() const {
    const Tensor expected = run(op_.kernels.back());
    int count = 0;
    for (const Kernel& kernel : op_.kernels) {
      if (!admits(kernel)) continue;
      INFO(kernel.name);
      ++count;
      const Tensor got = run(kernel);
      visit(out_type_.dtype, [&](auto zero) {
        using T = decltype(zero);
        for (size_t i = 0; i < got.as<T>().size(); ++i) {
          const double want = static_cast<double>(expected.as<T>()[i]);
          REQUIRE(static_cast<double>(got.as<T>()[i]) == Approx(want).epsilon(1e-5));
        }
      });
    }
    CHECK(count >= 2);
  }

 private:
  const OpDef& op_;
  std::vector<Tensor> inputs_;
  std::vector<FixedPoint> formats_;
  Attrs attrs_;
  Type out_type_;
  std::vector<const Type*> in_types_, out_types_;
  std::vector<const void*> in_;
};

constexpr DType kContainers[] = {DType::i8, DType::i16, DType::i32};

Type inferred(const std::string& operands, const std::string& call) {
  const Graph graph = from_text("graph g { " + operands + " %y = " + call + " output %y }");
  return graph.type_of(graph.outputs[0]);
}

int count_of(const Graph& graph, std::string_view op) {
  int count = 0;
  for (const NodeId id : live_nodes(graph)) count += graph[id].op == op;
  return count;
}

}  // namespace

TEST_CASE("every kernel of a fixed-point Gemm gives the same bits, whatever c, alpha and beta") {
  struct Case {
    Shape c;
    float alpha, beta;
  };
  const Case cases[] = {{{13}, 1, 1},        {{1, 13}, 1, 1}, {{13}, 0.7f, 1}, {{13}, 1, 0.3f}, {{7, 1}, 1, 1},
                        {{7, 13}, -0.9f, 2}, {{}, 1, 1},      {{1}, 1, 1},     {{13}, 1, 0}};
  for (const DType a : kContainers) {
    for (const Case& c : cases) {
      INFO(name_of(a) << " c [" << text_of(c.c) << "] " << c.alpha << " " << c.beta);
      const Call call(
          "Gemm", {{"alpha", c.alpha}, {"beta", c.beta}, {"transB", int64_t{1}}},
          {random_words(a, {7, 1030}, 1), random_words(DType::i8, {13, 1030}, 2), random_reals(DType::f32, c.c, 3)},
          {{8, 3}, {8, 12}, {}});
      CHECK(call.check_equal().size() >= 2);
    }
  }
}

TEST_CASE("every kernel of a fixed-point Gemm gives the same bits, whatever the containers and transposes") {
  for (const DType a : kContainers) {
    for (const DType b : kContainers) {
      for (const int64_t trans : {0, 1}) {
        INFO(name_of(a) << " " << name_of(b) << " transposed " << trans);
        const Call call("Gemm", {{"transA", trans}, {"transB", trans}},
                        {random_words(a, trans ? Shape{150, 7} : Shape{7, 150}, 1),
                         random_words(b, trans ? Shape{13, 150} : Shape{150, 13}, 2)},
                        {{8, 3}, {8, 12}});
        CHECK(call.check_equal().size() >= 2);
      }
    }
  }
}

TEST_CASE("every kernel of a dense layer's weight gradient gives the same bits, whatever the extents") {
  for (const int64_t m : {1, 9, 64, 71, 130}) {
    for (const int64_t n : {1, 16, 47, 49, 100}) {
      for (const int64_t k : {1, 30, 128}) {
        INFO("m " << m << " n " << n << " k " << k);
        const Attrs attrs = {{"transA", int64_t{1}}};
        const Tensor a = random_words(DType::i8, {k, m}, 1), b = random_words(DType::i8, {k, n}, 2);
        CHECK(Call("Gemm", attrs, {a, b}, {{8, 3}, {8, 12}}).check_equal().size() >= 2);
        const Tensor c = random_reals(DType::f32, {n}, 3);
        CHECK(Call("Gemm", attrs, {a, b, c}, {{8, 3}, {8, 12}, {}}).check_equal().size() >= 2);
      }
    }
  }
}

TEST_CASE("every kernel of a fixed-point MatMul gives the same bits, whatever the batch") {
  struct Case {
    Shape a, b;
    int64_t trans_a, trans_b;
  };
  const Case cases[] = {{{40}, {40}, 0, 0},
                        {{40}, {3, 40, 5}, 0, 0},
                        {{2, 3, 40}, {40}, 0, 0},
                        {{2, 3, 7, 40}, {9, 40}, 0, 1},
                        {{3, 40, 7}, {40, 9}, 1, 0},
                        {{2, 3, 7, 40}, {2, 3, 9, 40}, 0, 1},
                        {{2, 1, 7, 40}, {3, 40, 9}, 0, 0},
                        {{7, 40}, {2, 3, 40, 9}, 0, 0},
                        {{2, 1, 3, 1, 7, 4}, {5, 3, 2, 4, 9}, 0, 0},
                        {{2, 2, 1, 3, 1, 7, 4}, {1, 2, 5, 3, 2, 4, 9}, 0, 0}};
  for (const DType a : kContainers) {
    for (const DType b : kContainers) {
      for (const Case& c : cases) {
        INFO(name_of(a) << "[" << text_of(c.a) << "] " << name_of(b) << "[" << text_of(c.b) << "]");
        const Call call("MatMul", {{"transA", c.trans_a}, {"transB", c.trans_b}},
                        {random_words(a, c.a, 1), random_words(b, c.b, 2)}, {{8, -2}, {8, 7}});
        CHECK(call.check_equal().size() >= 2);
      }
    }
  }
}

TEST_CASE("a product of 8-bit words has kernels in float32, in float64 and, where exact, in int8") {
  const Call bytes("Gemm", {}, {random_words(DType::i8, {4, 5}, 1), random_words(DType::i8, {5, 3}, 2)},
                   {{8, 0}, {8, 0}});
  const std::vector<std::string> names = bytes.check_equal();
  const auto has = [&](std::string_view name) { return std::find(names.begin(), names.end(), name) != names.end(); };
  CHECK(has("gemm_exact_f32_openblas"));
  CHECK(has("gemm_exact_f64_openblas"));
  CHECK(has("gemm_reference"));
  CHECK(!has("gemm_f32_onednn"));
  const Call mixed("Gemm", {}, {random_words(DType::i8, {4, 5}, 1), random_words(DType::i16, {5, 3}, 2)},
                   {{8, 0}, {8, 0}});
  CHECK(mixed.check_equal() ==
        (vnni_is_available() ? std::vector<std::string>{"gemm_s16_vnni", "gemm_exact_f64_openblas", "gemm_reference"}
                             : std::vector<std::string>{"gemm_exact_f64_openblas", "gemm_reference"}));
}

TEST_CASE("a fixed-point product is the exact sum times two to the minus both fractional lengths") {
  const Call call("MatMul", {},
                  {Tensor::of<int8_t>({1, 3}, {-128, 127, 5}), Tensor::of<int16_t>({3, 1}, {-32768, 3, 7})},
                  {{8, 6}, {16, 4}});
  CHECK(call.run(call.op().kernels.back()) == Tensor::of<float>({1, 1}, {(128 * 32768 + 127 * 3 + 5 * 7) * 0x1p-10f}));
}

TEST_CASE("float kernels of Gemm and MatMul agree with the reference") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Tensor a = random_reals(dtype, {33, 70}, 1), b = random_reals(dtype, {20, 70}, 2);
    const Tensor a_stored = random_reals(dtype, {70, 33}, 3), b_stored = random_reals(dtype, {70, 20}, 4);
    const Tensor column = random_reals(dtype, {33, 1}, 5), row = random_reals(dtype, {20}, 6);
    Call("Gemm", {{"transB", int64_t{1}}}, {a, b, row}, {}).check_close();
    Call("Gemm", {{"transA", int64_t{1}}, {"alpha", 0.5f}, {"beta", 3.0f}}, {a_stored, b_stored, column}, {})
        .check_close();
    Call("MatMul", {}, {random_reals(dtype, {2, 1, 5, 8}, 1), random_reals(dtype, {3, 8, 4}, 2)}, {}).check_close();
  }
}

TEST_CASE("products without elements give zeros, plus c") {
  const std::string operands = "input %a: f32[2,0] input %b: f32[0,3] parameter %c: f32[3]";
  const Graph graph = from_text("graph g { " + operands + " %y = Gemm(%a, %b, %c) output %y }");
  const Values values = interpret(graph, {{"a", Tensor({DType::f32, {2, 0}})},
                                          {"b", Tensor({DType::f32, {0, 3}})},
                                          {"c", Tensor::of<float>({3}, {1, 2, 3})}});
  CHECK(values.at("y") == Tensor::of<float>({2, 3}, {1, 2, 3, 1, 2, 3}));
}

TEST_CASE("shapes of products are inferred as numpy does") {
  CHECK(inferred("input %a: f32[5] input %b: f32[5]", "MatMul(%a, %b)").shape.empty());
  CHECK(inferred("input %a: f32[5] input %b: f32[2,5,3]", "MatMul(%a, %b)").shape == Shape{2, 3});
  CHECK(inferred("input %a: f32[2,4,5] input %b: f32[5]", "MatMul(%a, %b)").shape == Shape{2, 4});
  CHECK(inferred("input %a: f32[2,1,4,5] input %b: f32[3,5,6]", "MatMul(%a, %b)").shape == Shape{2, 3, 4, 6});
  CHECK(inferred("input %a: i8[4,5] input %b: i32[6,5]", "Gemm(%a, %b) {transB=1}") == Type{DType::f32, {4, 6}});
  CHECK(inferred("input %a: f64[4,5] input %b: f64[5,6]", "Gemm(%a, %b)").dtype == DType::f64);
}

TEST_CASE("operands that do not multiply are refused") {
  CHECK_THROWS_WITH(inferred("input %a: f32[4,5] input %b: f32[6,3]", "MatMul(%a, %b)"), Catch::Contains("5 and 6"));
  CHECK_THROWS_AS(inferred("input %a: f32[2,4,5] input %b: f32[3,5,4]", "MatMul(%a, %b)"), Error);
  CHECK_THROWS_AS(inferred("input %a: f32[] input %b: f32[5,4]", "MatMul(%a, %b)"), Error);
  CHECK_THROWS_AS(inferred("input %a: f32[5] input %b: f32[5,4]", "MatMul(%a, %b) {transA=1}"), Error);
  CHECK_THROWS_AS(inferred("input %a: f32[4,5] input %b: i8[5,4]", "MatMul(%a, %b)"), Error);
  CHECK_THROWS_AS(inferred("input %a: i64[4,5] input %b: i64[5,4]", "MatMul(%a, %b)"), Error);
  CHECK_THROWS_AS(inferred("input %a: f32[2,4,5] input %b: f32[5,4]", "Gemm(%a, %b)"), Error);
  CHECK_THROWS_AS(inferred("input %a: f32[4,5] input %b: f32[5,3] input %c: f32[4]", "Gemm(%a, %b, %c)"), Error);
  CHECK_THROWS_AS(inferred("input %a: f32[1,5] input %b: f32[5,3] input %c: f32[2,3]", "Gemm(%a, %b, %c)"), Error);
}

TEST_CASE("multiply-accumulates are counted over the batch") {
  const Call matmul("MatMul", {}, {random_reals(DType::f32, {2, 1, 4, 5}, 1), random_reals(DType::f32, {3, 5, 6}, 2)},
                    {});
  CHECK(matmul.op().macs(matmul.query()) == 2 * 3 * 4 * 5 * 6);
  const Call gemm("Gemm", {}, {random_reals(DType::f32, {4, 5}, 1), random_reals(DType::f32, {5, 6}, 2)}, {});
  CHECK(gemm.op().macs(gemm.query()) == 4 * 5 * 6);
}

TEST_CASE("gradients of products transpose nothing, and a shared matrix gets one product") {
  Graph graph = from_text(
      "graph g { input %x: f32[2,3,4,5] parameter %w: f32[6,5] %y = MatMul(%x, %w) {transB=1} "
      "%s = ReduceSum(%y) {keepdims=0} output %s }");
  graph.loss = graph.find("s");
  const std::vector<ValueId> gradients = differentiate(graph, {graph.find("w")});
  graph.outputs = {gradients[0]};
  graph.loss = {};
  CHECK(graph.type_of(gradients[0]).shape == Shape{6, 5});
  CHECK(count_of(graph, "MatMul") == 1);
  CHECK(count_of(graph, "Transpose") == 0);
  CHECK(count_of(graph, "ReduceSum") == 0);
}

}  // namespace marvin
