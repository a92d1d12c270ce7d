#include <omp.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <limits>
#include <random>

#include "runtime/kernels/instruction_sets.h"
#include "runtime/kernels/onednn.h"
#include "runtime/ops/op.h"
#include "tests/ops/interpret.h"

namespace marvin {
namespace {

using Numbers = std::vector<int64_t>;

// A convolution by its shapes and attributes.
struct Case {
  std::string_view name;
  Shape x, w;
  Attrs attrs;
};

Attrs with(int64_t stride, int64_t pad, int64_t dilation = 1, int64_t group = 1) {
  return {{"strides", Numbers{stride, stride}},
          {"pads", Numbers(4, pad)},
          {"dilations", Numbers{dilation, dilation}},
          {"group", group}};
}

const std::vector<Case>& cases() {
  static const std::vector<Case> list = {
      {"1x1", {2, 16, 5, 7}, {17, 16, 1, 1}, {}},
      {"1x1 strided", {2, 17, 6, 5}, {16, 17, 1, 1}, with(2, 0)},
      {"1x1 padded", {1, 3, 4, 4}, {5, 3, 1, 1}, with(1, 1)},
      {"3x3", {3, 16, 8, 8}, {16, 16, 3, 3}, with(1, 1)},
      {"3x3 of 3 channels", {2, 3, 9, 7}, {17, 3, 3, 3}, with(1, 1)},
      {"3x3 of 1 channel", {2, 1, 9, 7}, {1, 1, 3, 3}, with(1, 0)},
      {"3x3 strided", {2, 17, 9, 8}, {16, 17, 3, 3}, with(2, 1)},
      {"3x3 strided, 64 channels", {2, 64, 8, 8}, {17, 64, 3, 3}, with(2, 1)},
      {"3x3 dilated", {1, 16, 11, 11}, {3, 16, 3, 3}, with(1, 2, 2)},
      {"3x3 dilated and strided", {2, 5, 13, 12}, {7, 5, 3, 3}, with(2, 2, 3)},
      {"3x3 dilated by the stride", {1, 5, 13, 12}, {7, 5, 3, 3}, with(2, 2, 2)},
      {"stride beyond the kernel", {2, 3, 11, 10}, {4, 3, 3, 3}, with(4, 1)},
      {"5x5, asymmetric pads",
       {2, 16, 8, 9},
       {17, 16, 5, 5},
       {{"strides", Numbers{1, 2}}, {"pads", Numbers{2, 0, 1, 4}}, {"dilations", Numbers{1, 1}}}},
      {"11x11, stride 4", {1, 3, 23, 23}, {16, 3, 11, 11}, with(4, 2)},
      {"1x7", {2, 8, 5, 9}, {9, 8, 1, 7}, {{"pads", Numbers{0, 3, 0, 3}}}},
      {"SAME_UPPER", {1, 4, 7, 8}, {5, 4, 4, 4}, {{"auto_pad", std::string("SAME_UPPER")}, {"strides", Numbers{2, 2}}}},
      {"SAME_LOWER", {1, 4, 7, 8}, {5, 4, 4, 4}, {{"auto_pad", std::string("SAME_LOWER")}, {"strides", Numbers{2, 2}}}},
      {"groups", {2, 16, 6, 6}, {32, 4, 3, 3}, with(1, 1, 1, 4)},
      {"groups of odd sizes, strided", {2, 15, 7, 6}, {6, 5, 3, 3}, with(2, 1, 1, 3)},
      {"depthwise", {2, 16, 7, 7}, {16, 1, 3, 3}, with(1, 1, 1, 16)},
      {"depthwise, strided, multiplied", {1, 17, 8, 8}, {34, 1, 3, 3}, with(2, 1, 1, 17)},
      {"sums of 1600", {1, 64, 6, 6}, {17, 64, 5, 5}, with(1, 2)},
      {"sums of 2304", {1, 256, 3, 3}, {3, 256, 3, 3}, with(1, 1)},
      {"1 to 6 channels, 5x5", {3, 1, 12, 12}, {6, 1, 5, 5}, with(1, 2)},
      {"1 to 6 channels, 13 in a row", {2, 1, 5, 13}, {6, 1, 5, 5}, with(1, 2)},
      {"7 to 1 channel, 31 in a row, strided", {2, 7, 4, 61}, {1, 7, 3, 3}, with(2, 1)},
      {"1 to 60 channels, 7x7", {2, 1, 9, 10}, {60, 1, 7, 7}, with(1, 3)},
      {"6 to 16 channels, 5x5", {2, 6, 10, 9}, {16, 6, 5, 5}, {}},
      {"1 to 1 channel, 32 in a row", {2, 1, 5, 32}, {1, 1, 3, 3}, with(1, 1)},
      {"3 to 5 channels, strided, 3 neighbours", {2, 3, 13, 12}, {5, 3, 4, 3}, with(2, 1)},
      {"2 to 3 channels, rows far apart, asymmetric pads",
       {2, 2, 14, 11},
       {3, 2, 3, 4},
       {{"pads", Numbers{3, 0, -1, 4}}, {"strides", Numbers{2, 1}}, {"dilations", Numbers{3, 1}}}},
      {"8 to 100 channels", {2, 8, 5, 7}, {100, 8, 3, 2}, with(1, 1)},
      {"100 to 7 channels", {2, 100, 5, 8}, {7, 100, 2, 2}, with(1, 1)},
      {"many small images", {24, 5, 4, 4}, {70, 5, 3, 3}, with(1, 1)},
      {"many small images, strided, dilated", {12, 20, 5, 4}, {64, 20, 3, 2}, with(2, 1, 2)},
      {"many 4x4 images, strided, dilated", {12, 20, 4, 4}, {64, 20, 3, 2}, with(2, 1, 2)},
      {"many images of 20 pixels and 96 channels", {8, 96, 5, 4}, {96, 96, 2, 2}, with(1, 1)},
      {"many 2x2 images", {9, 52, 2, 2}, {100, 52, 3, 3}, with(1, 1)},
      {"many 4x4 images, 5x5 strided", {11, 36, 4, 4}, {36, 36, 5, 5}, with(2, 2)},
      {"many small volumes", {8, 32, 2, 3, 2}, {20, 32, 2, 2, 2}, {{"pads", Numbers(6, 1)}}},
      {"many small images, none of whose taps lie inside", {8, 32, 2, 2}, {4, 32, 1, 1}, with(3, 2)},
      {"images of one pixel", {40, 17, 1, 1}, {64, 17, 3, 3}, with(1, 1)},
      {"more than 1024 pixels", {3, 3, 20, 21}, {4, 3, 3, 3}, with(1, 1)},
      {"long sequence", {1, 3, 9000}, {5, 3, 3}, {{"strides", Numbers{2}}, {"pads", Numbers{1, 1}}}},
      {"sequence", {2, 16, 33}, {17, 16, 5}, {{"strides", Numbers{2}}, {"pads", Numbers{2, 1}}}},
  };
  return list;
}

// For kernels that only float32 has, which take as many channels as are worth it.
const std::vector<Case>& float_cases() {
  static const std::vector<Case> list = {
      {"3x3, 50 channels, odd sizes", {3, 50, 7, 9}, {52, 50, 3, 3}, with(1, 1)},
      {"3x3, many pads", {3, 48, 6, 6}, {49, 48, 3, 3}, {{"pads", Numbers{0, 3, 2, 0}}}},
      {"3x3, outputs in two chunks", {17, 50, 14, 14}, {24, 50, 3, 3}, with(1, 1)},
      {"3x3, sums in two chunks", {6, 48, 14, 14}, {48, 48, 3, 3}, with(1, 1)},
      {"3x3 of 3 to 32 channels", {18, 3, 9, 15}, {32, 3, 3, 3}, with(1, 1)},
      {"11x11 of 3 to 64 channels, stride 4", {3, 3, 23, 21}, {64, 3, 11, 11}, with(4, 2)},
      {"5x4 of 1 to 32 channels, asymmetric pads, dilated",
       {2, 1, 14, 11},
       {32, 1, 5, 4},
       {{"pads", Numbers{3, 0, -1, 4}}, {"strides", Numbers{2, 1}}, {"dilations", Numbers{2, 1}}}},
      {"3x3 of 2 to 32 channels, 70 rows", {1, 2, 70, 3}, {32, 2, 3, 3}, with(1, 1)},
      {"3x3 of 2 to 32 channels, stride beyond the kernel", {2, 2, 11, 12}, {32, 2, 3, 3}, with(5, 0)},
      {"3x3 of 2x2, 33 channels", {13, 33, 2, 2}, {70, 33, 3, 3}, with(1, 1)},
      {"3x3 of 2x2, outputs of pads alone", {8, 32, 2, 2}, {32, 32, 3, 3}, with(1, 3)},
      {"5x5 of 4x4, 40 channels", {8, 40, 4, 4}, {36, 40, 5, 5}, with(1, 2)},
      {"3x3 of 4x5, strided, dilated", {14, 32, 4, 5}, {33, 32, 3, 3}, with(2, 2, 2)},
      {"1x1 of 4x4", {8, 32, 4, 4}, {35, 32, 1, 1}, {}},
      {"3x3 of 16x16, strided, two blocks of images", {9, 32, 16, 16}, {33, 32, 3, 3}, with(2, 1)},
      {"volume of 2x2x2", {8, 32, 2, 2, 2}, {32, 32, 3, 3, 3}, {{"pads", Numbers(6, 1)}}},
      {"sequence of 4", {8, 32, 4}, {32, 32, 5}, {{"pads", Numbers(2, 2)}}},
  };
  return list;
}

// The three products of a case: op, operand shapes, attributes.
struct Product {
  const OpDef& op;
  Shape a, b;
  Attrs attrs;
  bool with_bias;
};

Type y_type(const Case& c) {
  const Type x{DType::f32, c.x}, w{DType::f32, c.w};
  const OpDef& conv = op_named("Conv");
  Attrs attrs = conv.defaults;
  for (const auto& [name, value] : c.attrs) attrs.set(name, value);
  const std::vector<InferContext::Operand> operands = {{&x, nullptr}, {&w, nullptr}};
  return conv.infer({.operands = operands, .attrs = attrs})[0];
}

Attrs complete(const OpDef& op, const Case& c, std::string_view extra, const Shape& shape) {
  Attrs attrs = op.defaults;
  for (const auto& [name, value] : c.attrs) attrs.set(name, value);
  if (!extra.empty()) attrs.set(std::string(extra), shape);
  return attrs;
}

std::vector<Product> products(const Case& c) {
  const Shape y = y_type(c).shape;
  const OpDef &conv = op_named("Conv"), &dx = op_named("ConvInputGrad"), &dw = op_named("ConvWeightGrad");
  return {{conv, c.x, c.w, complete(conv, c, "", {}), true},
          {dx, y, c.w, complete(dx, c, "input_shape", c.x), false},
          {dw, c.x, y, complete(dw, c, "weight_shape", c.w), false}};
}

enum class Fill { random, lowest };

Tensor operand(DType dtype, const Shape& shape, Fill fill, unsigned seed) {
  Tensor tensor(Type{dtype, shape, is_float(dtype) ? Layout::row_major : Layout::channels_last});
  std::mt19937 random(seed);
  visit(dtype, [&](auto zero) {
    using T = decltype(zero);
    const int64_t lowest = -(int64_t{1} << (max_wl(dtype) - 1));
    for (T& element : tensor.as<T>()) {
      const int64_t word =
          fill == Fill::lowest ? lowest : lowest + static_cast<int64_t>(random() % static_cast<uint32_t>(-2 * lowest));
      element = is_float(dtype) ? static_cast<T>((random() >> 8) * 0x1p-23 - 1) : static_cast<T>(word);
    }
  });
  return tensor;
}

// The same images with channels innermost.
Tensor channels_last(const Tensor& rows) {
  Type type = rows.type();
  type.layout = Layout::channels_last;
  Tensor result(type);
  const int64_t n = type.shape[0], channels = type.shape[1], pixels = type.elements() / n / channels;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t k = 0; k < channels; ++k)
      for (int64_t p = 0; p < pixels; ++p)
        result.as<float>()[static_cast<size_t>((i * pixels + p) * channels + k)] =
            rows.as<float>()[static_cast<size_t>((i * channels + k) * pixels + p)];
  return result;
}

// Everything a kernel needs, and the kernels that take it.
struct Run {
  const OpDef& op;
  Attrs attrs;
  std::vector<Tensor> operands;
  std::vector<FixedPoint> formats;
  Type out_type;
  std::vector<const Type*> in_types, out_types;

