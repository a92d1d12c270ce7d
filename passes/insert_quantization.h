#pragma once

#include <functional>
#include <vector>

#include "runtime/ir/graph.h"
#include "runtime/precision/fixed_point.h"

namespace marvin {

// One slot for every value that a live product multiplies, itself or a view of it, in the order in which products read
// them. The role is weight for what is computed from parameters alone, gradient for what the backward phase computes,
// activation otherwise; the layer is the one whose weight the product reads ("conv1" for conv1.weight), or the forward
// product's node name.
std::vector<Slot> find_slots(const Graph& graph);

// What insert_quantization adds besides Quantize, for whoever decides on formats. As outputs of the graph:
//   <value>.stats     QuantizeStats of every slot's value, quantized or not
//   <value>.sample    a fixed sample of every slot's value
//   d.<weight>.sample a fixed sample of every quantized weight's gradient
struct Observation {
  bool enabled = false;
  int64_t sample_elements = 4096;
  int64_t gradient_sample_elements = 65536;
};

// Puts a Quantize node (straight-through: the graph is differentiated already) between each slot's value and the
// products that read it, shared by all of them. Weights and activations are rounded to nearest, gradients
// stochastically. A product one of whose operands is in float32 reads both in float32. Only the containers of `formats`
// (one per slot of find_slots) are fixed; word and fractional lengths within a container are looked up by slot at run
// time.
void insert_quantization(Graph& graph, const std::vector<FixedPoint>& formats, const Observation& observe = {});

}  // namespace marvin
