// Images and the blocks that a sliding window cuts out of them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace marvin {

// Where a window stands along one axis of the image.
struct WindowAxis {
  int64_t image;                  // extent of the image
  int64_t block;                  // elements of the window
  int64_t windows;                // positions of the window
  int64_t stride, dilation, pad;  // pad: how far the first window begins before the image
};

// Up to the most axes that an array has.
struct Windows {
  std::array<WindowAxis, 16> axes;
  size_t rank = 0;

  int64_t image_elements() const { return product(&WindowAxis::image); }
  int64_t block_elements() const { return product(&WindowAxis::block); }
  int64_t count() const { return product(&WindowAxis::windows); }

  // The image's element under element `tap` of window `window`; -1 beside the image.
  int64_t element(int64_t tap, int64_t window) const {
    int64_t offset = 0, stride = 1;
    for (size_t i = rank; i-- > 0;) {
      const WindowAxis& axis = axes[i];
      const int64_t at = window % axis.windows * axis.stride + tap % axis.block * axis.dilation - axis.pad;
      if (at < 0 || at >= axis.image) return -1;
      offset += at * stride;
      stride *= axis.image;
      window /= axis.windows;
      tap /= axis.block;
    }
    return offset;
  }

 private:
  int64_t product(int64_t WindowAxis::*extent) const {
    int64_t result = 1;
    for (size_t i = 0; i < rank; ++i) result *= axes[i].*extent;
    return result;
  }
};

// columns[tap][window] of one image become sums in it. The image holds zeros.
template <class T>
void add_columns(const T* columns, T* image, const Windows& windows) {
  const int64_t taps = windows.block_elements(), count = windows.count();
  for (int64_t tap = 0; tap < taps; ++tap) {
    for (int64_t window = 0; window < count; ++window) {
      const int64_t to = windows.element(tap, window);
      if (to >= 0) image[to] += columns[tap * count + window];
    }
  }
}

// The inverse: every element of every window, zeros beside the image.
template <class T>
void take_columns(const T* image, T* columns, const Windows& windows) {
  const int64_t taps = windows.block_elements(), count = windows.count();
  for (int64_t tap = 0; tap < taps; ++tap) {
    for (int64_t window = 0; window < count; ++window) {
      const int64_t from = windows.element(tap, window);
      columns[tap * count + window] = from < 0 ? T{} : image[from];
    }
  }
}

}  // namespace marvin
