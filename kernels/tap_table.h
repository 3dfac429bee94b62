// The taps of every sample of one axis, kept for as long as the axis stays the same.
#pragma once

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

}  // namespace edge_mtl
