// What the compiler hands to the executor: a flat list of prepared steps over one arena.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/ops/op.h"

namespace marvin {

// Where a value's bytes are during a run.
struct Place {
  enum class Kind : uint8_t { none, arena, parameter, constant, input, tile };
  Kind kind = Kind::none;
  // A byte offset in the arena, an index into the plan's parameters, constants or inputs, or a byte offset in the
  // memory that every thread has for tiles.
  int64_t at = 0;
  bool operator==(const Place&) const = default;
};

struct Step {
  std::string label;  // the node's first output, for profiles and messages
  const OpDef* op = nullptr;
  const Kernel* kernel = nullptr;
  Prepared prepared;
  Attrs attrs;
  Phase phase = Phase::forward;
  std::vector<Place> in, out;
  std::vector<std::unique_ptr<Type>> in_types, out_types;  // null where left out; stable addresses for queries
  std::vector<SlotId> in_slots;                            // of quantized operands
  SlotId out_slot;                                         // of Quantize
  int64_t scratch_offset = 0;
  int64_t macs = 0;  // of a product
  uint64_t salt = 0;
  Tiling tiling;  // in a group of several steps
};

constexpr size_t kMaxTileOperands = 16;  // of a step in a group of several, and as many outputs

// Steps that run together: every tile goes through all of them before the thread takes the next one, so what they hand
// to each other stays in its cache.
struct Group {
  size_t first = 0, count = 1;  // steps
  int64_t tile = 0;             // elements of a tile; 0 for a single step, which runs whole
};

struct Plan {
  struct Binding {
    std::string name;
    Type type;
    Place place;
  };
  struct Copy {
    Place from;
    int64_t parameter = 0;
  };

  std::vector<Step> steps;
  std::vector<Group> groups;  // all steps, in their order
  int64_t tile_bytes = 0;     // that every thread needs for tiles
  std::vector<Binding> inputs, outputs, parameters;
  std::vector<std::shared_ptr<const Tensor>> constants;
  std::vector<Copy> copies;  // after the last step: updates that no step could write in place
  std::vector<Slot> slots;
  int64_t arena_bytes = 0;
  int64_t live_peak_bytes = 0;  // the most that is alive at one step: what no planner can get below
};

// The lifetime of a buffer in steps, both ends included.
struct Interval {
  int64_t first = 0;
  int64_t last = 0;
  int64_t bytes = 0;
};

// Byte offsets such that buffers alive at the same step do not overlap; multiples of Buffer::kAlignment. The largest
// few thousand are placed greedily, the largest first, each at the lowest place that is free for its whole life; the
// others, which hardly matter, behind them in the order of their first steps, each in the smallest gap that holds it.
std::vector<int64_t> assign_offsets(std::span<const Interval> intervals);

// The largest sum of the (aligned) sizes of buffers that are alive at one step.
int64_t live_peak(std::span<const Interval> intervals);

}  // namespace marvin
