#include "runtime/data/load.h"

#include <catch2/catch.hpp>

#include "runtime/data/idx.h"
#include "runtime/data/npz.h"
#include "runtime/data/preprocess.h"
#include "tests/data/files.h"

using namespace marvin;
using Catch::Contains;

namespace {

std::string load_error(const std::string& spec) {
  return error_of([&] { load_data(spec); });
}

std::string pixels(size_t count) {
  std::string bytes(count, '\0');
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<char>(i * 7);
  return bytes;
}

// `count` records whose labels count up from 0; of CIFAR-100 the coarse label is always 19.
std::string cifar(int count, bool coarse = false) {
  std::string content;
  for (int i = 0; i < count; ++i) {
    if (coarse) content += char{19};
    content += static_cast<char>(i) + std::string(3072, static_cast<char>(i * 10));
  }
  return content;
}

std::vector<int64_t> labels_of(const Dataset& dataset) { return to_int64(dataset.find("labels")->values); }

}  // namespace

TEST_CASE("A directory of idx files is a training and a test set, whether plain or compressed") {
  const TemporaryDirectory directory;
  write_gzip(directory / "train-images-idx3-ubyte.gz", idx({3, 2, 4}, pixels(24)));
  write_file(directory / "train-labels-idx1-ubyte", idx({3}, {2, 0, 1}));
  write_file(directory / "t10k-images-idx3-ubyte", idx({2, 2, 4}, pixels(16)));
  write_gzip(directory / "t10k-labels-idx1-ubyte.gz", idx({2}, {1, 2}));
  const DataSplits splits = load_data(directory.path());
  CHECK(splits.train.kind == DataKind::images);
  CHECK(splits.train.samples() == 3);
  CHECK(splits.train.classes == 3);
  CHECK(describe(splits.train) == "3 images 1x2x4, 3 classes");
  const Tensor& images = splits.train.find("input")->values;
  CHECK(text_of(images.type()) == "u8[3,1,2,4]");
  CHECK(images.as<uint8_t>()[23] == 23 * 7);
  CHECK(labels_of(splits.train) == std::vector<int64_t>{2, 0, 1});
  REQUIRE(splits.test);
  CHECK(labels_of(*splits.test) == std::vector<int64_t>{1, 2});
}

TEST_CASE("A directory may hold a single pair of idx files of any name, with channels") {
  const TemporaryDirectory directory;
  write_file(directory / "emnist-images.idx4-ubyte", idx({1, 3, 2, 2}, pixels(12)));
  write_file(directory / "emnist-labels.idx1-ubyte", idx({1}, {5}));
  const DataSplits splits = load_data(directory.path());
  CHECK(text_of(splits.train.find("input")->values.type()) == "u8[1,3,2,2]");
  CHECK(!splits.test);
}

TEST_CASE("Every truncation of an idx file is an error that names it") {
  const TemporaryDirectory directory;
  const std::string images = directory / "train-images-idx3-ubyte.gz", labels = directory / "train-labels-idx1-ubyte";
  write_gzip(images, idx({2, 3, 3}, pixels(18)));
  const std::string compressed = file_content(images), plain = idx({2}, {1, 0});
  write_file(labels, plain);
  REQUIRE(load_error(directory.path()).empty());
  for (size_t length = 0; length < compressed.size(); ++length) {
    write_file(images, compressed.substr(0, length));
    CHECK_THAT(load_error(directory.path()), Contains(images));
  }
  write_file(images, compressed);
  for (size_t length = 0; length < plain.size(); ++length) {
    write_file(labels, plain.substr(0, length));
    CHECK_THAT(load_error(directory.path()), Contains(labels));
  }
}

TEST_CASE("Damaged or inconsistent idx files are errors that say what was expected") {
  const TemporaryDirectory directory;
  const std::string images = directory / "train-images-idx3-ubyte", labels = directory / "train-labels-idx1-ubyte";
  const std::string good_images = idx({2, 3, 3}, pixels(18)), good_labels = idx({2}, {1, 0});
  const auto error_with = [&](const std::string& image_bytes, const std::string& label_bytes) {
    write_file(images, image_bytes);
    write_file(labels, label_bytes);
    return load_error(directory.path());
  };
  REQUIRE(error_with(good_images, good_labels).empty());
  CHECK_THAT(error_with(good_labels, good_labels), Contains(images + ": starts with 0x00000801; expected 0x00000803"));
  CHECK_THAT(error_with(good_images, good_images), Contains(labels + ": starts with 0x00000803; expected 0x00000801"));
  CHECK_THAT(error_with(good_images, idx({3}, {1, 0, 1})), Contains("holds 3 labels; expected 2"));
  CHECK_THAT(error_with(good_images + "x", good_labels), Contains(images + ": goes on after the 34 bytes"));
  CHECK_THAT(error_with(idx({0, 3, 3}, ""), idx({0}, "")), Contains(images + ": holds no images"));
  CHECK_THAT(
      error_with(idx({0xffffffff, 256, 1}, pixels(18)), good_labels),
      Contains(images + ": promises images of shape [4294967295,256,1] (1099511627520 bytes) but holds at most"));
  CHECK_THAT(error_with(idx({0xffffffff, 0xffffffff, 9}, ""), good_labels), Contains(images + ": the shape"));
  CHECK_THAT(error_with(good_images, idx({0xffffffff}, {1, 0})), Contains(labels + ": promises labels"));
}

