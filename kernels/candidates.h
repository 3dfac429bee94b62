// The choice of boxes among candidates: the best of them, less those that a better one hides.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "head_math.h"
#include "kept_boxes.h"

namespace edge_mtl {

// Where the boxes of one task go: (max_boxes, 4), (max_boxes,) and (max_boxes,).
struct FoundBoxes {
  float* boxes;
  float* scores;
  int32_t* class_ids;
};

// Candidates come in the order of their places.
struct Candidate {
  float rank;
  int32_t place;
  int32_t class_id;
};

// Best first; of equal ranks the first candidate is the best.
struct Ranked {
  float rank;
  int32_t i;

  bool operator<(const Ranked& other) const {
    return rank != other.rank ? rank > other.rank : i < other.i;
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

  // Those that are looked at, in the order in which they were added.
  const std::vector<Candidate>& best() {
    if (candidates_.size() <= max_candidates_) return candidates_;
    rank_all();
    const auto last = order_.begin() + static_cast<ptrdiff_t>(max_candidates_ - 1);
    std::nth_element(order_.begin(), last, order_.end());
    size_t kept = 0;
    for (size_t i = 0; i < candidates_.size(); ++i) {
      const Ranked ranked{candidates_[i].rank, static_cast<int32_t>(i)};
      if (!(*last < ranked)) candidates_[kept++] = candidates_[i];
    }
    candidates_.resize(kept);
    return candidates_;
  }

  // Boxes best first: box_of(i) of best()[i], in pixels of the frame, is dropped where it is not
  // finite or empty in the frame, or where a box that was kept before has its class and covers it.
  // Their scores are the ranks. Returns how many there are.
  template <typename BoxOf>
  int choose(const Placement& placement, const BoxOf& box_of, const FoundBoxes& found) {
    rank_all();
    std::sort(order_.begin(), order_.end());
    kept_.clear();
    float* corners = found.boxes;
    for (const auto& [rank, i] : order_) {
      const int count = kept_.count();
      if (count == max_boxes_) break;
      const Box whole = box_of(i);
      if (!is_finite(whole)) continue;
      const Box box = clipped_box(whole, placement);
      const Candidate& candidate = candidates_[i];
      if (!is_solid(box) || kept_.hide(box, candidate.class_id, iou_threshold_)) continue;
      kept_.add(box, candidate.class_id);
      places_[count] = candidate.place;
      for (const float side : {box.x1, box.y1, box.x2, box.y2}) *corners++ = side;
      found.scores[count] = rank;
      found.class_ids[count] = candidate.class_id;
    }
    return kept_.count();
  }

 private:
  void rank_all() {
    order_.resize(candidates_.size());
    for (size_t i = 0; i < order_.size(); ++i) {
      order_[i] = {candidates_[i].rank, static_cast<int32_t>(i)};
    }
  }

  float iou_threshold_;
  int max_boxes_;
  size_t max_candidates_;
  std::vector<Candidate> candidates_;
  std::vector<Ranked> order_;
  KeptBoxes kept_;
  std::vector<int32_t> places_;
};

}  // namespace edge_mtl
