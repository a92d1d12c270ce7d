// Ops that put updates into an array by indices.
#include <functional>
#include <numeric>

#include "runtime/ops/indices.h"
#include "runtime/ops/types.h"

namespace marvin {
namespace {

size_t axis_of(const Attrs& attrs, const Shape& whole) {
  return static_cast<size_t>(normalized_axis(attrs.integer("axis"), static_cast<int64_t>(whole.size())));
}

size_t first_axis(const Attrs&, const Shape&) { return 0; }

// What the ops differ in; `gather` takes out what was put in.
struct Scattering {
  std::string_view name, gather;
  size_t (*axis)(const Attrs&, const Shape& whole);
  PickRows pick;
  Shape (*shape)(const InferContext&, const Shape& whole, size_t axis);
};
constexpr Scattering kElements = {"ScatterElements", "GatherElements", axis_of, pick_elements, picked_elements};
constexpr Scattering kTuples = {"ScatterND", "GatherND", first_axis, pick_tuples, picked_tuples};

enum class Reduction { none, add, mul, max, min };

Reduction reduction_of(const Attrs& attrs) {
  const std::string& name = attrs.string("reduction");
  if (name == "none") return Reduction::none;
  if (name == "add") return Reduction::add;
  if (name == "mul") return Reduction::mul;
  if (name == "max") return Reduction::max;
  if (name == "min") return Reduction::min;
  throw Error("the reduction '", name, "' is not one of none, add, mul, max and min");
}

template <const Scattering& op>
std::vector<Type> infer_scatter(const InferContext& context) {
  const Type& in = context.type(0);
  require_same_dtype(context, 0, 2);
  if (reduction_of(context.attrs) != Reduction::none) require_numeric(context, 0);
  const Shape shape = op.shape(context, in.shape, op.axis(context.attrs, in.shape));
  if (shape != context.shape(2)) {
    throw Error("the updates must be of [", text_of(shape), "], not ", text_of(context.type(2)));
  }
  return {in};
}

template <class T, class F>
void update(const T* updates, T* y, int64_t n, F f) {
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<T>(f(y[i], updates[i]));
}

// A NaN among the elements is the result of max and min.
template <class T>
void update(const T* updates, T* y, int64_t n, Reduction reduction) {
  switch (reduction) {
    case Reduction::add:
      return update(updates, y, n, std::plus<T>());
    case Reduction::mul:
      return update(updates, y, n, std::multiplies<T>());
    case Reduction::max:
      return update(updates, y, n, [](T a, T b) { return a > b || a != a ? a : b; });
    default:
      return update(updates, y, n, [](T a, T b) { return a < b || a != a ? a : b; });
  }
}

template <const Scattering& op>
void run_scatter(const KernelArgs& args) {
  const Type& type = args.out_type();
  const PickedRows rows = op.pick(Indices(args, 1), type.shape, op.axis(args.attrs(), type.shape), offsets_of(args));
  std::copy_n(args.input<std::byte>(0), type.bytes(), args.output<std::byte>());
  const Reduction reduction = reduction_of(args.attrs());
  const auto scatter = [&](auto zero, auto&& put) {
    using T = decltype(zero);
    const T* updates = args.input<T>(2);
    T* y = args.output<T>();
    scatter_rows(rows, [&](int64_t from, int64_t to, int64_t n) { put(updates + from, y + to, n); });
  };
  if (reduction == Reduction::none) {
    visit_unsigned(type.dtype, [&](auto zero) {
      scatter(zero, [](const auto* updates, auto* y, int64_t n) { std::copy_n(updates, n, y); });
    });
  } else {
    visit_numeric(type.dtype, [&](auto zero) {
      scatter(zero, [&](const auto* updates, auto* y, int64_t n) { update(updates, y, n, reduction); });
    });
  }
}

// ---- Gradients ------------------------------------------------------------------------------------------------------

// Writes the gradients of one scattering; dx and du are those of data and updates.
class ScatterGradient {
 public:
  ScatterGradient(GradContext& context, const Scattering& op) : context_(context), op_(op) {}

