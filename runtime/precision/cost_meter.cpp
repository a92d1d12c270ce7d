#include "runtime/precision/cost_meter.h"

#include <algorithm>

namespace marvin {
namespace {

size_t index_of(Role role) { return static_cast<size_t>(role); }

double share(double part, double whole) { return whole > 0 ? part / whole : 0; }

}  // namespace

CostMeter::CostMeter(StepLayout layout) : layout_(std::move(layout)), layers_(layout_.layers.size()) {
  for (const StepLayout::Operand& operand : layout_.operands) {
    if (operand.role != Role::weight) continue;
    weights_ += operand.elements;
    ++weight_count_;
  }
}

void CostMeter::add(std::span<const SlotCost> slots) {
  for (Sums* sums : {&published_, &dense_, &sparse_}) sums->last_cost = sums->last_float_cost = 0;
  for (const StepLayout::Product& product : layout_.products) add_product(product, slots);
  add_sizes(slots);
  ++steps_;
}

void CostMeter::add_product(const StepLayout::Product& product, std::span<const SlotCost> slots) {
  const double macs = static_cast<double>(product.macs) * static_cast<double>(layout_.accumulate);
  const std::array<double, 2> words = {bits_of(slots[product.operands[0]].format),
                                       bits_of(slots[product.operands[1]].format)};
  const double wider = std::max(words[0], words[1]);
  macs_.total += product.macs * layout_.accumulate;
  if (wider <= 8) macs_.le8 += product.macs * layout_.accumulate;
  if (wider <= 16) macs_.le16 += product.macs * layout_.accumulate;

  // A product with one operand in float32 reads both in float32.
  const bool quantized = wider < kFloatBits;
  const double bit_operations = quantized ? words[0] * words[1] : kFloatBits * kFloatBits;
  (product.forward ? bit_operations_.forward : bit_operations_.backward) += macs * bit_operations;
  (product.forward ? float_bit_operations_.forward : float_bit_operations_.backward) += macs * kFloatBits * kFloatBits;
  product_cost_ += macs * wider;

  for (size_t i = 0; i < words.size(); ++i) {
    WordLength& sum = layers_[product.layer].words[index_of(layout_.operands[product.operands[i]].role)];
    sum.macs += macs;
    sum.bits += macs * words[i];
  }
  if (product.forward) add_forward(product, slots, wider);
}

void CostMeter::add_forward(const StepLayout::Product& product, std::span<const SlotCost> slots, double bits) {
  double nonzero = 1, published_overhead_now = 0, overhead = 0;
  LayerSums& layer = layers_[product.layer];
  for (const size_t operand : product.operands) {
    if (layout_.operands[operand].role != Role::weight) continue;
    const SlotCost& slot = slots[operand];
    const Deciding deciding{slot.lookback, slot.resolution, layout_.accumulate};
    nonzero *= slot.nonzero;
    published_overhead_now += published_overhead(product.published.extent, bits, slot.nonzero, deciding);
    overhead += deciding_overhead(layout_.operands[operand].elements, layout_.batch, deciding);
    layer.nonzero += slot.nonzero;
    ++layer.weighed;
  }
  const auto add = [](Sums& sums, ForwardCost forward) {
    sums.cost += cost_of(forward);
    sums.overhead += forward.nonzero * forward.overhead;
    sums.float_cost += forward.operations * kFloatBits;
    forward.overhead = 0;
    sums.last_cost += cost_of(forward);
    sums.last_float_cost += forward.operations * kFloatBits;
  };
  const double macs = share(static_cast<double>(product.macs), static_cast<double>(layout_.batch));
  add(published_, {product.published.operations, bits, nonzero, published_overhead_now});
  add(dense_, {macs, bits, 1, overhead});
  add(sparse_, {macs, bits, nonzero, overhead});
  layer.cost += cost_of({macs, bits, 1, overhead});
  layer.float_cost += macs * kFloatBits;
}

void CostMeter::add_sizes(std::span<const SlotCost> slots) {
  double bits = 0, nonzero_bits = 0, copied = 0, copied_nonzero = 0, words = 0, nonzeros = 0;
  int64_t bytes = 0;
  for (size_t i = 0; i < layout_.operands.size(); ++i) {
    if (layout_.operands[i].role != Role::weight) continue;
    const FixedPoint format = slots[i].format;
    const int64_t elements = layout_.operands[i].elements;
    const double own = static_cast<double>(elements) * bits_of(format);
    words += bits_of(format);
    nonzeros += slots[i].nonzero;
    bits += own;
    nonzero_bits += own * slots[i].nonzero;
    bytes += elements * bytes_of(DType::f32);
    if (format.is_float()) continue;
    bytes += elements * bytes_of(storage_of(format));
    copied += own;
    copied_nonzero += own * slots[i].nonzero;
  }
  const double float_bits = kFloatBits * static_cast<double>(weights_), count = static_cast<double>(weight_count_);
  published_.last_size = share(nonzeros, count) * share(words, kFloatBits * count);
  published_.copies += 2 * published_.last_size;
  dense_.last_size = share(bits, float_bits);
  dense_.copies += share(copied, float_bits);
  sparse_.last_size = share(nonzero_bits, float_bits);
  sparse_.copies += share(copied_nonzero, float_bits);
  weight_bits_ = bits;
  weight_bytes_ = bytes;
}

CostFigures CostMeter::figures(const Sums& sums) const {
  return {.training_speedup = training_speedup(sums.cost, sums.float_cost),
          .inference_speedup = cost_ratio(sums.last_float_cost, sums.last_cost),
          .model_size = weight_count_ > 0 && steps_ > 0 ? sums.last_size : 1,
          .memory = 1 + share(sums.copies, static_cast<double>(steps_)),
          .overhead = share(sums.overhead, sums.cost)};
}

CostSummary CostMeter::summary() const {
  CostSummary result{.macs = macs_,
                     .published = figures(published_),
                     .dense = figures(dense_),
                     .sparse = figures(sparse_),
                     .products_speedup = cost_ratio(kFloatBits * static_cast<double>(macs_.total), product_cost_),
                     .bit_operations = bit_operations_,
                     .float_bit_operations = float_bit_operations_,
                     .weights = weights_,
                     .weight_bits = weight_bits_,
                     .weight_bytes = weight_bytes_};
  std::array<WordLength, kRoles> words;
  for (size_t i = 0; i < layers_.size(); ++i) {
    const LayerSums& sums = layers_[i];
    LayerFigures layer{.name = layout_.layers[i],
                       .nonzero = sums.weighed > 0 ? sums.nonzero / sums.weighed : 1,
                       .training_speedup = training_speedup(sums.cost, sums.float_cost)};
    for (size_t role = 0; role < kRoles; ++role) {
      words[role].macs += sums.words[role].macs;
      words[role].bits += sums.words[role].bits;
      layer.mean_wl[role] = sums.words[role].mean();
    }
    result.layers.push_back(layer);
  }
  for (size_t role = 0; role < kRoles; ++role) result.mean_wl[role] = words[role].mean();
  std::vector<bool> counted(layout_.operands.size());
  for (const StepLayout::Product& product : layout_.products) {
    if (!product.forward) continue;
    LayerFigures& layer = result.layers[product.layer];
    layer.macs += share(static_cast<double>(product.macs), static_cast<double>(layout_.batch));
    for (const size_t operand : product.operands) {
      if (layout_.operands[operand].role != Role::weight || counted[operand]) continue;
      layer.weights += layout_.operands[operand].elements;
      counted[operand] = true;
    }
  }
  return result;
}

}  // namespace marvin
