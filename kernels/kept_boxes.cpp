#include "kept_boxes.h"

#include <algorithm>

#include "multiversion.h"

namespace edge_mtl {
namespace {

constexpr int kBlock = 16;  // boxes that are looked at together

struct Sides {
  const float *x1, *y1, *x2, *y2;
  const int32_t* class_ids;
};

MULTIVERSION bool any_overlaps(const Sides& kept, int count, const Box& box, int class_id,
                               float iou_threshold) {
  const Sides sides = kept;
  const Box wanted = box;
  for (int first = 0; first < count; first += kBlock) {
    int32_t hidden = 0;
    for (int i = first; i < first + kBlock; ++i) {
      const Box other{sides.x1[i], sides.y1[i], sides.x2[i], sides.y2[i]};
      hidden |= static_cast<int32_t>(sides.class_ids[i] == class_id) &
                static_cast<int32_t>(overlaps(other, wanted, iou_threshold));
    }
    if (hidden != 0) return true;
  }
  return false;
}

}  // namespace

KeptBoxes::KeptBoxes(int max_boxes) {
  const int room = (max_boxes + kBlock - 1) / kBlock * kBlock;
  for (auto* side : {&x1_, &y1_, &x2_, &y2_}) side->resize(room);
  class_ids_.resize(room, -1);
}

void KeptBoxes::clear() {
  std::fill_n(class_ids_.begin(), count_, -1);
  count_ = 0;
}

void KeptBoxes::add(const Box& box, int class_id) {
  x1_[count_] = box.x1;
  y1_[count_] = box.y1;
  x2_[count_] = box.x2;
  y2_[count_] = box.y2;
  class_ids_[count_++] = class_id;
}

bool KeptBoxes::hide(const Box& box, int class_id, float iou_threshold) const {
  const Sides sides{x1_.data(), y1_.data(), x2_.data(), y2_.data(), class_ids_.data()};
  return any_overlaps(sides, count_, box, class_id, iou_threshold);
}

}  // namespace edge_mtl
