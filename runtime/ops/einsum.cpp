// Einsum, written out as transposes, sums and products: operands are taken together one after the other, and labels
// that two of them share and nothing else needs are summed over by a matrix product.
#include <algorithm>
#include <map>
#include <optional>

#include "runtime/ops/op.h"

namespace marvin {
namespace {

// ---- Equations ------------------------------------------------------------------------------------------------------

// Stands for an ellipsis in a text. In labels, the axes that it stands for are the characters 1, 2 ...
constexpr char kEllipsis = '.';

// The axes of a value, one character each.
using Labels = std::string;

bool contains(const Labels& labels, char label) { return labels.find(label) != Labels::npos; }
Labels common(const Labels& a, const Labels& b) {
  Labels result;
  std::ranges::copy_if(a, std::back_inserter(result), [&](char label) { return contains(b, label); });
  return result;
}
Labels without(const Labels& a, const Labels& b) {
  Labels result;
  std::ranges::copy_if(a, std::back_inserter(result), [&](char label) { return !contains(b, label); });
  return result;
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// "i ...k" as "i.k".
std::string term_text(std::string_view text, const std::string& equation) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ' ') continue;
    if (text.substr(i, 3) == "...") {
      result += kEllipsis;
      i += 2;
    } else if (is_letter(text[i])) {
      result += text[i];
    } else {
      throw Error("equation '", equation, "': '", text[i], "' is not a label");
    }
  }
  if (std::ranges::count(result, kEllipsis) > 1) throw Error("equation '", equation, "': two ellipses in one term");
  return result;
}

struct Equation {
  std::vector<std::string> operands;
  std::optional<std::string> output;
};

Equation parse(const std::string& text) {
  Equation equation;
  const size_t arrow = text.find("->");
  if (arrow != std::string::npos) equation.output = term_text(std::string_view(text).substr(arrow + 2), text);
  std::string_view left = std::string_view(text).substr(0, arrow);
  for (size_t comma; (comma = left.find(',')) != std::string_view::npos; left.remove_prefix(comma + 1)) {
    equation.operands.push_back(term_text(left.substr(0, comma), text));
  }
  equation.operands.push_back(term_text(left, text));
  return equation;
}

// The labels of a term whose ellipsis stands for the last `own` of the `all` axes that the longest one stands for.
Labels labels_of(const std::string& term, size_t own, size_t all) {
  Labels labels;
  for (const char c : term) {
    if (c != kEllipsis) {
      labels += c;
      continue;
    }
    for (size_t i = all - own; i < all; ++i) labels += static_cast<char>(i + 1);
  }
  return labels;
}

// Without an arrow, the axes of ellipses and then the labels that occur once, in alphabetical order.
Labels implied_output(const std::vector<std::string>& operands, size_t ellipsis_axes) {
  Labels all;
  for (const std::string& operand : operands) all += operand;
  Labels result = labels_of(std::string(1, kEllipsis), ellipsis_axes, ellipsis_axes);
  std::ranges::sort(all);
  for (const char label : all)
    if (label != kEllipsis && std::ranges::count(all, label) == 1) result += label;
  return result;
}

// ---- Contraction ----------------------------------------------------------------------------------------------------

struct Term {
  ValueId value;
  Labels labels;
};

class Contraction {
 public:
  explicit Contraction(ExpandContext& context) : c_(context) {
    const std::string& text = c_.attrs().string("equation");
    const Equation equation = parse(text);
    if (equation.operands.size() != c_.input_count()) {
      throw Error("equation '", text, "' has ", equation.operands.size(), " terms for ", c_.input_count(), " operands");
    }
    for (size_t i = 0; i < c_.input_count(); ++i)
      if (!c_.in(i).valid()) throw Error("operand ", i, " is missing");
    read_operands(equation.operands);
    output_ = equation.output ? labels_of(*equation.output, ellipsis_axes_, ellipsis_axes_)
                              : implied_output(equation.operands, ellipsis_axes_);
    for (const char label : output_) {
      if (!extents_.contains(label)) throw Error("equation '", text, "': '", label, "' of the output is in no operand");
      if (std::ranges::count(output_, label) > 1)
        throw Error("equation '", text, "': '", label, "' is twice in the output");
    }
  }

