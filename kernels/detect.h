// Raw scores and distances to boxes: threshold, decode, class-aware non-maximum suppression.
#pragma once

#include <cstdint>
#include <vector>

#include "candidates.h"
#include "distances.h"
#include "head_math.h"
#include "raw_tensor.h"

namespace edge_mtl {

// One level of the head: scores (classes, H, W) and boxes (4, H, W) or (4 bins, H, W).
struct DetectionLevel {
  int stride;
  RawTensor scores, boxes;
};

struct Cell {
  int level, row, column;
};

class Detector {
 public:
  // A cell is a candidate if its best logit is above min_logit; the best max_candidates of them
  // are decoded. bins: of each distance, whose logits the levels' boxes are; 0 where they are the
  // distances.
  Detector(std::vector<DetectionLevel> levels, int bins, float min_logit, float iou_threshold,
           int max_boxes, int max_candidates);

  // raw: the scores and boxes of each level. Returns the number of boxes found, best first.
  int operator()(const void* const* raw, const Placement& placement, const FoundBoxes& found);

  const std::vector<DetectionLevel>& levels() const { return levels_; }
  int max_boxes() const { return candidates_.max_boxes(); }
  int classes() const { return levels_.empty() ? 0 : levels_.front().scores.channels; }

  // The cell that found a box of the last frame.
  Cell cell_of_box(int box) const { return cell_of(candidates_.places()[box]); }

 private:
  // Scratch memory: once, and not before there are scores. Nobody reserves it by a number alone.
  void reserve();
  template <typename T>
  void collect(int level, const T* scores);
  Cell cell_of(int32_t place) const;
  // The boxes of the best candidates.
  void decode(const void* const* raw, const Placement& placement);

  std::vector<DetectionLevel> levels_;
  float min_logit_;
  std::vector<int32_t> first_places_;  // of each level's cells among those of all
  std::vector<int> least_;             // 8-bit score of each level that is above min_logit_
  Candidates candidates_;
  Distances distances_;
  std::vector<Box> boxes_;      // in pixels of the frame
  std::vector<float> best_;     // of one level's cells; whatever the type of its scores
  std::vector<uint8_t> flags_;  // of one level's cells: whether it is a candidate
  std::vector<int32_t> above_;  // the cells of one level that are candidates
};

}  // namespace edge_mtl
