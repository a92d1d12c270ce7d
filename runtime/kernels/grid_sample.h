// Sampling of row-major float32 images at places that a grid names, and its gradients.
#pragma once

#include <array>
#include <cstdint>

namespace marvin {

enum class Sampling : uint8_t { nearest, linear, cubic };
enum class Outside : uint8_t { zeros, border, reflection };

// x[n][c][depth][height][width], y[n][c][points], grid[n][points][axes]: a point's place along the width first, then
// height and depth, from -1 (the first element) to 1 (the last one). Axes that images lack are of extent 1.
struct GridSampling {
  int64_t n = 1, c = 1, points = 1;
  int64_t axes = 2;
  std::array<int64_t, 3> extents = {1, 1, 1};  // depth, height, width
  Sampling sampling = Sampling::linear;
  Outside outside = Outside::zeros;
  bool align_corners = false;  // -1 and 1 are the centers of the elements at the ends, not their outer edges

  int64_t plane() const { return extents[0] * extents[1] * extents[2]; }
};

// Cubic interpolation is that of R. Keys (1981) with a = -0.75.
void grid_sample(const GridSampling& shape, const float* x, const float* grid, float* y);

// The gradients of x and grid; each may be null.
void grid_sample_grad(const GridSampling& shape, const float* dy, const float* x, const float* grid, float* dx,
                      float* dgrid);

}  // namespace marvin