TEST_CASE("An absurd claim of a compressed idx file is refused before memory is asked for") {
  const TemporaryDirectory directory;
  write_gzip(directory / "train-images-idx3-ubyte.gz", idx({0xffffffff, 28, 28}, pixels(100)));
  write_file(directory / "train-labels-idx1-ubyte", idx({1}, {0}));
  CHECK_THAT(load_error(directory.path()), Contains("but holds at most"));
}

TEST_CASE("A corrupted byte of a compressed file is an error") {
  const TemporaryDirectory directory;
  const std::string images = directory / "train-images-idx3-ubyte.gz";
  write_gzip(images, idx({10, 10, 10}, pixels(1000)));
  write_file(directory / "train-labels-idx1-ubyte", idx({10}, std::string(10, '\0')));
  std::string content = file_content(images);
  content[content.size() - 6] ^= 1;  // of the checksum
  write_file(images, content);
  CHECK_THAT(load_error(directory.path()), Contains(images + ": damaged"));
}

TEST_CASE("An idx file without its partner is an error") {
  const TemporaryDirectory directory;
  write_file(directory / "train-images-idx3-ubyte", idx({1, 1, 1}, "a"));
  CHECK_THAT(load_error(directory.path()), Contains("train-images-idx3-ubyte: has no labels beside it"));
  write_file(directory / "train-labels-idx1-ubyte", idx({1}, "a"));
  CHECK(load_error(directory.path()).empty());
  write_file(directory / "t10k-labels-idx1-ubyte", idx({1}, "a"));
  CHECK_THAT(load_error(directory.path()), Contains("t10k-labels-idx1-ubyte: has no images beside it"));
}

TEST_CASE("Two idx pairs of which none is for testing are an error") {
  const TemporaryDirectory directory;
  for (const std::string prefix : {"a-", "b-"}) {
    write_file(directory / (prefix + "images-idx3-ubyte"), idx({1, 1, 1}, "a"));
    write_file(directory / (prefix + "labels-idx1-ubyte"), idx({1}, "a"));
  }
  CHECK_THAT(load_error(directory.path()), Contains("holds 2 pairs of idx files"));
}

TEST_CASE("A test set must have the sizes and the labels of the training set") {
  const TemporaryDirectory directory;
  write_file(directory / "train-images-idx3-ubyte", idx({2, 1, 1}, "ab"));
  write_file(directory / "train-labels-idx1-ubyte", idx({2}, {0, 1}));
  write_file(directory / "t10k-images-idx3-ubyte", idx({1, 1, 1}, "a"));
  write_file(directory / "t10k-labels-idx1-ubyte", idx({1}, {2}));
  CHECK_THAT(load_error(directory.path()), Contains("the test labels go up to 2; expected 0 to 1"));
  write_file(directory / "t10k-images-idx3-ubyte", idx({1, 1, 2}, "ab"));
  CHECK_THAT(load_error(directory.path()), Contains("differ in size"));
}

TEST_CASE("A directory of CIFAR-10 batches is read in the order of their numbers") {
  const TemporaryDirectory directory;
  for (int number = 1; number <= 5; ++number) {
    write_file(directory / cat("data_batch_", number, ".bin"), cifar(number));
  }
  write_file(directory / "test_batch.bin", cifar(2));
  const DataSplits splits = load_data(directory.path());
  CHECK(describe(splits.train) == "15 images 3x32x32, 10 classes");
  CHECK(labels_of(splits.train) == std::vector<int64_t>{0, 0, 1, 0, 1, 2, 0, 1, 2, 3, 0, 1, 2, 3, 4});
  const std::span<const uint8_t> images = splits.train.find("input")->values.as<uint8_t>();
  CHECK(images[14 * 3072] == 40);
  CHECK(images[14 * 3072 - 1] == 30);
  REQUIRE(splits.test);
  CHECK(splits.test->samples() == 2);
}

