// The arithmetic of the kernels, once for host and device. The loops around it are in the .cpp
// files; edge_mtl/reference is the same arithmetic in NumPy, operation by operation.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "limits.h"

#ifdef __CUDACC__
#define HOST_DEVICE __host__ __device__ __forceinline__
#else
#define HOST_DEVICE inline __attribute__((always_inline))
#endif

namespace edge_mtl {

// Where a frame lies in the network's input, all in pixels.
struct Placement {
  int frame_width, frame_height;
  int x, y, width, height;
};

// Positions between samples

// Weights are whole numbers: of logits in 1 / kOne, of pixels in 1 / kPixelOne. A pixel that is
// blended in one direction then fits into 16 bits.
constexpr int32_t kOne = 1 << 11;
constexpr int kPixelBits = 7;
constexpr int32_t kPixelOne = 1 << kPixelBits;

// `count` even samples of [start, start + extent) on an axis of length `whole`, over all of which
// a grid of `cells` lies. Whole numbers up to kMaxExtent keep every product below within 64 bits.
struct Axis {
  int64_t count, start, extent, whole, cells;

  bool operator==(const Axis& other) const {
    return count == other.count && start == other.start && extent == other.extent &&
           whole == other.whole && cells == other.cells;
  }
};

// A sample lies weight / one of the way from grid cell `lower` to `upper`.
struct Tap {
  int32_t lower, upper, weight;
};

HOST_DEVICE Tap tap_at(const Axis& axis, int64_t i, int32_t one) {
  const int64_t numerator = (2 * axis.start * axis.count + (2 * i + 1) * axis.extent) * axis.cells -
                            axis.count * axis.whole;
  const int64_t denominator = 2 * axis.count * axis.whole;
  const int64_t scaled = 2 * one * numerator + denominator;  // rounds to the nearest 1 / one
  const int64_t last = (axis.cells - 1) * one;
  int64_t position = scaled < 0 ? 0 : scaled / (2 * denominator);
  position = position < last ? position : last;
  const int64_t lower = position / one;
  const int64_t upper = lower + 1 < axis.cells ? lower + 1 : lower;
  return {static_cast<int32_t>(lower), static_cast<int32_t>(upper),
          static_cast<int32_t>(position % one)};
}

// `one` times the linear interpolation. Weights are of the values' type, whole numbers or float; on
// the host any of the three may be a vector of them.
template <int32_t one = kOne, typename Value, typename Weight>
HOST_DEVICE auto blend(Value lower, Value upper, Weight weight) {
  const Weight whole = Weight{} + one;
  return lower * (whole - weight) + upper * weight;
}

// Pixels

// The 8-bit values of pixels, or a vector of them, that were blended in both directions.
template <typename Value>
HOST_DEVICE Value rounded_pixel(Value blended) {
  return (blended + (1 << (2 * kPixelBits - 1))) >> (2 * kPixelBits);
}

// Half precision

// A number of IEEE 754's binary16, as bits: not every compiler has a type for it.
struct Half {
  uint16_t bits;
};

// The same number; NaN keeps its bits. A few whole-number operations, which every compiler turns
// into vectors of them.
HOST_DEVICE float half_to_float(Half half) {
  constexpr uint32_t kRebias = (127 - 15) << 23, kSmallest = (127 - 14) << 23;
  const auto float_of = [](uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  };
  const uint32_t sign = (uint32_t{half.bits} & 0x8000) << 16;
  const uint32_t magnitude = (uint32_t{half.bits} & 0x7FFF) << 13;
  // Infinity and NaN keep the highest exponent there is. Below the smallest normal number the bits
  // count from zero on: with an exponent of one they stand for that number and so much more.
  const uint32_t normal = magnitude + (magnitude >= 0x1FU << 23 ? 2 * kRebias : kRebias);
  const float above = float_of(kSmallest + magnitude) - float_of(kSmallest);
  uint32_t bits;
  std::memcpy(&bits, &above, sizeof bits);
  return float_of(sign | (magnitude < 1U << 23 ? bits : normal));
}

// Logits

// What a raw value is read as: of two halves, as of two floats, `>` says which is higher.
HOST_DEVICE float value_of(Half half) { return half_to_float(half); }

template <typename T>
HOST_DEVICE T value_of(T value) {
  return value;
}

template <typename T>
using ValueOf = decltype(value_of(T{}));

// 8-bit logits are compared and blended as whole numbers: 255 * kOne * kOne fits in 31 bits.
template <typename T>
using SumOf = std::conditional_t<std::is_same_v<ValueOf<T>, float>, float, int32_t>;

// A finite stand-in for a logit, or a vector of them, so that no blend of it is NaN; NaN counts as
// the lowest.
template <typename Logit>
HOST_DEVICE Logit bounded_logit(Logit logit) {
  const Logit limit = Logit{} + 1e30F;
  const Logit bounded = logit > -limit ? logit : -limit;
  return bounded < limit ? bounded : limit;
}

HOST_DEVICE int32_t bounded_logit(int32_t logit) { return logit; }

HOST_DEVICE float dequantised(float value, float, int) { return value; }

HOST_DEVICE float dequantised(int32_t value, float scale, int zero_point) {
  return scale * static_cast<float>(value - zero_point);
}

// Scores

// e to the power of an exponent between -200 and 200; one beyond counts as the nearer of them,
// which is far out of float's reach. Made of basic operations in one order, because the exp of no
// two libraries gives the same bits: with r = exponent - n ln 2, 2^n times the Taylor series of
// e^r, which |r| < 0.35 cuts off at 1e-11.
HOST_DEVICE double exponential(double exponent) {
  constexpr double kLimit = 200.0, kLog2E = 1.4426950408889634, kLn2 = 0.6931471805599453;
  constexpr double kTaylor[] = {1.0 / 40320, 1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24,
                                1.0 / 6,     1.0 / 2,    1.0,       1.0};
  const double above = exponent > -kLimit ? exponent : -kLimit;
  const double limited = above < kLimit ? above : kLimit;
  // The sum has no bits left for fractions: it rounds, and its last bits are a whole number.
  constexpr double kShift = 6755399441055744.0;  // 1.5 * 2^52
  const double shifted = limited * kLog2E + kShift;
  const double doublings = shifted - kShift;
  const double rest = limited - doublings * kLn2;
  double power = 1.0 / 362880;
  for (const double coefficient : kTaylor) power = power * rest + coefficient;
  uint64_t bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits + 1023) << 52;  // of 2^n
  double factor;
  std::memcpy(&factor, &bits, sizeof factor);
  return power * factor;
}

