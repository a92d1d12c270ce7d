#include "importer/tensor_proto.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <fstream>
#include <optional>

#include "runtime/ir/error.h"

namespace marvin {
namespace {

static_assert(std::endian::native == std::endian::little, "raw_data is little-endian");

using Proto = onnx::TensorProto;

// Calls `body` with the typed field that holds elements of this type.
template <class Body>
decltype(auto) visit_field(Proto& proto, DType dtype, Body&& body) {
  switch (dtype) {
    case DType::f32:
      return body(*proto.mutable_float_data());
    case DType::f64:
      return body(*proto.mutable_double_data());
    case DType::i64:
      return body(*proto.mutable_int64_data());
    case DType::u32:
    case DType::u64:
      return body(*proto.mutable_uint64_data());
    default:
      return body(*proto.mutable_int32_data());
  }
}
template <class Body>
decltype(auto) visit_field(const Proto& proto, DType dtype, Body&& body) {
  switch (dtype) {
    case DType::f32:
      return body(proto.float_data());
    case DType::f64:
      return body(proto.double_data());
    case DType::i64:
      return body(proto.int64_data());
    case DType::u32:
    case DType::u64:
      return body(proto.uint64_data());
    default:
      return body(proto.int32_data());
  }
}

// Small floats lie in the integer field by their bits.
template <class T, class Element>
T from_field(Element element) {
  if constexpr (std::is_class_v<T>) {
    T stored;
    stored.bits = static_cast<decltype(stored.bits)>(element);
    return stored;
  } else {
    return static_cast<T>(element);
  }
}
template <class T>
auto to_field(T element) {
  if constexpr (std::is_class_v<T>)
    return element.bits;
  else
    return element;
}

bool is_external(const Proto& proto) { return proto.data_location() == Proto::EXTERNAL; }

// In files, two elements of 4 bits share a byte, the first in its lower half.
int64_t file_bytes(const Type& type) { return is_four_bits(type.dtype) ? (type.elements() + 1) / 2 : type.bytes(); }

void check_bytes(const Type& type, int64_t bytes) {
  if (bytes != file_bytes(type))
    throw Error("has ", bytes, " bytes of data, but ", text_of(type), " needs ", file_bytes(type));
}

// Booleans are one byte each in files, and anything but zero is true.
void copy_raw(Tensor& tensor, const char* bytes) {
  const Type& type = tensor.type();
  if (type.bytes() == 0) return;
  if (type.dtype == DType::boolean) {
    std::transform(bytes, bytes + type.bytes(), tensor.as<bool>().begin(), [](char byte) { return byte != 0; });
  } else if (is_four_bits(type.dtype)) {
    for (int64_t i = 0; i < type.elements(); ++i) {
      const int bits = (static_cast<unsigned char>(bytes[i / 2]) >> (i % 2 * 4)) & 15;
      tensor.data()[i] = static_cast<std::byte>(type.dtype == DType::i4 ? (bits ^ 8) - 8 : bits);
    }
  } else {
    std::memcpy(tensor.data(), bytes, static_cast<size_t>(type.bytes()));
  }
}

Tensor from_field(const Proto& proto, const Type& type) {
  return visit_field(proto, type.dtype, [&](const auto& field) {
    const int64_t wanted = is_four_bits(type.dtype) ? file_bytes(type) : type.elements();
    if (field.size() != wanted) {
      throw Error("has ", field.size(), " elements, but ", text_of(type), " needs ", wanted);
    }
    Tensor tensor(type);
    if (is_four_bits(type.dtype)) {
      std::string bytes;
      for (const auto element : field) bytes += static_cast<char>(element);
      copy_raw(tensor, bytes.data());
      return tensor;
    }
    visit_stored(type.dtype, [&](auto zero) {
      using T = decltype(zero);
      std::ranges::transform(field, tensor.as<T>().begin(), [](auto element) { return from_field<T>(element); });
    });
    return tensor;
  });
}

struct ExternalData {
  std::string location;
  int64_t offset = 0;
  std::optional<int64_t> length;
};

int64_t byte_count(const std::string& key, const std::string& text) {
  int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end || number < 0)
    throw Error("external data: ", key, " '", text, "' is no size");
  return number;
}

ExternalData external_data_of(const Proto& proto) {
  ExternalData data;
  for (const onnx::StringStringEntryProto& entry : proto.external_data()) {
    if (entry.key() == "location") data.location = entry.value();
    if (entry.key() == "offset") data.offset = byte_count("offset", entry.value());
    if (entry.key() == "length") data.length = byte_count("length", entry.value());
  }
  if (data.location.empty()) throw Error("external data: no location is given");
  return data;
}

std::filesystem::path path_below(const std::filesystem::path& directory, const std::string& location) {
  const std::filesystem::path relative = std::filesystem::path(location).lexically_normal();
  if (relative.is_absolute() || relative.begin() == relative.end() || *relative.begin() == "..") {
    throw Error("external data: '", location, "' is not below the model's directory");
  }
  const std::filesystem::path path = directory / relative;
  std::error_code unresolved;  // of what is not there, which its reader says
  const auto resolved = [&](const std::filesystem::path& p) {
    return std::filesystem::weakly_canonical(std::filesystem::absolute(p, unresolved), unresolved);
  };
  const std::filesystem::path inside =
      resolved(path).lexically_relative(resolved(directory.empty() ? std::filesystem::path(".") : directory));
  if (unresolved || inside.empty() || *inside.begin() == "..")
    throw Error("external data: '", location, "' is a link that leads out of the model's directory");
  return path;
}

Tensor from_external(const Proto& proto, const Type& type, const std::filesystem::path& directory) {
  const ExternalData data = external_data_of(proto);
  if (data.length) check_bytes(type, *data.length);
  const std::filesystem::path path = path_below(directory, data.location);
  if (!std::filesystem::is_regular_file(path)) throw Error("external data: there is no file '", path.string(), "'");
  const int64_t size = static_cast<int64_t>(std::filesystem::file_size(path));
  const int64_t needed = file_bytes(type);
  if (data.offset > size || size - data.offset < needed) {
    throw Error("external data: '", path.string(), "' has ", size, " bytes, but ", needed, " are needed from byte ",
                data.offset);
  }
  std::string bytes(static_cast<size_t>(needed), '\0');
  std::ifstream file(path, std::ios::binary);
  file.seekg(data.offset);
  if (!file.read(bytes.data(), needed)) throw Error("external data: cannot read '", path.string(), "'");
  Tensor tensor(type);
  copy_raw(tensor, bytes.data());
  return tensor;
}

// 16-bit weights are trained as float32.
Tensor rounded_to_half(const Tensor& tensor, DType half) {
  Tensor result(Type{half, tensor.type().shape});
  const auto round = [&](auto zero) {
    using T = decltype(zero);
    std::ranges::transform(tensor.as<float>(), result.as<T>().begin(), [](float x) { return T(x); });
  };
  half == DType::f16 ? round(Float16{}) : round(BFloat16{});
  return result;
}

void set_raw(Proto& proto, const Tensor& tensor) {
  const Type& type = tensor.type();
  if (!is_four_bits(type.dtype)) return proto.set_raw_data(tensor.data(), static_cast<size_t>(type.bytes()));
  std::string bytes(static_cast<size_t>(file_bytes(type)), '\0');
  for (size_t i = 0; i < static_cast<size_t>(type.elements()); ++i)
    bytes[i / 2] = static_cast<char>(bytes[i / 2] | (std::to_integer<int>(tensor.data()[i]) & 15) << (i % 2 * 4));
  proto.set_raw_data(std::move(bytes));
}

}  // namespace

