// Resizing: a weighted sum along every axis in turn, whose weights are constants of the graph.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "runtime/kernels/interpolate.h"
#include "runtime/ops/types.h"

namespace marvin {
namespace {

// ---- Interpolate ----------------------------------------------------------------------------------------------------

std::vector<Type> infer_interpolate(const InferContext& context) {
  require_float(context, 0);
  require_same_dtype(context, 0, 2);
  const Type &x = context.type(0), &index = context.type(1);
  const size_t axis = static_cast<size_t>(normalized_axis(context.attrs.integer("axis"), x.rank()));
  if (index.rank() != 2 || index.shape[1] < 1 || context.shape(2) != index.shape)
    throw Error("index and weight must be [rows,taps], not ", text_of(index), " and ", text_of(context.type(2)));
  for (const int64_t i : int64_operand(context, 1, "the index")) {
    if (i < 0 || i >= x.shape[axis]) throw Error("index ", i, " is out of the range of ", x.shape[axis], " elements");
  }
  if (!context.operands[2].constant) throw Error("the weight must be constant");
  Type y = x;
  y.shape[axis] = index.shape[0];
  return {y};
}

void run_interpolate(const KernelArgs& args) {
  const Shape &x = args.in_type(0).shape, &index = args.in_type(1).shape;
  const size_t axis = static_cast<size_t>(normalized_axis(args.attrs().integer("axis"), args.in_type(0).rank()));
  int64_t outer = 1, inner = 1;
  for (size_t i = 0; i < axis; ++i) outer *= x[i];
  for (size_t i = axis + 1; i < x.size(); ++i) inner *= x[i];
  visit_float(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    const RowSums<T> sums{x[axis], index[0], index[1], args.input<int64_t>(1), args.input<T>(2)};
    sum_rows(sums, outer, inner, args.input<T>(0), args.output<T>());
  });
}

// What every row of one axis is a sum of; `taps` terms each.
struct Table {
  int64_t taps = 1;
  std::vector<int64_t> index;
  std::vector<double> weight;

