#pragma once

#include <functional>
#include <vector>

#include "runtime/ir/graph.h"
#include "runtime/precision/fixed_point.h"
#include "runtime/precision/treatment.h"

namespace marvin {

// A parameter that is trained, and its gradient as the optimizer takes it; none where the graph ends without a step.
struct ParameterGradient {
  ValueId parameter, gradient;
};

// How to quantize besides formats, and what to add for whoever decides on them. As outputs of the graph:
//   <slot>.stats      QuantizeStats of every slot's value, quantized or not
//   <slot>.sample     a fixed sample of every slot's value
//   d.<weight>.sample a fixed sample of every quantized weight's gradient, rounded where gradients are
struct QuantizationOptions {
  Treatment treatment;
  Observation observe;
  std::vector<ParameterGradient> gradients;  // values of their own where the treatment rounds gradients
};

// One slot for every value that a live product multiplies, itself or a view of it, in the order in which products read
// them. The role is weight for what is computed from parameters alone, gradient for what the backward phase computes,
// activation otherwise; the layer is the one whose weight the product reads ("conv1" for conv1.weight), or the forward
// product's node name. Where the treatment rounds gradients, one follows for every one of them: <parameter>.gradient.
std::vector<Slot> find_slots(const Graph& graph, const QuantizationOptions& options = {});

// By slot: the slots of the values that products multiply its value with, in order, each once.
std::vector<std::vector<size_t>> find_partners(const Graph& graph, const QuantizationOptions& options = {});

// Puts a Quantize node (straight-through: the graph is differentiated already) between each slot's value and the
// products that read it, shared by all of them. Weights and activations are rounded to nearest unless the treatment
// says otherwise, gradients stochastically. A product one of whose operands is in float32 reads both in float32, or, in
// mixed treatment, the words of the other one as the numbers that they stand for (Dequantize); so do readers of
// parameters' gradients. Only the containers of `formats` (one per slot of find_slots) are fixed; word and fractional
// lengths within a container are looked up by slot at run time.
void insert_quantization(Graph& graph, const std::vector<FixedPoint>& formats, const QuantizationOptions& options = {});

}  // namespace marvin
