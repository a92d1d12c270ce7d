// Greedy choice of boxes that overlap little.
#pragma once

#include <cstdint>

namespace marvin {

struct BoxSelection {
  const float* boxes;   // [batches, count, 4]
  const float* scores;  // [batches, classes, count]
  int64_t batches, classes, count;
  bool centered;  // boxes are x, y of the center, width, height; else y, x of a corner, then of the opposite one
  int64_t most;   // per batch and class
  float overlap;  // boxes that share more of their union than this with a better one are left out
  const float* threshold;  // boxes whose score is no greater are left out; null: none
};

// Writes batch, class and box of the boxes chosen, batch by batch, class by class, the best first and of equally good
// ones the first first, to `chosen` where that is not null. Returns how many there are. `order` has room for `count`.
int64_t select_boxes(const BoxSelection& selection, int64_t* order, int64_t* chosen);

}  // namespace marvin
