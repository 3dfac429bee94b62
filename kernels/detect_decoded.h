// Boxes that the network has decoded itself: threshold, class-aware non-maximum suppression.
#pragma once

#include <cstdint>
#include <vector>

#include "candidates.h"
#include "head_math.h"
#include "raw_tensor.h"

namespace edge_mtl {

// How the numbers of a candidate lie: four of its box, an objectness where there is one, a score
// for each class.
struct DecodedLayout {
  bool channels_last;  // (candidates, numbers, 1), otherwise (numbers, candidates, 1)
  bool by_centre;      // a box is x, y, width, height, otherwise x1, y1, x2, y2
  bool objectness;
};

class DecodedDetector {
 public:
  // A candidate needs a best score, and an objectness, above min_score; their product is its own.
  DecodedDetector(const RawTensor& tensor, const DecodedLayout& layout, float min_score,
                  float iou_threshold, int max_boxes, int max_candidates);

  // Returns the number of boxes found, best first.
  int operator()(const void* raw, const Placement& placement, const FoundBoxes& found);

  const RawTensor& tensor() const { return tensor_; }
  int max_boxes() const { return candidates_.max_boxes(); }

 private:
  template <typename T>
  void collect_planes(const T* data);
  template <typename T>
  void collect_rows(const T* data);
  template <typename T>
  void add(const T* data, int32_t place, float best, int class_id);

  // Of number i of the candidate at a place.
  ptrdiff_t at(int32_t place, int i) const {
    return layout_.channels_last ? static_cast<ptrdiff_t>(place) * numbers_ + i
                                 : static_cast<ptrdiff_t>(i) * count_ + place;
  }

  RawTensor tensor_;
  DecodedLayout layout_;
  int numbers_, count_, first_score_;
  float min_score_;
  Candidates candidates_;
  std::vector<float> best_;  // by candidate; whatever the type of the scores
  std::vector<uint8_t> winners_;
};

}  // namespace edge_mtl
