// The one list of ops.
#pragma once

#include "runtime/ops/op.h"

// Every op that marvin knows; op(Name) stands for the OpDef kName in one of the family files beside this one.
#define MARVIN_OPS(op) \
  /* quantize.cpp */   \
  op(Quantize) op(Observe) op(Sample) \
  /* shape.cpp */      \
  op(Identity) op(Reshape) op(Flatten) \
  /* elementwise.cpp */ \
  op(Relu) op(ReluGrad)

namespace marvin {

#define MARVIN_DECLARE_OP(name) extern const OpDef k##name;
MARVIN_OPS(MARVIN_DECLARE_OP)
#undef MARVIN_DECLARE_OP

}  // namespace marvin