Type type_of(const Proto& proto) {
  Type type{dtype_of_onnx(proto.data_type()), Shape(proto.dims().begin(), proto.dims().end())};
  elements(type.shape);
  return type;
}

Tensor tensor_from(const Proto& proto, const std::filesystem::path& directory) {
  return with_context(cat("tensor '", proto.name(), "'"), [&] {
    const Type type = type_of(proto);
    if (proto.has_segment()) throw Error("is stored in segments, which is not supported");
    if (is_external(proto)) return from_external(proto, type, directory);
    if (proto.raw_data().empty()) return from_field(proto, type);
    check_bytes(type, static_cast<int64_t>(proto.raw_data().size()));
    Tensor tensor(type);
    copy_raw(tensor, proto.raw_data().data());
    return tensor;
  });
}

void set_tensor(Proto& proto, const Tensor& tensor) {
  proto.clear_dims();
  for (const int64_t extent : tensor.type().shape) proto.add_dims(extent);
  proto.set_data_type(static_cast<int32_t>(onnx_number_of(tensor.type().dtype)));
  set_raw(proto, tensor);
}

void overwrite(Proto& proto, const Tensor& given) {
  const Type type = type_of(proto);
  const bool was_half = is_half(type.dtype) && given.type() == Type{DType::f32, type.shape};
  const Tensor narrowed = was_half ? rounded_to_half(given, type.dtype) : Tensor();
  const Tensor& tensor = was_half ? narrowed : given;
  if (tensor.type() != type) {
    throw Error("tensor '", proto.name(), "' is ", text_of(type), " in the model, not ", text_of(tensor.type()));
  }
  if (!proto.raw_data().empty() || is_external(proto) || is_four_bits(type.dtype)) {
    proto.clear_int32_data();
    proto.clear_external_data();
    proto.clear_data_location();
    set_raw(proto, tensor);
    return;
  }
  visit_field(proto, type.dtype, [&](auto& field) {
    field.Clear();
    visit_stored(type.dtype, [&](auto zero) {
      for (const auto element : tensor.as<decltype(zero)>()) field.Add(to_field(element));
    });
  });
}

void embed_external(Proto& proto, const std::filesystem::path& directory) {
  if (is_external(proto)) overwrite(proto, tensor_from(proto, directory));
}

std::string move_out(Proto& proto, const std::string& location, int64_t offset) {
  if (proto.raw_data().empty()) set_raw(proto, tensor_from(proto, {}));
  std::string bytes;
  bytes.swap(*proto.mutable_raw_data());
  proto.clear_raw_data();
  const auto tell = [&](const std::string& key, const std::string& value) {
    onnx::StringStringEntryProto& entry = *proto.add_external_data();
    entry.set_key(key);
    entry.set_value(value);
  };
  tell("location", location);
  tell("offset", std::to_string(offset));
  tell("length", std::to_string(bytes.size()));
  proto.set_data_location(Proto::EXTERNAL);
  return bytes;
}

}  // namespace marvin
