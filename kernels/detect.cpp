#include "detect.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "multiversion.h"
#include "winners.h"

namespace edge_mtl {
namespace {

constexpr int kBlock = 64;

#define INLINE inline __attribute__((always_inline))

// Writes the places of the values above a limit and returns how many they are. `Limit` is wide
// enough to be below or above all of them.
template <typename T, typename Limit>
MULTIVERSION int find_above(const T* __restrict__ values, Limit limit, int count,
                            int32_t* __restrict__ places) {
  int found = 0;
  for (int first = 0; first < count; first += kBlock) {
    const int last = std::min(first + kBlock, count);
    // Mostly there is none in a block.
    T highest = values[first];
    for (int i = first + 1; i < last; ++i) highest = values[i] > highest ? values[i] : highest;
    if (!(highest > limit)) continue;
    for (int i = first; i < last; ++i) {
      if (values[i] > limit) places[found++] = i;
    }
  }
  return found;
}

// One of each side: left, top, right, bottom.
using Sides = double __attribute__((vector_size(4 * sizeof(double))));

INLINE Sides load(const double* values) {
  Sides sides;
  std::memcpy(&sides, values, sizeof sides);
  return sides;
}

// The mean distance of each side from `bins` logits, four of them for each distance. Overwrites
// them.
MULTIVERSION void mean_distances(double* logits, int bins, double* means) {
  Sides best = load(logits);
  for (int i = 1; i < bins; ++i) {
    const Sides logit = load(logits + 4 * i);
    best = logit > best ? logit : best;
  }
  for (int i = 0; i < bins; ++i) {
    const Sides below = load(logits + 4 * i) - best;
    std::memcpy(logits + 4 * i, &below, sizeof below);
  }
  for (int i = 0; i < 4 * bins; ++i) logits[i] = exponential(logits[i]);
  const Sides mean = mean_of_bins(bins, [&](int i) { return load(logits + 4 * i); });
  std::memcpy(means, &mean, sizeof mean);
}

}  // namespace

Detector::Detector(std::vector<DetectionLevel> levels, int bins, float min_logit,
                   float iou_threshold, int max_boxes, int max_candidates)
    : levels_(std::move(levels)),
      bins_(bins),
      min_logit_(min_logit),
      candidates_(iou_threshold, max_boxes, max_candidates) {
  int32_t first = 0;
  for (const DetectionLevel& level : levels_) {
    first_places_.push_back(first);
    first += static_cast<int32_t>(level.scores.plane());
  }
}

void Detector::reserve() {
  size_t all = 0, largest = 0;
  for (const DetectionLevel& level : levels_) {
    const size_t cells = level.scores.plane();
    all += cells;
    largest = std::max(largest, cells);
  }
  candidates_.reserve(all);
  best_.resize(largest);
  above_.resize(largest);
}

template <typename T>
void Detector::collect(int level, const T* scores) {
  const RawTensor& tensor = levels_[level].scores;
  const int cells = static_cast<int>(tensor.plane());
  using Value = ValueOf<T>;
  auto* const best = reinterpret_cast<Value*>(best_.data());
  find_best(scores, tensor.channels, cells, cells, best);
  const auto logit_of = [&](Value value) {
    return dequantised(SumOf<T>{value}, tensor.scale, tensor.zero_point);
  };
  int above;
  if constexpr (std::is_same_v<Value, float>) {
    above = find_above(best, min_logit_, cells, above_.data());
  } else {
    // Of whole numbers, those from some one on are above the threshold.
    int lowest = std::numeric_limits<T>::lowest();
    while (lowest <= std::numeric_limits<T>::max() && !(logit_of(lowest) > min_logit_)) ++lowest;
    above = find_above(best, lowest - 1, cells, above_.data());
  }
  for (int i = 0; i < above; ++i) {
    const int cell = above_[i];
    int class_id = 0;
    for (const T* score = scores + cell; value_of(*score) != best[cell]; score += cells) ++class_id;
    candidates_.add({logit_of(best[cell]), first_places_[level] + cell, class_id});
  }
}

Cell Detector::cell_of(int32_t place) const {
  int level = 0;
  while (level + 1 < static_cast<int>(levels_.size()) && place >= first_places_[level + 1]) ++level;
  const int cell = place - first_places_[level], width = levels_[level].scores.width;
  return {level, cell / width, cell % width};
}

Reach Detector::mean_reach(const DetectionLevel& level, const void* logits, ptrdiff_t at) const {
  alignas(32) double logits_of_bins[4 * kMaxBins];
  with_type(level.boxes.dtype, logits, [&](const auto* data) {
    using Sum = SumOf<std::decay_t<decltype(*data)>>;
    const float scale = level.boxes.scale;
    const int zero_point = level.boxes.zero_point;
    for (int side = 0; side < 4; ++side) {
      const auto* value = data + side * bins_ * level.boxes.plane() + at;
      for (int i = 0; i < bins_; ++i, value += level.boxes.plane()) {
        const float logit = dequantised(Sum{value_of(*value)}, scale, zero_point);
        logits_of_bins[4 * i + side] = bounded_logit(logit);
      }
    }
  });
  double sides[4];
  mean_distances(logits_of_bins, bins_, sides);
  return {static_cast<float>(sides[0]), static_cast<float>(sides[1]), static_cast<float>(sides[2]),
          static_cast<float>(sides[3])};
}

Box Detector::decode(const Cell& cell, const void* distances, const Placement& placement) const {
  const DetectionLevel& level = levels_[cell.level];
  const ptrdiff_t at = static_cast<ptrdiff_t>(cell.row) * level.boxes.width + cell.column;
  if (bins_ > 0) {
    return decoded_box(mean_reach(level, distances, at), cell.column, cell.row,
                       static_cast<float>(level.stride), placement);
  }
  const Reach reach = with_type(level.boxes.dtype, distances, [&](const auto* data) {
    using Sum = SumOf<std::decay_t<decltype(*data)>>;
    const auto side = [&](int i) {
      const Sum value = value_of(data[i * level.boxes.plane() + at]);
      return dequantised(value, level.boxes.scale, level.boxes.zero_point);
    };
    return Reach{side(0), side(1), side(2), side(3)};
  });
  return decoded_box(reach, cell.column, cell.row, static_cast<float>(level.stride), placement);
}

int Detector::operator()(const void* const* raw, const Placement& placement,
                         const FoundBoxes& found) {
  reserve();
  candidates_.clear();
  for (size_t level = 0; level < levels_.size(); ++level) {
    with_type(levels_[level].scores.dtype, raw[2 * level],
              [&](const auto* scores) { collect(static_cast<int>(level), scores); });
  }
  return candidates_.choose(
      placement,
      [&](int32_t place) {
        const Cell cell = cell_of(place);
        return decode(cell, raw[2 * cell.level + 1], placement);
      },
      [](float logit) { return sigmoid(logit); }, found);
}

}  // namespace edge_mtl
