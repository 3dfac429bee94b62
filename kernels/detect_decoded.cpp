#include "detect_decoded.h"

#include <limits>
#include <type_traits>

#include "multiversion.h"
#include "winners.h"

namespace edge_mtl {
namespace {

template <typename T>
float read(const RawTensor& tensor, const T* data, ptrdiff_t at) {
  return dequantised(SumOf<T>{value_of(data[at])}, tensor.scale, tensor.zero_point);
}

// The highest of a row of scores; the type's lowest where there is nothing but NaN.
template <typename T>
MULTIVERSION ValueOf<T> highest(const T* __restrict__ scores, int count) {
  using Value = ValueOf<T>;
  Value best = std::is_same_v<Value, float>
                   ? static_cast<Value>(-std::numeric_limits<float>::infinity())
                   : std::numeric_limits<Value>::lowest();
  for (int i = 0; i < count; ++i) {
    const Value score = value_of(scores[i]);
    best = score > best ? score : best;
  }
  return best;
}

}  // namespace

DecodedDetector::DecodedDetector(const RawTensor& tensor, const DecodedLayout& layout,
                                 float min_score, float iou_threshold, int max_boxes,
                                 int max_candidates)
    : tensor_(tensor),
      layout_(layout),
      numbers_(layout.channels_last ? tensor.height : tensor.channels),
      count_(layout.channels_last ? tensor.channels : tensor.height),
      first_score_(4 + layout.objectness),
      min_score_(min_score),
      candidates_(iou_threshold, max_boxes, max_candidates) {}

template <typename T>
void DecodedDetector::add(const T* data, int32_t place, float best, int class_id) {
  if (layout_.objectness) {
    const float objectness = read(tensor_, data, at(place, 4));
    if (!(objectness > min_score_)) return;
    best *= objectness;
  }
  if (best > min_score_) candidates_.add({best, place, class_id});
}

template <typename T>
void DecodedDetector::collect_planes(const T* data) {
  auto* const best = reinterpret_cast<ValueOf<T>*>(best_.data());
  find_winners(data + at(0, first_score_), numbers_ - first_score_, count_, count_, best,
               winners_.data());
  for (int32_t place = 0; place < count_; ++place) {
    const float score = dequantised(SumOf<T>{best[place]}, tensor_.scale, tensor_.zero_point);
    add(data, place, score, winners_[place]);
  }
}

template <typename T>
void DecodedDetector::collect_rows(const T* data) {
  for (int32_t place = 0; place < count_; ++place) {
    // Mostly there is nothing: its scores need not be read.
    if (layout_.objectness && !(read(tensor_, data, at(place, 4)) > min_score_)) continue;
    const T* const scores = data + at(place, first_score_);
    const ValueOf<T> best = highest(scores, numbers_ - first_score_);
    const float score = dequantised(SumOf<T>{best}, tensor_.scale, tensor_.zero_point);
    if (!layout_.objectness && !(score > min_score_)) continue;
    int class_id = 0;
    while (class_id < numbers_ - first_score_ && value_of(scores[class_id]) != best) ++class_id;
    add(data, place, score, class_id < numbers_ - first_score_ ? class_id : 0);
  }
}

int DecodedDetector::operator()(const void* raw, const Placement& placement,
                                const FoundBoxes& found) {
  // Once, and not before there are candidates: nobody reserves memory by a number alone.
  candidates_.reserve(count_);
  if (!layout_.channels_last) {
    best_.resize(count_);
    winners_.resize(count_);
  }
  candidates_.clear();
  return with_type(tensor_.dtype, raw, [&](const auto* data) {
    if (layout_.channels_last) {
      collect_rows(data);
    } else {
      collect_planes(data);
    }
    const std::vector<Candidate>& best = candidates_.best();
    return candidates_.choose(
        placement,
        [&](int32_t i) {
          const int32_t place = best[i].place;
          const float values[4] = {
              read(tensor_, data, at(place, 0)), read(tensor_, data, at(place, 1)),
              read(tensor_, data, at(place, 2)), read(tensor_, data, at(place, 3))};
          return placed_box(values, layout_.by_centre, placement);
        },
        found);
  });
}

}  // namespace edge_mtl
