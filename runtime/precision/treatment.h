// What a policy asks of the training step besides formats. Graphs are compiled for it.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace marvin {

// How values are rounded. All false: weights and activations to nearest, gradients stochastically, where a product has
// both operands in fixed point.
struct Treatment {
  bool stochastic = false;       // weights and activations too are rounded stochastically
  bool mixed = false;            // a product with one operand in float32 multiplies the other one's rounded values
  bool round_gradients = false;  // every parameter's gradient has a slot and is rounded on its way to the optimizer
  bool unit_gradients = false;   // and divided by its 2-norm after that
  bool operator==(const Treatment&) const = default;
};

// The names of what holds, "stochastic,mixed", and back. treatment_of throws Error on another name.
std::string text_of(const Treatment& treatment);
Treatment treatment_of(std::string_view text);

// How much is shown of every slot's value and of the weights' gradients.
struct Observation {
  static constexpr int64_t kWhole = std::numeric_limits<int64_t>::max();
  bool enabled = false;
  int64_t sample_elements = 4096;  // of activations and gradients
  int64_t weight_elements = 4096;
  int64_t gradient_elements = 65536;  // of a weight's gradient, as the optimizer takes it
};

// Which gradients of a weight its window sums up.
struct GradientRule {
  bool unit = true;          // divided by their 2-norm; otherwise as they are
  bool count_zeros = false;  // gradients that are zero everywhere count as well
  bool epoch_ends = false;   // only those of the last step of every epoch
};

}  // namespace marvin
