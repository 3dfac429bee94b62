// The keypoints of the boxes that a detector kept, from the cells that found them.
#pragma once

#include <cstdint>
#include <vector>

#include "detect.h"
#include "head_math.h"
#include "raw_tensor.h"

namespace edge_mtl {

// One level of the head, of the size of the detector's: points (2 K, H, W) as x0 y0 x1 y1 ..., and
// visible (K, H, W).
struct PoseLevel {
  RawTensor points, visible;
};

// Where the poses of one task go: (max_boxes,), (max_boxes, K, 2) and (max_boxes, K).
struct FoundPoses {
  int32_t* rows;
  float* points;
  float* scores;
};

class PoseDecoder {
 public:
  // detector: which one of the head's. has_keypoints: by class of its boxes.
  PoseDecoder(int detector, std::vector<bool> has_keypoints, std::vector<PoseLevel> levels);

  // raw: the points and visible logits of each level. boxes: the `count` that the detector has just
  // found. Returns the number of poses, in the order of the boxes.
  int operator()(const void* const* raw, const Placement& placement, const Detector& detector,
                 const FoundBoxes& boxes, int count, const FoundPoses& poses) const;

  int detector() const { return detector_; }
  int keypoints() const { return levels_.front().visible.channels; }
  const std::vector<PoseLevel>& levels() const { return levels_; }

 private:
  void decode(const Cell& cell, int stride, const void* const* raw, const Placement& placement,
              float* points, float* scores) const;

  int detector_;
  std::vector<bool> has_keypoints_;
  std::vector<PoseLevel> levels_;
};

}  // namespace edge_mtl
