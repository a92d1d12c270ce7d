#include "runtime/data/npz.h"

#include <zip.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <memory>

#include "runtime/data/input_file.h"
#include "runtime/data/npy.h"
#include "runtime/ir/error.h"
#include "runtime/ir/file.h"

namespace marvin {
namespace {

constexpr std::string_view kSuffix = ".npy";

struct Discard {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
using Archive = std::unique_ptr<zip_t, Discard>;

struct CloseEntry {
  void operator()(zip_file_t* entry) const { zip_fclose(entry); }
};

Archive open_archive(const std::string& path, int flags) {
  int code = 0;
  Archive archive(zip_open(path.c_str(), flags, &code));
  if (archive) return archive;
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  const std::string message = zip_error_strerror(&error);
  zip_error_fini(&error);
  throw Error("cannot be opened as .npz: ", message);
}

// One file of an archive, read from front to back.
class Entry {
 public:
  Entry(zip_t* archive, uint64_t index, int64_t bytes) : file_(zip_fopen_index(archive, index, 0)), bytes_left_(bytes) {
    if (!file_) throw Error("cannot be read: ", zip_strerror(archive));
  }
  int64_t bytes_left() const { return bytes_left_; }
  void read(void* data, int64_t bytes) {
    if (bytes > bytes_left_) throw Error("ends before its .npy header does");
    if (read_some(data, bytes) < bytes) throw Error("ends before the size that the archive states");
    bytes_left_ -= bytes;
  }
  // The checksum is compared only where the content ends.
  void expect_end() {
    char surplus = 0;
    if (read_some(&surplus, 1) != 0) throw Error("goes on after the size that the archive states");
  }