  std::vector<ValueId> none() {
    return {context_.wants(0) ? scatter(dy(), filled(updates(), 0), "none") : ValueId{}, {}, wanted_gather(dy())};
  }

  std::vector<ValueId> add() { return {dy(), {}, wanted_gather(dy())}; }

  // Every factor's gradient is the product of the others. For an update, that is the whole product over it; where it is
  // 0, the product without zeros, provided that it is the only one.
  std::vector<ValueId> mul() {
    std::vector<ValueId> gradients(3);
    if (context_.wants(0)) {
      gradients[0] = context_.build("Mul", {dy(), scatter(filled(data(), 1), updates(), "mul")});
    }
    if (context_.wants(2)) {
      const ValueId zero = context_.scalar_like(updates(), 0), one = context_.scalar_like(updates(), 1);
      const ValueId is_zero = context_.build("Equal", {updates(), zero});
      const ValueId factors = context_.build("Where", {is_zero, one, updates()});
      const ValueId product = context_.build("Mul", {dy(), scatter(data(), factors, "mul")});
      const ValueId is_zero_number = as_number(is_zero);
      const ValueId zeros = gather(scatter(filled(data(), 0), is_zero_number, "add"));
      const ValueId others = context_.build("Equal", {zeros, is_zero_number});
      gradients[2] = context_.build("Where", {others, context_.build("Div", {gather(product), factors}), zero});
    }
    return gradients;
  }

  // All that are equal to the extreme share its gradient evenly.
  std::vector<ValueId> extreme() {
    const ValueId y = context_.out(0);
    const ValueId from_data = as_number(context_.build("Equal", {data(), y}));
    const ValueId from_updates = as_number(context_.build("Equal", {updates(), gather(y)}));
    const ValueId share = context_.build("Div", {dy(), scatter(from_data, from_updates, "add")});
    std::vector<ValueId> gradients(3);
    if (context_.wants(0)) gradients[0] = context_.build("Mul", {from_data, share});
    if (context_.wants(2)) gradients[2] = context_.build("Mul", {from_updates, gather(share)});
    return gradients;
  }

 private:
  ValueId data() const { return context_.in(0); }
  ValueId updates() const { return context_.in(2); }
  ValueId dy() const { return context_.grad(); }

  ValueId gather(ValueId value) {
    Attrs attrs = context_.attrs();
    attrs.erase("reduction");
    return context_.build(op_.gather, {value, context_.in(1)}, attrs);
  }
  ValueId wanted_gather(ValueId value) { return context_.wants(2) ? gather(value) : ValueId{}; }

  ValueId scatter(ValueId into, ValueId values, const std::string& reduction) {
    Attrs attrs = context_.attrs();
    attrs.set("reduction", reduction);
    return context_.build(op_.name, {into, context_.in(1), values}, attrs);
  }

  ValueId filled(ValueId like, float number) {
    const Type type = context_.type(like);
    return context_.build("ConstantOfShape", {context_.constant_shape(type.shape)},
                          {{"to", onnx_number_of(type.dtype)}, {"value", number}});
  }

  ValueId as_number(ValueId truth) {
    return context_.build("Cast", {truth}, {{"to", onnx_number_of(context_.type(data()).dtype)}});
  }

