#include "importer/sequences.h"

#include <algorithm>
#include <array>

#include "importer/node_attributes.h"
#include "importer/writable_tensors.h"

namespace marvin {
namespace {

// Sequences are written out, so that this many are a graph that nobody wants to plan.
constexpr int64_t kMaxElements = 1 << 12;

class SequenceReader {
 public:
  SequenceReader(GraphReader& reader, const onnx::NodeProto& node, const Items& operands, const Frame& frame)
      : reader_(reader), node_(node), operands_(operands), frame_(frame), builder_(reader.builder_for(node, frame)) {}

  Items construct() {
    Item::Sequence elements;
    for (size_t i = 0; i < operands_.size(); ++i) elements.push_back(tensor(i));
    return {Item(elements)};
  }

  Items empty() { return {Item(Item::Sequence())}; }

  Items at() {
    const Item::Sequence& elements = sequence(0);
    return {elements[position(std::ssize(elements))]};
  }

  Items insert() {
    Item::Sequence elements = sequence(0);
    const size_t place = given(2) ? position(std::ssize(elements), 2, 1) : elements.size();
    elements.insert(elements.begin() + static_cast<int64_t>(place), tensor(1));
    return {Item(elements)};
  }

  Items erase() {
    Item::Sequence elements = sequence(0);
    if (elements.empty()) throw Error("there is no element to erase");
    const size_t place = given(1) ? position(std::ssize(elements)) : elements.size() - 1;
    elements.erase(elements.begin() + static_cast<int64_t>(place));
    return {Item(elements)};
  }

  Items length() { return {builder_.constant(Tensor::scalar<int64_t>(std::ssize(sequence(0))))}; }

  // In parts of one element, of a number of them, or of as many as a vector says.
  Items split() {
    const ValueId x = tensor(0);
    const Shape shape = builder_.shape(x);
    const int64_t axis = normalized_axis(integer_attribute(node_, "axis", 0), std::ssize(shape));
    const std::vector<int64_t> extents = part_extents(shape[static_cast<size_t>(axis)]);
    if (std::ssize(extents) > kMaxElements) throw Error("a sequence of ", extents.size(), " parts is too long");
    if (extents.empty()) return empty();
    Item::Sequence parts = builder_.build_many("Split", {x, builder_.constant_shape(extents)}, {{"axis", axis}},
                                               std::vector<bool>(extents.size(), true));
    if (!given(1) && integer_attribute(node_, "keepdims", 1) == 0) {
      const ValueId axes = builder_.constant_shape({axis});
      for (ValueId& part : parts) part = builder_.build("Squeeze", {part, axes});
    }
    return {Item(parts)};
  }

  Items concat() {
    Item::Sequence elements = sequence(0);
    if (elements.empty()) throw Error("the sequence has no elements");
    const bool is_new = integer_attribute(node_, "new_axis", 0) != 0;
    const int64_t rank = builder_.type(elements[0]).rank() + (is_new ? 1 : 0);
    const int64_t axis = normalized_axis(integer_attribute(node_, "axis", 0), rank);
    const ValueId axes = builder_.constant_shape({axis});
    for (ValueId& element : elements)
      if (is_new) element = builder_.build("Unsqueeze", {element, axes});
    return {builder_.build("Concat", elements, {{"axis", axis}})};
  }

  // The body once per element; operands that are tensors are the same every time.
  Items map() {
    const onnx::GraphProto* body = graph_attribute(node_, "body");
    if (!body) throw Error("attribute 'body' is missing; it must be a graph");
    const size_t count = sequence(0).size();
    std::vector<Item::Sequence> results(static_cast<size_t>(body->output_size()));
    for (size_t i = 0; i < count; ++i) {
      Items inputs;
      for (const Item& operand : operands_) {
        if (operand.is_sequence() && operand.sequence().size() != count) throw Error("its sequences differ in length");
        inputs.push_back(operand.is_sequence() ? Item(operand.sequence()[i]) : operand);
      }
      const std::string prefix = frame_.inner_prefix(cat(label_of(node_), "/", i));
      const Items outputs =
          reader_.read_body(*body, inputs, {&frame_, prefix, path_of(frame_.path(), node_, *body), frame_.opset()});
      for (size_t k = 0; k < outputs.size(); ++k) results[k].push_back(outputs[k].tensor());
    }
    Items items;
    for (Item::Sequence& result : results) items.emplace_back(std::move(result));
    return items;
  }

