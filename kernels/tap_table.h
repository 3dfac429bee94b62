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
    vectors_ = std::max(1, (widest + kLanes - 1) / kLanes);
    repeated_.assign(axis.cells * vectors_ * kLanes, 0);
    for (int cell = 0; cell < axis.cells; ++cell) {
      for (int lane = 0; lane < vectors_ * kLanes; ++lane) {
        const int i = begin_[cell] + (lanes_ < kLanes ? lane % lanes_ : lane);
        if (i < begin_[cell + 1]) {
          repeated_[static_cast<size_t>(cell) * vectors_ * kLanes + lane] = table_.weight()[i];
        }
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
    return repeated_.data() + (static_cast<ptrdiff_t>(cell) * vectors_ + vector) * kLanes;
  }

 private:
  TapTable table_{kOne};
  std::vector<int> begin_;
  std::vector<int32_t> repeated_;
  int lanes_ = 4, vectors_ = 1;
};

}  // namespace edge_mtl
