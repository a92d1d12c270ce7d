#include "runtime/data/idx.h"

#include <array>
#include <cstdio>

#include "runtime/data/input_file.h"
#include "runtime/ir/error.h"

namespace marvin {
namespace {

constexpr uint32_t kUnsignedBytes = 0x0800;  // magic number without the rank, its lowest byte

uint32_t read_big_endian(InputFile& file) {
  std::array<uint8_t, 4> bytes;
  file.read(bytes.data(), 4);
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
}

std::string hexadecimal(uint32_t value) {
  std::array<char, 16> text;
  std::snprintf(text.data(), text.size(), "0x%08x", value);
  return text.data();
}

// The extents that the header states, once it is known that the file can hold so many bytes.
Shape read_header(InputFile& file, int64_t least_rank, int64_t most_rank, const std::string& what) {
  const uint32_t magic = read_big_endian(file);
  const int64_t rank = magic & 0xff;
  if ((magic & ~0xffU) != kUnsignedBytes || rank < least_rank || rank > most_rank) {
    throw Error(file.path(), ": starts with ", hexadecimal(magic), "; expected ",
                hexadecimal(kUnsignedBytes + static_cast<uint32_t>(least_rank)), ", the idx format of ", what);
  }
  Shape shape;
  for (int64_t axis = 0; axis < rank; ++axis) shape.push_back(read_big_endian(file));
  const int64_t bytes = with_context(file.path(), [&] { return elements(shape); });
  file.expect_room(bytes, cat(what, " of shape [", text_of(shape), "]"));
  return shape;
}

Tensor read_images(const std::string& path) {
  InputFile file(path);
  Shape shape = read_header(file, 3, 4, "images");
  if (shape.size() == 3) shape.insert(shape.begin() + 1, 1);
  if (elements(shape) == 0) throw Error(path, ": holds no images (shape [", text_of(shape), "])");
  Tensor images(Type{DType::u8, shape});
  file.read(images.data(), images.type().bytes());
  file.expect_end();
  return images;
}

Tensor read_labels(const std::string& path) {
  InputFile file(path);
  const Shape shape = read_header(file, 1, 1, "labels");
  std::vector<uint8_t> bytes(static_cast<size_t>(shape[0]));
  file.read(bytes.data(), shape[0]);
  file.expect_end();
  Tensor labels(Type{DType::i64, shape});
  const std::span<int64_t> values = labels.as<int64_t>();
  for (size_t i = 0; i < bytes.size(); ++i) values[i] = bytes[i];
  return labels;
}

}  // namespace

Dataset read_idx_pair(const std::string& images_path, const std::string& labels_path) {
  Dataset dataset{DataKind::images, {}, 0};
  dataset.arrays.push_back({"input", read_images(images_path)});
  dataset.arrays.push_back({"labels", read_labels(labels_path)});
  const int64_t labels = dataset.arrays[1].values.type().shape[0];
  if (labels != dataset.samples()) {
    throw Error(labels_path, ": holds ", labels, " labels; expected ", dataset.samples(), ", one for every image of ",
                images_path);
  }
  dataset.classes = count_classes(dataset.arrays[1].values);
  return dataset;
}

}  // namespace marvin
