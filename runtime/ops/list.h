// The one list of ops.
#pragma once

#include "runtime/ops/op.h"

// Every op that marvin knows; op(Name) stands for the OpDef kName in one of the family files beside this one.
// clang-format off
#define MARVIN_OPS(op) \
  /* conv.cpp */ \
  op(Conv) op(ConvInputGrad) op(ConvWeightGrad) \
  /* conv_transpose.cpp */ \
  op(ConvTranspose) \
  /* matmul.cpp */ \
  op(Gemm) op(MatMul) \
  /* pooling.cpp, pooling_max.cpp, pooling_lp.cpp */ \
  op(AveragePool) op(AveragePoolGrad) op(MaxPool) op(MaxPoolGrad) op(MaxUnpool) op(LpPool) \
  op(LpPoolGrad) \
  /* pooling_global.cpp */ \
  op(GlobalMaxPool) op(GlobalAveragePool) op(GlobalAveragePoolGrad) op(GlobalLpPool) \
  /* normalization.cpp */ \
  op(BatchNormalization) op(BatchNormalizationGrad) \
  /* channel_sum.cpp */ \
  op(ChannelSum) \
  /* batch_norm_parts.cpp */ \
  op(BatchNormStatistics) op(BatchNormApply) op(BatchNormGradSums) op(BatchNormGradApply) \
  /* row_normalization.cpp */ \
  op(Normalization) op(NormalizationGrad) op(LayerNormalization) op(RMSNormalization) op(InstanceNormalization) \
  op(GroupNormalization) \
  /* dropout.cpp */ \
  op(Dropout) op(DropoutGrad) \
  /* softmax.cpp */ \
  op(Softmax) op(SoftmaxGrad) op(LogSoftmax) op(LogSoftmaxGrad) \
  /* loss.cpp */ \
  op(SoftmaxCrossEntropyLoss) op(SoftmaxCrossEntropyLossGrad) \
  op(NegativeLogLikelihoodLoss) op(NegativeLogLikelihoodLossGrad) op(BinaryCrossEntropy) \
  /* local_response.cpp */ \
  op(LRN) op(LRNGrad) \
  /* resize.cpp */ \
  op(Interpolate) op(Resize) op(Upsample) \
  /* grid_sample.cpp */ \
  op(GridSample) op(GridSampleGrad) op(AffineGrid) \
  /* roi.cpp */ \
  op(RoiAlign) op(RoiAlignGrad) op(MaxRoiPool) op(MaxRoiPoolGrad) \
  /* optimizer.cpp */ \
  op(SGD) op(Adam) op(Adagrad) op(RMSprop) \
  /* quantize.cpp, dequantize.cpp */ \
  op(Quantize) op(Dequantize) op(Observe) op(Sample) \
  /* reorder.cpp */ \
  op(Reorder) \
  /* quantize_linear.cpp */ \
  op(QuantizeLinear) op(DequantizeLinear) op(DynamicQuantizeLinear) op(FakeQuantize) op(FakeQuantizeGrad) \
  op(IntQuant) op(BipolarQuant) \
  /* integer_products.cpp */ \
  op(MatMulInteger) op(ConvInteger) op(QLinearMatMul) op(QLinearConv) \
  /* recurrent.cpp */ \
  op(RNN) op(GRU) op(LSTM) \
  /* einsum.cpp */ \
  op(Einsum) \
  /* attention.cpp */ \
  op(Attention) op(RotaryEmbedding) \
  /* fourier.cpp */ \
  op(FourierTransform) op(DFT) op(STFT) \
  /* training.cpp */ \
  op(TrainingAdagrad) op(TrainingAdam) op(TrainingMomentum) \
  /* tfidf.cpp */ \
  op(TfIdfVectorizer) \
  /* shape.cpp */ \
  op(Identity) op(Reshape) op(Flatten) op(Squeeze) op(Unsqueeze) op(Shape) op(Size) op(ConstantOfShape) op(Range) \
  /* repeat.cpp */ \
  op(Transpose) op(Expand) op(Tile) \
  /* index.cpp */ \
  op(Slice) op(SliceGrad) op(Concat) op(Split) \
  /* gather.cpp */ \
  op(Gather) op(GatherGrad) op(GatherElements) op(GatherElementsGrad) op(GatherND) op(GatherNDGrad) \
  /* scatter.cpp */ \
  op(ScatterElements) op(ScatterND) op(Scatter) op(TensorScatter) \
  /* top_k.cpp, one_hot.cpp, rearrange.cpp */ \
  op(TopK) op(OneHot) op(Trilu) op(ReverseSequence) op(DepthToSpace) op(SpaceToDepth) \
  /* col2im.cpp */ \
  op(Col2Im) op(Col2ImGrad) \
  /* select.cpp, non_max_suppression.cpp */ \
  op(Compress) op(NonZero) op(Unique) op(NonMaxSuppression) \
  /* pad.cpp */ \
  op(Pad) op(PadGrad) op(CenterCropPad) \
  /* elementwise_unary.cpp */ \
  op(Abs) op(Neg) op(Sign) op(Reciprocal) op(Sqrt) op(Exp) op(Log) op(Erf) op(Floor) op(Ceil) op(Round) op(Not) \
  /* trigonometry.cpp */ \
  op(Sin) op(Cos) op(Tan) op(Asin) op(Acos) op(Atan) op(Sinh) op(Cosh) op(Asinh) op(Acosh) op(Atanh) \
  /* cast.cpp */ \
  op(Cast) op(CastLike) \
  /* activation.cpp */ \
  op(Relu) op(ReluGrad) op(LeakyRelu) op(PRelu) op(Sigmoid) op(Tanh) op(Softplus) op(Softsign) op(ThresholdedRelu) \
  op(Shrink) op(HardSigmoid) op(HardSwish) op(HardSwishGrad) op(Clip) op(ClipGrad) \
  /* elu.cpp */ \
  op(Elu) op(Celu) op(Selu) \
  /* gelu.cpp */ \
  op(Gelu) op(GeluGrad) op(Mish) op(MishGrad) op(Swish) op(SwishGrad) \
  /* elementwise_binary.cpp */ \
  op(Add) op(Sub) op(Mul) op(Div) op(Mod) op(Pow) \
  /* elementwise_variadic.cpp */ \
  op(Max) op(Min) op(Sum) op(Mean) \
  /* bitwise.cpp */ \
  op(BitwiseAnd) op(BitwiseOr) op(BitwiseXor) op(BitwiseNot) op(BitShift) \
  /* compare.cpp */ \
  op(Equal) op(Greater) op(GreaterOrEqual) op(Less) op(LessOrEqual) op(And) op(Or) op(Xor) op(Where) op(IsNaN) \
  op(IsInf) \
  /* reduce.cpp */ \
  op(ReduceSum) op(ReduceMean) op(ReduceSumSquare) op(ReduceL1) op(ReduceL2) op(ReduceLogSum) op(ReduceLogSumExp) \
  op(ReduceProd) \
  /* reduce_extreme.cpp */ \
  op(ReduceMax) op(ReduceMin) op(ArgMax) op(ArgMin) op(Hardmax) \
  /* cumulative.cpp */ \
  op(CumSum) \
  /* axis_normalization.cpp */ \
  op(MeanVarianceNormalization) op(LpNormalization) \
  /* determinant.cpp */ \
  op(Det) op(DetGrad) \
  /* random.cpp */ \
  op(RandomNormal) op(RandomNormalLike) op(RandomUniform) op(RandomUniformLike) op(Bernoulli) op(Multinomial) \
  /* generator.cpp */ \
  op(EyeLike) op(HannWindow) op(HammingWindow) op(BlackmanWindow) op(MelWeightMatrix)
// clang-format on

namespace marvin {

#define MARVIN_DECLARE_OP(name) extern const OpDef k##name;
MARVIN_OPS(MARVIN_DECLARE_OP)
#undef MARVIN_DECLARE_OP

}  // namespace marvin
