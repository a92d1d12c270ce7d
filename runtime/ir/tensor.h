// A type and the elements that go with it.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "runtime/ir/type.h"

namespace marvin {

// Zeroed memory, aligned for every vector instruction and for oneDNN.
class Buffer {
 public:
  static constexpr size_t kAlignment = 64;
  Buffer() = default;
  explicit Buffer(int64_t bytes);
  std::byte* data() { return memory_.get(); }
  const std::byte* data() const { return memory_.get(); }
  int64_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(std::byte* memory) const;
  };
  std::unique_ptr<std::byte, Free> memory_;
  int64_t bytes_ = 0;
};

class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(Type type) : type_(std::move(type)), buffer_(type_.bytes()) {}  // zeros
  // A type whose elements nobody reads, without memory for them.
  static Tensor without_elements(Type type);
  Tensor(const Tensor& other);
  Tensor& operator=(const Tensor& other);
  Tensor(Tensor&&) = default;
  Tensor& operator=(Tensor&&) = default;

  template <class T>
  static Tensor of(Shape shape, std::span<const T> values);
  template <class T>
  static Tensor of(Shape shape, std::initializer_list<T> values) {
    return of<T>(std::move(shape), std::span<const T>(values.begin(), values.size()));
  }
  template <class T>
  static Tensor scalar(T value) {
    return of<T>({}, {value});
  }

  const Type& type() const { return type_; }
  std::byte* data() { return buffer_.data(); }
  const std::byte* data() const { return buffer_.data(); }
  // The elements. Throws std::logic_error when T is not the element type.
  template <class T>
  std::span<T> as() {
    check(DTypeOf<T>::value);
    return {reinterpret_cast<T*>(data()), static_cast<size_t>(type_.elements())};
  }
  template <class T>
  std::span<const T> as() const {
    check(DTypeOf<T>::value);
    return {reinterpret_cast<const T*>(data()), static_cast<size_t>(type_.elements())};
  }
  // Same type and the same bits.
  bool operator==(const Tensor& other) const;

 private:
  void check(DType dtype) const;
  Type type_;
  Buffer buffer_;
};

template <class T>
Tensor Tensor::of(Shape shape, std::span<const T> values) {
  Tensor tensor(Type{DTypeOf<T>::value, std::move(shape)});
  const std::span<T> elements = tensor.as<T>();
  for (size_t i = 0; i < elements.size(); ++i) elements[i] = values[i];
  return tensor;
}

// Tensors by name: weights, feeds, fetches.
using TensorMap = std::map<std::string, Tensor, std::less<>>;

// The elements of an integer tensor (of any integer type) as int64: shapes, axes, repeats.
std::vector<int64_t> to_int64(const Tensor& tensor);

}  // namespace marvin
