// What ONNX's conformance cases leave out of RNN, GRU and LSTM: directions, lengths, and what the unrolled steps share.
#include "passes/insert_quantization.h"
#include "tests/ops/interpret.h"
#include "tests/ops/run_op.h"

namespace marvin {
namespace {

constexpr int64_t kSteps = 4, kBatch = 2, kInputs = 3, kHidden = 5;

// Outputs y and y_h of a layer with weights for `directions` on x of [steps,n,inputs]; `operands` continues the list.
Values layer(const std::string& op, int64_t gates, int64_t directions, const std::string& attributes, const Tensor& x,
             const std::string& operands = "", Values more = {}) {
  const Shape& shape = x.type().shape;
  std::string text = cat("graph g { input %x: f32[", text_of(shape), "] parameter %w: f32[", directions, ",",
                         gates * kHidden, ",", kInputs, "] parameter %r: f32[", directions, ",", gates * kHidden, ",",
                         kHidden, "] parameter %b: f32[", directions, ",", 2 * gates * kHidden, "]");
  for (const auto& [name, value] : more) text += cat(" input %", name, ": ", text_of(value.type()));
  text += cat(" %y, %y_h = ", op, "(%x, %w, %r, %b", operands, ") {", attributes, "} output %y output %y_h }");
  more.emplace("x", x);
  more.emplace("w", random_tensor({directions, gates * kHidden, kInputs}, 2));
  more.emplace("r", random_tensor({directions, gates * kHidden, kHidden}, 3));
  more.emplace("b", random_tensor({directions, 2 * gates * kHidden}, 4));
  return interpret(from_text(text), std::move(more));
}

const std::vector<std::pair<std::string, int64_t>> kLayers = {{"RNN", 1}, {"GRU", 3}, {"LSTM", 4}};

Tensor transposed(const Tensor& x, const std::vector<int64_t>& perm) {
  return run("Transpose", {&x}, {{"perm", perm}}, 1)[0];
}

// Steps in reverse order.
Tensor backward(const Tensor& x) {
  const Tensor starts = Tensor::of<int64_t>({1}, {-1}), ends = Tensor::of<int64_t>({1}, {-1000});
  const Tensor axes = Tensor::of<int64_t>({1}, {0}), steps = Tensor::of<int64_t>({1}, {-1});
  return run("Slice", {&x, &starts, &ends, &axes, &steps}, {}, 1)[0];
}

Tensor slice(const Tensor& x, int64_t axis, int64_t begin, int64_t end) {
  const Tensor starts = Tensor::of<int64_t>({1}, {begin}), ends = Tensor::of<int64_t>({1}, {end});
  const Tensor axes = Tensor::of<int64_t>({1}, {axis});
  return run("Slice", {&x, &starts, &ends, &axes}, {}, 1)[0];
}

std::string refusal(const std::string& text) {
  try {
    from_text("graph g { input %x: f32[4,2,3] parameter %w: f32[1,5,3] parameter %r: f32[1,5,5] " + text +
              " output %y }");
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("a reverse layer is a forward layer on steps in reverse order") {
  const Tensor x = random_tensor({kSteps, kBatch, kInputs}, 1);
  for (const auto& [op, gates] : kLayers) {
    const Values reverse = layer(op, gates, 1, "direction=\"reverse\"", x);
    const Values forward = layer(op, gates, 1, "", backward(x));
    CHECK(reverse.at("y") == backward(forward.at("y")));
    CHECK(reverse.at("y_h") == forward.at("y_h"));
  }
}

TEST_CASE("batch first is the same with axes exchanged") {
  const Tensor x = random_tensor({kSteps, kBatch, kInputs}, 1);
  for (const auto& [op, gates] : kLayers) {
    const Values time_first = layer(op, gates, 2, "direction=\"bidirectional\"", x);
    const Values batch_first = layer(op, gates, 2, "direction=\"bidirectional\", layout=1", transposed(x, {1, 0, 2}));
    CHECK(batch_first.at("y") == transposed(time_first.at("y"), {2, 0, 1, 3}));
    CHECK(batch_first.at("y_h") == transposed(time_first.at("y_h"), {1, 0, 2}));
  }
}

TEST_CASE("a sequence that ends early has the states of a shorter one, and zeros behind") {
  const Tensor x = random_tensor({kSteps, kBatch, kInputs}, 1);
  const Tensor lengths = Tensor::of<int32_t>({kBatch}, {4, 2});
  for (const auto& [op, gates] : kLayers) {
    for (const std::string direction : {"forward", "reverse"}) {
      const std::string attributes = "direction=\"" + direction + "\"";
      const Values masked = layer(op, gates, 1, attributes, x, ", %lengths", {{"lengths", lengths}});
      for (int64_t n = 0; n < kBatch; ++n) {
        const int64_t length = lengths.as<int32_t>()[static_cast<size_t>(n)];
        const Values alone = layer(op, gates, 1, attributes, slice(slice(x, 1, n, n + 1), 0, 0, length));
        const Tensor y = slice(masked.at("y"), 2, n, n + 1);
        check_close(slice(y, 0, 0, length), {alone.at("y").as<float>().begin(), alone.at("y").as<float>().end()});
        const Tensor behind = slice(y, 0, length, kSteps);
        for (const float rest : behind.as<float>()) CHECK(rest == 0);
        const std::span<const float> last = alone.at("y_h").as<float>();
        check_close(slice(masked.at("y_h"), 1, n, n + 1), {last.begin(), last.end()});
      }
    }
  }
}

TEST_CASE("the steps of a layer share one recurrent weight and its slot") {
  Graph graph = from_text(R"(graph g {
    input %x: f32[300,2,8] parameter %w: f32[1,32,8] parameter %r: f32[1,32,8] parameter %b: f32[1,64]
    _, %y_h = LSTM(%x, %w, %r, %b)
    output %y_h })");
  const std::vector<Slot> slots = find_slots(graph);
  CHECK(std::ranges::count(slots, Role::weight, &Slot::role) == 2);
  CHECK(slots.size() == 2 + 1 + 299);  // x, and the states that a step reads
  insert_quantization(graph, std::vector<FixedPoint>(slots.size(), FixedPoint{8, 5}));
  int64_t quantized = 0;
  for (const NodeId node : live_nodes(graph)) quantized += graph[node].op == "Quantize";
  CHECK(quantized == static_cast<int64_t>(slots.size()));
}

TEST_CASE("recurrent layers refuse shapes and attributes that do not fit") {
  CHECK_THAT(refusal("%y = RNN(%x, %w, %r)"), Catch::Equals(""));
  CHECK_THAT(refusal("%y = GRU(%x, %w, %r)"), Catch::Contains("w must be [1,15,3], not [1,5,3]"));
  CHECK_THAT(refusal("%y = RNN(%x, %w, %r) {direction=\"both\"}"), Catch::Contains("not 'both'"));
  CHECK_THAT(refusal("%y = RNN(%x, %w, %r) {hidden_size=7}"), Catch::Contains("hidden_size is 7"));
  CHECK_THAT(refusal("%y = RNN(%x, %w, %r) {activations=[\"Tan\"]}"), Catch::Contains("Did you mean 'Tanh'?"));
  CHECK_THAT(refusal("%y = RNN(%x, %w, %r) {activations=[\"Tanh\",\"Tanh\"]}"), Catch::Contains("2 functions, not 1"));
  CHECK_THAT(refusal("input %h: f32[1,3,5] %y = RNN(%x, %w, %r, _, _, %h)"),
             Catch::Contains("initial_h must be [1,2,5], not [1,3,5]"));
}

}  // namespace marvin
