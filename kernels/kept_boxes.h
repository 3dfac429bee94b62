// The boxes that non-maximum suppression has kept so far, best first.
#pragma once

#include <cstdint>
#include <vector>

#include "head_math.h"

namespace edge_mtl {

class KeptBoxes {
 public:
  explicit KeptBoxes(int max_boxes);

  void clear();
  void add(const Box& box, int class_id);
  int count() const { return count_; }

  // Whether one of the class covers the box.
  bool hide(const Box& box, int class_id, float iou_threshold) const;

 private:
  int count_ = 0;
  std::vector<float> x1_, y1_, x2_, y2_;
  std::vector<int32_t> class_ids_;  // -1 where there is none
};

}  // namespace edge_mtl
