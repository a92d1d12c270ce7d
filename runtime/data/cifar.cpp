#include "runtime/data/cifar.h"

#include <array>
#include <filesystem>

#include "runtime/data/input_file.h"
#include "runtime/ir/error.h"

namespace marvin {
namespace {

constexpr int64_t kPixels = 3 * 32 * 32;

int64_t count_records(const std::string& path, const CifarFormat& format) {
  std::error_code failure;
  const uintmax_t size = std::filesystem::file_size(path, failure);
  if (failure) throw Error(path, ": cannot be read: ", failure.message());
  const int64_t bytes = static_cast<int64_t>(size), record = format.label_bytes + kPixels;
  if (bytes == 0 || bytes % record != 0) {
    throw Error(path, ": is ", bytes, " bytes long; expected a multiple of ", record, ", the record of CIFAR-",
                format.classes, " (truncated?)");
  }
  return bytes / record;
}

}  // namespace

Dataset read_cifar(std::span<const std::string> paths, const CifarFormat& format) {
  std::vector<int64_t> counts;
  int64_t total = 0;
  for (const std::string& path : paths) total += counts.emplace_back(count_records(path, format));

  Tensor images(Type{DType::u8, {total, 3, 32, 32}}), labels(Type{DType::i64, {total}});
  uint8_t* image = images.as<uint8_t>().data();
  int64_t* label = labels.as<int64_t>().data();
  for (size_t i = 0; i < paths.size(); ++i) {
    InputFile file(paths[i]);
    for (int64_t record = 0; record < counts[i]; ++record, ++label, image += kPixels) {
      std::array<uint8_t, 2> bytes;
      file.read(bytes.data(), format.label_bytes);
      *label = bytes[static_cast<size_t>(format.label_bytes - 1)];
      if (*label >= format.classes) {
        throw Error(paths[i], ": record ", record, " has the label ", *label, "; expected 0 to ", format.classes - 1);
      }
      file.read(image, kPixels);
    }
  }
  Dataset dataset{DataKind::images, {}, format.classes};
  dataset.arrays.push_back({"input", std::move(images)});
  dataset.arrays.push_back({"labels", std::move(labels)});
  return dataset;
}

}  // namespace marvin