TEST_CASE("CIFAR-100 is labelled by its fine labels") {
  const TemporaryDirectory directory;
  write_file(directory / "train.bin", cifar(100, true));
  const DataSplits splits = load_data(directory.path());
  CHECK(describe(splits.train) == "100 images 3x32x32, 100 classes");
  CHECK(labels_of(splits.train)[99] == 99);
  CHECK(splits.train.find("input")->values.as<uint8_t>()[3 * 3072] == 30);
  CHECK(!splits.test);
}

TEST_CASE("Damaged CIFAR batches are errors that name the file") {
  const TemporaryDirectory directory;
  const std::string batch = directory / "data_batch_1.bin";
  write_file(batch, cifar(2).substr(0, 6145));
  CHECK_THAT(load_error(directory.path()), Contains(batch + ": is 6145 bytes long; expected a multiple of 3073"));
  write_file(batch, "");
  CHECK_THAT(load_error(directory.path()), Contains(batch + ": is 0 bytes long"));
  write_file(batch, cifar(11));
  CHECK_THAT(load_error(directory.path()), Contains(batch + ": record 10 has the label 10; expected 0 to 9"));
  write_file(batch, cifar(2));
  write_file(directory / "data_batch_3.bin", cifar(2));
  CHECK_THAT(load_error(directory.path()), Contains("holds data_batch_3.bin but not data_batch_2.bin"));
}

TEST_CASE("What is no data set is an error") {
  const TemporaryDirectory directory;
  CHECK_THAT(load_error(directory.path()), Contains("holds no data set that marvin reads"));
  CHECK_THAT(load_error(directory / "absent"), Contains("no such file or directory"));
  CHECK_THAT(load_error("fasion-mnist"), Contains("Did you mean 'fashion-mnist'?"));
  CHECK_THAT(load_error(directory / "absent.npz"), Contains("absent.npz: cannot be opened as .npz: No such file"));
  write_file(directory / "x.csv", "1,2");
  CHECK_THAT(load_error(directory / "x.csv"), Contains("expected a directory or a .npz file"));
}

TEST_CASE("The arrays of a .npz keep their names and types and must agree on the number of samples") {
  const TemporaryDirectory directory;
  const std::string path = directory / "x.npz";
  std::vector<NamedArray> arrays;
  arrays.push_back({"x", Tensor::of<float>({4, 2}, {1, 2, 3, 4, 5, 6, 7, 8})});
  arrays.push_back({"labels", Tensor::of<int32_t>({4}, {0, 3, 1, -100})});
  write_npz(path, arrays);
  const DataSplits splits = load_data(path);
  CHECK(splits.train.kind == DataKind::arrays);
  CHECK(describe(splits.train) == "4 samples: x f32[2], labels i32, 4 classes");
  CHECK(splits.train.find("x")->values == arrays[0].values);
  CHECK(splits.train.find("y") == nullptr);

  arrays.push_back({"y", Tensor::of<float>({3}, {1, 2, 3})});
  write_npz(path, arrays);
  CHECK_THAT(load_error(path), Contains(path + ": 'x' holds 4 samples but 'y' 3"));
  arrays.back() = {"y", Tensor::scalar<float>(1)};
  write_npz(path, arrays);
  CHECK_THAT(load_error(path), Contains("array 'y' is a scalar"));
  arrays.assign(1, {"y", Tensor(Type{DType::f32, {0, 3}})});
  write_npz(path, arrays);
  CHECK_THAT(load_error(path), Contains("array 'y' holds no samples"));
}

TEST_CASE("Fashion-MNIST has 60,000 and 10,000 images and the known mean and deviation") {
  if (!std::filesystem::is_directory(kFashionMnistDirectory)) {
    CHECK_THAT(load_error("fashion-mnist"), Contains("install Debian's package dataset-fashion-mnist"));
    return;
  }
  const DataSplits splits = load_data("fashion-mnist");
  CHECK(describe(splits.train) == "60,000 images 1x28x28, 10 classes");
  REQUIRE(splits.test);
  CHECK(describe(*splits.test) == "10,000 images 1x28x28, 10 classes");
  const MeanAndDeviation moments = mean_and_deviation(splits.train);
  CHECK(moments.mean[0] == Approx(0.2860406).epsilon(1e-6));
  CHECK(moments.deviation[0] == Approx(0.3530242).epsilon(1e-6));
}
