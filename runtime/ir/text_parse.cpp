#include <cctype>
#include <charconv>
#include <cstdlib>

#include "runtime/ir/error.h"
#include "runtime/ir/text.h"

namespace marvin {
namespace {

class Parser {
 public:
  Parser(std::string_view text, const AddParsedNode& add_node) : text_(text), add_node_(add_node) {}

  Graph parse() {
    expect("graph");
    graph_.name = word();
    expect("{");
    while (!accept("}")) statement();
    if (peek() != '\0') fail("text after the graph");
    return std::move(graph_);
  }

 private:
  template <class... Args>
  [[noreturn]] void fail(const Args&... message) const {
    int line = 1;
    for (const char c : text_.substr(0, at_)) line += c == '\n';
    throw Error("line ", line, ": ", message...);
  }

  // The first character after white space and comments, 0 at the end.
  char peek() {
    while (at_ < text_.size()) {
      if (text_[at_] == '#') {
        while (at_ < text_.size() && text_[at_] != '\n') ++at_;
      } else if (std::isspace(static_cast<unsigned char>(text_[at_]))) {
        ++at_;
      } else {
        return text_[at_];
      }
    }
    return '\0';
  }

  static bool is_word(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) ||
           (c != '\0' && std::string_view("_./-+").find(c) != std::string_view::npos);
  }

  bool accept(std::string_view token) {
    peek();
    if (text_.substr(at_, token.size()) != token) return false;
    const char after = at_ + token.size() < text_.size() ? text_[at_ + token.size()] : '\0';
    if (is_word(token.back()) && is_word(after)) return false;
    at_ += token.size();
    return true;
  }

  void expect(std::string_view token) {
    if (!accept(token)) fail("expected '", token, "'");
  }

  std::string word() {
    if (peek() == '"') return quoted();
    const size_t start = at_;
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    if (at_ == start) fail("expected a name");
    return std::string(text_.substr(start, at_ - start));
  }

