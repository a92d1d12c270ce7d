#include "runtime/data/batches.h"

#include <omp.h>

#include <catch2/catch.hpp>
#include <map>
#include <numeric>
#include <set>

#include "runtime/data/random.h"
#include "tests/data/files.h"

using namespace marvin;
using Catch::Contains;

namespace {

// Images 1x4x4 whose pixels say which sample they are of; the label is the sample.
Dataset numbered_images(int64_t count) {
  Tensor images(Type{DType::u8, {count, 1, 4, 4}}), labels(Type{DType::i64, {count}});
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t p = 0; p < 16; ++p) {
      images.as<uint8_t>()[static_cast<size_t>(i * 16 + p)] = static_cast<uint8_t>(i + p);
    }
    labels.as<int64_t>()[static_cast<size_t>(i)] = i;
  }
  Dataset dataset{DataKind::images, {}, count};
  dataset.arrays.push_back({"input", std::move(images)});
  dataset.arrays.push_back({"labels", std::move(labels)});
  return dataset;
}

struct Batch {
  int64_t valid = 0;
  std::vector<float> images;
  std::vector<int64_t> labels;
  bool operator==(const Batch&) const = default;
};

Batch read(BatchReader& reader, int64_t epoch, int64_t index) {
  Tensor images(reader.batch_type("input")), labels(reader.batch_type("labels"));
  const Destination destinations[] = {{"input", images.type(), images.data()},
                                      {"labels", labels.type(), labels.data()}};
  Batch batch;
  batch.valid = reader.read(epoch, index, destinations);
  batch.images.assign(images.as<float>().begin(), images.as<float>().end());
  batch.labels = to_int64(labels);
  return batch;
}

std::vector<int64_t> order(BatchReader& reader, int64_t epoch) {
  std::vector<int64_t> samples;
  for (int64_t i = 0; i < reader.batches_per_epoch(); ++i) {
    const Batch batch = read(reader, epoch, i);
    samples.insert(samples.end(), batch.labels.begin(), batch.labels.begin() + batch.valid);
  }
  return samples;
}

std::vector<int64_t> sorted(std::vector<int64_t> values) {
  std::sort(values.begin(), values.end());
  return values;
}

std::vector<int64_t> counting(int64_t count) {
  std::vector<int64_t> values(static_cast<size_t>(count));
  std::iota(values.begin(), values.end(), int64_t{0});
  return values;
}

}  // namespace

TEST_CASE("Batches follow the stored order and belong together") {
  const Dataset dataset = numbered_images(5);
  BatchReader reader(dataset, {}, {.batch_size = 2});
  CHECK(reader.batches_per_epoch() == 3);
  const Batch batch = read(reader, 1, 1);
  CHECK(batch.valid == 2);
  CHECK(batch.labels == std::vector<int64_t>{2, 3});
  CHECK(batch.images[0] == 2);
  CHECK(batch.images[16 + 5] == 8);
}

TEST_CASE("A last incomplete batch repeats its last sample, or is left out") {
  const Dataset dataset = numbered_images(5);
  BatchReader reader(dataset, {}, {.batch_size = 3});
  const Batch batch = read(reader, 1, 1);
  CHECK(batch.valid == 2);
  CHECK(batch.labels == std::vector<int64_t>{3, 4, 4});
  CHECK(batch.images[2 * 16] == 4);
  CHECK(BatchReader(dataset, {}, {.batch_size = 3, .drop_last = true}).batches_per_epoch() == 1);
  CHECK(BatchReader(dataset, {}, {.batch_size = 5, .drop_last = true}).batches_per_epoch() == 1);
  CHECK(BatchReader(dataset, {}, {.batch_size = 8}).batches_per_epoch() == 1);
  CHECK_THAT(error_of([&] { BatchReader(dataset, {}, {.batch_size = 6, .drop_last = true}); }),
             Contains("--batch-size 6 is more than the 5 samples to train on; give at most 5"));
  CHECK_THAT(error_of([&] { BatchReader(dataset, {}, {.batch_size = 0}); }), Contains("expected at least 1"));
}

TEST_CASE("Shuffling is a permutation that differs by epoch and seed and repeats") {
  const Dataset dataset = numbered_images(100);
  BatchReader reader(dataset, {}, {.batch_size = 10, .shuffle = true, .seed = 7});
  BatchReader again(dataset, {}, {.batch_size = 10, .shuffle = true, .seed = 7});
  BatchReader other(dataset, {}, {.batch_size = 10, .shuffle = true, .seed = 8});
  const std::vector<int64_t> first = order(reader, 1), second = order(reader, 2);
  CHECK(sorted(first) == counting(100));
  CHECK(first != counting(100));
  CHECK(first != second);
  CHECK(sorted(second) == counting(100));
  CHECK(order(again, 2) == second);
  CHECK(order(reader, 1) == first);
  CHECK(order(other, 1) != first);
}