HOST_DEVICE float sigmoid(float logit) {
  return static_cast<float>(1.0 / (1.0 + exponential(-static_cast<double>(bounded_logit(logit)))));
}

// Positions in the frame

// The centre of a row or column of cells, in pixels of the network's input.
HOST_DEVICE float cell_centre(int index, float stride) {
  return (static_cast<float>(index) + 0.5F) * stride;
}

// How many pixels of the frame one pixel of the network's input covers.
HOST_DEVICE float frame_per_pixel(int frame_extent, int placed_extent) {
  return static_cast<float>(static_cast<double>(frame_extent) / placed_extent);
}

// Boxes

struct Box {
  float x1, y1, x2, y2;
};

// Distances left, top, right, bottom from a cell's centre, in strides; below zero counts as zero
// and NaN stays NaN.
struct Reach {
  float left, top, right, bottom;
};

// The weight of a bin, whose logit is so far below the best of its distance: e to the power of it,
// which is at most 0; one below -80 counts as that. Made like `exponential`, for the precision of
// float: the series is cut off at 1.2e-7.
HOST_DEVICE float bin_weight(float exponent) {
  constexpr float kLimit = -80.0F, kLog2E = 1.44269504F, kLn2 = 0.693147181F;
  constexpr float kTaylor[] = {1.0F / 120, 1.0F / 24, 1.0F / 6, 1.0F / 2, 1.0F, 1.0F};
  constexpr float kShift = 12582912.0F;  // 1.5 * 2^23
  const float limited = exponent > kLimit ? exponent : kLimit;
  const float shifted = limited * kLog2E + kShift;
  const float rest = limited - (shifted - kShift) * kLn2;
  float power = 1.0F / 720;
  for (const float coefficient : kTaylor) power = power * rest + coefficient;
  uint32_t bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits + 127) << 23;
  float factor;
  std::memcpy(&factor, &bits, sizeof factor);
  return power * factor;
}

// The mean of 0, 1, 2, ... by their weights is moment / whole, once the weights have been added to
// sums that are zero, the last one first: the moment is the sum of the weights from each bin on.
HOST_DEVICE void add_bin(float weight, float& whole, float& moment) {
  moment += whole;
  whole += weight;
}

HOST_DEVICE float reach_pixels(float distance, float stride) {
  return (distance < 0.0F ? 0.0F : distance) * stride;
}

