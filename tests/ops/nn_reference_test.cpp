// Normalization, convolution, pooling and resizing against PyTorch 1.13 where ONNX's own cases do not reach, and
// against their definitions.
#include "tests/ops/interpret.h"
#include "tests/ops/run_op.h"

namespace marvin {
namespace {

// -1.25, 0.5, -0.5, 1.25 ...: eleven values in turn.
Tensor ramp(Shape shape) {
  Tensor tensor(Type{DType::f32, std::move(shape)});
  int i = 0;
  for (float& element : tensor.as<float>()) element = static_cast<float>((i++ * 7) % 11 - 5) / 4;
  return tensor;
}

// The value %y of the graph, whose inputs are ramps unless given.
Tensor y_of(std::string_view text, Values values = {}) {
  const Graph graph = from_text(text);
  for (const ValueId input : graph.inputs) values.try_emplace(graph[input].name, ramp(graph.type_of(input).shape));
  return interpret(graph, std::move(values)).at("y");
}

}  // namespace

TEST_CASE("GroupNormalization and RMSNormalization agree with their references") {
  check_close(y_of("graph g { input %x: f32[1,4,3] input %s: f32[4] input %b: f32[4] "
                   "%y = GroupNormalization(%x, %s, %b) {num_groups=2} output %y }",
                   {{"s", floats({4}, {1, 2, -1, 0.5f})}, {"b", floats({4}, {0, 1, 2, 3})}}),
              {-1.393042f, 0.6965211f, -0.497515f, 4.184096f, 1.796024f, -0.5920481f, 0.6380401f, 1.848671f, 3.059302f,
               3.529651f, 2.924336f, 2.31902f},
              1e-5);
  check_close(y_of("graph g { input %x: f32[2,6] input %s: f32[6] %y = RMSNormalization(%x, %s) output %y }"),
              {1.856514f, 0.2970422f, 0.2970422f, 1.856514f, 0.07426054f, 0.6683449f, -1.496253f, 0, 0.5985013f,
               1.12219f, -0.07481267f, 1.12219f},
              1e-5);
}

TEST_CASE("LayerNormalization multiplies by scales of any shape that broadcasts") {
  const std::string_view normalized = "%n = Normalization(%x) {axis=1} ";
  for (const std::string_view scale : {"f32[2,1,4]", "f32[4]", "f32[2,1,1]", "f32[3,1]", "f32[1]", "f32[2,3,4]"}) {
    INFO(scale);
    const Tensor got = y_of(cat("graph g { input %x: f32[2,3,4] input %s: ", scale, " input %b: ", scale,
                                " %y = LayerNormalization(%x, %s, %b) {axis=1} output %y }"));
    const Tensor want = y_of(cat("graph g { input %x: f32[2,3,4] input %s: ", scale, " input %b: ", scale, normalized,
                                 " %m = Mul(%n, %s) %y = Add(%m, %b) output %y }"));
    check_close(got, {want.as<float>().begin(), want.as<float>().end()});
  }
}

TEST_CASE("grouped and volumetric convolutions and their transposes agree with PyTorch") {
  check_close(
      y_of("graph g { input %x: f32[1,4,3] input %w: f32[4,1,3] input %b: f32[2] "
           "%y = ConvTranspose(%x, %w, %b) {strides=[2], pads=[1,1], output_padding=[1], group=2, dilations=[2]}"
           " output %y }",
           {{"b", floats({2}, {0.5f, -1})}}),
      {0.5f, -0.125f, 0.5f, 0.1875f, 0.5f, -0.375f, 0.5f, 1.3125f, -1, -1.375f, -1, -4.8125f, -1, -0.375f, -1,
       1.5625f});
  check_close(y_of("graph g { input %x: f32[1,2,2,2,2] input %w: f32[2,1,2,1,2] "
                   "%y = ConvTranspose(%x, %w) {strides=[1,2,2], pads=[0,0,1,0,0,1]} output %y }"),
              {0.125f, -0.4375f, 0, 0, -0.0625f, -1.875f, -1.8125f, 1.3125f, 0, 0, -1.0625f, -1.8125f, 0.3125f, -0.125f,
               0, 0, 1.25f, 0.25f});
  check_close(y_of("graph g { input %x: f32[1,2,3,2,3] input %w: f32[2,1,2,1,2] "
                   "%y = Conv(%x, %w) {strides=[1,1,2], pads=[1,0,1,1,0,1], group=2} output %y }"),
              {-1.5625f, -0.875f, 1.5625f, -1.0625f, 0.625f,  -2.125f, 1.5625f, -2.125f, 1.125f,  1.3125f, 0.6875f,
               1.3125f,  0.25f,   1.25f,   0.125f,   1.4375f, 0,       -1,      0,       -1.25f,  0,       0.4375f,
               0.1875f,  0.3125f, 0.375f,  0.875f,   0.5625f, 0.75f,   0.75f,   0.375f,  0.9375f, 0.5f});
}

TEST_CASE("windows that would begin behind the input are left out") {
  const Tensor one = y_of(
      "graph g { input %x: f32[1,1,6,6] %y = AveragePool(%x) {kernel_shape=[2,2], strides=[3,3], "
      "pads=[1,1,1,1], ceil_mode=1, count_include_pad=1} output %y }");
  CHECK(one.type().shape == Shape{1, 1, 3, 3});
  check_close(one, {-0.3125f, 0.1875f, -0.1875f, 0.125f, 0.5f, 0.375f, -0.25f, -0.375f, -0.125f});
  const Tensor two = y_of(
      "graph g { input %x: f32[1,1,6,6] %y = AveragePool(%x) {kernel_shape=[2,2], strides=[3,3], "
      "pads=[1,1,1,1], ceil_mode=1} output %y }");
  check_close(two, {-1.25f, 0.375f, -0.75f, 0.25f, 0.5f, 0.75f, -1, -0.75f, -0.5f});
  const Tensor three =
      y_of("graph g { input %x: f32[1,1,2] %y = MaxPool(%x) {kernel_shape=[1], strides=[2], ceil_mode=1} output %y }");
  CHECK(three.type().shape == Shape{1, 1, 1});
}

TEST_CASE("LpPool is the norm of a window, and its gradient is zero where the norm is") {
  check_close(y_of("graph g { input %x: f32[1,1,4,5] %y = LpPool(%x) {kernel_shape=[2,3], strides=[2,2], p=3} "
                   "output %y }"),
              {1.536158f, 1.52055f, 1.5228f, 1.613829f}, 1e-5);
  const Tensor zeros(Type{DType::f32, {1, 1, 4}}), dy = floats({1, 1, 2}, {1, 1}), y = floats({1, 1, 2}, {0, 0});
  check_close(run("LpPoolGrad", {&dy, &zeros, &y}, {{"kernel_shape", Shape{2}}, {"strides", Shape{2}}}, 1)[0],
              {0, 0, 0, 0});
}

TEST_CASE("GridSample of volumes and AffineGrid agree with PyTorch") {
  Tensor grid = ramp({1, 1, 2, 2, 3});
  for (float& place : grid.as<float>()) place *= 0.8f;
  check_close(y_of("graph g { input %x: f32[1,1,2,3,2] input %grid: f32[1,1,2,2,3] "
                   "%y = GridSample(%x, %grid) {padding_mode=\"border\"} output %y }",
                   {{"grid", grid}}),
              {-0.1000001f, 0.6499999f, 1.25f, 1.025f});
  check_close(y_of("graph g { input %t: f32[1,2,3] constant %size: i64[4] = {1, 1, 2, 3} "
                   "%y = AffineGrid(%t, %size) output %y }"),
              {0.08333337f, -1.708333f, -0.75f, -0.875f, -1.583333f, -0.04166663f, 0.5833334f, -1.458333f, -0.25f,
               -0.625f, -1.083333f, 0.2083334f});
  check_close(y_of("graph g { input %t: f32[1,3,4] constant %size: i64[5] = {1, 1, 1, 2, 2} "
                   "%y = AffineGrid(%t, %size) {align_corners=1} output %y }"),
              {2, 0.5f, -1, -0.5f, 1, -3, 3, -1, 0.5f, 0.5f, -0.5f, -1.5f});
}

TEST_CASE("Resize with an antialiasing filter agrees with PyTorch's where nothing outside counts") {
  const auto resized = [](std::string_view attrs) {
    return y_of(
        cat("graph g { input %x: f32[1,9] constant %sizes: i64[1] = {4} %y = Resize(%x, _, _, %sizes) "
            "{axes=[1], antialias=1, exclude_outside=1, ",
            attrs, "} output %y }"));
  };
  check_close(resized("mode=\"linear\""), {-0.35f, 0.4573171f, 0.04268292f, -0.1714286f});
  check_close(resized("mode=\"cubic\", cubic_coeff_a=-0.5"), {-0.3959355f, 0.4770413f, 0.1105612f, -0.2048065f});
}

TEST_CASE("Resize keeps the aspect ratio, crops, and maps centers to centers as ONNX says") {
  const std::string_view square = "graph g { input %x: f32[1,1,2,2] constant %sizes: i64[2] = {7, 8} ";
  const auto kept = [&](std::string_view policy) {
    return y_of(cat(square, "%y = Resize(%x, _, _, %sizes) {axes=[2,3], keep_aspect_ratio_policy=\"", policy,
                    "\"} output %y }"))
        .type()
        .shape;
  };
  CHECK(kept("stretch") == Shape{1, 1, 7, 8});
  CHECK(kept("not_larger") == Shape{1, 1, 7, 7});
  CHECK(kept("not_smaller") == Shape{1, 1, 8, 8});
  check_close(y_of("graph g { input %x: f32[1,4] constant %scales: f32[2] = {1, 0.6} %y = Resize(%x, _, %scales) "
                   "{mode=\"linear\", coordinate_transformation_mode=\"half_pixel_symmetric\"} output %y }",
                   {{"x", floats({1, 4}, {1, 2, 3, 4})}}),
              {1.6666667f, 3.3333333f});
  check_close(y_of("graph g { input %x: f32[4] constant %roi: f32[2] = {0.5, 1.5} constant %sizes: i64[1] = {4} "
                   "%y = Resize(%x, %roi, _, %sizes) {mode=\"linear\", extrapolation_value=9.0, "
                   "coordinate_transformation_mode=\"tf_crop_and_resize\"} output %y }",
                   {{"x", floats({4}, {1, 2, 3, 4})}}),
              {2.5f, 3.5f, 9, 9});
  check_close(y_of("graph g { input %x: f32[2] constant %scales: f32[1] = {2} %y = Upsample(%x, %scales) "
                   "{mode=\"linear\"} output %y }",
                   {{"x", floats({2}, {1, 2})}}),
              {1, 1.5f, 2, 2});
}

TEST_CASE("MaxRoiPool takes the largest of every bin, RoiAlign of a sample's weighted neighbours") {
  Tensor x(Type{DType::f32, {1, 1, 4, 4}});
  for (size_t i = 0; i < 16; ++i) x.as<float>()[i] = static_cast<float>(i + 1);
  check_close(y_of("graph g { input %x: f32[1,1,4,4] constant %rois: f32[1,5] = {0, 0, 0, 3, 3} "
                   "%y = MaxRoiPool(%x, %rois) {pooled_shape=[2,2]} output %y }",
                   {{"x", x}}),
              {6, 8, 14, 16});
  check_close(y_of("graph g { input %x: f32[1,1,4,4] constant %rois: f32[1,4] = {0, 0, 4, 4} "
                   "constant %images: i64[1] = {0} %y = RoiAlign(%x, %rois, %images) {mode=\"max\", output_height=2, "
                   "output_width=2} output %y }",
                   {{"x", x}}),
              {6, 8, 14, 16});
}

TEST_CASE("regions of images that do not exist are refused") {
  const Tensor x = ramp({1, 1, 4, 4}), roi = floats({1, 4}, {0, 0, 2, 2}), roi5 = floats({1, 5}, {1, 0, 0, 2, 2});
  const Tensor image = Tensor::of<int64_t>({1}, {1});
  CHECK_THROWS_AS(run("RoiAlign", {&x, &roi, &image}, {}, 1), Error);
  CHECK_THROWS_AS(run("MaxRoiPool", {&x, &roi5}, {{"pooled_shape", Shape{1, 1}}}, 1), Error);
}

}  // namespace marvin