  Run(const Product& product, DType a, DType b, Fill fill) : op(product.op), attrs(product.attrs) {
    operands.push_back(operand(a, product.a, fill, 1));
    operands.push_back(operand(b, product.b, fill, 2));
    if (product.with_bias) operands.push_back(operand(DType::f32, {product.b[0]}, Fill::random, 3));
    std::vector<InferContext::Operand> inferred;
    for (const Tensor& tensor : operands) inferred.push_back({&tensor.type(), nullptr});
    out_type = op.infer({.operands = inferred, .attrs = attrs})[0];
    for (const Tensor& tensor : operands) in_types.push_back(&tensor.type());
    formats = {{static_cast<int8_t>(max_wl(a)), 5}, {static_cast<int8_t>(max_wl(b)), 9}, {}};
    out_types.push_back(&out_type);
  }
  Run(const Run&) = delete;

  void to_channels_last(size_t operand) { operands[operand] = channels_last(operands[operand]); }

  KernelQuery query() const { return {in_types, out_types, attrs}; }
  bool admits(const Kernel& kernel) const { return !kernel.admits || kernel.admits(query()); }

  Tensor result(const Kernel& kernel) const {
    const KernelQuery asked = query();
    const Prepared prepared = kernel.prepare ? kernel.prepare(asked) : Prepared{};
    Buffer scratch(prepared.scratch_bytes);
    Tensor out(out_type);
    for (float& element : out.as<float>()) element = std::numeric_limits<float>::quiet_NaN();
    std::vector<const void*> in;
    for (const Tensor& tensor : operands) in.push_back(tensor.data());
    void* outputs[] = {out.data()};
    kernel.run({.in = in,
                .out = outputs,
                .query = asked,
                .in_formats = formats,
                .out_format = {},
                .random = {},
                .state = prepared.state.get(),
                .scratch = scratch.data()});
    return out;
  }
};

// Restores the number of threads.
struct Threads {
  explicit Threads(int count) : before(omp_get_max_threads()) { omp_set_num_threads(count); }
  ~Threads() { omp_set_num_threads(before); }
  int before;
};

// Whether results are equal to the bit; the reason why not goes into `why`.
bool same_bits(const Tensor& got, const Tensor& want, std::string& why) {
  const std::span<const float> a = got.as<float>(), b = want.as<float>();
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::memcmp(&a[i], &b[i], sizeof(float)) == 0) continue;
    why = cat("element ", i, " is ", a[i], ", not ", b[i]);
    return false;
  }
  return true;
}