TEST_CASE("Every order of three samples is as likely") {
  const Dataset dataset = numbered_images(3);
  BatchReader reader(dataset, {}, {.batch_size = 3, .shuffle = true, .seed = 1});
  std::map<std::vector<int64_t>, int> counts;
  for (int64_t epoch = 0; epoch < 6000; ++epoch) ++counts[order(reader, epoch)];
  REQUIRE(counts.size() == 6);
  for (const auto& [permutation, count] : counts) CHECK(std::abs(count - 1000) < 150);
}

TEST_CASE("Augmentation depends on seed, epoch and sample, not on the batch size, the position or the threads") {
  const Dataset dataset = numbered_images(24);
  const Preprocess preprocess{.scale = true, .crop = true, .crop_padding = 2, .flip = true};
  const auto image_of = [&](int64_t batch_size, bool shuffle, int64_t epoch, int64_t sample) {
    BatchReader reader(dataset, preprocess, {.batch_size = batch_size, .shuffle = shuffle, .seed = 3, .augment = true});
    for (int64_t i = 0; i < reader.batches_per_epoch(); ++i) {
      const Batch batch = read(reader, epoch, i);
      for (size_t k = 0; k < batch.labels.size(); ++k) {
        if (batch.labels[k] == sample) {
          return std::vector<float>(batch.images.begin() + static_cast<int64_t>(k) * 16,
                                    batch.images.begin() + static_cast<int64_t>(k + 1) * 16);
        }
      }
    }
    throw std::logic_error("no such sample");
  };
  const std::vector<float> image = image_of(4, false, 1, 10);
  CHECK(image_of(12, true, 1, 10) == image);
  std::set<std::vector<float>> seen;
  for (int64_t epoch = 1; epoch <= 8; ++epoch) seen.insert(image_of(24, false, epoch, 10));
  CHECK(seen.size() > 4);

  BatchReader plain(dataset, preprocess, {.batch_size = 24});
  const Batch batch = read(plain, 1, 0);
  for (size_t i = 0; i < 24 * 16; ++i) {
    const size_t pixel = i / 16 + i % 16;
    CHECK(batch.images[i] == static_cast<float>(pixel) / 255.0f);
  }
}

TEST_CASE("A batch is the same for any number of threads") {
  const Dataset dataset = numbered_images(20000);
  BatchReader reader(dataset, {.crop = true, .flip = true}, {.batch_size = 20000, .shuffle = true, .augment = true});
  const int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  const Batch one = read(reader, 1, 0);
  omp_set_num_threads(3);
  const Batch three = read(reader, 1, 0);
  omp_set_num_threads(threads);
  CHECK(one == three);
}

TEST_CASE("A split divides the samples at random and repeats by seed") {
  const Dataset dataset = numbered_images(50);
  const SampleSplit parts = split(dataset, 0.2, 5);
  CHECK(parts.validation.size() == 10);
  CHECK(std::is_sorted(parts.validation.begin(), parts.validation.end()));
  std::vector<int64_t> all = parts.train;
  all.insert(all.end(), parts.validation.begin(), parts.validation.end());
  CHECK(sorted(all) == counting(50));
  CHECK(split(dataset, 0.2, 5).validation == parts.validation);
  CHECK(split(dataset, 0.2, 6).validation != parts.validation);
  CHECK_THAT(error_of([&] { split(dataset, 0.001, 5); }),
             Contains("--val-split 0.001 of ") && Contains("is none; give"));
  CHECK_THAT(error_of([&] { split(dataset, 0.999, 5); }), Contains("leaves none to train on"));
  for (const double fraction : {0.0, 1.0, -0.5, double(NAN), 1e300}) {
    CHECK_THAT(error_of([&] { split(dataset, fraction, 5); }), Contains("it is between 0 and 1"));
  }
  BatchReader reader(dataset, {}, {.batch_size = 4, .samples = parts.validation});
  CHECK(order(reader, 1) == parts.validation);
  BatchReader shuffled(dataset, {}, {.batch_size = 4, .shuffle = true, .samples = parts.validation});
  CHECK(order(shuffled, 1) != parts.validation);
  CHECK(sorted(order(shuffled, 1)) == parts.validation);
}

TEST_CASE("Images may be asked for flattened or without their one channel, labels as i32") {
  const Dataset dataset = numbered_images(4);
  BatchReader reader(dataset, {}, {.batch_size = 2});
  Tensor flat(Type{DType::f32, {2, 16}}), plane(Type{DType::f32, {2, 4, 4}}), labels(Type{DType::i32, {2}});
  const Destination destinations[] = {{"input", flat.type(), flat.data()},
                                      {"input", plane.type(), plane.data()},
                                      {"labels", labels.type(), labels.data()}};
  CHECK(reader.read(1, 1, destinations) == 2);
  CHECK(flat.as<float>()[17] == 4);
  CHECK(plane.as<float>()[17] == 4);
  CHECK(labels == Tensor::of<int32_t>({2}, {2, 3}));
}

