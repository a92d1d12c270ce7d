#include "runtime/kernels/gemm_bytes.h"

#include <omp.h>

#include <algorithm>
#include <limits>

#include "runtime/kernels/instruction_sets.h"
#include "runtime/kernels/scratch.h"

namespace marvin {
namespace {

constexpr int64_t kGroup = kDotGroupBytes, kColumns = kDotTileLanes, kPanelRows = 64;
// Strips of this size together stay in the second-level cache.
constexpr int64_t kCacheBytes = 1 << 19;

}  // namespace

struct GemmBytes::Call {
  const int8_t *a, *b;
  float scale;
  const float* bias;
  float* y;
  std::byte* strips;
};

bool GemmBytes::admits(const GemmShape& s) {
  constexpr int64_t kLimit = std::numeric_limits<int32_t>::max();
  const std::vector<int64_t> batch = s.batch();
  const bool is_single = std::ranges::all_of(batch, [](int64_t extent) { return extent == 1; });
  if (!vnni_is_available() || !is_single || !s.trans_a || s.trans_b) return false;
  return s.m > 0 && s.n > 0 && s.k > 0 && s.k + kGroup < kLimit / std::max(s.m, s.n) && int32_is_exact(s.k, 8, 8) &&
         s.k <= kCacheBytes / s.n;
}

GemmBytes::GemmBytes(const GemmShape& shape)
    : shape_(shape),
      threads_(omp_get_max_threads()),
      groups_(ceil_div(shape.k, kGroup)),
      strips_(ceil_div(shape.n, kColumns)),
      // A vector of the product may read behind the last element.
      strip_bytes_(Carver::bytes_of<int8_t>(kColumns * groups_ * kGroup + 64)),
      panel_bytes_(Carver::bytes_of<int8_t>(kPanelRows * groups_ * kGroup + 64)) {
  for (int64_t i = 0; i < groups_ * kGroup; ++i) {
    a_rows_.push_back(i < shape.k ? static_cast<int32_t>(i * shape.m) : -1);
    b_rows_.push_back(i < shape.k ? static_cast<int32_t>(i * shape.n) : -1);
  }
}

int64_t GemmBytes::scratch_bytes() const { return strips_ * strip_bytes_ + threads_ * panel_bytes_; }

void GemmBytes::pack_columns(const Call& call, int64_t strip) const {
  const int64_t first = strip * kColumns;
  interleave_unsigned(call.b + first, b_rows_, std::min(kColumns, shape_.n - first),
                      reinterpret_cast<uint8_t*>(call.strips + strip * strip_bytes_));
}

// Rows are written from left to right, a tile's rows at a time.
void GemmBytes::multiply(const Call& call, int64_t panel, std::byte* own) const {
  const int64_t first = panel * kPanelRows, rows = std::min(kPanelRows, shape_.m - first);
  int8_t* packed = reinterpret_cast<int8_t*>(own);
  interleave(call.a + first, a_rows_, rows, packed);
  int32_t row_sums[kPanelRows + kDotLanes] = {};
  add_up(packed, groups_, rows, row_sums);
  DotTile tile{.row_pitch = kDotGroupBytes, .row_step = rows * kDotGroupBytes};
  for (int64_t row = 0; row < rows; row += tile.row_count) {
    tile.rows = own + row * kDotGroupBytes;
    tile.row_count = dot_rows(kDotVectors, rows - row);
    for (int64_t strip = 0; strip < strips_; ++strip) {
      const int64_t column = strip * kColumns, columns = std::min(kColumns, shape_.n - column);
      tile.lane_step = columns * kDotGroupBytes;
      tile.vector_count = ceil_div(columns, kDotLanes);
      for (int64_t v = 0; v < tile.vector_count; ++v)
        tile.lanes[v] = call.strips + strip * strip_bytes_ + v * kDotLanes * kDotGroupBytes;
      dot_bytes(tile, DotRun{.groups = groups_},
                {.excess = row_sums + row,
                 .scale = call.scale,
                 .bias = call.bias ? call.bias + column : nullptr,
                 .columns = columns,
                 .y = call.y + (first + row) * shape_.n + column,
                 .pitch = shape_.n});
    }
  }
}

void GemmBytes::run(const int8_t* a, const int8_t* b, float scale, const float* bias, float* y,
                    std::byte* scratch) const {
  const Call call{a, b, scale, bias, y, scratch};
  const int64_t panels = ceil_div(shape_.m, kPanelRows);
#pragma omp parallel num_threads(std::min(threads_, omp_get_max_threads()))
  {
#pragma omp for schedule(static)
    for (int64_t strip = 0; strip < strips_; ++strip) pack_columns(call, strip);
    std::byte* own = scratch + strips_ * strip_bytes_ + omp_get_thread_num() * panel_bytes_;
#pragma omp for schedule(static)
    for (int64_t panel = 0; panel < panels; ++panel) multiply(call, panel, own);
  }
}

}  // namespace marvin