void check_kernels(const Run& run, const Tensor& expected, std::string_view what) {
  for (const Kernel& kernel : run.op.kernels) {
    if (!run.admits(kernel)) continue;
    for (const int threads : {1, 2}) {
      const Threads scope(threads);
      std::string why;
      const bool same = same_bits(run.result(kernel), expected, why);
      INFO(what << ", " << kernel.name << ", " << threads << " threads: " << why);
      CHECK(same);
    }
  }
}

void check_exact(const Case& c, DType a, DType b, Fill fill) {
  for (const Product& product : products(c)) {
    const Run run(product, a, b, fill);
    const Tensor expected = run.result(run.op.kernels.back());
    const std::string what = cat(c.name, ", ", name_of(a), " by ", name_of(b));
    check_kernels(run, expected, what);
    if (!product.attrs.has("channels_last")) continue;
    Product last = product;
    last.attrs.set("channels_last", int64_t{1});
    check_kernels(Run(last, a, b, fill), channels_last(expected), cat(what, ", channels last"));
  }
}

// with_reference: whether the reference, which is slow, is among the kernels that are compared with it.
void check_floats(const Case& c, bool with_reference) {
  for (const Product& product : products(c)) {
    const Run run(product, DType::f32, DType::f32, Fill::random);
    const Tensor expected = run.result(run.op.kernels.back());
    double largest = 0;
    for (const float value : expected.as<float>()) largest = std::max(largest, std::abs(static_cast<double>(value)));
    // Images, which weights are not, and what becomes of images are in either order.
    for (const bool last : {false, true}) {
      const bool image_out = product.attrs.has("channels_last");
      Product reordered = product;
      if (image_out) reordered.attrs.set("channels_last", int64_t{last});
      Run other(reordered, DType::f32, DType::f32, Fill::random);
      if (last) other.to_channels_last(0);
      if (last && !image_out) other.to_channels_last(1);
      const Tensor wanted = last && image_out ? channels_last(expected) : expected;
      for (const Kernel& kernel : other.op.kernels) {
        if (!other.admits(kernel) || (!with_reference && &kernel == &other.op.kernels.back())) continue;
        const Threads one(1);
        const Tensor single = other.result(kernel);
        double error = 0;
        for (size_t i = 0; i < single.as<float>().size(); ++i)
          error = std::max(error, std::abs(static_cast<double>(single.as<float>()[i]) - wanted.as<float>()[i]));
        INFO(c.name << ", " << kernel.name << (last ? ", channels last" : ""));
        CHECK(error <= 1e-5 * largest);
        const Threads two(2);
        std::string why;
        const bool same = same_bits(other.result(kernel), single, why);
        INFO(why);
        CHECK(same);
      }
    }
  }
}

}  // namespace

