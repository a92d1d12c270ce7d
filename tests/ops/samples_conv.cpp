#include "tests/ops/samples.h"

namespace marvin {

std::span<const Sample> conv_samples() {
  static const std::vector<Sample> samples = {
      {.name = "Conv",
       .graph = "graph g { input %x: f32[2,3,5,6] parameter %w: f32[4,3,3,3] parameter %b: f32[4] "
                "%y = Conv(%x, %w, %b) {pads=[1,1,1,1]} output %y }"},
      {.name = "Conv, channels last, small images",
       .graph = "graph g { input %x: f32[9,33,2,2]:channels_last parameter %w: f32[34,33,3,3] parameter %b: f32[34] "
                "%y = Conv(%x, %w, %b) {pads=[1,1,1,1], channels_last=1} output %y }",
       .differentiable = false},
      {.name = "Conv, channels last, 3x3",
       .graph = "graph g { input %x: f32[2,32,7,8]:channels_last parameter %w: f32[34,32,3,3] parameter %b: f32[34] "
                "%y = Conv(%x, %w, %b) {pads=[1,1,1,1], channels_last=1} output %y }",
       .differentiable = false},
      {.name = "Conv, of three channels to channels last",
       .graph = "graph g { input %x: f32[2,3,9,8] parameter %w: f32[32,3,3,4] parameter %b: f32[32] "
                "%y = Conv(%x, %w, %b) {pads=[1,2,1,0], strides=[2,1], channels_last=1} output %y }",
       .differentiable = false},
      {.name = "Conv, no bias, strided, asymmetric pads",
       .graph = "graph g { input %x: f32[1,2,7,6] parameter %w: f32[3,2,3,2] "
                "%y = Conv(%x, %w) {pads=[1,0,0,2], strides=[2,3]} output %y }"},
      {.name = "Conv, grouped, dilated",
       .graph = "graph g { input %x: f32[1,4,6,6] parameter %w: f32[6,2,2,2] "
                "%y = Conv(%x, %w) {group=2, dilations=[2,3]} output %y }"},
      {.name = "Conv, depthwise, SAME_UPPER",
       .graph = "graph g { input %x: f32[1,3,5,5] parameter %w: f32[3,1,3,3] parameter %b: f32[3] "
                "%y = Conv(%x, %w, %b) {group=3, auto_pad=\"SAME_UPPER\", strides=[2,2]} output %y }"},
      {.name = "Conv, sequence",
       .graph = "graph g { input %x: f32[2,3,9] parameter %w: f32[4,3,3] parameter %b: f32[4] "
                "%y = Conv(%x, %w, %b) {strides=[2], pads=[1,1], kernel_shape=[3]} output %y }"},
      {.name = "Conv, sequence, grouped, dilated, SAME_LOWER",
       .graph = "graph g { input %x: f32[2,4,9] parameter %w: f32[2,2,3] "
                "%y = Conv(%x, %w) {strides=[2], dilations=[2], group=2, auto_pad=\"SAME_LOWER\"} output %y }"},
      {.name = "Conv, volume",
       .graph = "graph g { input %x: f32[2,3,4,5,4] parameter %w: f32[4,3,2,3,2] parameter %b: f32[4] "
                "%y = Conv(%x, %w, %b) {pads=[1,1,0,0,1,1], strides=[2,1,2]} output %y }"},
      {.name = "Conv, volume, grouped, dilated",
       .graph = "graph g { input %x: f32[1,4,5,4,6] parameter %w: f32[2,2,2,1,3] "
                "%y = Conv(%x, %w) {group=2, dilations=[3,1,2], pads=[0,0,2,1,0,2]} output %y }"},
      {.name = "Conv, volume, quantized",
       .graph =
           "graph g { input %x: i8[2,3,4,5,6]:channels_last input %w: i8[4,3,2,3,3]:channels_last input %b: f32[4] "
           "%y = Conv(%x, %w, %b) {pads=[1,1,1,1,1,1], strides=[2,1,2]} output %y }",
       .differentiable = false},
      {.name = "Conv, quantized",
       .graph = "graph g { input %x: i8[2,3,5,6]:channels_last input %w: i8[4,3,3,3]:channels_last input %b: f32[4] "
                "%y = Conv(%x, %w, %b) {pads=[1,1,1,1]} output %y }",
       .differentiable = false},
      {.name = "Conv, 16 by 24 bits",
       .graph = "graph g { input %x: i16[2,3,5,6]:channels_last input %w: i32[4,3,3,3]:channels_last "
                "%y = Conv(%x, %w) {strides=[2,2]} output %y }",
       .differentiable = false},
      {.name = "ConvTranspose",
       .graph = "graph g { input %x: f32[2,4,3,4] parameter %w: f32[4,3,3,2] parameter %b: f32[3] "
                "%y = ConvTranspose(%x, %w, %b) {strides=[2,3], pads=[1,0,1,1]} output %y }"},
      {.name = "ConvTranspose, sequence, grouped, dilated, output_padding of a whole stride",
       .graph = "graph g { input %x: f32[1,4,5] parameter %w: f32[4,3,3] "
                "%y = ConvTranspose(%x, %w) {group=2, strides=[2], dilations=[3], output_padding=[2]} output %y }"},
      {.name = "ConvTranspose, volume",
       .graph = "graph g { input %x: f32[1,2,2,3,2] parameter %w: f32[2,2,2,3,2] "
                "%y = ConvTranspose(%x, %w) {strides=[2,1,2], pads=[0,1,0,1,1,0], kernel_shape=[2,3,2]} output %y }"},
      {.name = "ConvTranspose, output_shape",
       .graph = "graph g { input %x: f32[1,1,3,3] parameter %w: f32[1,2,3,3] "
                "%y = ConvTranspose(%x, %w) {strides=[3,2], output_shape=[10,6]} output %y }"},
      {.name = "ConvTranspose, SAME_UPPER",
       .graph = "graph g { input %x: f32[1,1,3,3] parameter %w: f32[1,2,3,3] "
                "%y = ConvTranspose(%x, %w) {strides=[2,2], auto_pad=\"SAME_UPPER\"} output %y }"},
      {.name = "ConvInputGrad",
       .graph = "graph g { input %dy: f32[1,4,3,3] parameter %w: f32[4,2,3,3] "
                "%dx = ConvInputGrad(%dy, %w) {input_shape=[1,2,6,6], pads=[1,1,1,1], strides=[2,2]} output %dx }"},
      {.name = "ConvInputGrad, channels last, small images",
       .graph = "graph g { input %dy: f32[9,33,2,1]:channels_last parameter %w: f32[33,34,3,3] "
                "%dx = ConvInputGrad(%dy, %w) {input_shape=[9,34,3,2], pads=[1,1,1,1], strides=[2,2], "
                "channels_last=1} output %dx }",
       .differentiable = false},
      {.name = "ConvInputGrad, channels last, 3x3",
       .graph = "graph g { input %dy: f32[2,33,8,7]:channels_last parameter %w: f32[33,35,3,3] "
                "%dx = ConvInputGrad(%dy, %w) {input_shape=[2,35,8,7], pads=[1,1,1,1], channels_last=1} output %dx }",
       .differentiable = false},
      {.name = "ConvInputGrad, quantized",
       .graph = "graph g { input %dy: i8[1,4,3,3]:channels_last input %w: i8[4,2,3,3]:channels_last "
                "%dx = ConvInputGrad(%dy, %w) {input_shape=[1,2,6,6], pads=[1,1,1,1], strides=[2,2]} output %dx }",
       .differentiable = false},
      {.name = "ConvInputGrad, rows that no output reads",
       .graph = "graph g { input %dy: f32[2,2,3,2] parameter %w: f32[2,3,2,3] "
                "%dx = ConvInputGrad(%dy, %w) {input_shape=[2,3,9,6], pads=[0,1,-1,-1], strides=[3,2]} output %dx }"},
      {.name = "ConvInputGrad, volume, quantized",
       .graph = "graph g { input %dy: i8[1,4,2,3,3]:channels_last input %w: i8[4,2,3,2,3]:channels_last "
                "%dx = ConvInputGrad(%dy, %w) {input_shape=[1,2,4,4,6], pads=[1,0,1,1,0,1], strides=[2,1,2]} "
                "output %dx }",
       .differentiable = false},
      {.name = "ConvWeightGrad, volume, quantized",
       .graph = "graph g { input %x: i8[2,4,3,5,5]:channels_last input %dy: i16[2,6,2,3,3]:channels_last "
                "%dw = ConvWeightGrad(%x, %dy) {weight_shape=[6,2,2,3,3], group=2} output %dw }",
       .differentiable = false},
      {.name = "ConvWeightGrad",
       .graph = "graph g { input %x: f32[2,4,5,5] input %dy: f32[2,6,3,3] "
                "%dw = ConvWeightGrad(%x, %dy) {weight_shape=[6,2,3,3], group=2} output %dw }"},
      {.name = "ConvWeightGrad, channels last, small images",
       .graph = "graph g { input %x: f32[9,33,3,2]:channels_last input %dy: f32[9,34,2,1]:channels_last "
                "%dw = ConvWeightGrad(%x, %dy) {weight_shape=[34,33,3,3], pads=[1,1,1,1], strides=[2,2]} output %dw }",
       .differentiable = false},
      {.name = "ConvWeightGrad, channels last, 3x3",
       .graph = "graph g { input %x: f32[3,50,7,8]:channels_last input %dy: f32[3,49,7,8]:channels_last "
                "%dw = ConvWeightGrad(%x, %dy) {weight_shape=[49,50,3,3], pads=[1,1,1,1]} output %dw }",
       .differentiable = false},
      {.name = "ConvWeightGrad, channels last, of three channels",
       .graph = "graph g { input %x: f32[2,3,9,8]:channels_last input %dy: f32[2,32,5,7]:channels_last "
                "%dw = ConvWeightGrad(%x, %dy) {weight_shape=[32,3,3,4], pads=[1,2,1,0], strides=[2,1]} output %dw }",
       .differentiable = false},
      {.name = "ConvWeightGrad, quantized",
       .graph = "graph g { input %x: i8[2,4,5,5]:channels_last input %dy: i16[2,6,3,3]:channels_last "
                "%dw = ConvWeightGrad(%x, %dy) {weight_shape=[6,2,3,3], group=2} output %dw }",
       .differentiable = false},
  };
  return samples;
}

}  // namespace marvin
