// The one list of ops.
#pragma once

#include "runtime/ops/op.h"

// Every op that marvin knows; op(Name) stands for the OpDef kName in one of the family files beside this one.
#define MARVIN_OPS(op) \
  /* conv.cpp */ \
  op(Conv) op(ConvInputGrad) op(ConvWeightGrad) \
  /* conv_transpose.cpp */ \
  op(ConvTranspose) \
  /* matmul.cpp */ \
  op(Gemm) op(MatMul) \
  /* pooling.cpp */ \
  op(MaxPool) op(MaxPoolGrad) op(AveragePool) op(AveragePoolGrad) op(GlobalMaxPool) op(GlobalAveragePool) \
  op(GlobalAveragePoolGrad) \
  /* normalization.cpp */ \
  op(BatchNormalization) op(BatchNormalizationGrad) \
  /* row_normalization.cpp */ \
  op(Normalization) op(NormalizationGrad) op(LayerNormalization) op(RMSNormalization) op(InstanceNormalization) \
  op(GroupNormalization) \
  /* dropout.cpp */ \
  op(Dropout) op(DropoutGrad) \
  /* softmax.cpp */ \
  op(Softmax) op(SoftmaxGrad) op(LogSoftmax) op(LogSoftmaxGrad) \
  /* loss.cpp */ \
  op(SoftmaxCrossEntropyLoss) op(SoftmaxCrossEntropyLossGrad) \
  op(NegativeLogLikelihoodLoss) op(NegativeLogLikelihoodLossGrad) \
  /* resize.cpp */ \
  op(Interpolate) op(Resize) op(Upsample) \
  /* optimizer.cpp */ \
  op(SGD) op(Adam) \
  /* quantize.cpp */   \
  op(Quantize) op(Observe) op(Sample) \
  /* shape.cpp */      \
  op(Identity) op(Reshape) op(Flatten) op(Squeeze) op(Unsqueeze) op(Shape) op(Size) op(ConstantOfShape) op(Range) \
  /* repeat.cpp */ \
  op(Transpose) op(Expand) op(Tile) \
  /* index.cpp */ \
  op(Slice) op(SliceGrad) op(Concat) op(Split) op(Gather) op(GatherGrad) \
  /* pad.cpp */ \
  op(Pad) op(PadGrad) \
  /* elementwise_unary.cpp */ \
  op(Abs) op(Neg) op(Sign) op(Reciprocal) op(Sqrt) op(Exp) op(Log) op(Erf) op(Floor) op(Ceil) op(Round) op(Not) \
  op(Cast) \
  /* activation.cpp */ \
  op(Relu) op(ReluGrad) op(LeakyRelu) op(PRelu) op(Elu) op(Sigmoid) op(Tanh) op(Softplus) op(HardSigmoid) \
  op(HardSwish) op(HardSwishGrad) op(Clip) op(ClipGrad) \
  /* elementwise_binary.cpp */ \
  op(Add) op(Sub) op(Mul) op(Div) op(Pow) op(Max) op(Min) op(Sum) op(Mean) \
  /* compare.cpp */ \
  op(Equal) op(Greater) op(GreaterOrEqual) op(Less) op(LessOrEqual) op(And) op(Or) op(Xor) op(Where) \
  /* reduce.cpp */ \
  op(ReduceSum) op(ReduceMean) op(ReduceSumSquare) op(ReduceL2) op(ReduceMax) op(ReduceMin) op(ArgMax) op(ArgMin)

namespace marvin {

#define MARVIN_DECLARE_OP(name) extern const OpDef k##name;
MARVIN_OPS(MARVIN_DECLARE_OP)
#undef MARVIN_DECLARE_OP

}  // namespace marvin