  std::string quoted() {
    expect("\"");
    std::string result;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] == '\\') ++at_;
      if (at_ < text_.size()) result += text_[at_++];
    }
    if (at_ >= text_.size()) fail("a quoted name has no end");
    ++at_;
    return result;
  }

  int64_t integer() {
    const std::string digits = word();
    int64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size()) fail("'", digits, "' is not an integer");
    return value;
  }

  template <class Real>
  Real real() {
    const std::string digits = word();
    Real value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size()) fail("'", digits, "' is not a number");
    return value;
  }

  Type type() {
    Type result;
    result.dtype = dtype_named(word());
    expect("[");
    while (!accept("]")) {
      result.shape.push_back(integer());
      accept(",");
    }
    if (accept(":channels_last")) result.layout = Layout::channels_last;
    return result;
  }

  // A value that exists already; none for "_".
  ValueId use() {
    if (accept("_")) return {};
    expect("%");
    const std::string name = word();
    const ValueId id = graph_.find(name);
    if (!id.valid()) fail("'%", name, "' is not defined yet");
    return id;
  }

  Tensor tensor(const Type& type) {
    Tensor result(type);
    expect("{");
    visit_stored(type.dtype, [&](auto zero) {
      using T = decltype(zero);
      for (T& element : result.as<T>()) {
        if constexpr (std::is_floating_point_v<T>) {
          element = real<T>();
        } else if constexpr (std::is_class_v<T>) {
          element = T(real<float>());
        } else {
          element = static_cast<T>(integer());
        }
        accept(",");
      }
    });
    expect("}");
    return result;
  }

  Attr attr() {
    if (peek() == '"') return quoted();
    if (!accept("[")) return number();
    if (accept(".")) {
      expect("]");
      return std::vector<float>{};
    }
    if (accept("_")) {
      expect("]");
      return std::vector<std::string>{};
    }
    if (peek() == '"') return strings();
    std::vector<int64_t> integers;
    std::vector<float> reals;
    while (!accept("]")) {
      const Attr item = number();
      if (const auto* i = std::get_if<int64_t>(&item)) integers.push_back(*i);
      if (const auto* f = std::get_if<float>(&item)) reals.push_back(*f);
      accept(",");
    }
    if (!integers.empty() && !reals.empty()) fail("a list mixes integers and reals");
    if (!reals.empty()) return reals;
    return integers;
  }

  std::vector<std::string> strings() {
    std::vector<std::string> list;
    while (!accept("]")) {
      list.push_back(quoted());
      accept(",");
    }
    return list;
  }

  Attr number() {
    peek();
    const size_t start = at_;
    const std::string digits = word();
    at_ = start;
    const bool is_real = digits.find_first_of(".en") != std::string::npos;
    if (is_real) return real<float>();
    return integer();
  }

  void statement() {
    if (accept("input")) return declare(ValueKind::input);
    if (accept("parameter")) return declare(ValueKind::parameter);
    if (accept("constant")) return declare(ValueKind::constant);
    if (accept("slot")) return slot();
    if (accept("forward:")) return static_cast<void>(phase_ = Phase::forward);
    if (accept("backward:")) return static_cast<void>(phase_ = Phase::backward);
    if (accept("update:")) return static_cast<void>(phase_ = Phase::update);
    if (accept("output")) return graph_.outputs.push_back(use());
    if (accept("loss")) return static_cast<void>(graph_.loss = use());
    if (accept("update")) {
      const ValueId state = use();
      expect("<-");
      return graph_.updates.push_back({state, use()});
    }
    if (peek() == '%' || peek() == '_') return node();
    fail("expected a statement");
  }

  void declare(ValueKind kind) {
    expect("%");
    const std::string name = word();
    expect(":");
    const Type declared = type();
    std::shared_ptr<const Tensor> data;
    if (accept("=")) data = std::make_shared<const Tensor>(tensor(declared));
    if (kind == ValueKind::input) {
      graph_.add_input(name, declared);
    } else if (kind == ValueKind::parameter) {
      graph_.add_parameter(name, declared, data);
    } else {
      if (!data) fail("the constant '", name, "' has no elements");
      graph_.add_constant(name, *data);
    }
  }

  void slot() {
    Slot result;
    result.name = word();
    expect(":");
    result.layer = word();
    const std::string role = word();
    for (const Role candidate : {Role::weight, Role::activation, Role::gradient}) {
      if (name_of(candidate) != role) continue;
      result.role = candidate;
      return graph_.slots.push_back(result);
    }
    fail("'", role, "' is not a role");
  }

  void node() {
    Node result{.phase = phase_};
    std::vector<std::string> names;
    std::vector<std::optional<Type>> types;
    do {
      const bool left_out = accept("_");
      if (!left_out) expect("%");
      names.push_back(left_out ? "" : word());
      types.push_back(accept(":") ? std::optional(type()) : std::nullopt);
    } while (accept(","));
    expect("=");
    result.op = word();
    expect("(");
    while (!accept(")")) {
      result.inputs.push_back(use());
      accept(",");
    }
    if (accept("{")) {
      while (!accept("}")) {
        const std::string key = word();
        expect("=");
        result.attrs.set(key, attr());
        accept(",");
      }
    }
    if (accept("named")) result.name = quoted();
    if (accept("slot")) result.slot = slot_named(word());
    if (accept("using")) result.kernel = word();
    const std::string op = result.op;
    try {
      add_node_(graph_, std::move(result), names, types);
    } catch (const Error& error) {
      fail(op, ": ", error.what());
    }
  }

  SlotId slot_named(const std::string& name) const {
    for (size_t i = 0; i < graph_.slots.size(); ++i)
      if (graph_.slots[i].name == name) return SlotId{static_cast<uint32_t>(i)};
    fail("no slot '", name, "'");
  }

  std::string_view text_;
  const AddParsedNode& add_node_;
  size_t at_ = 0;
  Phase phase_ = Phase::forward;
  Graph graph_;
};

}  // namespace

Graph parse(std::string_view text, const AddParsedNode& add_node) { return Parser(text, add_node).parse(); }

}  // namespace marvin
