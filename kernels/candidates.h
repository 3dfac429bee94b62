// The choice of boxes among candidates: the best of them, less those that a better one hides.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "head_math.h"

namespace edge_mtl {

// Where the boxes of one task go: (max_boxes, 4), (max_boxes,) and (max_boxes,).
struct FoundBoxes {
  float* boxes;
  float* scores;
  int32_t* class_ids;
};

struct Candidate {
  float rank;
  int32_t place;  // of equal ranks the first place is the best
  int32_t class_id;

  bool operator<(const Candidate& other) const {
    return rank != other.rank ? rank > other.rank : place < other.place;
  }
};

class Candidates {
 public:
  // The best max_candidates are looked at.
  Candidates(float iou_threshold, int max_boxes, int max_candidates)
      : iou_threshold_(iou_threshold),
        max_boxes_(max_boxes),
        max_candidates_(max_candidates),
        kept_(max_boxes),
        places_(max_boxes) {}

  int max_boxes() const { return max_boxes_; }

  // The place of each box that was chosen last.
  const int32_t* places() const { return places_.data(); }

  void reserve(size_t most) { candidates_.reserve(most); }
  void clear() { candidates_.clear(); }
  void add(const Candidate& candidate) { candidates_.push_back(candidate); }

  // Boxes best first: box_of(place), in pixels of the frame, is dropped where it is not finite or
  // empty in the frame, or where a box that was kept before has its class and covers it. Returns
  // how many there are.
  template <typename BoxOf, typename ScoreOf>
  int choose(const Placement& placement, const BoxOf& box_of, const ScoreOf& score_of,
             const FoundBoxes& found) {
    if (candidates_.size() > max_candidates_) {
      const auto last = candidates_.begin() + static_cast<ptrdiff_t>(max_candidates_);
      std::nth_element(candidates_.begin(), last, candidates_.end());
      candidates_.erase(last, candidates_.end());
    }
    std::sort(candidates_.begin(), candidates_.end());
    int count = 0;
    float* corners = found.boxes;
    for (const Candidate& candidate : candidates_) {
      if (count == max_boxes_) break;
      const Box whole = box_of(candidate.place);
      if (!is_finite(whole)) continue;
      const Box box = clipped_box(whole, placement);
      if (!is_solid(box)) continue;
      bool suppressed = false;
      for (int i = 0; i < count && !suppressed; ++i) {
        suppressed =
            found.class_ids[i] == candidate.class_id && overlaps(kept_[i], box, iou_threshold_);
      }
      if (suppressed) continue;
      kept_[count] = box;
      places_[count] = candidate.place;
      for (const float side : {box.x1, box.y1, box.x2, box.y2}) *corners++ = side;
      found.scores[count] = score_of(candidate.rank);
      found.class_ids[count] = candidate.class_id;
      ++count;
    }
    return count;
  }

 private:
  float iou_threshold_;
  int max_boxes_;
  size_t max_candidates_;
  std::vector<Candidate> candidates_;
  std::vector<Box> kept_;
  std::vector<int32_t> places_;
};

}  // namespace edge_mtl
