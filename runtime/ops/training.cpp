// The optimizers of ONNX's training domain, written out. Each updates any number of tensors, whose operands and outputs
// are grouped: all parameters, then all gradients, then all states. (marvin's own are in optimizer.cpp.)
#include "runtime/ops/op.h"

namespace marvin {
namespace {

class Rule {
 public:
  // `states`: how many states a parameter has.
  Rule(ExpandContext& context, size_t states) : c_(context), groups_(2 + states) {
    const size_t tensors = c_.input_count() - std::min<size_t>(2, c_.input_count());
    if (tensors % groups_ != 0) throw Error(tensors, " tensors are not ", groups_, " for every parameter");
    count_ = tensors / groups_;
    for (const size_t i : {0, 1})
      if (c_.type(c_.in(i)).elements() != 1)
        throw Error("operand ", i, " must be a scalar, not ", text_of(c_.type(c_.in(i))));
    if (!is_float(c_.type(c_.in(0)).dtype)) throw Error("the learning rate must be of floats");
    if (c_.type(c_.in(1)).dtype != DType::i64) throw Error("the update count must be i64");
    rate_ = c_.cast(c_.reshape(c_.in(0), {}), DType::f64);
    updates_ = c_.cast(c_.reshape(c_.in(1), {}), DType::f64);
    for (size_t i = 2; i < c_.input_count(); ++i) {
      if (!c_.in(i).valid()) throw Error("operand ", i, " is missing");
      const ValueId first = c_.in(2 + (i - 2) % count_);
      if (c_.type(c_.in(i)) == c_.type(first)) continue;
      throw Error("operand ", i, " is ", text_of(c_.type(c_.in(i))), ", its parameter ", text_of(c_.type(first)));
    }
  }

  size_t count() const { return count_; }
  ValueId parameter(size_t i) const { return c_.in(2 + i); }
  ValueId state(size_t which, size_t i) const { return c_.in(2 + (2 + which) * count_ + i); }
  // Scalars of the schedule, in float64.
  ValueId rate() const { return rate_; }
  ValueId updates() const { return updates_; }

  ValueId add(ValueId a, ValueId b) const { return c_.build("Add", {a, b}); }
  ValueId sub(ValueId a, ValueId b) const { return c_.build("Sub", {a, b}); }
  ValueId mul(ValueId a, ValueId b) const { return c_.build("Mul", {a, b}); }
  ValueId div(ValueId a, ValueId b) const { return c_.build("Div", {a, b}); }
  ValueId sqrt(ValueId a) const { return c_.build("Sqrt", {a}); }
  ValueId number(ValueId like, double value) const { return c_.scalar_like(like, value); }
  ValueId times(ValueId a, double factor) const { return mul(a, number(a, factor)); }
  double attribute(std::string_view name) const { return c_.attrs().real(name); }
  // A scalar as one of the type of `like`.
  ValueId as(ValueId scalar, ValueId like) const { return c_.cast(scalar, c_.type(like).dtype); }
  // `first` before the first update, `later` from then on.
  ValueId since_first(ValueId later, ValueId first) const {
    return c_.build("Where", {c_.build("Greater", {updates_, number(updates_, 0)}), later, first});
  }
  // 1 - base^updates
  ValueId bias(double base) const {
    return sub(number(updates_, 1), c_.build("Pow", {number(updates_, base), updates_}));
  }
  // The gradient with that of norm_coefficient / 2 * |x|^2.
  ValueId gradient(size_t i) const {
    const double norm = attribute("norm_coefficient");
    const ValueId gradient = c_.in(2 + count_ + i);
    return norm == 0 ? gradient : add(times(parameter(i), norm), gradient);
  }