TEST_CASE("every fixed-point convolution kernel gives the reference's bits") {
  for (const Case& c : cases()) {
    for (const DType a : {DType::i8, DType::i16, DType::i32})
      for (const DType b : {DType::i8, DType::i16, DType::i32}) check_exact(c, a, b, Fill::random);
  }
}

// How many of a convolution's two results that are images, channels-last, such a kernel of bytes may give.
int admitted_for_images(const Case& c, std::string_view forward, std::string_view input_grad) {
  int count = 0;
  for (Product product : products(c)) {
    if (product.attrs.has("channels_last")) product.attrs.set("channels_last", int64_t{1});
    const Run run(product, DType::i8, DType::i8, Fill::random);
    for (const Kernel& kernel : run.op.kernels)
      count += (kernel.name == forward || kernel.name == input_grad) && run.admits(kernel);
  }
  return count;
}

TEST_CASE("convolutions of bytes go by rows where that takes fewer vectors of products") {
  if (!vnni_is_available()) return;
  const auto forward = [](const Case& c) { return admitted_for_images(c, "conv_s8_rows", "") == 1; };
  const auto input_grad = [](const Case& c) { return admitted_for_images(c, "", "conv_input_grad_s8_rows") == 1; };
  // Neighbouring outputs fill vectors, also where none of their numbers divides a row's.
  const Case to_8{"to 8", {1, 64, 8, 32}, {8, 64, 3, 3}, with(1, 1)};
  const Case prime{"to 8, 31 in a row", {1, 64, 8, 31}, {8, 64, 3, 3}, with(1, 1)};
  CHECK(forward(to_8));
  CHECK(forward(prime));
  CHECK_FALSE(input_grad(to_8));
  // Rows of a single channel fill groups.
  CHECK(forward({"from 1", {1, 1, 8, 32}, {64, 1, 5, 5}, with(1, 2)}));
  const Case from_8{"from 8", {1, 8, 8, 32}, {64, 8, 3, 3}, with(1, 1)};
  CHECK_FALSE(forward(from_8));
  CHECK(input_grad(from_8));
  // Tiles of a row or two would wait for their own sums.
  CHECK_FALSE(forward({"to 8, 4 in a row", {1, 64, 4, 4}, {8, 64, 3, 3}, with(1, 1)}));
  CHECK_FALSE(forward({"to 8, 1x1", {1, 64, 8, 32}, {8, 64, 1, 1}, {}}));
  CHECK_FALSE(forward({"9", {1, 9, 8, 32}, {9, 9, 3, 3}, with(1, 1)}));
  CHECK_FALSE(forward({"of groups", {1, 8, 8, 32}, {8, 1, 3, 3}, with(1, 1, 1, 8)}));
}

