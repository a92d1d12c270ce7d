// ONNX's products of integers, written out exactly: in float64, which holds every sum of up to 2^37 products of 8-bit
// numbers.
#include "runtime/ops/types.h"
#include "runtime/ops/windows.h"

namespace marvin {
namespace {

bool is_byte(DType dtype) { return dtype == DType::i8 || dtype == DType::u8; }

// Vectors of more than one element become columns: [m] as [m,1...].
ValueId as_column(Builder& c, ValueId value, size_t trailing_axes) {
  Shape shape = c.shape(value);
  if (shape.size() != 1) return value;
  shape.resize(1 + trailing_axes, 1);
  return c.reshape(value, shape);
}

// x - zero in float64; `zero` broadcasts to x and may be none.
ValueId centred(Builder& c, ValueId x, ValueId zero) {
  if (!is_byte(c.type(x).dtype)) throw Error("takes operands of i8 or u8, not ", text_of(c.type(x)));
  if (zero.valid() && c.type(zero).dtype != c.type(x).dtype) {
    throw Error("a zero point is ", text_of(c.type(zero)), ", its operand ", text_of(c.type(x)));
  }
  const ValueId wide = c.cast(x, DType::f64);
  if (!zero.valid()) return wide;
  if (broadcast(c.shape(zero), c.shape(x)) != c.shape(x)) {
    throw Error("the zero point ", text_of(c.type(zero)), " does not broadcast to ", text_of(c.type(x)));
  }
  return c.build("Sub", {wide, c.cast(zero, DType::f64)});
}

// Exact integers as i32, which wrap around as sums of i32 do.
ValueId as_i32(Builder& c, ValueId exact) { return c.cast(c.cast(exact, DType::i64), DType::i32); }

// The exact sum, in units of a_scale * b_scale, as a quantized value; scales and zero point broadcast to it.
ValueId requantized(Builder& c, ValueId sum, std::initializer_list<ValueId> scales, ValueId y_scale, ValueId y_zero) {
  for (const ValueId scale : scales) sum = c.build("Mul", {sum, c.cast(scale, DType::f64)});
  const DType dtype = c.type(y_zero).dtype;
  if (!is_byte(dtype)) throw Error("the zero point of the result must be i8 or u8, not ", text_of(c.type(y_zero)));
  const ValueId levels = c.build("Round", {c.build("Div", {sum, c.cast(y_scale, DType::f64)})});
  return c.cast(c.build("Add", {levels, c.cast(y_zero, DType::f64)}), dtype);  // a cast saturates
}

// ---- Matrices -------------------------------------------------------------------------------------------------------

std::vector<ValueId> expand_matmul_integer(ExpandContext& c) {
  const ValueId a_zero = c.in(2).valid() ? as_column(c, c.in(2), 1) : ValueId{};
  return {as_i32(c, c.build("MatMul", {centred(c, c.in(0), a_zero), centred(c, c.in(1), c.in(3))}))};
}

// Operands a, its scale and zero point, b, its ..., and those of the result. Rows of a and of the result, and columns
// of b, may have their own.
std::vector<ValueId> expand_qlinear_matmul(ExpandContext& c) {
  const auto rows = [&](size_t i) { return as_column(c, c.in(i), 1); };
  const ValueId product = c.build("MatMul", {centred(c, c.in(0), rows(2)), centred(c, c.in(3), c.in(5))});
  return {requantized(c, product, {rows(1), c.in(4)}, rows(6), rows(7))};
}

// ---- Convolutions ---------------------------------------------------------------------------------------------------

// Elements under all windows along one axis.
constexpr int64_t kMostPlaces = int64_t{1} << 24;

// Axis `axis` of x, of extent `in`, becomes two: the places of the window and the elements inside it.
ValueId unfolded(Builder& c, ValueId x, int64_t axis, const Window& window) {
  if (window.out > kMostPlaces / window.kernel)
    throw Error(window.out, " windows of ", window.kernel, " elements are too many");
  Tensor places(Type{DType::i64, {window.out, window.kernel}});
  const std::span<int64_t> elements = places.as<int64_t>();
  for (int64_t i = 0; i < window.out * window.kernel; ++i) {
    elements[static_cast<size_t>(i)] = i / window.kernel * window.stride + i % window.kernel * window.dilation;
  }
  return c.build("Gather", {x, c.constant(std::move(places))}, {{"axis", axis}});
}

ValueId padded(Builder& c, ValueId x, const std::vector<Window>& windows) {
  std::vector<int64_t> pads(2 * (windows.size() + 2));
  for (size_t i = 0; i < windows.size(); ++i) {
    const Window& w = windows[i];
    const int64_t reached = (w.out - 1) * w.stride + (w.kernel - 1) * w.dilation + 1;
    pads[2 + i] = w.pad_begin;
    pads[windows.size() + 4 + i] = std::max<int64_t>(0, reached - w.in - w.pad_begin);
  }
  return c.build("Pad", {x, c.constant_shape(pads)});
}

// How many axes of x there are behind the channels.
size_t spatial_axes(const ExpandContext& c) {
  const Shape x = c.shape(c.in(0));
  if (x.size() < 3) throw Error("x must be [n,channels,...], not [", text_of(x), "]");
  return x.size() - 2;
}

Shape spatial(const Shape& shape) { return {shape.begin() + 2, shape.end()}; }

// The convolution of x [n,channels,...] by w [outputs,channels / group,...] in float64, as a product of matrices: the
// elements under each window in a row of their own.
ValueId convolution(ExpandContext& c, ValueId x, ValueId w) {
  const Shape x_shape = c.shape(x), w_shape = c.shape(w);
  if (w_shape.size() != x_shape.size()) {
    throw Error("cannot convolve [", text_of(x_shape), "] and [", text_of(w_shape), "]");
  }
  const int64_t group = c.attrs().integer("group"), outputs = w_shape[0], channels = w_shape[1];
  if (group < 1 || channels * group != x_shape[1] || outputs % group != 0) {
    throw Error("group=", group, " does not fit [", text_of(x_shape), "] and [", text_of(w_shape), "]");
  }
  const Shape& stated = c.attrs().integers("kernel_shape");
  if (!stated.empty() && stated != spatial(w_shape))
    throw Error("kernel_shape [", text_of(stated), "] is not that of w");
  const std::vector<Window> windows = windows_over(spatial(x_shape), spatial(w_shape), c.attrs());
  const auto axes = static_cast<int64_t>(windows.size());
  x = padded(c, x, windows);
  for (int64_t i = axes - 1; i >= 0; --i) x = unfolded(c, x, 2 + i, windows[static_cast<size_t>(i)]);

  // [n, group, channels, out0, kernel0, out1, ...] to [n, group, places, elements].
  Shape split = {x_shape[0], group, channels}, result = {x_shape[0], outputs};
  std::vector<int64_t> perm = {0, 1};
  for (int64_t i = 0; i < axes; ++i) perm.push_back(3 + 2 * i);
  perm.push_back(2);
  for (int64_t i = 0; i < axes; ++i) perm.push_back(4 + 2 * i);
  int64_t places = 1;
  for (const Window& window : windows) {
    split.insert(split.end(), {window.out, window.kernel});
    result.push_back(window.out);
    places *= window.out;
  }
  const int64_t size = channels * elements(spatial(w_shape));
  const ValueId rows = c.reshape(c.transpose(c.reshape(x, split), perm), {x_shape[0], group, places, size});
  const ValueId columns = c.reshape(w, {group, outputs / group, size});
  return c.reshape(c.build("MatMul", {columns, rows}, {{"transB", int64_t{1}}}), result);
}

// Operands x, w and their zero points; that of w may be one per output.
std::vector<ValueId> expand_conv_integer(ExpandContext& c) {
  const size_t axes = spatial_axes(c);
  const ValueId w_zero = c.in(3).valid() ? as_column(c, c.in(3), 1 + axes) : ValueId{};
  return {as_i32(c, convolution(c, centred(c, c.in(0), c.in(2)), centred(c, c.in(1), w_zero)))};
}

// Operands x, its scale and zero point, w, its ..., those of the result, and a bias in units of the product.
std::vector<ValueId> expand_qlinear_conv(ExpandContext& c) {
  const size_t axes = spatial_axes(c);
  ValueId sum = convolution(c, centred(c, c.in(0), c.in(2)), centred(c, c.in(3), as_column(c, c.in(5), 1 + axes)));
  if (c.in(8).valid()) sum = c.build("Add", {sum, c.cast(as_column(c, c.in(8), axes), DType::f64)});
  return {requantized(c, sum, {c.in(1), as_column(c, c.in(4), axes)}, c.in(6), c.in(7))};
}

}  // namespace

extern const OpDef kMatMulInteger = {
    .name = "MatMulInteger",
    .doc =
        "y = (a - a_zero) (b - b_zero) as i32: operands a and b of i8 or u8 and their zero points, one, one per row of "
        "a "
        "or one per column of b",
    .min_inputs = 2,
    .max_inputs = 4,
    .expand = expand_matmul_integer,
};

extern const OpDef kQLinearMatMul = {
    .name = "QLinearMatMul",
    .doc =
        "The product of quantized matrices, quantized: operands a, a_scale, a_zero, b, b_scale, b_zero, y_scale, "
        "y_zero. "
        "Rows of a and y and columns of b may have their own scales",
    .min_inputs = 8,
    .max_inputs = 8,
    .expand = expand_qlinear_matmul,
};

extern const OpDef kConvInteger = {
    .name = "ConvInteger",
    .doc =
        "Conv of x - x_zero by w - w_zero as i32: operands x and w of i8 or u8 and their zero points, one or one per "
        "output channel of w",
    .min_inputs = 2,
    .max_inputs = 4,
    .defaults = convolution_defaults(),
    .expand = expand_conv_integer,
};

extern const OpDef kQLinearConv = {
    .name = "QLinearConv",
    .doc =
        "Conv of quantized x by quantized w, quantized: operands x, x_scale, x_zero, w, w_scale, w_zero (one or one "
        "per "
        "output channel), y_scale, y_zero and a bias of i32 in units of x_scale * w_scale",
    .min_inputs = 8,
    .max_inputs = 9,
    .defaults = convolution_defaults(),
    .expand = expand_qlinear_conv,
};

}  // namespace marvin
