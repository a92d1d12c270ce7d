#include "runtime/data/npy.h"

#include <array>
#include <charconv>
#include <optional>
#include <stdexcept>

#include "runtime/ir/error.h"

namespace marvin {
namespace {

struct DTypeName {
  std::string_view numpy;
  DType dtype;
};
constexpr std::array<DTypeName, 12> kDTypeNames = {{{"<f4", DType::f32},
                                                    {"<f8", DType::f64},
                                                    {"<f2", DType::f16},
                                                    {"|i1", DType::i8},
                                                    {"<i2", DType::i16},
                                                    {"<i4", DType::i32},
                                                    {"<i8", DType::i64},
                                                    {"|u1", DType::u8},
                                                    {"<u2", DType::u16},
                                                    {"<u4", DType::u32},
                                                    {"<u8", DType::u64},
                                                    {"|b1", DType::boolean}}};

// A scanner of the few Python literals that occur in the dictionary.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool accept(std::string_view token) {
    skip_spaces();
    if (!text_.substr(position_).starts_with(token)) return false;
    position_ += token.size();
    return true;
  }
  void expect(std::string_view token) {
    if (!accept(token)) fail(cat("'", token, "'"));
  }
  std::string_view string() {
    skip_spaces();
    const char quote = position_ < text_.size() ? text_[position_] : ' ';
    if (quote != '\'' && quote != '"') fail("a string");
    const size_t end = text_.find(quote, position_ + 1);
    if (end == std::string_view::npos) fail("the end of a string");
    const std::string_view content = text_.substr(position_ + 1, end - position_ - 1);
    position_ = end + 1;
    return content;
  }
  bool boolean() {
    if (accept("True")) return true;
    expect("False");
    return false;
  }
  Shape tuple() {
    Shape shape;
    expect("(");
    while (!accept(")")) {
      shape.push_back(extent());
      if (!accept(",")) {
        expect(")");
        break;
      }
    }
    return shape;
  }
  [[noreturn]] void fail(const std::string& expected) const {
    throw Error("damaged .npy header: expected ", expected, " at character ", position_, " of ", text_.size());
  }

 private:
  void skip_spaces() {
    while (position_ < text_.size() && (text_[position_] == ' ' || text_[position_] == '\n')) ++position_;
  }
  int64_t extent() {
    skip_spaces();
    int64_t value = -1;
    const char* begin = text_.data() + position_;
    const std::from_chars_result result = std::from_chars(begin, text_.data() + text_.size(), value);
    if (result.ec != std::errc() || value < 0) fail("an extent");
    position_ += static_cast<size_t>(result.ptr - begin);
    return value;
  }
  std::string_view text_;
  size_t position_ = 0;
};

DType parse_dtype(std::string_view name) {
  for (const DTypeName& row : kDTypeNames) {
    const bool one_byte = row.numpy[0] == '|';
    if (name == row.numpy || (one_byte && name.size() == 3 && name.substr(1) == row.numpy.substr(1))) return row.dtype;
  }
  std::vector<std::string> known;
  for (const DTypeName& row : kDTypeNames) known.emplace_back(row.numpy.substr(1));
  throw Error("the element type '", name, "' is not supported; expected little-endian ", join(known, " or "));
}

std::string_view numpy_name(DType dtype) {
  for (const DTypeName& row : kDTypeNames)
    if (row.dtype == numpy_dtype(dtype)) return row.numpy;
  throw std::logic_error("no numpy name");
}

}  // namespace

DType numpy_dtype(DType dtype) {
  if (dtype == DType::bf16) return DType::u16;
  if (dtype == DType::i4) return DType::i8;
  return is_narrow(dtype) ? DType::u8 : dtype;
}

std::string numpy_code(DType dtype) { return std::string(numpy_name(dtype).substr(1)); }

NpyHeader parse_npy_dictionary(std::string_view text) {
  Scanner scanner(text);
  std::optional<DType> dtype;
  std::optional<bool> fortran_order;
  std::optional<Shape> shape;
  scanner.expect("{");
  while (!scanner.accept("}")) {
    const std::string_view key = scanner.string();
    scanner.expect(":");
    if (key == "descr") {
      if (scanner.accept("[")) throw Error("records (structured arrays) are not supported; save the fields as arrays");
      dtype = parse_dtype(scanner.string());
    } else if (key == "fortran_order") {
      fortran_order = scanner.boolean();
    } else if (key == "shape") {
      shape = scanner.tuple();
    } else {
      scanner.fail("descr, fortran_order or shape");
    }
    if (!scanner.accept(",")) {
      scanner.expect("}");
      break;
    }
  }
  if (!dtype || !fortran_order || !shape) scanner.fail("descr, fortran_order and shape");
  elements(*shape);
  return {Type{*dtype, *shape}, *fortran_order};
}

std::string npy_header(const Type& type) {
  if (type.layout != Layout::row_major) throw std::logic_error("a .npy array is row-major");
  std::string shape;
  for (const int64_t extent : type.shape) shape += cat(extent, ", ");
  if (type.rank() > 0) shape.resize(shape.size() - (type.rank() == 1 ? 1 : 2));  // (2,) and (2, 3)
  std::string dictionary =
      cat("{'descr': '", numpy_name(type.dtype), "', 'fortran_order': False, 'shape': (", shape, "), }");

  constexpr size_t kBefore = kNpyMagic.size() + 4;
  const size_t length = (kBefore + dictionary.size() + 1 + 63) / 64 * 64 - kBefore;
  dictionary.resize(length, ' ');
  dictionary.back() = '\n';
  const char rest[] = {'\1', '\0', static_cast<char>(length & 0xff), static_cast<char>(length >> 8)};
  return std::string(kNpyMagic) + std::string(rest, sizeof rest) + dictionary;
}

}  // namespace marvin
