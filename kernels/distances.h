// The distances of cells that are candidates, a block of them at once.
#pragma once

#include <cstdint>
#include <vector>

#include "head_math.h"
#include "raw_tensor.h"
#include "vectors.h"

namespace edge_mtl {

class Distances {
 public:
  // bins: of each distance, whose logits the raw values are; 0 where they are the distances.
  explicit Distances(int bins);

  // Reads `count` cells, at most kLanes, of a raw tensor (4, H, W) or (4 bins, H, W).
  void read(const RawTensor& tensor, const void* data, const int32_t* cells, int count);

  Reach operator[](int lane) const {
    return {sides_[lane], sides_[kLanes + lane], sides_[2 * kLanes + lane],
            sides_[3 * kLanes + lane]};
  }

 private:
  int bins_;
  // Rows of kLanes. Lanes beyond the cells hold what was there before, which nobody looks at.
  std::vector<float> raw_;  // whatever their type
  std::vector<float> logits_;
  float sides_[4 * kLanes] = {};
};

}  // namespace edge_mtl