  GradContext& context_;
  const Scattering& op_;
};

template <const Scattering& op>
std::vector<ValueId> scatter_gradient(GradContext& context) {
  ScatterGradient gradient(context, op);
  switch (reduction_of(context.attrs())) {
    case Reduction::none:
      return gradient.none();
    case Reduction::add:
      return gradient.add();
    case Reduction::mul:
      return gradient.mul();
    default:
      return gradient.extreme();
  }
}

// ---- Other names for scattering -------------------------------------------------------------------------------------

std::vector<ValueId> expand_scatter(ExpandContext& context) {
  return {context.build("ScatterElements", {context.in(0), context.in(1), context.in(2)}, context.attrs())};
}

// The places along the axis that the update's elements go to, one per batch element and element along the axis.
ValueId cache_places(ExpandContext& context, const Shape& cache, const Shape& update, size_t axis) {
  Shape along(cache.size(), 1), batch(cache.size(), 1);
  along[axis] = update[axis];
  batch[0] = cache[0];
  Tensor steps(Type{DType::i64, along});
  std::iota(steps.as<int64_t>().begin(), steps.as<int64_t>().end(), 0);
  ValueId places = context.constant(std::move(steps));
  if (!context.in(2).valid()) return places;
  if (context.type(context.in(2)) != Type{DType::i64, {cache[0]}}) {
    throw Error("write_indices must be one i64 per batch element, not ", text_of(context.type(context.in(2))));
  }
  places = context.build("Add", {context.reshape(context.in(2), batch), places});
  if (context.attrs().string("mode") == "linear") return places;
  const ValueId extent = context.constant(Tensor::scalar<int64_t>(cache[axis]));
  const ValueId is_beyond = context.build("GreaterOrEqual", {places, extent});
  return context.build("Where", {is_beyond, context.build("Sub", {places, extent}), places});
}

std::vector<ValueId> expand_tensor_scatter(ExpandContext& context) {
  const Shape cache = context.shape(context.in(0)), update = context.shape(context.in(1));
  const std::string& mode = context.attrs().string("mode");
  if (mode != "linear" && mode != "circular") throw Error("the mode '", mode, "' is neither linear nor circular");
  const size_t axis = axis_of(context.attrs(), cache);
  if (axis == 0) throw Error("axis 0 is the batch");
  Shape slice = update;
  if (slice.size() == cache.size()) slice[axis] = cache[axis];
  if (slice != cache || update[axis] > cache[axis]) {
    throw Error("an update of [", text_of(update), "] does not fit into [", text_of(cache), "] along axis ", axis);
  }
  const ValueId places = cache_places(context, cache, update, axis);
  const ValueId indices = context.build("Expand", {places, context.constant_shape(update)});
  return {context.build("ScatterElements", {context.in(0), indices, context.in(1)},
                        {{"axis", static_cast<int64_t>(axis)}})};
}

template <const Scattering& op>
OpDef scatter_op(std::string_view doc, const Attrs& defaults, std::string_view kernel) {
  return {
      .name = op.name,
      .doc = doc,
      .min_inputs = 3,
      .max_inputs = 3,
      .defaults = defaults,
      .infer = infer_scatter<op>,
      .gradient = scatter_gradient<op>,
      .kernels = {{.name = kernel, .prepare = prepare_offsets, .run = run_scatter<op>}},
  };
}

}  // namespace

extern const OpDef kScatterElements = scatter_op<kElements>(
    "x with every update put, or combined by `reduction` (none, add, mul, max, min), at its own place with the index "
    "for the coordinate along `axis`: operands x, indices (i32 or i64; negative ones count from the end), updates. "
    "Without a reduction the last update of a place stays",
    {{"axis", int64_t{0}}, {"reduction", "none"}}, "scatter_elements");

extern const OpDef kScatterND = scatter_op<kTuples>(
    "x with every slice of the updates put, or combined by `reduction` (none, add, mul, max, min), where the tuple of "
    "indices says, which lie along the indices' last axis: operands x, indices, updates. Without a reduction the last "
    "update of a place stays",
    {{"reduction", "none"}}, "scatter_nd");

extern const OpDef kScatter = {
    .name = "Scatter",
    .doc = "ScatterElements under the name that it had before opset 11",
    .min_inputs = 3,
    .max_inputs = 3,
    .defaults = {{"axis", int64_t{0}}},
    .expand = expand_scatter,
};

extern const OpDef kTensorScatter = {
    .name = "TensorScatter",
    .doc =
        "The cache [batch, ...] with the update put in along `axis`, for every batch element from its write index on; "
        "in "
        "mode circular, what is beyond the end goes to the begin: operands cache, update, write indices (i64[batch]; 0 "
        "where they are left out)",
    .min_inputs = 2,
    .max_inputs = 3,
    .defaults = {{"axis", int64_t{-2}}, {"mode", "linear"}},
    .expand = expand_tensor_scatter,
};

}  // namespace marvin