TEST_CASE("convolutions go by pairs of positions where images are tiny, or small and of many channels") {
  if (!vnni_is_available()) return;
  const auto go_by_pairs = [](const Case& c) {
    return admitted_for_images(c, "conv_small_vnni", "conv_input_grad_small_vnni") == 2;
  };
  CHECK(go_by_pairs({"4x4", {8, 64, 4, 4}, {64, 64, 3, 3}, with(1, 1)}));
  CHECK_FALSE(go_by_pairs({"8x8", {8, 64, 8, 8}, {64, 64, 3, 3}, with(1, 1)}));
  CHECK(go_by_pairs({"8x8, many channels", {8, 96, 8, 8}, {96, 96, 3, 3}, with(1, 1)}));
  CHECK_FALSE(go_by_pairs({"9x8, many channels", {8, 96, 9, 8}, {96, 96, 3, 3}, with(1, 1)}));
}

TEST_CASE("fixed-point convolutions of the lowest words alone are exact") {
  for (const Case& c : cases()) {
    check_exact(c, DType::i8, DType::i8, Fill::lowest);
    check_exact(c, DType::i16, DType::i8, Fill::lowest);
    check_exact(c, DType::i16, DType::i16, Fill::lowest);
    check_exact(c, DType::i32, DType::i32, Fill::lowest);
  }
}

