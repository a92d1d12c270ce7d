// The order of images in memory: [n][channels][pixels], row-major, or [n][pixels][channels], channels-last.
#pragma once

#include <cstdint>

namespace marvin {

// to[n][column][row] = from[n][row][column]: from row-major to channels-last where rows are channels, and back where
// rows are pixels.
void transpose_images(int64_t n, int64_t rows, int64_t columns, const float* from, float* to);

// to[column * to_pitch + row] = from[row * from_pitch + column], on the calling thread.
void transpose_tile(const float* from, int64_t from_pitch, int64_t rows, int64_t columns, float* to, int64_t to_pitch);

}  // namespace marvin
