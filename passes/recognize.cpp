#include "passes/recognize.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>
#include <utility>

#include "runtime/ops/op.h"

namespace marvin {
namespace {

constexpr size_t kMostFactors = 8;

// constant * the product of all factors, a power counting as often as it says.
struct Product {
  double constant = 1;
  std::vector<ValueId> factors;
};

bool is_about(double value, double expected) { return std::abs(value - expected) <= 1e-6 * std::abs(expected); }

class Recognizer {
 public:
  explicit Recognizer(Graph& graph) : graph_(graph) {}

  void run() {
    for (const NodeId id : live_nodes(graph_))
      if (graph_[id].op == "Mul") try_gelu(graph_[id].outputs[0]);
  }

 private:
  const Node* producer(ValueId value) const {
    return graph_[value].kind == ValueKind::computed ? &graph_[graph_[value].producer] : nullptr;
  }

  bool is_made_by(ValueId value, std::string_view op) const {
    const Node* node = producer(value);
    return node && node->op == op;
  }

  std::optional<double> number(ValueId value) const {
    const Value& constant = graph_[value];
    if (constant.kind != ValueKind::constant || !constant.data || constant.type.elements() != 1) return {};
    return converted(*constant.data, DType::f64).as<double>()[0];
  }

  // How often a value is multiplied with itself here: Pow's exponent; 0 where it is none of these.
  int64_t power_of(const Node& node) const {
    if (node.op != "Pow") return 0;
    const std::optional<double> exponent = number(node.inputs[1]);
    return exponent == 2 || exponent == 3 ? static_cast<int64_t>(*exponent) : 0;
  }

  // Multiplies `value`, which is not taken apart where it is `whole`, into the product. Says whether it is a short one.
  bool multiply(ValueId value, ValueId whole, Product& product) const {
    if (product.factors.size() >= kMostFactors) return false;
    if (const std::optional<double> constant = number(value)) return product.constant *= *constant, true;
    const Node* node = value == whole ? nullptr : producer(value);
    if (node && node->op == "Mul") {
      return multiply(node->inputs[0], whole, product) && multiply(node->inputs[1], whole, product);
    }
    if (node && node->op == "Div") {
      const std::optional<double> divisor = number(node->inputs[1]);
      if (divisor && *divisor != 0) return product.constant /= *divisor, multiply(node->inputs[0], whole, product);
    }
    if (const int64_t power = node ? power_of(*node) : 0; power > 0) {
      for (int64_t i = 0; i < power; ++i)
        if (!multiply(node->inputs[0], whole, product)) return false;
      return true;
    }
    product.factors.push_back(value);
    return true;
  }

  // Whether the value is constant * x^power.
  bool is_monomial(ValueId value, double constant, ValueId x, size_t power) const {
    Product product;
    return multiply(value, x, product) && is_about(product.constant, constant) && product.factors.size() == power &&
           std::ranges::count(product.factors, x) == static_cast<int64_t>(power);
  }

  // The other term, where the value is a sum of one for which is_term holds.
  template <class IsTerm>
  std::optional<ValueId> other_term(ValueId sum, IsTerm&& is_term) const {
    if (!is_made_by(sum, "Add")) return {};
    const std::vector<ValueId>& terms = producer(sum)->inputs;
    for (const size_t i : {0, 1})
      if (is_term(terms[i])) return terms[1 - i];
    return {};
  }

  std::optional<ValueId> beside_one(ValueId sum) const {
    return other_term(sum, [&](ValueId term) { return number(term) == 1.0; });
  }

  // sqrt(2 / pi) (x + 0.044715 x^3), with or without x taken out.
  bool is_argument_of_tanh(ValueId value, ValueId x) const {
    constexpr double kScale = std::numbers::inv_sqrtpi * std::numbers::sqrt2, kCubic = 0.044715;
    Product product;
    if (!multiply(value, x, product) || !is_about(product.constant, kScale)) return false;
    std::vector<ValueId>& factors = product.factors;
    if (factors.size() == 1) {
      const std::optional<ValueId> cube = other_term(factors[0], [&](ValueId term) { return term == x; });
      return cube && is_monomial(*cube, kCubic, x, 3);
    }
    if (factors.size() != 2) return false;
    if (factors[1] == x) std::swap(factors[0], factors[1]);
    const std::optional<ValueId> square = beside_one(factors[1]);
    return factors[0] == x && square && is_monomial(*square, kCubic, x, 2);
  }

  // Which Gelu the gate 1 + erf(x / sqrt 2) or its like makes of x; empty: none.
  std::string approximation_of(ValueId gate, ValueId x) const {
    const std::optional<ValueId> function = beside_one(gate);
    if (!function) return {};
    if (is_made_by(*function, "Erf") && is_monomial(producer(*function)->inputs[0], std::numbers::sqrt2 / 2, x, 1))
      return "none";
    return is_made_by(*function, "Tanh") && is_argument_of_tanh(producer(*function)->inputs[0], x) ? "tanh" : "";
  }

  // Values that are multiplied into this one, on the way to its last factors.
  void add_parts(ValueId value, std::vector<ValueId>& parts) const {
    if (parts.size() >= 2 * kMostFactors || number(value)) return;
    parts.push_back(value);
    if (const Node* node = producer(value); node && (node->op == "Mul" || node->op == "Div"))
      for (const ValueId input : node->inputs) add_parts(input, parts);
  }

  void try_gelu(ValueId value) {
    std::vector<ValueId> parts;
    add_parts(value, parts);
    const bool has_gate = std::ranges::any_of(parts, [&](ValueId part) { return beside_one(part).has_value(); });
    if (!has_gate) return;
    for (const ValueId x : parts) {
      Product product;
      if (x == value || !multiply(value, x, product) || !is_about(product.constant, 0.5)) continue;
      std::vector<ValueId>& factors = product.factors;
      if (factors.size() != 2 || graph_.type_of(value) != graph_.type_of(x)) continue;
      if (factors[1] == x) std::swap(factors[0], factors[1]);
      const std::string approximation = factors[0] == x ? approximation_of(factors[1], x) : "";
      if (!approximation.empty()) return put_gelu(value, x, approximation);
    }
  }

  void put_gelu(ValueId value, ValueId x, const std::string& approximation) {
    const std::string name = graph_[value].name;
    const Node& old = graph_[graph_[value].producer];
    Node node{.op = "Gelu", .name = old.name, .inputs = {x}, .attrs = {{"approximate", approximation}}};
    node.phase = old.phase;
    graph_.rename(value, graph_.unused_name(name + ".written_out"));
    const NodeId id = append(graph_, std::move(node), {name});
    replace_uses(graph_, value, graph_[id].outputs[0]);
  }

  Graph& graph_;
};

}  // namespace

void recognize(Graph& graph) { Recognizer(graph).run(); }

}  // namespace marvin
