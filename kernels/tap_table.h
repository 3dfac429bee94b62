// The taps of every sample of one axis, kept for as long as the axis stays the same.
#pragma once

#include <algorithm>
#include <vector>

#include "head_math.h"

namespace edge_mtl {

class TapTable {
 public:
  explicit TapTable(int32_t one) : one_(one) {}

  // Returns whether the taps have changed.
  bool cover(const Axis& axis) {
    if (axis == axis_) return false;
    axis_ = axis;
    lower_.resize(axis.count);
    upper_.resize(axis.count);
    weight_.resize(axis.count);
    for (int64_t i = 0; i < axis.count; ++i) {
      const Tap tap = tap_at(axis, i, one_);
      lower_[i] = tap.lower;
      upper_[i] = tap.upper;
      weight_[i] = tap.weight;
    }
    return true;
  }

  int size() const { return static_cast<int>(lower_.size()); }
  const int32_t* lower() const { return lower_.data(); }
  const int32_t* upper() const { return upper_.data(); }
  const int32_t* weight() const { return weight_.data(); }

 private:
  int32_t one_;
  Axis axis_{};
  std::vector<int32_t> lower_, upper_, weight_;
};

// The same by cell: the samples between a cell and the next, which follow one another.
class SquareTaps {
 public:
  void cover(const Axis& axis) {
    if (!table_.cover(axis)) return;
    begin_.assign(axis.cells + 1, 0);
    for (int i = 0; i < table_.size(); ++i) ++begin_[table_.lower()[i] + 1];
    int widest = 0;
    for (int64_t cell = 0; cell < axis.cells; ++cell) {
      widest = std::max(widest, begin_[cell + 1]);
      begin_[cell + 1] += begin_[cell];
    }
    lanes_ = 4;
    while (lanes_ < widest && lanes_ < kLanes) lanes_ *= 2;
    first_lane_.resize(axis.cells);
    repeated_.clear();
    for (int cell = 0; cell < axis.cells; ++cell) {
      first_lane_[cell] = repeated_.size();
      const int samples = end(cell) - begin(cell);
      for (int lane = 0; lane < samples || lane % kLanes != 0; ++lane) {
        const int i = begin(cell) + (lanes_ < kLanes ? lane % lanes_ : lane);
        repeated_.push_back(i < end(cell) ? table_.weight()[i] : 0);
      }
    }
  }

  int count() const { return table_.size(); }
  int cells() const { return static_cast<int>(begin_.size()) - 1; }
  int begin(int cell) const { return begin_[cell]; }
  int end(int cell) const { return begin_[cell + 1]; }
  const int32_t* weight() const { return table_.weight(); }

  // For vectors of kLanes: how many of them one sample after the other fills, 4, 8 or all, and the
  // weights of a cell's samples, so many and again from the first one.
  static constexpr int kLanes = 16;
  int lanes() const { return lanes_; }
  const int32_t* repeated(int cell, int vector) const {
    return repeated_.data() + first_lane_[cell] + static_cast<size_t>(vector) * kLanes;
  }

 private:
  TapTable table_{kOne};
  std::vector<int> begin_;
  std::vector<size_t> first_lane_;  // by cell, of its weights
  std::vector<int32_t> repeated_;
  int lanes_ = 4;
};

}  // namespace edge_mtl
