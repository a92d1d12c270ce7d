// Normalisations over axes that are written out as other ops.
#include "runtime/ops/elementwise.h"

namespace marvin {
namespace {

ValueId divided(ExpandContext& c, ValueId a, ValueId b) { return c.build("Div", {a, b}); }

}  // namespace

extern const OpDef kMeanVarianceNormalization = {
    .name = "MeanVarianceNormalization",
    .doc = "y = (x - mean) / (deviation + 1e-9), both over the axes",
    .defaults = {{"axes", std::vector<int64_t>{0, 2, 3}}},
    .expand = [](ExpandContext& c) -> std::vector<ValueId> {
      const ValueId axes = c.constant_shape(c.attrs().integers("axes"));
      const ValueId centred = c.build("Sub", {c.in(0), c.build("ReduceMean", {c.in(0), axes})});
      const ValueId deviation = c.build("Sqrt", {c.build("ReduceMean", {mul(c, centred, centred), axes})});
      return {divided(c, centred, add(c, deviation, 1e-9))};
    },
};

extern const OpDef kLpNormalization = {
    .name = "LpNormalization",
    .doc =
        "y = x / the sum of magnitudes (p = 1) or the root of the sum of squares (p = 2) along `axis`; 0 where that is "
        "0",
    .defaults = {{"axis", int64_t{-1}}, {"p", int64_t{2}}},
    .expand = [](ExpandContext& c) -> std::vector<ValueId> {
      const int64_t p = c.attrs().integer("p");
      if (p != 1 && p != 2) throw Error("p is 1 or 2, not ", p);
      const ValueId axis = c.constant_shape({c.attrs().integer("axis")});
      const ValueId norm = c.build(p == 1 ? "ReduceL1" : "ReduceL2", {c.in(0), axis});
      return {divided(c, c.in(0), c.build("Where", {compare(c, "Equal", norm, 0), c.scalar_like(norm, 1), norm}))};
    },
};

}  // namespace marvin
