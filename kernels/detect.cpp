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

constexpr int kWord = 8;  // flags that are looked at together

size_t whole_words(size_t count) { return (count + kWord - 1) / kWord * kWord; }

// Whether each value is a candidate's: limits are the least that is, or of floats the greatest that
// is not.
template <typename T>
MULTIVERSION void mark(const T* __restrict__ values, T limit, int count,
                       uint8_t* __restrict__ flags) {
  for (int i = 0; i < count; ++i) {
    flags[i] = std::is_same_v<T, float> ? values[i] > limit : values[i] >= limit;
  }
}

// Writes the places of those flags that are set, and perhaps something behind them; returns how
// many they are. There are whole words of flags.
int places_of(const uint8_t* flags, int count, int32_t* places) {
  int found = 0;
  for (int first = 0; first < count; first += kWord) {
    uint64_t word;
    std::memcpy(&word, flags + first, sizeof word);
    if (word == 0) continue;
    for (int i = first; i < first + kWord; ++i) {
      places[found] = i;
      found += flags[i];
    }
  }
  return found;
}

MULTIVERSION void scores_of_logits(float* values, int count) {
  for (int i = 0; i < count; ++i) values[i] = sigmoid(values[i]);
}

// Of 8-bit values those from this one on are above a threshold; 256 where none is.
int least_above(const RawTensor& tensor, float threshold) {
  int least = tensor.dtype == DType::kInt8 ? INT8_MIN : 0;
  const int last = least + UINT8_MAX;
  while (least <= last && !(dequantised(least, tensor.scale, tensor.zero_point) > threshold)) {
    ++least;
  }
  return least;
}

}  // namespace

Detector::Detector(std::vector<DetectionLevel> levels, int bins, float min_logit,
                   float iou_threshold, int max_boxes, int max_candidates)
    : levels_(std::move(levels)),
      min_logit_(min_logit),
      candidates_(iou_threshold, max_boxes, max_candidates),
      distances_(bins) {
  int32_t first = 0;
  for (const DetectionLevel& level : levels_) {
    first_places_.push_back(first);
    first += static_cast<int32_t>(level.scores.plane());
    least_.push_back(least_above(level.scores, min_logit));
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
  flags_.resize(whole_words(largest));
  above_.resize(largest + kWord);
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
  if constexpr (std::is_same_v<Value, float>) {
    mark(best, min_logit_, cells, flags_.data());
  } else {
    const int least = least_[level];
    if (least > std::numeric_limits<T>::max()) return;
    mark(best, static_cast<T>(least), cells, flags_.data());
  }
  std::fill(flags_.begin() + cells, flags_.begin() + whole_words(cells), uint8_t{0});
  const int above = places_of(flags_.data(), cells, above_.data());
  for (int i = 0; i < above; ++i) {
    const int cell = above_[i];
    // The first of equal classes, without a branch that is hard to predict.
    int class_id = tensor.channels;
    const T* score = scores + static_cast<ptrdiff_t>(tensor.channels) * cells + cell;
    for (int c = tensor.channels - 1; c >= 0; --c) {
      score -= cells;
      class_id = value_of(*score) == best[cell] ? c : class_id;
    }
    candidates_.add({logit_of(best[cell]), first_places_[level] + cell, class_id});
  }
}

Cell Detector::cell_of(int32_t place) const {
  int level = 0;
  while (level + 1 < static_cast<int>(levels_.size()) && place >= first_places_[level + 1]) ++level;
  const int cell = place - first_places_[level], width = levels_[level].scores.width;
  return {level, cell / width, cell % width};
}

void Detector::decode(const void* const* raw, const Placement& placement) {
  const Placement placed = placement;
  const std::vector<Candidate>& best = candidates_.best();
  boxes_.resize(best.size());
  size_t next = 0;
  for (size_t i = 0; i < levels_.size(); ++i) {
    const DetectionLevel& level = levels_[i];
    const float stride = static_cast<float>(level.stride);
    const int32_t first = first_places_[i],
                  last = first + static_cast<int32_t>(level.scores.plane());
    while (next < best.size() && best[next].place < last) {
      int32_t cells[kLanes];
      int count = 0;
      while (count < kLanes && next + count < best.size() && best[next + count].place < last) {
        cells[count] = best[next + count].place - first;
        ++count;
      }
      distances_.read(level.boxes, raw[2 * i + 1], cells, count);
      for (int lane = 0; lane < count; ++lane) {
        const int row = cells[lane] / level.scores.width;
        const int column = cells[lane] - row * level.scores.width;
        boxes_[next++] = decoded_box(distances_[lane], column, row, stride, placed);
      }
    }
  }
}

int Detector::operator()(const void* const* raw, const Placement& placement,
                         const FoundBoxes& found) {
  reserve();
  candidates_.clear();
  for (size_t level = 0; level < levels_.size(); ++level) {
    with_type(levels_[level].scores.dtype, raw[2 * level],
              [&](const auto* scores) { collect(static_cast<int>(level), scores); });
  }
  decode(raw, placement);
  const int count = candidates_.choose(placement, [&](int32_t i) { return boxes_[i]; }, found);
  scores_of_logits(found.scores, count);
  return count;
}

}  // namespace edge_mtl
