#include "tests/ops/samples.h"

namespace marvin {

std::span<const Sample> recurrent_samples() {
  static const std::vector<Sample> samples = {
      {.name = "RNN", .graph = R"(graph g {
         input %x: f32[3,2,4] parameter %w: f32[1,5,4] parameter %r: f32[1,5,5]
         %y, %y_h = RNN(%x, %w, %r)
         output %y output %y_h })"},
      {.name = "RNN, bidirectional, batch first, with every operand", .graph = R"(graph g {
         input %x: f32[2,3,4] parameter %w: f32[2,5,4] parameter %r: f32[2,5,5] parameter %b: f32[2,10]
         constant %lengths: i32[2] = {3, 1}
         input %h: f32[2,2,5]
         %y, %y_h = RNN(%x, %w, %r, %b, %lengths, %h)
           {direction="bidirectional", layout=1, activations=["Affine","ScaledTanh"], activation_alpha=[0.9,1.5],
            activation_beta=[0.1,0.7]}
         output %y output %y_h })"},
      {.name = "RNN, reverse, clipped, of lengths that are fed", .graph = R"(graph g {
         input %x: f32[4,3,2] parameter %w: f32[1,3,2] parameter %r: f32[1,3,3] parameter %b: f32[1,6]
         input %lengths: i32[3]
         %y, %y_h = RNN(%x, %w, %r, %b, %lengths) {direction="reverse", clip=0.75}
         output %y output %y_h })"},
      {.name = "GRU", .graph = R"(graph g {
         input %x: f32[3,2,4] parameter %w: f32[1,9,4] parameter %r: f32[1,9,3] parameter %b: f32[1,18]
         input %h: f32[1,2,3]
         %y, %y_h = GRU(%x, %w, %r, %b, _, %h)
         output %y output %y_h })"},
      {.name = "GRU, linear before reset, bidirectional", .graph = R"(graph g {
         input %x: f32[3,2,4] parameter %w: f32[2,9,4] parameter %r: f32[2,9,3] parameter %b: f32[2,18]
         %y, %y_h = GRU(%x, %w, %r, %b) {linear_before_reset=1, direction="bidirectional", hidden_size=3}
         output %y output %y_h })"},
      {.name = "GRU, linear before reset, without biases", .graph = R"(graph g {
         input %x: f32[2,2,4] parameter %w: f32[1,9,4] parameter %r: f32[1,9,3]
         _, %y_h = GRU(%x, %w, %r) {linear_before_reset=1, activations=["HardSigmoid","Softplus"]}
         output %y_h })"},
      {.name = "LSTM", .graph = R"(graph g {
         input %x: f32[3,2,4] parameter %w: f32[1,12,4] parameter %r: f32[1,12,3] parameter %b: f32[1,24]
         %y, %y_h, %y_c = LSTM(%x, %w, %r, %b) {hidden_size=3}
         output %y output %y_h output %y_c })"},
      {.name = "LSTM with every operand", .graph = R"(graph g {
         input %x: f32[3,2,4] parameter %w: f32[2,12,4] parameter %r: f32[2,12,3] parameter %b: f32[2,24]
         constant %lengths: i32[2] = {2, 3}
         input %h: f32[2,2,3] input %c: f32[2,2,3] parameter %p: f32[2,9]
         %y, %y_h, %y_c = LSTM(%x, %w, %r, %b, %lengths, %h, %c, %p) {direction="bidirectional", clip=2.0}
         output %y output %y_h output %y_c })"},
      {.name = "LSTM, coupled gates, batch first", .graph = R"(graph g {
         input %x: f32[2,3,4] parameter %w: f32[1,12,4] parameter %r: f32[1,12,3]
         constant %h: f32[2,1,3] = {0.0, 0.0, 0.0, 0.0, 0.0, 0.0}
         input %c: f32[2,1,3]
         %y, _, %y_c = LSTM(%x, %w, %r, _, _, %h, %c)
           {input_forget=1, layout=1, activations=["sigmoid","LeakyRelu","Elu"], activation_alpha=[0.25]}
         output %y output %y_c })"},
  };
  return samples;
}

}  // namespace marvin
