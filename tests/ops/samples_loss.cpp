#include "tests/ops/samples.h"

namespace marvin {

std::span<const Sample> loss_samples() {
  static const std::vector<Sample> samples = {
      {.name = "SoftmaxCrossEntropyLoss, mean",
       .graph = R"(graph g {
         input %x: f32[5,4] input %labels: i64[5]
         %loss = SoftmaxCrossEntropyLoss(%x, %labels)
         output %loss })",
       .low = -3,
       .high = 3},
      {.name = "SoftmaxCrossEntropyLoss, weighted, ignoring, both outputs used",
       .graph = R"(graph g {
         input %x: f32[6,4]
         input %labels: i32[6]
         constant %weights: f32[4] = {0.5, 1, 2, 0.25}
         %loss, %log_prob = SoftmaxCrossEntropyLoss(%x, %labels, %weights) {ignore_index=1}
         output %loss output %log_prob })",
       .low = -3,
       .high = 3},
      {.name = "SoftmaxCrossEntropyLoss of pixels, none",
       .graph = R"(graph g {
         input %x: f32[2,5,3,2] input %labels: i64[2,3,2]
         %loss = SoftmaxCrossEntropyLoss(%x, %labels) {reduction="none"}
         output %loss })",
       .low = -3,
       .high = 3},
      {.name = "SoftmaxCrossEntropyLoss, sum, only log_prob used",
       .graph = R"(graph g {
         input %x: f32[5,4] input %labels: i64[5]
         %loss, %log_prob = SoftmaxCrossEntropyLoss(%x, %labels) {reduction="sum"}
         output %log_prob })",
       .low = -3,
       .high = 3},
      {.name = "SoftmaxCrossEntropyLoss, smoothed",
       .graph = R"(graph g {
         input %x: f32[2,5,3] input %labels: i64[2,3]
         constant %weights: f32[5] = {0.5, 1, 2, 0.25, 3}
         %loss = SoftmaxCrossEntropyLoss(%x, %labels, %weights) {label_smoothing=0.2, ignore_index=1}
         output %loss })",
       .low = -3,
       .high = 3},
      {.name = "BinaryCrossEntropy",
       .graph = R"(graph g {
         parameter %p: f32[6]
         constant %t: f32[6] = {0, 1, 0.25, 1, 0, 0.5}
         %loss = BinaryCrossEntropy(%p, %t)
         output %loss })",
       .low = 0.2,
       .high = 0.8},
      {.name = "SoftmaxCrossEntropyLossGrad",
       .graph = R"(graph g {
         input %d: f32[5] input %log_prob: f32[5,4] input %labels: i64[5]
         %dx = SoftmaxCrossEntropyLossGrad(%d, %log_prob, %labels) {reduction="none"}
         output %dx })",
       .differentiable = false},
      {.name = "NegativeLogLikelihoodLoss, mean, weighted, ignoring", .graph = R"(graph g {
         input %x: f32[6,4,2]
         input %labels: i64[6,2]
         constant %weights: f32[4] = {0.5, 1, 2, 0.25}
         %loss = NegativeLogLikelihoodLoss(%x, %labels, %weights) {ignore_index=2}
         output %loss })"},
      {.name = "NegativeLogLikelihoodLoss, none", .graph = R"(graph g {
         input %x: f32[6,4] input %labels: i32[6]
         %loss = NegativeLogLikelihoodLoss(%x, %labels) {reduction="none"}
         output %loss })"},
      {.name = "NegativeLogLikelihoodLoss, sum", .graph = R"(graph g {
         input %x: f32[6,4] input %labels: i64[6]
         %loss = NegativeLogLikelihoodLoss(%x, %labels) {reduction="sum"}
         output %loss })"},
      {.name = "NegativeLogLikelihoodLossGrad",
       .graph = R"(graph g {
         input %d: f32[] input %labels: i64[5]
         %dx = NegativeLogLikelihoodLossGrad(%d, %labels) {input_shape=[5,4]}
         output %dx })",
       .differentiable = false},
  };
  return samples;
}

}  // namespace marvin