  // An optional is the element that it has, or nothing.
  Items optional() { return {given(0) ? operands_[0] : Item()}; }

  Items has_element() { return {builder_.constant(Tensor::scalar(given(0)))}; }

  Items get_element() {
    if (!given(0)) throw Error("the optional has no element");
    return {operands_[0]};
  }

 private:
  bool given(size_t i) const { return i < operands_.size() && !operands_[i].empty(); }

  const Item& operand(size_t i) const {
    if (!given(i)) throw Error("operand ", i, " is missing");
    return operands_[i];
  }
  ValueId tensor(size_t i) const { return operand(i).tensor(); }
  const Item::Sequence& sequence(size_t i) const { return operand(i).sequence(); }

  // The constant operand, a position in [-length, length), or with `beyond` as far behind.
  size_t position(int64_t length, size_t i = 1, int64_t beyond = 0) const {
    const std::vector<int64_t> known = builder_.integers(tensor(i), "the position");
    if (known.size() != 1) throw Error("the position must be one number");
    if (known[0] < -length || known[0] >= length + beyond)
      throw Error("the position ", known[0], " is out of the range of ", length, " elements");
    return static_cast<size_t>(known[0] < 0 ? known[0] + length : known[0]);
  }

  std::vector<int64_t> part_extents(int64_t whole) const {
    int64_t extent = 1;
    if (given(1)) {
      const std::vector<int64_t> known = builder_.integers(tensor(1), "the split");
      if (builder_.type(tensor(1)).rank() == 1) return known;
      if (known.size() != 1 || known[0] < 1) throw Error("the parts must have one element or more");
      extent = known[0];
    }
    if (whole / extent > kMaxElements) throw Error("a sequence of ", whole / extent, " parts is too long");
    std::vector<int64_t> extents;
    for (int64_t rest = whole; rest > 0; rest -= extent) extents.push_back(std::min(extent, rest));
    return extents;
  }

  GraphReader& reader_;
  const onnx::NodeProto& node_;
  const Items& operands_;
  const Frame& frame_;
  Builder builder_;
};

struct SequenceOp {
  std::string_view name;
  Items (SequenceReader::*read)();
};
constexpr std::array kSequenceOps = std::to_array<SequenceOp>({
    {"ConcatFromSequence", &SequenceReader::concat},
    {"Optional", &SequenceReader::optional},
    {"OptionalGetElement", &SequenceReader::get_element},
    {"OptionalHasElement", &SequenceReader::has_element},
    {"SequenceAt", &SequenceReader::at},
    {"SequenceConstruct", &SequenceReader::construct},
    {"SequenceEmpty", &SequenceReader::empty},
    {"SequenceErase", &SequenceReader::erase},
    {"SequenceInsert", &SequenceReader::insert},
    {"SequenceLength", &SequenceReader::length},
    {"SequenceMap", &SequenceReader::map},
    {"SplitToSequence", &SequenceReader::split},
});

}  // namespace

bool is_sequence_op(const onnx::NodeProto& node) {
  return is_default_domain(node.domain()) &&
         std::ranges::find(kSequenceOps, node.op_type(), &SequenceOp::name) != kSequenceOps.end();
}

Items read_sequence_op(GraphReader& reader, const onnx::NodeProto& node, const Items& operands, const Frame& frame) {
  const auto op = std::ranges::find(kSequenceOps, node.op_type(), &SequenceOp::name);
  return (SequenceReader(reader, node, operands, frame).*op->read)();
}

}  // namespace marvin