TEST_CASE("fixed-point sums beyond 64 bits are exact") {
  const Case forward{"70,000 channels", {1, 70000, 1, 1}, {2, 70000, 1, 1}, {}};
  const Case weight_grad{"70,225 pixels", {1, 1, 265, 265}, {1, 1, 1, 1}, {}};
  for (const Case& c : {forward, weight_grad}) {
    check_exact(c, DType::i32, DType::i32, Fill::lowest);
    check_exact(c, DType::i32, DType::i32, Fill::random);
  }
}

TEST_CASE("weight gradients whose sums exceed 32 bits are exact") {
  const Case c{"132,496 pixels", {1, 1, 364, 364}, {1, 1, 1, 1}, {}};  // of -128 by -128, a little above 2^31
  const Case batch{"132,496 pixels of 4 images", {4, 2, 182, 182}, {3, 2, 3, 3}, with(1, 1)};
  for (const auto& [x, dy] :
       {std::pair(DType::i8, DType::i8), std::pair(DType::i8, DType::i16), std::pair(DType::i16, DType::i16)}) {
    for (const Case* each : {&c, &batch}) {
      check_exact(*each, x, dy, Fill::lowest);
      check_exact(*each, x, dy, Fill::random);
    }
  }
}

TEST_CASE("float convolution kernels agree with the reference and are equal to the bit for any number of threads") {
  for (const Case& c : cases()) check_floats(c, true);
  for (const Case& c : float_cases()) check_floats(c, false);
}

TEST_CASE("the cheap convolution kernels are admitted where they are provably right") {
  const auto admitted = [](const Case& c, size_t pass, DType a, DType b) {
    std::vector<std::string> names;
    const Product product = products(c)[pass];
    const Run run(product, a, b, Fill::lowest);
    for (const Kernel& kernel : run.op.kernels)
      if (run.admits(kernel)) names.emplace_back(kernel.name);
    return names;
  };
  const Case c{"3x3", {1, 16, 8, 8}, {16, 16, 3, 3}, with(1, 1)};
  using Names = std::vector<std::string>;
  CHECK(admitted(c, 0, DType::f32, DType::f32) == Names{"conv_f32_onednn", "conv_f32_openblas", "conv_reference"});
  CHECK(admitted(c, 0, DType::i16, DType::i32) == Names{"conv_exact_f64_openblas", "conv_reference"});
  CHECK((admitted(c, 0, DType::i16, DType::i8)[0] == "conv_s16_vnni") == vnni_is_available());
  CHECK((admitted(c, 1, DType::i8, DType::i16)[0] == "conv_input_grad_s16_vnni") == vnni_is_available());
  CHECK(admitted(c, 2, DType::i32, DType::i8) ==
        Names{"conv_weight_grad_exact_f64_openblas", "conv_weight_grad_reference"});
  const bool vnni = onednn_int8_is_exact();
  for (const DType x : {DType::i8, DType::i16})
    CHECK((admitted(c, 2, x, DType::i8)[0] == "conv_weight_grad_vnni") == vnni_is_available());
  if (const char* limit = std::getenv("ONEDNN_MAX_CPU_ISA"); limit && std::string_view(limit) == "AVX2") CHECK(!vnni);
  CHECK((admitted(c, 0, DType::i8, DType::i8)[0] == "conv_s8_onednn") == vnni);
  CHECK((admitted(c, 1, DType::i8, DType::i8)[0] == "conv_input_grad_s8_onednn") == vnni);
  // 131,072 products of -128 by -128 are 2^31.
  const Case deep{"too deep", {1, 131072, 1, 1}, {1, 131072, 1, 1}, {}};
  CHECK(admitted(deep, 0, DType::i8, DType::i8)[0] == "conv_exact_f32_openblas");
}

