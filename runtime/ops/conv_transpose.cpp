// ConvTranspose: the input gradient of a convolution as a forward op.
#include <algorithm>

#include "runtime/ops/op.h"
#include "runtime/ops/windows.h"

namespace marvin {
namespace {

// An axis of y: its extent, and the padding of the convolution of y that gives x. Padding behind y is negative where
// output_padding is larger than what pads takes away.
struct Transposed {
  int64_t extent, pad_begin, pad_end;
};

// https://onnx.ai/onnx/operators/onnx__ConvTranspose.html; `whole` is the extent without pads.
Transposed with_pads(int64_t whole, int64_t pad_begin, int64_t pad_end, int64_t output_padding) {
  return {whole + output_padding - pad_begin - pad_end, pad_begin, pad_end - output_padding};
}

Transposed of_extent(int64_t whole, int64_t extent, bool upper, int64_t output_padding) {
  const int64_t pads = std::max<int64_t>(0, whole + output_padding - extent);
  const int64_t begin = upper ? pads / 2 : pads - pads / 2;
  return {extent, begin, whole - begin - extent};
}

std::vector<Transposed> transposed_axes(const Shape& x, const Shape& w, const Attrs& attrs) {
  require_auto_pad(attrs);
  const std::string& auto_pad = attrs.string("auto_pad");
  const size_t rank = x.size() - 2;
  const std::vector<int64_t> strides = per_axis(attrs, "strides", rank, 1, 1);
  const std::vector<int64_t> dilations = per_axis(attrs, "dilations", rank, 1, 1);
  const std::vector<int64_t> output_padding = per_axis(attrs, "output_padding", rank, 0, 0);
  const std::vector<int64_t> pads = per_axis(attrs, "pads", 2 * rank, 0, 0);
  std::vector<int64_t> extents = per_axis(attrs, "output_shape", rank, 0, 1);
  std::vector<Transposed> axes;
  for (size_t i = 0; i < rank; ++i) {
    const int64_t whole = elements({strides[i], x[i + 2] - 1}) + elements({dilations[i], w[i + 2] - 1}) + 1;
    const bool is_same = auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER";
    if (is_same && extents[i] == 0) extents[i] = x[i + 2] * strides[i];
    if (extents[i] > 0) {
      axes.push_back(of_extent(whole, extents[i], auto_pad == "SAME_UPPER", output_padding[i]));
    } else if (auto_pad == "VALID") {
      axes.push_back(with_pads(whole, 0, 0, output_padding[i]));
    } else {
      axes.push_back(with_pads(whole, pads[i], pads[rank + i], output_padding[i]));
    }
    if (axes[i].extent < 1) throw Error("pads take away all of axis ", i + 2);
  }
  return axes;
}

std::vector<ValueId> expand(ExpandContext& context) {
  const Shape x = context.shape(context.in(0)), w = context.shape(context.in(1));
  if (x.size() < 3 || x.size() > 5) throw Error("x must be [n,c] and one to three axes, not [", text_of(x), "]");
  if (w.size() != x.size() || w[0] != x[1])
    throw Error("w of shape [", text_of(w), "] must have the axes of x [", text_of(x), "] and start with its channels");
  if (elements(x) == 0 || elements(w) == 0) throw Error("x [", text_of(x), "] or w [", text_of(w), "] is empty");
  const Attrs& given = context.attrs();
  const int64_t group = given.integer("group");
  if (group < 1 || x[1] % group != 0) throw Error("group ", group, " does not divide ", x[1], " channels");
  const Shape& kernel = given.integers("kernel_shape");
  if (!kernel.empty() && !std::equal(kernel.begin(), kernel.end(), w.begin() + 2, w.end())) {
    throw Error("kernel_shape [", text_of(kernel), "] is not that of w [", text_of(w), "]");
  }
  Shape y = {x[0], w[1] * group};
  std::vector<int64_t> pads_begin, pads;
  for (const Transposed& axis : transposed_axes(x, w, given)) {
    y.push_back(axis.extent);
    pads_begin.push_back(axis.pad_begin);
    pads.push_back(axis.pad_end);
  }
  pads.insert(pads.begin(), pads_begin.begin(), pads_begin.end());
  const ValueId product = context.build("ConvInputGrad", {context.in(0), context.in(1)},
                                        {{"dilations", given.integers("dilations")},
                                         {"group", group},
                                         {"input_shape", y},
                                         {"pads", pads},
                                         {"strides", given.integers("strides")}});
  if (!context.in(2).valid()) return {product};
  if (context.shape(context.in(2)) != Shape{y[1]})
    throw Error("the bias must have ", y[1], " elements, not be ", text_of(context.type(context.in(2))));
  Shape per_channel(x.size() - 1, 1);
  per_channel[0] = y[1];
  return {context.build("Add", {product, context.reshape(context.in(2), per_channel)})};
}

}  // namespace

extern const OpDef kConvTranspose = {
    .name = "ConvTranspose",
    .doc =
        "y[n,o,...] whose convolution by w[c,o/group,...] would read x[n,c,...]: every element of x times the kernel, "
        "added where it lies in y, + b[o]",
    .min_inputs = 2,
    .max_inputs = 3,
    .defaults = {{"auto_pad", std::string("NOTSET")},
                 {"dilations", std::vector<int64_t>{}},
                 {"group", int64_t{1}},
                 {"kernel_shape", std::vector<int64_t>{}},
                 {"output_padding", std::vector<int64_t>{}},
                 {"output_shape", std::vector<int64_t>{}},
                 {"pads", std::vector<int64_t>{}},
                 {"strides", std::vector<int64_t>{}}},
    .expand = expand,
    .product = {{0, 1}},  // of the ConvInputGrad: exports write their formats at these operands
};

}  // namespace marvin