 private:
  ExpandContext& c_;
  size_t groups_, count_ = 0;
  ValueId rate_, updates_;
};

std::vector<ValueId> expand_adagrad(ExpandContext& c) {
  const Rule rule(c, 1);
  const ValueId one = rule.number(rule.updates(), 1);
  const ValueId rate = rule.div(rule.rate(), rule.add(one, rule.times(rule.updates(), rule.attribute("decay_factor"))));
  std::vector<ValueId> results(2 * rule.count());
  for (size_t i = 0; i < rule.count(); ++i) {
    const ValueId x = rule.parameter(i), g = rule.gradient(i);
    const ValueId h = rule.add(rule.state(0, i), rule.mul(g, g));
    const ValueId root = rule.add(rule.sqrt(h), rule.number(h, rule.attribute("epsilon")));
    results[i] = rule.sub(x, rule.div(rule.mul(rule.as(rate, x), g), root));
    results[rule.count() + i] = h;
  }
  return results;
}

std::vector<ValueId> expand_adam(ExpandContext& c) {
  const Rule rule(c, 2);
  const double alpha = rule.attribute("alpha"), beta = rule.attribute("beta");
  const ValueId corrected = rule.div(rule.mul(rule.rate(), rule.sqrt(rule.bias(beta))), rule.bias(alpha));
  const ValueId rate = rule.since_first(corrected, rule.rate());
  const double shrink = 1 - rule.attribute("norm_coefficient_post");
  std::vector<ValueId> results(3 * rule.count());
  for (size_t i = 0; i < rule.count(); ++i) {
    const ValueId x = rule.parameter(i), g = rule.gradient(i);
    const ValueId v = rule.add(rule.times(rule.state(0, i), alpha), rule.times(g, 1 - alpha));
    const ValueId h = rule.add(rule.times(rule.state(1, i), beta), rule.times(rule.mul(g, g), 1 - beta));
    const ValueId root = rule.add(rule.sqrt(h), rule.number(h, rule.attribute("epsilon")));
    const ValueId next = rule.sub(x, rule.div(rule.mul(rule.as(rate, x), v), root));
    results[i] = shrink == 1 ? next : rule.times(next, shrink);
    results[rule.count() + i] = v;
    results[2 * rule.count() + i] = h;
  }
  return results;
}

std::vector<ValueId> expand_momentum(ExpandContext& c) {
  const std::string& mode = c.attrs().string("mode");
  if (mode != "standard" && mode != "nesterov") throw Error("mode is standard or nesterov, not '", mode, "'");
  const Rule rule(c, 1);
  const double alpha = rule.attribute("alpha");
  const ValueId weight =
      rule.since_first(rule.number(rule.updates(), rule.attribute("beta")), rule.number(rule.updates(), 1));
  std::vector<ValueId> results(2 * rule.count());
  for (size_t i = 0; i < rule.count(); ++i) {
    const ValueId x = rule.parameter(i), g = rule.gradient(i);
    const ValueId v = rule.add(rule.times(rule.state(0, i), alpha), rule.mul(rule.as(weight, x), g));
    const ValueId step = mode == "standard" ? v : rule.add(g, rule.times(v, alpha));
    results[i] = rule.sub(x, rule.mul(rule.as(rule.rate(), x), step));
    results[rule.count() + i] = v;
  }
  return results;
}

}  // namespace

extern const OpDef kTrainingAdagrad = {
    .name = "TrainingAdagrad",
    .doc =
        "ai.onnx.preview.training.Adagrad: operands the learning rate r, the update count t, parameters x, gradients "
        "g, "
        "sums of squares h. g' = norm_coefficient x + g, h' = h + g'^2, x' = x - r / (1 + t decay_factor) g' / "
        "(sqrt(h') "
        "+ epsilon). Outputs x', h'",
    .min_inputs = 5,
    .max_inputs = kVariadic,
    .max_outputs = kVariadic,
    .defaults = {{"decay_factor", 0.0f}, {"epsilon", 1e-6f}, {"norm_coefficient", 0.0f}},
    .expand = expand_adagrad,
};

extern const OpDef kTrainingAdam = {
    .name = "TrainingAdam",
    .doc =
        "ai.onnx.preview.training.Adam: operands the learning rate r, the update count t, parameters x, gradients g, "
        "means v, mean squares h. g' = norm_coefficient x + g, v' = alpha v + (1 - alpha) g', h' = beta h + (1 - beta) "
        "g'^2, x' = (1 - norm_coefficient_post) (x - r sqrt(1 - beta^t) / (1 - alpha^t) v' / (sqrt(h') + epsilon)), "
        "with "
        "r alone where t is 0. Outputs x', v', h'",
    .min_inputs = 6,
    .max_inputs = kVariadic,
    .max_outputs = kVariadic,
    .defaults = {{"alpha", 0.9f},
                 {"beta", 0.999f},
                 {"epsilon", 1e-6f},
                 {"norm_coefficient", 0.0f},
                 {"norm_coefficient_post", 0.0f}},
    .expand = expand_adam,
};

extern const OpDef kTrainingMomentum = {
    .name = "TrainingMomentum",
    .doc =
        "ai.onnx.preview.training.Momentum: operands the learning rate r, the update count t, parameters x, gradients "
        "g, "
        "momenta v. g' = norm_coefficient x + g, v' = alpha v + beta g', with g' alone where t is 0; x' = x - r v', or "
        "x - r (g' + alpha v') in the mode \"nesterov\". Outputs x', v'",
    .min_inputs = 5,
    .max_inputs = kVariadic,
    .max_outputs = kVariadic,
    .required = {"alpha", "beta", "mode", "norm_coefficient"},
    .expand = expand_momentum,
};

}  // namespace marvin
