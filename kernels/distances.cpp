#include "distances.h"

#include <algorithm>
#include <type_traits>

#include "multiversion.h"
#include "vectors.h"

namespace edge_mtl {
namespace {

// The mean distance of each lane from `bins` rows of logits. GCC makes vectors of the loops over
// lanes, whatever the processor's width, if it does not unroll the short ones first; of vector
// types wider than the processor's it makes something slow.
INLINE void mean_of_rows(const float* __restrict__ logits, int bins, float* __restrict__ means) {
  float best[kLanes], whole[kLanes] = {}, moment[kLanes] = {};
  std::copy_n(logits, kLanes, best);
  for (int i = 1; i < bins; ++i) {
#pragma GCC unroll 1
    for (int lane = 0; lane < kLanes; ++lane) {
      const float logit = logits[kLanes * i + lane];
      best[lane] = logit > best[lane] ? logit : best[lane];
    }
  }
  for (int i = bins - 1; i >= 0; --i) {
#pragma GCC unroll 1
    for (int lane = 0; lane < kLanes; ++lane) {
      add_bin(bin_weight(logits[kLanes * i + lane] - best[lane]), whole[lane], moment[lane]);
    }
  }
#pragma GCC unroll 1
  for (int lane = 0; lane < kLanes; ++lane) means[lane] = moment[lane] / whole[lane];
}

template <typename T>
MULTIVERSION void mean_distances(const T* __restrict__ raw, int bins, float scale, int zero_point,
                                 float* __restrict__ logits, float* __restrict__ sides) {
  for (int i = 0; i < 4 * bins * kLanes; ++i) {
    logits[i] = dequantised(SumOf<T>{value_of(raw[i])}, scale, zero_point);
  }
  // Whole numbers of any usual scale are within the bounds.
  if (std::is_same_v<ValueOf<T>, float> || scale > 1e27F) {
    for (int i = 0; i < 4 * bins * kLanes; ++i) logits[i] = bounded_logit(logits[i]);
  }
  for (int side = 0; side < 4; ++side) {
    mean_of_rows(logits + side * bins * kLanes, bins, sides + side * kLanes);
  }
}

}  // namespace

Distances::Distances(int bins)
    : bins_(bins), raw_(4 * kLanes * (bins > 0 ? bins : 1)), logits_(4 * kLanes * bins) {}

void Distances::read(const RawTensor& tensor, const void* data, const int32_t* cells, int count) {
  const int channels = bins_ > 0 ? 4 * bins_ : 4;
  with_type(tensor.dtype, data, [&](const auto* values) {
    using T = std::decay_t<decltype(*values)>;
    T* const raw = reinterpret_cast<T*>(raw_.data());
    const ptrdiff_t plane = tensor.plane();
    for (int lane = 0; lane < count; ++lane) {
      const T* value = values + cells[lane];
      T* to = raw + lane;
#pragma GCC unroll 8
      for (int c = 0; c < channels; ++c, value += plane, to += kLanes) *to = *value;
    }
    if (bins_ > 0) {
      mean_distances(raw, bins_, tensor.scale, tensor.zero_point, logits_.data(), sides_);
    } else {
      for (int i = 0; i < 4 * kLanes; ++i) {
        sides_[i] = dequantised(SumOf<T>{value_of(raw[i])}, tensor.scale, tensor.zero_point);
      }
    }
  });
}

}  // namespace edge_mtl
