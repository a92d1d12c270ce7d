#include "runtime/kernels/non_max_suppression.h"

#include <algorithm>

namespace marvin {
namespace {

struct Box {
  float left, right, top, bottom;
  float area() const { return (right - left) * (bottom - top); }
};

Box box_at(const float* box, bool centered) {
  if (centered) {
    return {box[0] - box[2] / 2, box[0] + box[2] / 2, box[1] - box[3] / 2, box[1] + box[3] / 2};
  }
  return {std::min(box[1], box[3]), std::max(box[1], box[3]), std::min(box[0], box[2]), std::max(box[0], box[2])};
}

// Whether the boxes share more than `limit` of their union.
bool overlap(const Box& a, const Box& b, float limit) {
  const float width = std::min(a.right, b.right) - std::max(a.left, b.left);
  const float height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
  if (!(width > 0 && height > 0)) return false;
  const float both = width * height;
  return both / (a.area() + b.area() - both) > limit;
}

}  // namespace

int64_t select_boxes(const BoxSelection& selection, int64_t* order, int64_t* chosen) {
  int64_t total = 0;
  for (int64_t lane = 0; lane < selection.batches * selection.classes; ++lane) {
    const int64_t batch = lane / selection.classes;
    const float* scores = selection.scores + lane * selection.count;
    const float* boxes = selection.boxes + batch * selection.count * 4;
    int64_t candidates = 0;
    for (int64_t i = 0; i < selection.count; ++i)
      if (!selection.threshold || scores[i] > *selection.threshold) order[candidates++] = i;
    // A NaN is no score to be chosen for.
    const auto worth = [&](int64_t i) { return scores[i] == scores[i] ? scores[i] : -__builtin_inff(); };
    std::sort(order, order + candidates,
              [&](int64_t a, int64_t b) { return worth(a) > worth(b) || (worth(a) == worth(b) && a < b); });
    int64_t kept = 0;  // to the front of `order`
    for (int64_t i = 0; i < candidates && kept < selection.most; ++i) {
      const Box box = box_at(boxes + order[i] * 4, selection.centered);
      const auto suppresses = [&](int64_t better) {
        return overlap(box, box_at(boxes + better * 4, selection.centered), selection.overlap);
      };
      if (std::any_of(order, order + kept, suppresses)) continue;
      order[kept++] = order[i];
      if (chosen) {
        const int64_t row[] = {batch, lane % selection.classes, order[kept - 1]};
        std::copy_n(row, 3, chosen + total * 3);
      }
      ++total;
    }
  }
  return total;
}

}  // namespace marvin