TEST_CASE("float convolutions of few pixels or 3x3 taps are our own where they are channels-last") {
  const auto first = [](const Case& c, size_t pass, bool last) {
    const Product product = products(c)[pass];
    Product reordered = product;
    if (pass < 2) reordered.attrs.set("channels_last", int64_t{last});
    Run run(reordered, DType::f32, DType::f32, Fill::random);
    if (last) run.to_channels_last(0);
    if (last && pass == 2) run.to_channels_last(1);
    return std::ranges::find_if(run.op.kernels, [&](const Kernel& kernel) { return run.admits(kernel); })->name;
  };
  const Case large{"8x8", {2, 64, 8, 8}, {64, 64, 3, 3}, with(1, 1)};
  const Case small{"2x2", {8, 64, 2, 2}, {64, 64, 3, 3}, with(1, 1)};
  const Case few{"5 channels", {2, 5, 8, 8}, {64, 5, 3, 3}, with(1, 1)};
  const Case data{"3 channels", {2, 3, 8, 8}, {64, 3, 3, 3}, with(1, 1)};
  const std::string_view names[] = {"conv_f32_", "conv_input_grad_f32_", "conv_weight_grad_f32_"};
  for (size_t pass = 0; pass < 3; ++pass) {
    CHECK((first(large, pass, true) == cat(names[pass], "winograd")) == avx512_is_available());
    CHECK((first(small, pass, true) == cat(names[pass], "small")) == avx512_is_available());
    CHECK(first(few, pass, true) == cat(names[pass], "onednn"));
    CHECK(first(large, pass, false) == cat(names[pass], "onednn"));
    if (pass != 1) CHECK((first(data, pass, true) == cat(names[pass], "rows")) == avx512_is_available());
  }
}

TEST_CASE("convolutions of absurd strides, pads and dilations run, by kernels that they are small for") {
  const int64_t huge = int64_t{1} << 30;
  const Case strided{"strided", {1, 1, 1, 1}, {1, 1, 3, 3}, with(huge, huge)};
  const Case deep{
      "deep", {1, 1, 1, 1, 1}, {1, 1, 2, 2, 2}, {{"strides", Numbers(3, huge)}, {"pads", Numbers(6, huge)}}};
  const Case dilated{"dilated", {1, 2, 9}, {2, 2, 2}, {{"dilations", Numbers{1 << 26}}, {"pads", Numbers{0, 1 << 26}}}};
  const Case padded{
      "padded", {2, 4, 1, 1}, {8, 4, 1, 3}, {{"strides", Numbers{1, 1 << 26}}, {"pads", Numbers{0, 0, 0, 1 << 28}}}};
  for (const Case& c : {strided, deep, dilated, padded}) {
    for (const Product& product : products(c)) {
      for (const DType dtype : {DType::f32, DType::i8, DType::i16}) {
        const Run run(product, dtype, dtype, Fill::random);
        for (const Kernel& kernel : run.op.kernels) {
          if (!run.admits(kernel)) continue;
          INFO(c.name << " " << kernel.name);
          const KernelQuery query = run.query();
          const Prepared prepared = kernel.prepare ? kernel.prepare(query) : Prepared{};
          CHECK(prepared.scratch_bytes < 1 << 24);
          break;
        }
      }
    }
  }
}

TEST_CASE("without VNNI no int8 convolution kernel is admitted") {
  // oneDNN reads its limit once, so the test above runs again in a process of its own.
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  const std::string command = cat("ONEDNN_MAX_CPU_ISA=AVX2 '", self, "' 'the cheap convolution kernels*' > /dev/null");
  CHECK(std::system(command.c_str()) == 0);
}