 private:
  int64_t read_some(void* data, int64_t bytes) {
    int64_t done = 0;
    while (done < bytes) {
      const int64_t got = zip_fread(file_.get(), static_cast<char*>(data) + done, static_cast<uint64_t>(bytes - done));
      if (got < 0) throw Error("is damaged: ", zip_file_strerror(file_.get()));
      if (got == 0) break;
      done += got;
    }
    return done;
  }
  std::unique_ptr<zip_file_t, CloseEntry> file_;
  int64_t bytes_left_;
};

NpyHeader read_header(Entry& entry) {
  std::array<char, kNpyMagic.size() + 2> start;
  entry.read(start.data(), static_cast<int64_t>(start.size()));
  if (!std::string_view(start.data(), start.size()).starts_with(kNpyMagic)) throw Error("is not a .npy file");
  const int version = start[kNpyMagic.size()];
  if (version < 1 || version > 3) throw Error("has version ", version, " of the .npy format; expected 1, 2 or 3");

  std::array<uint8_t, 4> length_bytes{};
  entry.read(length_bytes.data(), version == 1 ? 2 : 4);
  int64_t length = 0;
  for (size_t i = 0; i < length_bytes.size(); ++i) length |= int64_t{length_bytes[i]} << (8 * i);
  if (length > entry.bytes_left()) throw Error("ends before its .npy header does");
  std::string dictionary(static_cast<size_t>(length), ' ');
  entry.read(dictionary.data(), length);
  return parse_npy_dictionary(dictionary);
}

// The same array with its last axis, not its first, varying fastest.
Tensor from_fortran_order(const Tensor& source) {
  const Type& type = source.type();
  Tensor target(type);
  const size_t size = static_cast<size_t>(bytes_of(type.dtype));
  Shape index(type.shape.size(), 0);
  for (int64_t element = 0; element < type.elements(); ++element) {
    int64_t offset = 0;
    for (size_t axis = index.size(); axis-- > 0;) offset = offset * type.shape[axis] + index[axis];
    std::memcpy(target.data() + static_cast<size_t>(element) * size, source.data() + static_cast<size_t>(offset) * size,
                size);
    for (size_t axis = index.size(); axis-- > 0;) {
      if (++index[axis] < type.shape[axis]) break;
      index[axis] = 0;
    }
  }
  return target;
}

// A bool in memory is 0 or 1; in a file it may be any byte.
void normalize_booleans(Tensor& tensor) {
  if (tensor.type().dtype != DType::boolean) return;
  std::byte* bytes = tensor.data();
  for (int64_t i = 0; i < tensor.type().elements(); ++i) bytes[i] = std::byte{bytes[i] != std::byte{0}};
}

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// As it is stored where it is ASCII: libzip takes control characters for pictures of code page 437.
std::string name_of_entry(zip_t* archive, uint64_t index, const zip_stat_t& facts) {
  const char* stored = zip_get_name(archive, index, ZIP_FL_ENC_RAW);
  return stored && is_ascii(stored) ? stored : facts.name;
}

Tensor read_array(zip_t* archive, uint64_t index, const zip_stat_t& facts, int64_t archive_bytes) {
  if (facts.comp_method != ZIP_CM_STORE && facts.comp_method != ZIP_CM_DEFLATE) {
    throw Error("is compressed by zip method ", facts.comp_method, "; expected stored or deflated");
  }
  const uint64_t ratio = facts.comp_method == ZIP_CM_STORE ? 1 : static_cast<uint64_t>(kLargestDeflateRatio);
  if (facts.comp_size > static_cast<uint64_t>(archive_bytes) || facts.size / ratio > facts.comp_size) {
    throw Error("claims ", facts.size, " bytes, more than the file can hold");
  }
  Entry entry(archive, index, static_cast<int64_t>(facts.size));
  const NpyHeader header = read_header(entry);
  if (header.type.bytes() != entry.bytes_left()) {
    throw Error("holds ", entry.bytes_left(), " bytes of elements; expected ", header.type.bytes(), " for ",
                text_of(header.type));
  }
  Tensor tensor(header.type);
  entry.read(tensor.data(), header.type.bytes());
  entry.expect_end();
  normalize_booleans(tensor);
  return header.fortran_order && header.type.rank() > 1 ? from_fortran_order(tensor) : std::move(tensor);
}

void add_array(zip_t* archive, const NamedArray& array, const std::string& header) {
  const zip_buffer_fragment_t parts[] = {
      {reinterpret_cast<zip_uint8_t*>(const_cast<char*>(header.data())), header.size()},
      {reinterpret_cast<zip_uint8_t*>(const_cast<std::byte*>(array.values.data())),
       static_cast<zip_uint64_t>(array.values.type().bytes())}};
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_fragment_create(parts, 2, 0, &error);
  zip_error_fini(&error);
  if (!source) throw std::bad_alloc();
  const zip_flags_t encoding = is_ascii(array.name) ? ZIP_FL_ENC_CP437 : ZIP_FL_ENC_UTF_8;  // both hold ASCII as it is
  const int64_t index = zip_file_add(archive, cat(array.name, kSuffix).c_str(), source, encoding);
  if (index < 0) {
    zip_source_free(source);
    throw Error("array '", array.name, "' cannot be added: ", zip_strerror(archive));
  }
  const uint64_t entry = static_cast<uint64_t>(index);
  zip_set_file_compression(archive, entry, ZIP_CM_STORE, 0);
  // The first day that a zip file can state: the same arrays give the same file.
  zip_file_set_dostime(archive, entry, 0, 1 << 5 | 1, 0);
}

// What libzip has written to memory.
std::string contents(zip_source_t* memory) {
  zip_stat_t facts;
  std::string bytes;
  if (zip_source_stat(memory, &facts) == 0) bytes.resize(facts.size);
  if (zip_source_open(memory) != 0 ||
      zip_source_read(memory, bytes.data(), bytes.size()) != static_cast<zip_int64_t>(bytes.size())) {
    throw Error(zip_error_strerror(zip_source_error(memory)));
  }
  zip_source_close(memory);
  return bytes;
}

std::string archive_of(std::span<const NamedArray> arrays) {
  const std::unique_ptr<zip_source_t, decltype(&zip_source_free)> memory(
      zip_source_buffer_create(nullptr, 0, 0, nullptr), zip_source_free);
  if (!memory) throw std::bad_alloc();
  Archive archive(zip_open_from_source(memory.get(), ZIP_TRUNCATE, nullptr));
  if (!archive) throw Error(zip_error_strerror(zip_source_error(memory.get())));
  zip_source_keep(memory.get());  // the archive gives up one reference when it is closed
  std::vector<std::string> headers;
  for (const NamedArray& array : arrays) headers.push_back(npy_header(array.values.type()));
  for (size_t i = 0; i < arrays.size(); ++i) add_array(archive.get(), arrays[i], headers[i]);
  if (zip_close(archive.get()) != 0) throw Error(zip_strerror(archive.get()));
  static_cast<void>(archive.release());
  return contents(memory.get());
}

}  // namespace

std::vector<NamedArray> read_npz(const std::string& path) {
  const Archive archive = with_context(path, [&] { return open_archive(path, ZIP_RDONLY); });
  const int64_t archive_bytes = static_cast<int64_t>(std::filesystem::file_size(path));
  std::vector<NamedArray> arrays;
  for (int64_t i = 0; i < zip_get_num_entries(archive.get(), 0); ++i) {
    zip_stat_t facts;
    if (zip_stat_index(archive.get(), static_cast<uint64_t>(i), 0, &facts) != 0) {
      throw Error(path, ": damaged: ", zip_strerror(archive.get()));
    }
    std::string name = name_of_entry(archive.get(), static_cast<uint64_t>(i), facts);
    if (!name.ends_with(kSuffix)) throw Error(path, ": holds '", name, "'; expected .npy files only");
    name.resize(name.size() - kSuffix.size());
    if (std::any_of(arrays.begin(), arrays.end(), [&](const NamedArray& array) { return array.name == name; })) {
      throw Error(path, ": holds the array '", name, "' twice");
    }
    Tensor values = with_context(cat(path, ": array '", name, "'"), [&] {
      return read_array(archive.get(), static_cast<uint64_t>(i), facts, archive_bytes);
    });
    arrays.push_back({std::move(name), std::move(values)});
  }
  return arrays;
}

void write_npz(const std::string& path, std::span<const NamedArray> arrays) {
  write_file_atomically(path, with_context(path, [&] { return archive_of(arrays); }));
}

}  // namespace marvin
