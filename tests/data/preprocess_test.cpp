#include "runtime/data/preprocess.h"

#include <omp.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <set>

#include "runtime/data/random.h"
#include "tests/data/files.h"

using namespace marvin;
using Catch::Contains;

namespace {

Dataset images_of(Tensor images) {
  Dataset dataset{DataKind::images, {}, 0};
  dataset.arrays.push_back({"input", std::move(images)});
  return dataset;
}

std::vector<float> write(const ImageTransform& transform, const std::vector<uint8_t>& image, const View& view) {
  std::vector<float> out(static_cast<size_t>(elements(transform.shape())), -1);
  transform.write(image.data(), view, out.data());
  return out;
}

}  // namespace

TEST_CASE("Mean and deviation are per channel and the same for any number of threads") {
  std::vector<uint8_t> pixels(300 * 2 * 5 * 7);
  double sum[2] = {}, squares[2] = {};
  for (size_t i = 0; i < pixels.size(); ++i) {
    pixels[i] = static_cast<uint8_t>(random_bits(1, i));
    const double x = pixels[i] / 255.0;
    sum[i / 35 % 2] += x;
    squares[i / 35 % 2] += x * x;
  }
  const Dataset dataset = images_of(Tensor::of<uint8_t>({300, 2, 5, 7}, pixels));
  const int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  const MeanAndDeviation one = mean_and_deviation(dataset);
  omp_set_num_threads(3);
  const MeanAndDeviation three = mean_and_deviation(dataset);
  omp_set_num_threads(threads);
  CHECK(one.mean == three.mean);
  CHECK(one.deviation == three.deviation);
  for (size_t c = 0; c < 2; ++c) {
    const double mean = sum[c] / (300 * 35);
    CHECK(one.mean[c] == Approx(mean));
    CHECK(one.deviation[c] == Approx(std::sqrt(squares[c] / (300 * 35) - mean * mean)));
  }
}

TEST_CASE("The deviation of a constant channel is 1") {
  const Dataset dataset = images_of(Tensor::of<uint8_t>({2, 1, 1, 2}, {51, 51, 51, 51}));
  CHECK(mean_and_deviation(dataset).mean == std::vector<float>{0.2f});
  CHECK(mean_and_deviation(dataset).deviation == std::vector<float>{1});
}

TEST_CASE("Normalisation rounds every operation to float32, as PyTorch does") {
  const Preprocess preprocess{.scale = true, .mean = {0.2860406f}, .deviation = {0.3530242f}};
  std::vector<uint8_t> image(256);
  for (size_t i = 0; i < 256; ++i) image[i] = static_cast<uint8_t>(i);
  const ImageTransform transform(preprocess, {1, 16, 16});
  const std::vector<float> out = write(transform, image, transform.plain_view());
  for (size_t i = 0; i < 256; ++i) {
    volatile float x = static_cast<float>(i) / 255.0f;
    x = x - 0.2860406f;
    x = x / 0.3530242f;
    CHECK(out[i] == x);
  }
}

TEST_CASE("The default preprocess changes nothing but the type") {
  const ImageTransform transform({}, {2, 1, 2});
  CHECK(write(transform, {1, 2, 3, 255}, transform.plain_view()) == std::vector<float>{1, 2, 3, 255});
}

TEST_CASE("Padding puts black pixels around an image, before normalisation") {
  const Preprocess preprocess{.mean = {1}, .deviation = {2}, .pad = 1};
  const ImageTransform transform(preprocess, {1, 1, 2});
  CHECK(transform.shape() == Shape{1, 3, 4});
  const float black = -0.5f;
  CHECK(write(transform, {3, 5}, transform.plain_view()) ==
        std::vector<float>{black, black, black, black, black, 1, 2, black, black, black, black, black});
}

TEST_CASE("A view crops from the padded image and mirrors the crop") {
  const ImageTransform transform({}, {1, 3, 3});
  const std::vector<uint8_t> image{1, 2, 3, 4, 5, 6, 7, 8, 9};
  CHECK(write(transform, image, {1, -1, false}) == std::vector<float>{0, 4, 5, 0, 7, 8, 0, 0, 0});
  CHECK(write(transform, image, {-1, 2, false}) == std::vector<float>{0, 0, 0, 3, 0, 0, 6, 0, 0});
  CHECK(write(transform, image, {0, 0, true}) == std::vector<float>{3, 2, 1, 6, 5, 4, 9, 8, 7});
  CHECK(write(transform, image, {0, 1, true}) == std::vector<float>{0, 3, 2, 0, 6, 5, 0, 9, 8});
  CHECK(write(transform, image, {5, 0, false}) == std::vector<float>(9, 0));
  CHECK(write(transform, image, {0, -7, true}) == std::vector<float>(9, 0));
}

TEST_CASE("Random views take every place and both sides, and only where asked for") {
  const ImageTransform plain({.pad = 2}, {1, 8, 8});
  const ImageTransform both({.pad = 2, .crop = true, .crop_padding = 1, .flip = true}, {1, 8, 8});
  std::set<std::tuple<int64_t, int64_t, bool>> seen;
  int mirrored = 0;
  for (uint64_t bits = 0; bits < 1000; ++bits) {
    const View same = plain.random_view(bits), view = both.random_view(bits);
    CHECK((same.top == -2 && same.left == -2 && !same.mirrored));
    CHECK((view.top >= -3 && view.top <= -1 && view.left >= -3 && view.left <= -1));
    seen.insert({view.top, view.left, view.mirrored});
    mirrored += view.mirrored;
  }
  CHECK(seen.size() == 3 * 3 * 2);
  CHECK(std::abs(mirrored - 500) < 80);
}

TEST_CASE("A preprocess that does not fit the images is an error") {
  const auto error = [](const Preprocess& preprocess) {
    return error_of([&] { ImageTransform(preprocess, {3, 4, 4}); });
  };
  CHECK_THAT(error({.mean = {0}, .deviation = {1}}), Contains("1 means and 1 deviations for images of 3 channels"));
  CHECK_THAT(error({.mean = {0, 0, 0}}), Contains("3 means and 0 deviations"));
  CHECK_THAT(error({.mean = {0, 0, 0}, .deviation = {1, 0, 1}}), Contains("the deviation 0 is not greater than 0"));
  CHECK_THAT(error({.mean = {0, NAN, 0}, .deviation = {1, 1, 1}}), Contains("not a finite number"));
  CHECK_THAT(error({.pad = -1}), Contains("a padding of -1 pixels; images of 4x4 take 0 to 4"));
  CHECK_THAT(error({.pad = 5}), Contains("a padding of 5 pixels"));
  CHECK_THAT(error({.pad = INT64_MAX}), Contains("pixels; images of 4x4 take 0 to 4"));
  CHECK_THAT(error({.pad = 1, .crop = true, .crop_padding = 7}), Contains("images of 6x6 take 0 to 6"));
  CHECK(error({.pad = 4, .crop = true, .crop_padding = 12}).empty());
}
