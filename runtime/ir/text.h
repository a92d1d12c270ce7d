// The text form of a graph: what `inspect` prints and what tests are written in. It parses back.
//
//   graph lenet5 {
//     input %input: f32[64,1,28,28]
//     parameter %fc.weight: f32[10,84]
//     constant %axes: i64[2] = {2, 3}
//     slot input: conv1 activation
//   forward:
//     %input.q: i8[64,1,28,28]:channels_last, %input.stats: f32[6] = Quantize(%input) slot input
//     %y: f32[64,10] = Gemm(%x, %fc.weight, _) {transB=1} named "fc/Gemm" using gemm_f32_openblas
//   backward:
//     ...
//     output %y
//     loss %loss
//     update %fc.weight <- %fc.weight.next
//   }
//
// Only live nodes are printed. A parameter's data is state, not graph, and is left out. Names with other characters
// than letters, digits and _ . / - + are quoted: %"a b". `_` is an operand that is left out. `#` starts a comment.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "runtime/ir/graph.h"

namespace marvin {

struct TextOptions {
  // Attributes equal to these are not printed. None: print all.
  std::function<const Attrs*(std::string_view op)> defaults;
  // Constants of more elements than this are printed as {...}, which does not parse back.
  int64_t elide_above = int64_t{1} << 40;
};

std::string print(const Graph& graph, const TextOptions& options = {});

// Adds a parsed node to the graph. A type without a name was not written: the hook infers it.
using AddParsedNode = std::function<void(Graph& graph, Node node, const std::vector<std::string>& output_names,
                                         const std::vector<std::optional<Type>>& output_types)>;

// Throws Error with the line number on text that is not of the form above.
Graph parse(std::string_view text, const AddParsedNode& add_node);

// One attribute's value as text: 3, 0.5, "same", [1,2], [0.5,1.0], ["Tanh","Relu"].
std::string text_of(const Attr& attr);
// A tensor's elements as "{1, 2}".
std::string elements_text(const Tensor& tensor, int64_t elide_above);

}  // namespace marvin
