// Fourier transforms. Complex numbers are a last axis of two: the real and the imaginary part.
#include "runtime/kernels/fourier.h"

#include "runtime/ops/types.h"

namespace marvin {
namespace {

constexpr int64_t kMostPoints = int64_t{1} << 24;

// ---- FourierTransform -----------------------------------------------------------------------------------------------

std::vector<Type> infer_transform(const InferContext& context) {
  require_float(context, 0);
  Type type = context.type(0);
  if (type.rank() < 2 || type.shape.back() < 1 || type.shape.back() > 2) {
    throw Error("x must have an axis to transform and a last axis of 1 (real) or 2 (complex), not ", text_of(type));
  }
  const int64_t axis = context.attrs.integer("axis"), points = context.attrs.integer("points");
  const bool onesided = context.attrs.integer("onesided") != 0;
  if (axis < 0 || axis >= type.rank() - 1) throw Error("axis ", axis, " of ", text_of(type), " cannot be transformed");
  if (points < 1 || points > kMostPoints) throw Error("cannot transform ", points, " numbers");
  if (onesided && type.shape.back() == 2) throw Error("onesided takes real numbers");
  type.shape[static_cast<size_t>(axis)] = onesided ? points / 2 + 1 : points;
  type.shape.back() = 2;
  return {type};
}

struct Plan {
  Fourier fourier;
  FourierShape shape;
};

Prepared prepare_transform(const KernelQuery& query) {
  const Shape& x = query.in[0]->shape;
  const auto axis = static_cast<size_t>(query.attrs.integer("axis"));
  const int64_t points = query.attrs.integer("points");
  const bool inverse = query.attrs.integer("inverse") != 0;
  FourierShape shape{.length = x[axis], .parts = x.back(), .out_length = query.out[0]->shape[axis]};
  for (size_t i = 0; i < axis; ++i) shape.outer *= x[i];
  for (size_t i = axis + 1; i + 1 < x.size(); ++i) shape.inner *= x[i];
  if (inverse) shape.scale = 1 / static_cast<double>(points);
  const auto plan = std::make_shared<Plan>(Plan{Fourier(points, inverse), shape});
  return {.state = plan, .scratch_bytes = fourier_scratch_bytes(plan->fourier)};
}

void run_transform(const KernelArgs& args) {
  const Plan& plan = *static_cast<const Plan*>(args.state);
  visit_float(args.out_type().dtype, [&](auto zero) {
    using T = decltype(zero);
    transform(plan.fourier, plan.shape, args.input<T>(0), args.output<T>(), args.scratch);
  });
}

// x[0:count] along the axis.
ValueId first_along(GradContext& c, ValueId x, int64_t axis, int64_t count) {
  if (c.shape(x)[static_cast<size_t>(axis)] <= count) return x;
  return c.build("Slice", {x, c.constant_shape({0}), c.constant_shape({count}), c.constant_shape({axis})});
}

// The matrix of a transform is symmetric, so its adjoint is its conjugate: the other transform, but for the scale.
std::vector<ValueId> transform_gradient(GradContext& c) {
  const Shape x = c.shape(c.in(0));
  const int64_t axis = c.attrs().integer("axis"), points = c.attrs().integer("points");
  const bool inverse = c.attrs().integer("inverse") != 0;
  ValueId dx = c.build("FourierTransform", {c.grad()},
                       {{"axis", axis}, {"points", points}, {"inverse", int64_t{!inverse}}, {"onesided", int64_t{0}}});
  const auto count = static_cast<double>(points);
  dx = c.build("Mul", {dx, c.scalar_like(dx, inverse ? 1 / count : count)});
  dx = first_along(c, first_along(c, dx, axis, x[static_cast<size_t>(axis)]), static_cast<int64_t>(x.size()) - 1,
                   x.back());
  if (c.shape(dx) == x) return {dx};
  // What was cut off has no gradient.
  return {c.build("SliceGrad", {dx, c.constant_shape(x), c.constant_shape({0}), c.constant_shape({points}),
                                c.constant_shape({axis})})};
}

// ---- DFT, STFT ------------------------------------------------------------------------------------------------------

int64_t scalar_operand(const Builder& c, ValueId value, std::string_view what) {
  const std::vector<int64_t> values = c.integers(value, what);
  if (values.size() != 1) throw Error(what, " must be one number, not ", text_of(c.type(value)));
  return values[0];
}

std::vector<ValueId> expand_dft(ExpandContext& c) {
  const Shape x = c.shape(c.in(0));
  const int64_t given = c.in(2).valid() ? scalar_operand(c, c.in(2), "the axis") : -2;
  const int64_t axis = normalized_axis(given, static_cast<int64_t>(x.size()));
  const int64_t points = c.in(1).valid() ? scalar_operand(c, c.in(1), "dft_length") : x[static_cast<size_t>(axis)];
  Attrs attrs = c.attrs();
  attrs.set("axis", axis);
  attrs.set("points", points);
  return {c.build("FourierTransform", {c.in(0)}, attrs)};
}

std::vector<ValueId> expand_stft(ExpandContext& c) {
  const ValueId signal = c.in(0), window = c.in(2);
  const Shape shape = c.shape(signal);
  if (shape.size() != 3) throw Error("the signal must be [n,length,1] or [n,length,2], not [", text_of(shape), "]");
  const int64_t step = scalar_operand(c, c.in(1), "frame_step");
  if (!window.valid() && !c.in(3).valid()) throw Error("needs a window or a frame_length");
  const int64_t length = c.in(3).valid() ? scalar_operand(c, c.in(3), "frame_length") : c.type(window).elements();
  if (step < 1 || length < 1 || length > shape[1]) {
    throw Error("frames of ", length, " every ", step, " cannot be cut from ", shape[1], " numbers");
  }
  const int64_t frames = (shape[1] - length) / step + 1;
  if (frames > kMostPoints / length) throw Error(frames, " frames of ", length, " numbers are too many");
  Tensor places(Type{DType::i64, {frames, length}});
  for (int64_t i = 0; i < frames * length; ++i)
    places.as<int64_t>()[static_cast<size_t>(i)] = i / length * step + i % length;
  ValueId cut = c.build("Gather", {signal, c.constant(std::move(places))}, {{"axis", int64_t{1}}});
  if (window.valid()) {
    if (c.shape(window) != Shape{length})
      throw Error("the window must be [", length, "], not [", text_of(c.shape(window)), "]");
    cut = c.build("Mul", {cut, c.reshape(window, {length, 1})});
  }
  Attrs attrs = c.attrs();
  attrs.set("axis", int64_t{2});
  attrs.set("points", length);
  return {c.build("FourierTransform", {cut}, attrs)};
}

}  // namespace

extern const OpDef kFourierTransform = {
    .name = "FourierTransform",
    .doc =
        "y[k] = sum over i of x[i] e^(-2 pi j i k / points) along `axis`, for x of a last axis 1 (real) or 2 "
        "(complex), cut "
        "off or filled up with zeros to `points`; where inverse e^(+...) and divided by points. onesided keeps points "
        "/ 2 "
        "+ 1 numbers. The result is complex",
    .defaults = {{"inverse", int64_t{0}}, {"onesided", int64_t{0}}},
    .required = {"axis", "points"},
    .infer = infer_transform,
    .gradient = transform_gradient,
    .kernels = {{.name = "fourier_transform", .prepare = prepare_transform, .run = run_transform}},
};

extern const OpDef kDFT = {
    .name = "DFT",
    .doc = "FourierTransform with operands x, dft_length (the number of points; left out: as x has) and the axis (-2)",
    .min_inputs = 1,
    .max_inputs = 3,
    .defaults = {{"inverse", int64_t{0}}, {"onesided", int64_t{0}}},
    .expand = expand_dft,
};

extern const OpDef kSTFT = {
    .name = "STFT",
    .doc =
        "FourierTransform of frames of a signal [n,length,1 or 2], [n,frames,points,2]: operands the signal, "
        "frame_step, "
        "the window that frames are multiplied by and frame_length, of which one may be left out",
    .min_inputs = 2,
    .max_inputs = 4,
    .defaults = {{"onesided", int64_t{1}}},
    .expand = expand_stft,
};

}  // namespace marvin
