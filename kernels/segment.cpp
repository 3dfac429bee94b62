#include "segment.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

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

// Whether the corners of the squares between two rows of `count` + 1 cells differ: not zero if so.
// Winners, and so their differences, fit into 8 bits.
MULTIVERSION void compare_squares(const int32_t* __restrict__ lower,
                                  const int32_t* __restrict__ upper, int count,
                                  uint8_t* __restrict__ differ) {
  for (int i = 0; i < count; ++i) {
    differ[i] = (lower[i] ^ lower[i + 1]) | (lower[i] ^ upper[i]) | (lower[i] ^ upper[i + 1]);
  }
}

MULTIVERSION void spread(const int32_t* __restrict__ winners, const int32_t* __restrict__ cells,
                         int count, uint8_t* __restrict__ labels) {
  for (int i = 0; i < count; ++i) labels[i] = static_cast<uint8_t>(winners[cells[i]]);
}

// The winners where two classes share one logit.

template <typename T>
MULTIVERSION void mark_above(const T* __restrict__ logits, SumOf<T> zero, int count,
                             int32_t* __restrict__ winners) {
  for (int i = 0; i < count; ++i) winners[i] = static_cast<SumOf<T>>(logits[i]) > zero;
}

template <typename Sum>
MULTIVERSION void mark_blended_above(Sum left, Sum right, Sum zero, const int32_t* weights,
                                     int count, uint8_t* labels) {
  for (int i = 0; i < count; ++i) {
    labels[i] = blend(left, right, static_cast<Sum>(weights[i])) > zero;
  }
}

}  // namespace

template <typename T>
Segmenter<T>::Segmenter(const RawTensor& logits, bool binary, int network_height, int network_width)
    : channels_(logits.channels),
      height_(logits.height),
      width_(logits.width),
      network_height_(network_height),
      network_width_(network_width),
      binary_(binary),
      zero_(std::is_same_v<T, float> ? 0 : logits.zero_point),
      winners_(logits.plane()),
      line_(static_cast<size_t>(logits.channels) * logits.width),
      spans_(logits.width),
      differ_(logits.width),
      best_(logits.width) {}

template <typename T>
void Segmenter<T>::find_cell_winners(const T* logits) {
  const ptrdiff_t plane = static_cast<ptrdiff_t>(height_) * width_;
  if (binary_) {
    mark_above(logits, zero_, static_cast<int>(plane), winners_.data());
    return;
  }
  for (ptrdiff_t cell = 0; cell < plane; cell += width_) {
    find_winners(logits + cell, channels_, plane, width_, best_.data(), winners_.data() + cell);
  }
}

template <typename T>
void Segmenter<T>::find_spans() {
  const int32_t* const lower = columns_.lower();
  const int count = columns_.size();
  int begin = 0;
  for (int cell = 0; cell < width_; ++cell) {
    int end = begin;
    while (end < count && lower[end] == cell) ++end;
    spans_[cell] = {begin, end};
    begin = end;
  }
}

template <typename T>
void Segmenter<T>::compare_corners(const int32_t* lower_winners, const int32_t* upper_winners) {
  // Right of the last column the edge goes on.
  const int last = width_ - 1;
  compare_squares(lower_winners, upper_winners, last, differ_.data());
  differ_[last] = lower_winners[last] != upper_winners[last];
  spread(lower_winners, columns_.lower(), columns_.size(), agreed_.data());
  mixed_.clear();
  for (int cell = 0; cell < width_; ++cell) {
    const Span& span = spans_[cell];
    if (differ_[cell] && span.begin < span.end) mixed_.push_back(span);
  }
}

template <typename T>
void Segmenter<T>::operator()(const T* logits, const Placement& placement, int mask_height,
                              int mask_width, uint8_t* mask) {
  rows_.cover({mask_height, placement.y, placement.height, network_height_, height_});
  if (columns_.cover({mask_width, placement.x, placement.width, network_width_, width_})) {
    find_spans();
  }
  agreed_.resize(mask_width);
  mixed_.reserve(width_);

  find_cell_winners(logits);

  const ptrdiff_t plane = static_cast<ptrdiff_t>(height_) * width_;
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
    for (int c = 0; c < channels_; ++c) {
      blend_logits(logits + c * plane + lower, logits + c * plane + upper, rows_.weight()[y],
                   width_, line_.data() + static_cast<ptrdiff_t>(c) * width_);
    }
    for (const Span& span : mixed_) {
      const Sum* const left = line_.data() + columns_.lower()[span.begin];
      const Sum* const right = line_.data() + columns_.upper()[span.begin];
      const int32_t* const weights = columns_.weight() + span.begin;
      const int count = span.end - span.begin;
      if (binary_) {
        mark_blended_above(*left, *right, zero_ * kOne * kOne, weights, count, mask + span.begin);
      } else {
        blended_winners(left, right, channels_, width_, weights, count, mask + span.begin);
      }
    }
  }
}

template class Segmenter<float>;
template class Segmenter<uint8_t>;
template class Segmenter<int8_t>;

}  // namespace edge_mtl
