#include "tests/ops/samples.h"

namespace marvin {

std::span<const Sample> attention_samples() {
  static const std::vector<Sample> samples = {
      {.name = "Attention", .graph = R"(graph g {
         input %q: f32[2,3,4,5] input %k: f32[2,3,6,5] input %v: f32[2,3,6,4]
         %y = Attention(%q, %k, %v)
         output %y })"},
      {.name = "Attention of three axes with shared keys, causal, scores out", .graph = R"(graph g {
         input %q: f32[2,3,12] input %k: f32[2,3,6] input %v: f32[2,3,8]
         %y, _, _, %scores = Attention(%q, %k, %v) {q_num_heads=4, kv_num_heads=2, is_causal=1, qk_matmul_output_mode=3}
         output %y output %scores })"},
      {.name = "Attention with a past, a mask that is added and a cap", .graph = R"(graph g {
         input %q: f32[1,2,3,4] input %k: f32[1,2,3,4] input %v: f32[1,2,3,4]
         input %mask: f32[3,5] input %past_k: f32[1,2,2,4] input %past_v: f32[1,2,2,4]
         %y, %present_k, %present_v, %scores = Attention(%q, %k, %v, %mask, %past_k, %past_v)
           {softcap=0.5, scale=0.7, is_causal=1, qk_matmul_output_mode=1}
         output %y output %present_k output %present_v output %scores })"},
      {.name = "Attention with a mask of bools that is too short, in double", .graph = R"(graph g {
         input %q: f32[1,2,2,4] input %k: f32[1,2,4,4] input %v: f32[1,2,4,4]
         constant %mask: bool[2,3] = {1, 0, 1, 1, 1, 0}
         %y, _, _, %scores = Attention(%q, %k, %v, %mask) {softmax_precision=11}
         output %y output %scores })"},
      {.name = "Attention, padded and causal", .graph = R"(graph g {
         input %q: f32[2,2,2,4] input %k: f32[2,2,4,4] input %v: f32[2,2,4,4]
         constant %lengths: i64[2] = {3, 4}
         %y = Attention(%q, %k, %v, _, _, _, %lengths) {is_causal=1}
         output %y })"},
      {.name = "RotaryEmbedding", .graph = R"(graph g {
         input %x: f32[2,2,3,4] input %cos: f32[2,3,2] input %sin: f32[2,3,2]
         %y = RotaryEmbedding(%x, %cos, %sin)
         output %y })"},
      {.name = "RotaryEmbedding, interleaved, in part, by position", .graph = R"(graph g {
         input %x: f32[2,3,12] input %cos: f32[5,2] input %sin: f32[5,2]
         constant %positions: i64[2,3] = {0, 1, 2, 2, 3, 4}
         %y = RotaryEmbedding(%x, %cos, %sin, %positions) {interleaved=1, num_heads=2, rotary_embedding_dim=4}
         output %y })"},
  };
  return samples;
}

}  // namespace marvin