  ValueId run() {
    for (Term& term : terms_) term = without_repeats(without_twins(term));
    Term result = terms_[0];
    for (size_t i = 1; i < terms_.size(); ++i) {
      Labels needed = output_;
      for (size_t k = i + 1; k < terms_.size(); ++k) needed += terms_[k].labels;
      result = contract(result, terms_[i], needed);
    }
    return arranged(sum_over(result, without(result.labels, output_)), output_).value;
  }

 private:
  void read_operands(const std::vector<std::string>& texts) {
    std::vector<size_t> own(texts.size());
    for (size_t i = 0; i < texts.size(); ++i) {
      const size_t rank = c_.shape(c_.in(i)).size(),
                   letters = static_cast<size_t>(std::ranges::count_if(texts[i], is_letter));
      const bool has_ellipsis = contains(texts[i], kEllipsis);
      if (has_ellipsis ? letters > rank : letters != rank) {
        throw Error("operand ", i, " is ", text_of(c_.type(c_.in(i))), " but its term has ", letters, " labels");
      }
      own[i] = has_ellipsis ? rank - letters : 0;
      ellipsis_axes_ = std::max(ellipsis_axes_, own[i]);
    }
    for (size_t i = 0; i < texts.size(); ++i) {
      terms_.push_back({c_.in(i), labels_of(texts[i], own[i], ellipsis_axes_)});
      note_extents(terms_.back());
    }
  }

  // Extents of 1 broadcast.
  void note_extents(const Term& term) {
    const Shape shape = c_.shape(term.value);
    for (size_t i = 0; i < shape.size(); ++i) {
      int64_t& extent = extents_.try_emplace(term.labels[i], shape[i]).first->second;
      if (extent == 1) extent = shape[i];
      if (shape[i] == 1 || shape[i] == extent) continue;
      throw Error("the label '", term.labels[i], "' has the extents ", extent, " and ", shape[i]);
    }
  }

  int64_t count(const Labels& labels) const {
    int64_t product = 1;
    for (const char label : labels) product *= extents_.at(label);
    return product;
  }
  Shape shape_of(const Labels& labels) const {
    Shape shape;
    for (const char label : labels) shape.push_back(extents_.at(label));
    return shape;
  }

