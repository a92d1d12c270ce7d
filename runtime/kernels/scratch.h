// Scratch memory in parts.
#pragma once

#include <cstddef>
#include <cstdint>

namespace marvin {

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Parts of a scratch buffer, one after the other, each aligned to a cache line.
class Carver {
 public:
  explicit Carver(std::byte* memory) : memory_(memory) {}
  template <class T>
  T* take(int64_t count) {
    T* part = reinterpret_cast<T*>(memory_);
    memory_ += bytes_of<T>(count);
    return part;
  }
  template <class T>
  static constexpr int64_t bytes_of(int64_t count) {
    return ceil_div(count * static_cast<int64_t>(sizeof(T)), 64) * 64;
  }
  // What is not taken yet.
  std::byte* rest() const { return memory_; }

 private:
  std::byte* memory_;
};

}  // namespace marvin
