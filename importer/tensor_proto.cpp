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

constexpr std::array<std::pair<DType, int32_t>, 13> kDataTypes = {{{DType::f32, Proto::FLOAT},
                                                                   {DType::f64, Proto::DOUBLE},
                                                                   {DType::f16, Proto::FLOAT16},
                                                                   {DType::bf16, Proto::BFLOAT16},
                                                                   {DType::i8, Proto::INT8},
                                                                   {DType::i16, Proto::INT16},
                                                                   {DType::i32, Proto::INT32},
                                                                   {DType::i64, Proto::INT64},
                                                                   {DType::u8, Proto::UINT8},
                                                                   {DType::u16, Proto::UINT16},
                                                                   {DType::u32, Proto::UINT32},
                                                                   {DType::u64, Proto::UINT64},
                                                                   {DType::boolean, Proto::BOOL}}};

// What ONNX added after the protobuf classes were generated.
constexpr std::array<std::string_view, 7> kNewerDataTypes = {
    "FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ", "UINT4", "INT4", "FLOAT4E2M1"};
constexpr int32_t kFirstNewerDataType = 17;

std::string data_type_name(int32_t data_type) {
  if (onnx::TensorProto_DataType_IsValid(data_type)) {
    return onnx::TensorProto_DataType_Name(static_cast<onnx::TensorProto_DataType>(data_type));
  }
  const int64_t newer = int64_t{data_type} - kFirstNewerDataType;
  if (newer >= 0 && newer < std::ssize(kNewerDataTypes)) {
    return std::string(kNewerDataTypes[static_cast<size_t>(newer)]);
  }
  return cat("number ", data_type);
}

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

// 16-bit floats lie in the integer field by their bits.
template <class T, class Element>
T from_field(Element element) {
  if constexpr (std::is_class_v<T>) {
    T half;
    half.bits = static_cast<uint16_t>(element);
    return half;
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

void check_bytes(const Type& type, int64_t bytes) {
  if (bytes != type.bytes()) throw Error("has ", bytes, " bytes of data, but ", text_of(type), " needs ", type.bytes());
}

// Booleans are one byte each in files, and anything but zero is true.
void copy_raw(Tensor& tensor, const char* bytes) {
  if (tensor.type().bytes() == 0) return;
  if (tensor.type().dtype != DType::boolean) {
    std::memcpy(tensor.data(), bytes, static_cast<size_t>(tensor.type().bytes()));
    return;
  }
  const std::span<bool> elements = tensor.as<bool>();
  for (size_t i = 0; i < elements.size(); ++i) elements[i] = bytes[i] != 0;
}

Tensor from_field(const Proto& proto, const Type& type) {
  return visit_field(proto, type.dtype, [&](const auto& field) {
    if (field.size() != type.elements()) {
      throw Error("has ", field.size(), " elements, but ", text_of(type), " needs ", type.elements());
    }
    Tensor tensor(type);
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
  return directory / relative;
}

Tensor from_external(const Proto& proto, const Type& type, const std::filesystem::path& directory) {
  const ExternalData data = external_data_of(proto);
  if (data.length) check_bytes(type, *data.length);
  const std::filesystem::path path = path_below(directory, data.location);
  if (!std::filesystem::is_regular_file(path)) throw Error("external data: there is no file '", path.string(), "'");
  const int64_t size = static_cast<int64_t>(std::filesystem::file_size(path));
  if (data.offset > size || size - data.offset < type.bytes()) {
    throw Error("external data: '", path.string(), "' has ", size, " bytes, but ", type.bytes(),
                " are needed from byte ", data.offset);
  }
  std::string bytes(static_cast<size_t>(type.bytes()), '\0');
  std::ifstream file(path, std::ios::binary);
  file.seekg(data.offset);
  if (!file.read(bytes.data(), type.bytes())) throw Error("external data: cannot read '", path.string(), "'");
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
  proto.set_raw_data(tensor.data(), static_cast<size_t>(tensor.type().bytes()));
}

}  // namespace

DType dtype_of(int32_t data_type) {
  for (const auto& [dtype, number] : kDataTypes)
    if (number == data_type) return dtype;
  throw Error("the element type ", data_type_name(data_type),
              " is not supported; floats of 16, 32 and 64 bits, integers of 8 to 64 bits and BOOL are");
}

int32_t data_type_of(DType dtype) {
  return std::ranges::find(kDataTypes, dtype, &std::pair<DType, int32_t>::first)->second;
}

Type type_of(const Proto& proto) {
  Type type{dtype_of(proto.data_type()), Shape(proto.dims().begin(), proto.dims().end())};
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
  proto.set_data_type(data_type_of(tensor.type().dtype));
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
  if (!proto.raw_data().empty() || is_external(proto)) {
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