// The box around the centre of cell (column, row), in pixels of the frame but not clipped to it.
HOST_DEVICE Box decoded_box(const Reach& reach, int column, int row, float stride,
                            const Placement& placement) {
  const float centre_x = cell_centre(column, stride);
  const float centre_y = cell_centre(row, stride);
  const float x = static_cast<float>(placement.x);
  const float y = static_cast<float>(placement.y);
  const float per_pixel_x = frame_per_pixel(placement.frame_width, placement.width);
  const float per_pixel_y = frame_per_pixel(placement.frame_height, placement.height);
  return {(centre_x - reach_pixels(reach.left, stride) - x) * per_pixel_x,
          (centre_y - reach_pixels(reach.top, stride) - y) * per_pixel_y,
          (centre_x + reach_pixels(reach.right, stride) - x) * per_pixel_x,
          (centre_y + reach_pixels(reach.bottom, stride) - y) * per_pixel_y};
}

// A box that the network gives in pixels of its input, by its centre and its size or by its
// corners, in pixels of the frame but not clipped to it.
HOST_DEVICE Box placed_box(const float (&values)[4], bool by_centre, const Placement& placement) {
  const auto [a, b, c, d] = values;
  const float half_width = c * 0.5F, half_height = d * 0.5F;
  const Box box = by_centre ? Box{a - half_width, b - half_height, a + half_width, b + half_height}
                            : Box{a, b, c, d};
  const float x = static_cast<float>(placement.x);
  const float y = static_cast<float>(placement.y);
  const float per_pixel_x = frame_per_pixel(placement.frame_width, placement.width);
  const float per_pixel_y = frame_per_pixel(placement.frame_height, placement.height);
  return {(box.x1 - x) * per_pixel_x, (box.y1 - y) * per_pixel_y, (box.x2 - x) * per_pixel_x,
          (box.y2 - y) * per_pixel_y};
}

HOST_DEVICE bool is_finite(const Box& box) {
  return std::isfinite(box.x1) && std::isfinite(box.y1) && std::isfinite(box.x2) &&
         std::isfinite(box.y2);
}

HOST_DEVICE float clipped(float value, float limit) {
  const float positive = value > 0.0F ? value : 0.0F;
  return positive < limit ? positive : limit;
}

HOST_DEVICE Box clipped_box(const Box& box, const Placement& placement) {
  const float width = static_cast<float>(placement.frame_width);
  const float height = static_cast<float>(placement.frame_height);
  return {clipped(box.x1, width), clipped(box.y1, height), clipped(box.x2, width),
          clipped(box.y2, height)};
}

HOST_DEVICE bool is_solid(const Box& box) { return box.x2 > box.x1 && box.y2 > box.y1; }

HOST_DEVICE float area(const Box& box) { return (box.x2 - box.x1) * (box.y2 - box.y1); }

// Whether the intersection over union exceeds the threshold, without a division.
HOST_DEVICE bool overlaps(const Box& a, const Box& b, float iou_threshold) {
  const float width = (a.x2 < b.x2 ? a.x2 : b.x2) - (a.x1 > b.x1 ? a.x1 : b.x1);
  const float height = (a.y2 < b.y2 ? a.y2 : b.y2) - (a.y1 > b.y1 ? a.y1 : b.y1);
  const float shared = (width > 0.0F ? width : 0.0F) * (height > 0.0F ? height : 0.0F);
  return shared > iou_threshold * (area(a) + area(b) - shared);
}

// Keypoints

struct Keypoint {
  float x, y, score;
};

// The keypoint at an offset, in strides, from the centre of cell (column, row), in pixels of the
// frame and perhaps outside it. What is not finite is nowhere: 0, 0 with score 0.
HOST_DEVICE Keypoint decoded_keypoint(float offset_x, float offset_y, float visible_logit,
                                      int column, int row, float stride,
                                      const Placement& placement) {
  const float x =
      (cell_centre(column, stride) + offset_x * stride - static_cast<float>(placement.x)) *
      frame_per_pixel(placement.frame_width, placement.width);
  const float y = (cell_centre(row, stride) + offset_y * stride - static_cast<float>(placement.y)) *
                  frame_per_pixel(placement.frame_height, placement.height);
  const bool is_there = std::isfinite(x) && std::isfinite(y);
  return {is_there ? x : 0.0F, is_there ? y : 0.0F, is_there ? sigmoid(visible_logit) : 0.0F};
}

}  // namespace edge_mtl
