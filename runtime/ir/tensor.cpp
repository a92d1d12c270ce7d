#include "runtime/ir/tensor.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>

#include "runtime/ir/error.h"

namespace marvin {

void Buffer::Free::operator()(std::byte* memory) const { std::free(memory); }

Buffer::Buffer(int64_t bytes) : bytes_(bytes) {
  // Streams through memory are about twice as fast where a page is this large.
  constexpr size_t kHugePage = size_t{1} << 21;
  const bool is_huge = static_cast<size_t>(bytes) >= 2 * kHugePage;
  const size_t alignment = is_huge ? kHugePage : kAlignment;
  const size_t rounded = (static_cast<size_t>(bytes) + alignment - 1) / alignment * alignment;
  if (rounded == 0) return;
  memory_.reset(static_cast<std::byte*>(std::aligned_alloc(alignment, rounded)));
  if (!memory_) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
  if (is_huge) madvise(memory_.get(), rounded, MADV_HUGEPAGE);  // where the system has none, nothing is lost
#endif
  std::memset(memory_.get(), 0, rounded);
}

Tensor Tensor::without_elements(Type type) {
  Tensor tensor;
  tensor.type_ = std::move(type);
  return tensor;
}

Tensor::Tensor(const Tensor& other) : type_(other.type_), buffer_(other.buffer_.bytes()) {
  if (buffer_.bytes() > 0) std::memcpy(data(), other.data(), static_cast<size_t>(buffer_.bytes()));
}

Tensor& Tensor::operator=(const Tensor& other) {
  if (this != &other) *this = Tensor(other);
  return *this;
}

bool Tensor::operator==(const Tensor& other) const {
  return type_ == other.type_ &&
         (type_.bytes() == 0 || std::memcmp(data(), other.data(), static_cast<size_t>(type_.bytes())) == 0);
}

void Tensor::check(DType dtype) const {
  if (dtype != type_.dtype) throw std::logic_error(cat("a tensor of ", text_of(type_), " read as ", name_of(dtype)));
}

std::vector<int64_t> to_int64(const Tensor& tensor) {
  if (!is_integer(tensor.type().dtype)) throw Error("expected integers, found ", text_of(tensor.type()));
  return visit(tensor.type().dtype, [&](auto zero) {
    const auto elements = tensor.as<decltype(zero)>();
    return std::vector<int64_t>(elements.begin(), elements.end());
  });
}

}  // namespace marvin
