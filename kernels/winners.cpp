#include "winners.h"

#include <algorithm>
#include <limits>

#include "multiversion.h"

namespace edge_mtl {
namespace {

template <typename T>
MULTIVERSION void keep_better(const T* __restrict__ logits, uint8_t class_id, int count,
                              ValueOf<T>* __restrict__ best, uint8_t* __restrict__ winners) {
  for (int i = 0; i < count; ++i) {
    const ValueOf<T> logit = value_of(logits[i]);
    const bool better = logit > best[i];
    best[i] = better ? logit : best[i];
    winners[i] = better ? class_id : winners[i];
  }
}

template <typename T>
MULTIVERSION void keep_highest(const T* __restrict__ logits, int count,
                               ValueOf<T>* __restrict__ best) {
  for (int i = 0; i < count; ++i) {
    const ValueOf<T> logit = value_of(logits[i]);
    best[i] = logit > best[i] ? logit : best[i];
  }
}

template <typename T>
T lowest() {
  using Limits = std::numeric_limits<T>;
  return Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
}

}  // namespace

template <typename T>
void find_winners(const T* logits, int classes, ptrdiff_t plane, int count, ValueOf<T>* best,
                  uint8_t* winners) {
  std::fill_n(best, count, lowest<ValueOf<T>>());
  std::fill_n(winners, count, uint8_t{0});
  for (int c = 0; c < classes; ++c) {
    keep_better(logits + c * plane, static_cast<uint8_t>(c), count, best, winners);
  }
}

template <typename T>
void find_best(const T* logits, int classes, ptrdiff_t plane, int count, ValueOf<T>* best) {
  std::fill_n(best, count, lowest<ValueOf<T>>());
  for (int c = 0; c < classes; ++c) keep_highest(logits + c * plane, count, best);
}

template void find_winners(const float*, int, ptrdiff_t, int, float*, uint8_t*);
template void find_winners(const uint8_t*, int, ptrdiff_t, int, uint8_t*, uint8_t*);
template void find_winners(const int8_t*, int, ptrdiff_t, int, int8_t*, uint8_t*);
template void find_winners(const Half*, int, ptrdiff_t, int, float*, uint8_t*);
template void find_best(const float*, int, ptrdiff_t, int, float*);
template void find_best(const uint8_t*, int, ptrdiff_t, int, uint8_t*);
template void find_best(const int8_t*, int, ptrdiff_t, int, int8_t*);
template void find_best(const Half*, int, ptrdiff_t, int, float*);

}  // namespace edge_mtl
