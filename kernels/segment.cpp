#include "segment.h"

#include <algorithm>
#include <cstring>

#include "multiversion.h"
#include "winners.h"

namespace edge_mtl {
namespace {

template <typename T>
MULTIVERSION void blend_logits(const T* __restrict__ lower, const T* __restrict__ upper,
                               int32_t weight, int count, SumOf<T>* __restrict__ blended) {
  for (int i = 0; i < count; ++i) {
    blended[i] =
        blend(bounded_logit(static_cast<SumOf<T>>(lower[i])),
              bounded_logit(static_cast<SumOf<T>>(upper[i])), static_cast<SumOf<T>>(weight));
  }
}

constexpr int kLanes = 8;

template <typename Sum>
struct VectorOf {
  using Type __attribute__((vector_size(kLanes * sizeof(Sum)))) = Sum;
};
using Int32s = VectorOf<int32_t>::Type;
using Bytes = uint8_t __attribute__((vector_size(kLanes)));

// Horizontal interpolation and argmax of the `count` pixels between two columns of cells.
// left, right: the columns' logits, blended vertically, one of every `stride` values a class.
template <typename Sum>
MULTIVERSION void blended_winners(const Sum* left, const Sum* right, int classes, ptrdiff_t stride,
                                  const int32_t* weights, int count, uint8_t* labels) {
  using Sums = typename VectorOf<Sum>::Type;
  for (int i = 0; i < count; i += kLanes) {
    const int lanes = std::min(kLanes, count - i);
    Int32s whole_weight{};
    std::memcpy(&whole_weight, weights + i, lanes * sizeof(int32_t));
    const Sums weight = __builtin_convertvector(whole_weight, Sums);
    Sums best = blend(*left, *right, weight);
    Int32s winner{};
    for (int c = 1; c < classes; ++c) {
      const Sums logit = blend(left[c * stride], right[c * stride], weight);
      const Int32s better = logit > best;
      best = better ? logit : best;
      winner = better ? Int32s{} + c : winner;
    }
    const Bytes bytes = __builtin_convertvector(winner, Bytes);
    std::memcpy(labels + i, &bytes, lanes);
  }
}

}  // namespace

template <typename T>
Segmenter<T>::Segmenter(int classes, int height, int width, int network_height, int network_width)
    : classes_(classes),
      height_(height),
      width_(width),
      network_height_(network_height),
      network_width_(network_width),
      winners_(static_cast<size_t>(height) * width),
      line_(static_cast<size_t>(classes) * width),
      best_(width) {}

template <typename T>
void Segmenter<T>::compare_corners(const int32_t* lower_winners, const int32_t* upper_winners) {
  mixed_.clear();
  const int32_t* const lower = columns_.lower();
  const int count = columns_.size();
  for (int begin = 0, end = 0; begin < count; begin = end) {
    const int left = lower[begin];
    const int right = columns_.upper()[begin];
    while (end < count && lower[end] == left) ++end;
    const int32_t winner = lower_winners[left];
    if (winner == lower_winners[right] && winner == upper_winners[left] &&
        winner == upper_winners[right]) {
      std::fill(agreed_.begin() + begin, agreed_.begin() + end, static_cast<uint8_t>(winner));
    } else {
      mixed_.push_back({begin, end});
    }
  }
}

template <typename T>
void Segmenter<T>::operator()(const T* logits, const Placement& placement, int mask_height,
                              int mask_width, uint8_t* mask) {
  rows_.cover({mask_height, placement.y, placement.height, network_height_, height_});
  columns_.cover({mask_width, placement.x, placement.width, network_width_, width_});
  agreed_.resize(mask_width);
  mixed_.reserve(mask_width);

  const ptrdiff_t plane = static_cast<ptrdiff_t>(height_) * width_;
  for (ptrdiff_t cell = 0; cell < plane; cell += width_) {
    find_winners(logits + cell, classes_, plane, width_, best_.data(), winners_.data() + cell);
  }

  int compared = -1;
  for (int y = 0; y < mask_height; ++y, mask += mask_width) {
    const ptrdiff_t lower = static_cast<ptrdiff_t>(rows_.lower()[y]) * width_;
    const ptrdiff_t upper = static_cast<ptrdiff_t>(rows_.upper()[y]) * width_;
    if (compared != rows_.lower()[y]) {
      compared = rows_.lower()[y];
      compare_corners(winners_.data() + lower, winners_.data() + upper);
    }
    std::memcpy(mask, agreed_.data(), mask_width);
    if (mixed_.empty()) continue;
    for (int c = 0; c < classes_; ++c) {
      blend_logits(logits + c * plane + lower, logits + c * plane + upper, rows_.weight()[y],
                   width_, line_.data() + static_cast<ptrdiff_t>(c) * width_);
    }
    for (const Span& span : mixed_) {
      blended_winners(line_.data() + columns_.lower()[span.begin],
                      line_.data() + columns_.upper()[span.begin], classes_, width_,
                      columns_.weight() + span.begin, span.end - span.begin, mask + span.begin);
    }
  }
}

template class Segmenter<float>;
template class Segmenter<uint8_t>;
template class Segmenter<int8_t>;

}  // namespace edge_mtl
