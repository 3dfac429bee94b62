// Logits between the corners of a square. A part of segment_loops.h.
#pragma once

#include <cstdint>

#include "head_math.h"
#include "vectors.h"

namespace edge_mtl {
namespace EDGE_MTL_LEVEL {
namespace {

// A logit between its values at the corners, times kOne * kOne.
template <typename Sum>
class Bilinear;

template <>
class Bilinear<float> {
 public:
  using Sums = VectorOf<float>::Type;

  INLINE Bilinear(float lower_left, float lower_right, float upper_left, float upper_right)
      : corners_{lower_left, lower_right, upper_left, upper_right} {}

  INLINE Sums at(const Int32s& weight_y, const Int32s& weight_x) const {
    const Sums up = __builtin_convertvector(weight_y, Sums);
    const Sums left = blend(Sums{} + corners_[0], Sums{} + corners_[2], up);
    const Sums right = blend(Sums{} + corners_[1], Sums{} + corners_[3], up);
    return blend(left, right, __builtin_convertvector(weight_x, Sums));
  }

 private:
  float corners_[4];
};

// Whole numbers are not rounded: three products do what `blend` does with six. Of corners between
// -255 and 255 nothing here leaves 32 bits.
template <>
class Bilinear<int32_t> {
 public:
  INLINE Bilinear(int32_t lower_left, int32_t lower_right, int32_t upper_left, int32_t upper_right)
      : corner_(lower_left * kOne),
        up_(upper_left - lower_left),
        right_((lower_right - lower_left) * kOne),
        both_(upper_right - lower_right - upper_left + lower_left) {}

  INLINE Int32s at(const Int32s& weight_y, const Int32s& weight_x) const {
    return (corner_ + up_ * weight_y) * kOne + (right_ + both_ * weight_y) * weight_x;
  }

 private:
  friend class Bilinears;
  Bilinear() = default;

  int32_t corner_, up_, right_, both_;
};

// One for each lane.
class Bilinears {
 public:
  INLINE void set(int lane, int32_t lower_left, int32_t lower_right, int32_t upper_left,
                  int32_t upper_right) {
    corner_[lane] = lower_left * kOne;
    up_[lane] = upper_left - lower_left;
    right_[lane] = (lower_right - lower_left) * kOne;
    both_[lane] = upper_right - lower_right - upper_left + lower_left;
  }

  INLINE Bilinear<int32_t> of(int lane) const {
    Bilinear<int32_t> bilinear;
    bilinear.corner_ = corner_[lane], bilinear.up_ = up_[lane];
    bilinear.right_ = right_[lane], bilinear.both_ = both_[lane];
    return bilinear;
  }

 private:
  alignas(64) int32_t corner_[kLanes], up_[kLanes], right_[kLanes], both_[kLanes];
};

}  // namespace
}  // namespace EDGE_MTL_LEVEL
}  // namespace edge_mtl