TEST_CASE("a convolution's three products are one trilinear form, exactly") {
  for (const Case& c : cases()) {
    const std::vector<Product> forms = products(c);
    const Tensor x = operand(DType::i8, c.x, Fill::random, 1), w = operand(DType::i8, c.w, Fill::random, 2);
    const Tensor dy = operand(DType::i8, y_type(c).shape, Fill::random, 3);
    const auto evaluated = [&](size_t i, const Tensor& a, const Tensor& b) {
      const Tensor* const inputs[] = {&a, &b};
      return evaluate(forms[i].op, inputs, forms[i].attrs, 1)[0];
    };
    // The sum of result * operand, whose orders in memory differ.
    const auto dot = [](const Tensor& result, const Tensor& words) {
      const Shape& shape = words.type().shape;
      const int64_t channels = shape[1], plane = elements(shape) / shape[0] / channels;
      double sum = 0;
      for (int64_t n = 0; n < shape[0]; ++n)
        for (int64_t k = 0; k < channels; ++k)
          for (int64_t p = 0; p < plane; ++p)
            sum += static_cast<double>(result.as<float>()[(n * channels + k) * plane + p]) *
                   words.as<int8_t>()[(n * plane + p) * channels + k];
      return sum;
    };
    INFO(c.name);
    const double by_dy = dot(evaluated(0, x, w), dy);
    CHECK(by_dy == dot(evaluated(1, dy, w), x));
    CHECK(by_dy == dot(evaluated(2, x, dy), w));
    CHECK(by_dy != 0);
  }
}

TEST_CASE("Conv refuses what it cannot compute with the reason") {
  const auto refused = [](std::string_view operands, std::string_view attrs) {
    try {
      from_text(cat("graph g { ", operands, " %y = Conv(%x, %w) {", attrs, "} output %y }"));
      return std::string("accepted");
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  using Catch::Matchers::Contains;
  const std::string_view xw = "input %x: f32[1,16,8,8] input %w: f32[6,16,3,3]";
  CHECK(refused(xw, "pads=[1,1,1,1]") == "accepted");
  CHECK_THAT(refused(xw, "group=3"), Contains("group=3 does not divide 16 channels"));
  CHECK_THAT(refused(xw, "group=4"), Contains("group=4 does not divide 6 output channels"));
  CHECK_THAT(refused(xw, "group=2"), Contains("reads 32 channels, but x has 16"));
  CHECK_THAT(refused(xw, "dilations=[4,4]"), Contains("the kernel spans 9 but the padded input has only 8"));
  CHECK_THAT(refused(xw, "strides=[1]"), Contains("strides lists 1 numbers, not 2"));
  CHECK_THAT(refused(xw, "strides=[0,1]"), Contains("strides must be at least 1"));
  CHECK_THAT(refused(xw, "kernel_shape=[5,5]"), Contains("kernel_shape [5,5] is not that of w"));
  CHECK_THAT(refused(xw, "auto_pad=\"SAME\""), Contains("auto_pad must be"));
  CHECK_THAT(refused("input %x: f32[1,2,3,4,5,6] input %w: f32[2,2,3,3,3,3]", ""), Contains("one to three axes"));
  CHECK_THAT(refused("input %x: f32[1,2,3,4] input %w: i8[2,2,3,3]:channels_last", ""), Contains("cannot convolve"));
  CHECK_THAT(refused("input %x: i8[1,2,3,4] input %w: i8[2,2,3,3]", ""), Contains("channels_last"));
}

TEST_CASE("Conv derives its output from auto_pad as ONNX does") {
  const auto y = [](std::string_view attrs) {
    const Graph graph = from_text(
        cat("graph g { input %x: f32[1,1,5,6] input %w: f32[1,1,3,2] %y = Conv(%x, %w) {", attrs, "} output %y }"));
    return graph.type_of(graph.outputs[0]).shape;
  };
  CHECK(y("") == Shape{1, 1, 3, 5});
  CHECK(y("auto_pad=\"VALID\", strides=[2,2]") == Shape{1, 1, 2, 3});
  CHECK(y("auto_pad=\"SAME_UPPER\", strides=[2,2]") == Shape{1, 1, 3, 3});
  CHECK(y("auto_pad=\"SAME_LOWER\"") == Shape{1, 1, 5, 6});
  CHECK(y("pads=[1,0,2,1], dilations=[2,3]") == Shape{1, 1, 4, 4});
}

}  // namespace marvin
