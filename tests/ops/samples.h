// One small graph per op variant. The same list drives the meta-test (every op has a sample), kernels against the
// reference kernel, the text form and gradients.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace marvin {

struct Sample {
  std::string_view name;   // "Conv, grouped, strided"
  std::string_view graph;  // text form; types of computed values may be left out
  float low = -1;          // float inputs and parameters are drawn from [low, high)
  float high = 1;
  double tolerance = 2e-3;     // of gradients, relative to the largest one
  bool differentiable = true;  // false: no numeric check (the op has no gradient, or a deliberate one)
};

// In samples_<family>.cpp, one per op family.
std::span<const Sample> quantize_samples();
std::span<const Sample> shape_samples();
std::span<const Sample> index_samples();
std::span<const Sample> gather_samples();
std::span<const Sample> rearrange_samples();
std::span<const Sample> reduce_samples();
std::span<const Sample> elementwise_samples();
std::span<const Sample> activation_samples();
std::span<const Sample> generator_samples();
std::span<const Sample> matmul_samples();
std::span<const Sample> conv_samples();
std::span<const Sample> pooling_samples();
std::span<const Sample> normalization_samples();
std::span<const Sample> dropout_samples();
std::span<const Sample> softmax_samples();
std::span<const Sample> loss_samples();
std::span<const Sample> optimizer_samples();
std::span<const Sample> resize_samples();
std::span<const Sample> region_samples();
std::span<const Sample> recurrent_samples();
std::span<const Sample> einsum_samples();
std::span<const Sample> attention_samples();
std::span<const Sample> fourier_samples();

inline std::vector<Sample> all_samples() {
  std::vector<Sample> all;
  for (const std::span<const Sample> family :
       {quantize_samples(), shape_samples(),       index_samples(),         gather_samples(),    rearrange_samples(),
        reduce_samples(),   elementwise_samples(), activation_samples(),    generator_samples(), matmul_samples(),
        conv_samples(),     pooling_samples(),     normalization_samples(), dropout_samples(),   softmax_samples(),
        loss_samples(),     optimizer_samples(),   resize_samples(),        region_samples(),    recurrent_samples(),
        einsum_samples(),   attention_samples(),   fourier_samples()}) {
    all.insert(all.end(), family.begin(), family.end());
  }
  return all;
}

}  // namespace marvin