TEST_CASE("A destination of the wrong name, type or shape is an error that says what the graph expects") {
  const Dataset dataset = numbered_images(4);
  BatchReader reader(dataset, {.pad = 2}, {.batch_size = 2});
  const auto error = [&](std::string_view name, Type type) {
    return error_of([&] { reader.check({name, std::move(type), nullptr}); });
  };
  CHECK(error("input", {DType::f32, {2, 1, 8, 8}}).empty());
  CHECK_THAT(error("input", {DType::f32, {2, 1, 4, 4}}),
             Contains("array 'input': the data set gives f32[2,1,8,8] but the graph expects f32[2,1,4,4]"));
  CHECK(!error("input", {DType::f32, {3, 1, 8, 8}}).empty());
  CHECK(!error("input", {DType::f64, {2, 1, 8, 8}}).empty());
  CHECK(!error("input", {DType::f32, {}}).empty());
  CHECK(!error("input", {DType::f32, {2, 1, 8, 8}, Layout::channels_last}).empty());
  CHECK(!error("labels", {DType::f32, {2}}).empty());
  CHECK(!error("labels", {DType::i64, {2, 1}}).empty());
  CHECK_THAT(error("x", {DType::f32, {2}}), Contains("no array 'x'; it has 'input' and 'labels'"));
}

TEST_CASE("A destination that an array does not fit is an error that says how to mend the array") {
  Dataset dataset{.kind = DataKind::arrays, .arrays = {}, .classes = 0, .source = "d.npz"};
  dataset.arrays.push_back({"x", Tensor::of<uint8_t>({2, 4}, {1, 2, 3, 4, 5, 6, 7, 8})});
  dataset.arrays.push_back({"labels", Tensor::of<int64_t>({2, 1}, {1, 0})});
  dataset.arrays.push_back({"numbers", Tensor::of<double>({2}, {1, 0})});
  const BatchReader reader(dataset, {}, {.batch_size = 2});
  const auto error = [&](std::string_view name, Type type) {
    return error_of([&] { reader.check({name, std::move(type), nullptr}); });
  };
  CHECK_THAT(error("x", {DType::f32, {2, 4}}), Contains("d.npz: array 'x': the data set gives u8[2,4]") &&
                                                   Contains("save it with numpy's .astype('f4')"));
  CHECK_THAT(error("x", {DType::f32, {2, 2, 2}}), Contains(".reshape(-1,2,2).astype('f4')"));
  CHECK_THAT(error("labels", {DType::i64, {2}}), Contains("save it with numpy's .reshape(-1)"));
  CHECK_THAT(error("labels", {DType::f32, {2, 3}}), Contains("class labels need --loss cross-entropy"));
  CHECK_THAT(error("numbers", {DType::f32, {2}}), Contains(".astype('f4')"));
}

TEST_CASE("Arrays feed inputs of like types, rounded or checked") {
  Dataset dataset;
  dataset.arrays.push_back({"x", Tensor::of<float>({2}, {1.0f / 3, 2})});
  dataset.arrays.push_back({"n", Tensor::of<int8_t>({2}, {-8, 9})});
  BatchReader reader(dataset, {}, {.batch_size = 1});
  Tensor half(Type{DType::f16, {1}}), four(Type{DType::i4, {1}});
  const Destination to_half[] = {{"x", half.type(), half.data()}}, to_four[] = {{"n", four.type(), four.data()}};
  reader.read(0, 0, to_half);
  CHECK(half.as<Float16>()[0].bits == Float16(1.0f / 3).bits);
  reader.read(0, 0, to_four);
  CHECK_THAT(error_of([&] { reader.read(0, 1, to_four); }), Contains("array 'n': 9, in sample 1, does not fit in i4"));
}

TEST_CASE("Arrays are fed as they are") {
  Dataset dataset;
  dataset.arrays.push_back({"x", Tensor::of<double>({3, 2}, {1, 2, 3, 4, 5, 6})});
  dataset.arrays.push_back({"ids", Tensor::of<int64_t>({3}, {1, 2, 3})});
  dataset.arrays.push_back({"labels", Tensor::of<int64_t>({3}, {7, -100, int64_t{1} << 40})});
  BatchReader reader(dataset, {}, {.batch_size = 2});
  Tensor x(Type{DType::f64, {2, 2}}), labels(Type{DType::i32, {2}});
  const Destination destinations[] = {{"x", x.type(), x.data()}, {"labels", labels.type(), labels.data()}};
  CHECK(reader.read(1, 0, destinations) == 2);
  CHECK(x == Tensor::of<double>({2, 2}, {1, 2, 3, 4}));
  CHECK(labels == Tensor::of<int32_t>({2}, {7, -100}));
  CHECK_THAT(error_of([&] { reader.read(1, 1, destinations); }),
             Contains("1099511627776, in sample 2, does not fit in i32"));
  CHECK_THAT(error_of([&] { reader.check({"ids", Type{DType::i32, {2}}, nullptr}); }), Contains("gives i64[2]"));
  CHECK_THAT(error_of([&] { BatchReader(dataset, {.flip = true}, {}); }), Contains("arrays are fed as they are"));
}
