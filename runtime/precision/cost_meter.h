// What the products of a training run cost, counted step by step.
#pragma once

#include <array>
#include <span>
#include <string>
#include <vector>

#include "runtime/ir/graph.h"
#include "runtime/precision/cost_model.h"

namespace marvin {

constexpr size_t kRoles = 3;

// A training step as far as its cost depends on it, in whatever formats.
struct StepLayout {
  struct Operand {
    Role role = Role::weight;
    int64_t elements = 0;
  };
  struct Product {
    int64_t macs = 0;  // of a batch
    std::array<size_t, 2> operands = {};
    size_t layer = 0;
    bool forward = true;
    PublishedSize published;  // of a forward product
  };
  std::vector<Operand> operands;  // by slot
  std::vector<Product> products;
  std::vector<std::string> layers;
  int64_t batch = 1;
  int64_t accumulate = 1;  // batches to an optimizer step
};

// A slot in one step.
struct SlotCost {
  FixedPoint format;
  double nonzero = 1;  // share of elements that rounding did not make zero
  int64_t lookback = 0;
  int resolution = 0;
};

struct Macs {
  int64_t total = 0, le8 = 0, le16 = 0;  // of forward and backward products; le8: both operands in at most 8 bits
};

// What a model says of a run, relative to float32.
struct CostFigures {
  double training_speedup = 1;   // training_speedup of the run's costs
  double inference_speedup = 1;  // in the last step's formats, without overhead
  double model_size = 1;         // bits of the weights in the last step
  double memory = 1;             // bits of the weights while training, with their float32 master, mean over the run
  double overhead = 0;           // share of deciding in the run's forward costs
};

struct BitOperations {
  double forward = 0, backward = 0;
};

struct LayerFigures {
  std::string name;
  double macs = 0;  // of the forward products of one sample
  int64_t weights = 0;
  std::array<double, kRoles> mean_wl = {};  // 0 where there is no such operand
  double nonzero = 1;                       // mean over the run, of the weights
  double training_speedup = 1;              // dense
};

struct CostSummary {
  Macs macs;
  CostFigures published, dense, sparse;
  double products_speedup = 1;                         // of all products, each charged its wider operand's bits
  BitOperations bit_operations, float_bit_operations;  // multiply-accumulates times the bits of both operands
  int64_t weights = 0;                                 // that products read
  double weight_bits = 0;                              // in the last step's formats
  int64_t weight_bytes = 0;                            // as held in memory: float32 masters, and words in containers
  std::array<double, kRoles> mean_wl = {};             // over steps and multiply-accumulates; 0 without such operands
  std::vector<LayerFigures> layers;
};

class CostMeter {
 public:
  explicit CostMeter(StepLayout layout);

  // One optimizer step, with a state for every slot. Allocates nothing.
  void add(std::span<const SlotCost> slots);
  CostSummary summary() const;

 private:
  struct Sums {
    double cost = 0, float_cost = 0, overhead = 0;
    double last_cost = 0, last_float_cost = 0;  // of the last step, without overhead
    double size = 0, last_size = 0;             // of the weights, relative to float32
    double copies = 0;                          // of the weights beside their masters, relative to float32
  };
  struct WordLength {
    double macs = 0, bits = 0;
    double mean() const { return macs > 0 ? bits / macs : 0; }
  };
  struct LayerSums {
    std::array<WordLength, kRoles> words;
    double cost = 0, float_cost = 0;
    double nonzero = 0, weighed = 0;  // summed over products that read weights, and their number
  };

  void add_product(const StepLayout::Product& product, std::span<const SlotCost> slots);
  void add_forward(const StepLayout::Product& product, std::span<const SlotCost> slots, double bits);
  void add_sizes(std::span<const SlotCost> slots);
  CostFigures figures(const Sums& sums) const;

  StepLayout layout_;
  int64_t weights_ = 0, weight_count_ = 0;
  int64_t steps_ = 0;
  Macs macs_;
  Sums published_, dense_, sparse_;
  BitOperations bit_operations_, float_bit_operations_;
  double product_cost_ = 0;
  double weight_bits_ = 0;
  int64_t weight_bytes_ = 0;
  std::vector<LayerSums> layers_;
};

}  // namespace marvin
