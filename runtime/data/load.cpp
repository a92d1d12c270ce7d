#include "runtime/data/load.h"

#include <filesystem>
#include <map>
#include <regex>

#include "runtime/data/cifar.h"
#include "runtime/data/idx.h"
#include "runtime/data/npz.h"
#include "runtime/ir/error.h"

namespace marvin {
namespace {

namespace fs = std::filesystem;

struct IdxPair {
  std::string images, labels;
};

// The pairs of a directory by the words in front of "images" and "labels". A plain file goes before its .gz.
std::map<std::string, IdxPair> find_idx_pairs(const fs::path& directory) {
  static const std::regex kName(R"((.*)(images|labels)[-.]idx[134]-ubyte(\.gz)?)");
  std::map<std::string, IdxPair> pairs;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    std::smatch match;
    if (!std::regex_match(name, match, kName)) continue;
    IdxPair& pair = pairs[match[1]];
    std::string& path = match[2] == "images" ? pair.images : pair.labels;
    if (path.empty() || !match[3].matched) path = entry.path().string();
  }
  for (const auto& [prefix, pair] : pairs) {
    if (pair.images.empty()) throw Error(pair.labels, ": has no images beside it (", prefix, "images-idx3-ubyte[.gz])");
    if (pair.labels.empty()) throw Error(pair.images, ": has no labels beside it (", prefix, "labels-idx1-ubyte[.gz])");
  }
  return pairs;
}

bool says_test(const std::string& prefix) {
  return prefix.find("t10k") != std::string::npos || prefix.find("test") != std::string::npos;
}

Dataset read(const IdxPair& pair) { return read_idx_pair(pair.images, pair.labels); }

DataSplits read_idx_pairs(const std::string& directory, const std::map<std::string, IdxPair>& pairs) {
  if (pairs.size() == 1) return {read(pairs.begin()->second), std::nullopt};
  const IdxPair *train = nullptr, *test = nullptr;
  for (const auto& [prefix, pair] : pairs) (says_test(prefix) ? test : train) = &pair;
  if (pairs.size() > 2 || !train || !test) {
    throw Error(directory, ": holds ", pairs.size(), " pairs of idx files; expected one, or one to train (train-...) ",
                "and one to test (t10k-...)");
  }
  return {read(*train), read(*test)};
}

std::vector<std::string> find_cifar10_batches(const fs::path& directory) {
  std::vector<std::string> batches;
  for (int number = 1; number <= 5; ++number) {
    const fs::path path = directory / cat("data_batch_", number, ".bin");
    if (!fs::exists(path)) continue;
    batches.push_back(path.string());
    if (static_cast<int>(batches.size()) < number) {
      throw Error(directory.string(), ": holds ", path.filename().string(), " but not data_batch_", batches.size(),
                  ".bin");
    }
  }
  return batches;
}

DataSplits read_cifar_splits(std::span<const std::string> train, const fs::path& test, const CifarFormat& format) {
  DataSplits splits{read_cifar(train, format), std::nullopt};
  if (fs::exists(test)) splits.test = read_cifar(std::vector<std::string>{test.string()}, format);
  return splits;
}

DataSplits load_directory(const std::string& directory) {
  const fs::path root(directory);
  const std::vector<std::string> cifar10 = find_cifar10_batches(root);
  if (!cifar10.empty()) return read_cifar_splits(cifar10, root / "test_batch.bin", kCifar10);
  if (fs::exists(root / "train.bin")) {
    return read_cifar_splits(std::vector<std::string>{(root / "train.bin").string()}, root / "test.bin", kCifar100);
  }
  const std::map<std::string, IdxPair> pairs = find_idx_pairs(root);
  if (!pairs.empty()) return read_idx_pairs(directory, pairs);
  throw Error(directory, ": holds no data set that marvin reads; expected the idx files of the MNIST family ",
              "(train-images-idx3-ubyte[.gz] ...), CIFAR-10 (data_batch_1.bin ...) or CIFAR-100 (train.bin)");
}

DataSplits load_npz(const std::string& path) {
  Dataset dataset{DataKind::arrays, read_npz(path), 0, path};
  check_samples(dataset, path);
  const NamedArray* labels = dataset.find("labels");
  if (labels && is_integer(labels->values.type().dtype)) dataset.classes = count_classes(labels->values);
  return {std::move(dataset), std::nullopt};
}

DataSplits load_source(const std::string& spec) {
  if (spec == "fashion-mnist") {
    if (!fs::is_directory(kFashionMnistDirectory)) {
      throw Error("fashion-mnist: ", kFashionMnistDirectory,
                  " does not exist; install Debian's package dataset-fashion-mnist, or name a directory that holds ",
                  "the four idx files");
    }
    return load_directory(kFashionMnistDirectory);
  }
  if (fs::is_directory(spec)) return load_directory(spec);
  if (fs::path(spec).extension() == ".npz") return load_npz(spec);
  if (fs::exists(spec)) throw Error(spec, ": is not data that marvin reads; expected a directory or a .npz file");
  const std::vector<std::string> known{"fashion-mnist"};
  throw Error(spec, ": no such file or directory.", suggestion(spec, known));
}

// A model that was trained on the one set must be able to read the other.
void check_test(const Dataset& train, const Dataset& test, const std::string& source) {
  const Shape &ours = train.find("input")->values.type().shape, &theirs = test.find("input")->values.type().shape;
  if (!std::equal(ours.begin() + 1, ours.end(), theirs.begin() + 1, theirs.end())) {
    throw Error(source, ": the test images [", text_of(theirs), "] differ in size from the training images [",
                text_of(ours), "]");
  }
  if (test.classes > train.classes) {
    throw Error(source, ": the test labels go up to ", test.classes - 1, "; expected 0 to ", train.classes - 1,
                ", as in training");
  }
}

}  // namespace

DataSplits load_data(const std::string& spec) {
  try {
    DataSplits splits = load_source(spec);
    if (splits.test) check_test(splits.train, *splits.test, spec);
    return splits;
  } catch (const fs::filesystem_error& error) {
    throw Error(spec, ": cannot be read: ", error.code().message());
  }
}

}  // namespace marvin