  int64_t rows() const { return static_cast<int64_t>(index.size()) / taps; }
  // Whether it gives an axis of so many elements as it is.
  bool copies(int64_t extent) const {
    if (taps != 1 || rows() != extent) return false;
    for (size_t i = 0; i < index.size(); ++i)
      if (weight[i] != 1 || index[i] != static_cast<int64_t>(i)) return false;
    return true;
  }
};

// Without the terms that are zero in every row.
Table trimmed(const Table& table) {
  std::vector<size_t> kept;
  const size_t taps = static_cast<size_t>(table.taps);
  for (size_t t = 0; t < taps; ++t) {
    bool any = t == 0;
    for (size_t i = t; i < table.weight.size(); i += taps) any |= table.weight[i] != 0;
    if (any) kept.push_back(t);
  }
  Table result{.taps = static_cast<int64_t>(kept.size())};
  for (size_t row = 0; row < table.weight.size(); row += taps) {
    for (const size_t t : kept) {
      result.index.push_back(table.index[row + t]);
      result.weight.push_back(table.weight[row + t]);
    }
  }
  return result;
}

// The table of the gradient, of `rows` rows: those that take less than others add zero times their first term.
Table transposed(const Table& table, int64_t rows) {
  std::vector<std::vector<std::pair<int64_t, double>>> terms(static_cast<size_t>(rows));
  for (size_t i = 0; i < table.index.size(); ++i) {
    if (table.weight[i] == 0) continue;
    terms[static_cast<size_t>(table.index[i])].emplace_back(static_cast<int64_t>(i) / table.taps, table.weight[i]);
  }
  Table result;
  for (const auto& row : terms) result.taps = std::max(result.taps, static_cast<int64_t>(row.size()));
  for (auto& row : terms) {
    row.resize(static_cast<size_t>(result.taps), {row.empty() ? 0 : row[0].first, 0.0});
    for (const auto& [from, weight] : row) {
      result.index.push_back(from);
      result.weight.push_back(weight);
    }
  }
  return result;
}

ValueId interpolate(Builder& builder, ValueId x, int64_t axis, const Table& table) {
  const Shape shape = {table.rows(), table.taps};
  const ValueId index = builder.constant(Tensor::of<int64_t>(shape, std::span<const int64_t>(table.index)));
  if (!is_float(builder.type(x).dtype)) {
    return builder.build("Gather", {x, builder.reshape(index, {table.rows()})}, {{"axis", axis}});
  }
  Tensor weight(Type{builder.type(x).dtype, shape});
  visit_float(weight.type().dtype, [&](auto zero) {
    using T = decltype(zero);
    std::ranges::transform(table.weight, weight.as<T>().begin(), [](double w) { return static_cast<T>(w); });
  });
  return builder.build("Interpolate", {x, index, builder.constant(std::move(weight))}, {{"axis", axis}});
}

std::vector<double> to_double(const Tensor& tensor) {
  std::vector<double> numbers;
  visit(tensor.type().dtype, [&](auto zero) {
    for (const auto number : tensor.as<decltype(zero)>()) numbers.push_back(static_cast<double>(number));
  });
  return numbers;
}

std::vector<ValueId> interpolate_gradient(GradContext& context) {
  const Shape shape = context.shape(context.in(1));
  const Table table{shape[1], to_int64(*context.constant(context.in(1))), to_double(*context.constant(context.in(2)))};
  const int64_t axis = normalized_axis(context.attrs().integer("axis"), context.type(context.in(0)).rank());
  const int64_t rows = context.shape(context.in(0))[static_cast<size_t>(axis)];
  return {interpolate(context, context.grad(), axis, transposed(table, rows))};
}

// ---- Tables of Resize -----------------------------------------------------------------------------------------------

constexpr double kMaxTaps = 1 << 24;

struct Axis {
  int64_t in = 1, out = 1;
  double scale = 1;           // out / in, before `out` was rounded
  double start = 0, end = 1;  // the region of interest, as shares of the axis
};

// Where in the input the output's position x lies: https://onnx.ai/onnx/operators/onnx__Resize.html.
double source_of(const Axis& axis, const std::string& mode, double x) {
  const double width = axis.scale * static_cast<double>(axis.in), last = static_cast<double>(axis.in - 1);
  if (mode == "half_pixel") return (x + 0.5) / axis.scale - 0.5;
  if (mode == "pytorch_half_pixel") return axis.out > 1 ? (x + 0.5) / axis.scale - 0.5 : 0;
  if (mode == "align_corners") return width == 1 ? 0 : x * last / (width - 1);
  if (mode == "asymmetric") return x / axis.scale;
  if (mode == "tf_half_pixel_for_nn") return (x + 0.5) / axis.scale;
  if (mode == "half_pixel_symmetric") {
    const double offset = static_cast<double>(axis.in) / 2 * (1 - static_cast<double>(axis.out) / width);
    return offset + (x + 0.5) / axis.scale - 0.5;
  }
  if (mode != "tf_crop_and_resize") throw Error("the coordinate_transformation_mode '", mode, "' is not known");
  if (axis.out == 1) return 0.5 * (axis.start + axis.end) * last;
  return axis.start * last + x * (axis.end - axis.start) * last / (width - 1);
}

double nearest(double x, const std::string& mode) {
  if (mode == "round_prefer_floor") return std::ceil(x - 0.5);
  if (mode == "round_prefer_ceil") return std::floor(x + 0.5);
  if (mode == "floor") return std::floor(x);
  if (mode == "ceil") return std::ceil(x);
  throw Error("the nearest_mode '", mode, "' is not one of round_prefer_floor, round_prefer_ceil, floor and ceil");
}

// The weight of an element at a distance. Equation (4) of R. Keys, Cubic convolution interpolation for digital image
// processing (1981).
double filter(double distance, bool cubic, double a) {
  const double x = std::abs(distance);
  if (!cubic) return std::max(0.0, 1 - x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

// Elements outside of the axis are those at its ends, or do not count at all.
Table table_of(const Axis& axis, const Attrs& attrs) {
  const std::string &mode = attrs.string("mode"), &coordinates = attrs.string("coordinate_transformation_mode");
  if (mode != "nearest" && mode != "linear" && mode != "cubic")
    throw Error("the mode '", mode, "' is not one of nearest, linear and cubic");
  const auto clamped = [&](double i) {
    return static_cast<int64_t>(std::clamp(i, 0.0, static_cast<double>(axis.in - 1)));
  };
  Table table;
  if (mode == "nearest") {
    for (int64_t o = 0; o < axis.out; ++o) {
      const double x = source_of(axis, coordinates, static_cast<double>(o));
      table.index.push_back(clamped(nearest(x, attrs.string("nearest_mode"))));
    }
    table.weight.assign(table.index.size(), 1);
    return table;
  }
  const bool cubic = mode == "cubic", excludes = attrs.integer("exclude_outside") != 0;
  const double stretch = attrs.integer("antialias") != 0 ? std::min(axis.scale, 1.0) : 1;
  const double first = std::floor(-(cubic ? 2 : 1) / stretch) + 1;  // relative to the element before the position
  if (first < -kMaxTaps) throw Error("a scale of ", axis.scale, " is too small");
  table.taps = static_cast<int64_t>(2 - 2 * first);
  for (int64_t o = 0; o < axis.out; ++o) {
    const double x = source_of(axis, coordinates, static_cast<double>(o)), before = std::floor(x);
    std::vector<double> weights;
    for (int64_t t = 0; t < table.taps; ++t) {
      const double i = before + first + static_cast<double>(t);
      const bool is_outside = i < 0 || i > static_cast<double>(axis.in - 1);
      weights.push_back(excludes && is_outside ? 0 : filter((i - x) * stretch, cubic, attrs.real("cubic_coeff_a")));
      table.index.push_back(clamped(i));
    }
    const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
    for (const double weight : weights) table.weight.push_back(sum == 0 ? 0 : weight / sum);
  }
  return trimmed(table);
}

// ---- Resize ---------------------------------------------------------------------------------------------------------

std::vector<double> constant_numbers(ExpandContext& context, size_t operand, std::string_view what) {
  const ValueId value = context.in(operand);
  if (!value.valid()) return {};
  if (!context.constant(value)) throw Error(what, " depend on data; only values known before the run are supported");
  const Tensor& numbers = *context.constant(context.cast(value, DType::f64));
  return {numbers.as<double>().begin(), numbers.as<double>().end()};
}

// Sets scales and output extents from the operands scales or sizes, which are of the axes listed.
void set_extents(ExpandContext& context, const std::vector<int64_t>& listed, std::vector<Axis>& axes) {
  const std::vector<double> scales = constant_numbers(context, 2, "scales");
  const std::vector<double> sizes = constant_numbers(context, 3, "sizes");
  if (scales.empty() == sizes.empty()) throw Error("needs scales or sizes, and not both");
  if (std::max(scales.size(), sizes.size()) != listed.size())
    throw Error("scales or sizes must list ", listed.size(), " numbers, not ", std::max(scales.size(), sizes.size()));
  std::vector<double> ratios = scales;
  for (size_t i = 0; i < sizes.size(); ++i) ratios.push_back(sizes[i] / static_cast<double>(axes[listed[i]].in));
  const std::string& policy = context.attrs().string("keep_aspect_ratio_policy");
  if (policy != "stretch" && policy != "not_larger" && policy != "not_smaller")
    throw Error("the keep_aspect_ratio_policy '", policy, "' is not one of stretch, not_larger and not_smaller");
  const bool keeps_ratio = !sizes.empty() && policy != "stretch";
  if (keeps_ratio) {
    const double common = policy == "not_larger" ? std::ranges::min(ratios) : std::ranges::max(ratios);
    ratios.assign(ratios.size(), common);
  }
  for (size_t i = 0; i < listed.size(); ++i) {
    Axis& axis = axes[static_cast<size_t>(listed[i])];
    axis.scale = ratios[i];
    const double in = static_cast<double>(axis.in);
    double out = sizes.empty() ? std::floor(static_cast<float>(in) * static_cast<float>(axis.scale)) : sizes[i];
    if (keeps_ratio) out = std::floor(in * axis.scale + 0.5);
    if (!(axis.scale > 0) || !(out >= 0 && out < 0x1p40)) throw Error("cannot resize ", axis.in, " elements to ", out);
    axis.out = static_cast<int64_t>(out);
  }
}

void set_region(ExpandContext& context, const std::vector<int64_t>& listed, std::vector<Axis>& axes) {
  const std::vector<double> roi = constant_numbers(context, 1, "roi");
  if (roi.size() != 2 * listed.size()) throw Error("roi must list ", 2 * listed.size(), " numbers, not ", roi.size());
  for (size_t i = 0; i < listed.size(); ++i) {
    Axis& axis = axes[static_cast<size_t>(listed[i])];
    axis.start = roi[i];
    axis.end = roi[listed.size() + i];
  }
}

// Where extrapolation_value stands along an axis of `rank` axes.
Tensor outside_of(const Axis& axis, const std::string& coordinates, size_t rank, size_t i) {
  Shape shape(rank, 1);
  shape[i] = axis.out;
  Tensor outside(Type{DType::boolean, shape});
  for (int64_t o = 0; o < axis.out; ++o) {
    const double x = source_of(axis, coordinates, static_cast<double>(o));
    outside.as<bool>()[static_cast<size_t>(o)] = !(x >= 0 && x <= static_cast<double>(axis.in - 1));
  }
  return outside;
}

// The order in which axes are cheapest: first those that shrink, the outermost first, since these are added up as whole
// rows; then those that grow, the innermost first.
std::vector<size_t> cheapest_order(const std::vector<Axis>& axes) {
  std::vector<size_t> order(axes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto ratio = [&](size_t i) { return static_cast<double>(axes[i].out) / static_cast<double>(axes[i].in); };
  std::ranges::sort(order, [&](size_t a, size_t b) {
    if (ratio(a) != ratio(b)) return ratio(a) < ratio(b);
    return ratio(a) < 1 ? a < b : a > b;
  });
  return order;
}

std::vector<ValueId> expand_resize(ExpandContext& context) {
  const Attrs& attrs = context.attrs();
  const Type type = context.type(context.in(0));
  std::vector<Axis> axes;
  for (const int64_t extent : type.shape) {
    if (extent < 1) throw Error("cannot resize ", text_of(type));
    axes.push_back({.in = extent, .out = extent});
  }
  std::vector<int64_t> listed = attrs.integers("axes");
  if (listed.empty()) {
    listed.resize(axes.size());
    std::iota(listed.begin(), listed.end(), 0);
  }
  for (int64_t& axis : listed) axis = normalized_axis(axis, type.rank());
  set_extents(context, listed, axes);
  const std::string& coordinates = attrs.string("coordinate_transformation_mode");
  const bool crops = coordinates == "tf_crop_and_resize";
  if (crops) set_region(context, listed, axes);

  const bool mixes = attrs.string("mode") != "nearest";
  const DType computed = is_half(type.dtype) ? DType::f32 : mixes && !is_float(type.dtype) ? DType::f64 : type.dtype;
  ValueId y = context.cast(context.in(0), computed);
  for (const size_t i : cheapest_order(axes)) {
    const Table table = table_of(axes[i], attrs);
    if (!table.copies(axes[i].in)) y = interpolate(context, y, static_cast<int64_t>(i), table);
  }
  for (size_t i = 0; crops && i < axes.size(); ++i) {
    Tensor outside = outside_of(axes[i], coordinates, axes.size(), i);
    if (std::ranges::none_of(outside.as<bool>(), [](bool is_outside) { return is_outside; })) continue;
    const ValueId value = context.scalar_like(y, attrs.real("extrapolation_value"));
    y = context.build("Where", {context.constant(std::move(outside)), value, y});
  }
  return {context.cast(y, type.dtype)};
}

std::vector<ValueId> expand_upsample(ExpandContext& context) {
  return {context.build("Resize", {context.in(0), ValueId{}, context.in(1)},
                        {{"coordinate_transformation_mode", std::string("asymmetric")},
                         {"mode", context.attrs().string("mode")},
                         {"nearest_mode", std::string("floor")}})};
}

}  // namespace

extern const OpDef kInterpolate = {
    .name = "Interpolate",
    .doc =
        "Row o of y along `axis` is the sum over t of weight[o,t] * row index[o,t] of x; operands x, index (i64) and "
        "weight, both constant",
    .min_inputs = 3,
    .max_inputs = 3,
    .required = {"axis"},
    .infer = infer_interpolate,
    .gradient = interpolate_gradient,
    .kernels = {{.name = "interpolate", .run = run_interpolate}},
};

extern const OpDef kResize = {
    .name = "Resize",
    .doc =
        "x resized to sizes, or by scales, by its nearest elements or by linear or cubic interpolation; operands x, "
        "roi "
        "(for tf_crop_and_resize), scales, sizes",
    .max_inputs = 4,
    .defaults = {{"antialias", int64_t{0}},
                 {"axes", std::vector<int64_t>{}},
                 {"coordinate_transformation_mode", std::string("half_pixel")},
                 {"cubic_coeff_a", -0.75f},
                 {"exclude_outside", int64_t{0}},
                 {"extrapolation_value", 0.0f},
                 {"keep_aspect_ratio_policy", std::string("stretch")},
                 {"mode", std::string("nearest")},
                 {"nearest_mode", std::string("round_prefer_floor")}},
    .expand = expand_resize,
};

extern const OpDef kUpsample = {
    .name = "Upsample",
    .doc = "x made larger by scales, its elements repeated (nearest) or interpolated (linear); operands x, scales",
    .min_inputs = 2,
    .max_inputs = 2,
    .defaults = {{"mode", std::string("nearest")}},
    .expand = expand_upsample,
};

}  // namespace marvin