  // Of the two axes of this label, the diagonal; its axis is the last.
  Term diagonal(const Term& term, char label) {
    const size_t first = term.labels.find(label), second = term.labels.find(label, first + 1);
    const Shape shape = c_.shape(term.value);
    const int64_t n = shape[first];
    if (shape[second] != n) throw Error("the label '", label, "' has the extents ", n, " and ", shape[second]);
    std::vector<int64_t> perm;
    Shape rest;
    Labels labels;
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      if (axis == first || axis == second) continue;
      perm.push_back(static_cast<int64_t>(axis));
      rest.push_back(shape[axis]);
      labels += term.labels[axis];
    }
    perm.insert(perm.end(), {static_cast<int64_t>(first), static_cast<int64_t>(second)});
    rest.push_back(n * n);
    const ValueId square = c_.reshape(c_.transpose(term.value, perm), rest);
    Tensor places(Type{DType::i64, {n}});
    for (int64_t k = 0; k < n; ++k) places.as<int64_t>()[static_cast<size_t>(k)] = k * (n + 1);
    const int64_t last = static_cast<int64_t>(rest.size()) - 1;
    return {c_.build("Gather", {square, c_.constant(std::move(places))}, {{"axis", last}}), labels + label};
  }

  Term without_twins(Term term) {
    const auto has_twin = [&](char label) { return std::ranges::count(term.labels, label) > 1; };
    for (auto label = std::ranges::find_if(term.labels, has_twin); label != term.labels.end();
         label = std::ranges::find_if(term.labels, has_twin)) {
      term = diagonal(term, *label);
    }
    return term;
  }

  // Axes of extent 1 that others repeat go: what is multiplied with them broadcasts.
  Term without_repeats(const Term& term) {
    const Shape shape = c_.shape(term.value);
    Term result{.value = term.value};
    Shape kept;
    for (size_t i = 0; i < shape.size(); ++i) {
      if (shape[i] != extents_.at(term.labels[i])) continue;
      kept.push_back(shape[i]);
      result.labels += term.labels[i];
    }
    result.value = c_.reshape(term.value, kept);
    return result;
  }

  Term sum_over(const Term& term, const Labels& labels) {
    if (labels.empty()) return term;
    std::vector<int64_t> axes;
    for (const char label : labels) axes.push_back(static_cast<int64_t>(term.labels.find(label)));
    return {c_.build("ReduceSum", {term.value, c_.constant_shape(axes)}, {{"keepdims", int64_t{0}}}),
            without(term.labels, labels)};
  }

  // The value with its axes in this order.
  Term arranged(const Term& term, const Labels& wanted) {
    const Labels order = common(wanted, term.labels);
    if (order == term.labels) return term;
    std::vector<int64_t> perm;
    for (const char label : order) perm.push_back(static_cast<int64_t>(term.labels.find(label)));
    return {c_.transpose(term.value, perm), order};
  }

  Term contract(Term a, Term b, const Labels& needed) {
    a = sum_over(a, without(without(a.labels, b.labels), needed));
    b = sum_over(b, without(without(b.labels, a.labels), needed));
    const Labels shared = common(a.labels, b.labels), batch = common(shared, needed), summed = without(shared, batch);
    const Labels rows = without(a.labels, shared), columns = without(b.labels, shared);
    if (summed.empty() || !is_float(c_.type(a.value).dtype)) {
      return sum_over(elementwise(a, b, batch + summed, rows, columns), summed);
    }
    const Labels together = batch + rows + columns;
    const bool trans_a = a.labels == batch + summed + rows && !rows.empty();
    const bool trans_b = b.labels == batch + columns + summed && !columns.empty();
    const ValueId left = matrices(arranged(a, batch + (trans_a ? summed + rows : rows + summed)), batch,
                                  trans_a ? summed : rows, trans_a ? rows : summed);
    const ValueId right = matrices(arranged(b, batch + (trans_b ? columns + summed : summed + columns)), batch,
                                   trans_b ? columns : summed, trans_b ? summed : columns);
    const ValueId product =
        c_.build("MatMul", {left, right}, {{"transA", int64_t{trans_a}}, {"transB", int64_t{trans_b}}});
    return {c_.reshape(product, shape_of(together)), together};
  }

  ValueId matrices(const Term& term, const Labels& batch, const Labels& rows, const Labels& columns) {
    Shape shape = {count(rows), count(columns)};
    if (!batch.empty()) shape.insert(shape.begin(), count(batch));
    return c_.reshape(term.value, shape);
  }

  // The product with axes shared, rows (of a alone) and columns (of b alone).
  Term elementwise(const Term& a, const Term& b, const Labels& shared, const Labels& rows, const Labels& columns) {
    Shape left = shape_of(shared + rows), right = shape_of(shared);
    left.resize(left.size() + columns.size(), 1);
    right.resize(right.size() + rows.size(), 1);
    const Shape tail = shape_of(columns);
    right.insert(right.end(), tail.begin(), tail.end());
    const ValueId x = c_.reshape(arranged(a, shared + rows).value, left);
    const ValueId y = c_.reshape(arranged(b, shared + columns).value, right);
    return {c_.build("Mul", {x, y}), shared + rows + columns};
  }

  ExpandContext& c_;
  std::vector<Term> terms_;
  Labels output_;
  std::map<char, int64_t> extents_;
  size_t ellipsis_axes_ = 0;
};

}  // namespace

extern const OpDef kEinsum = {
    .name = "Einsum",
    .doc =
        "The sum of products that `equation` says, as numpy.einsum: \"bij,bjk->bik\" labels the axes of the operands "
        "and of the output; labels that the output has not are summed over. \"...\" stands for axes that broadcast; "
        "without an arrow, the output has the labels that occur once. Extents of 1 broadcast",
    .max_inputs = kVariadic,
    .required = {"equation"},
    .expand = [](ExpandContext& context) -> std::vector<ValueId> { return {Contraction(context).run()}; },
};

}  // namespace marvin
