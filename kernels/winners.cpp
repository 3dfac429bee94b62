#include "winners.h"

#include <algorithm>
#include <limits>

#include "multiversion.h"

namespace edge_mtl {
namespace {

template <typename T>
MULTIVERSION void keep_better(const T* __restrict__ logits, int class_id, int count,
                              SumOf<T>* __restrict__ best, int32_t* __restrict__ winners) {
  for (int i = 0; i < count; ++i) {
    const SumOf<T> logit = logits[i];
    const bool better = logit > best[i];
    best[i] = better ? logit : best[i];
    winners[i] = better ? class_id : winners[i];
  }
}

}  // namespace

template <typename T>
void find_winners(const T* logits, int classes, ptrdiff_t plane, int count, SumOf<T>* best,
                  int32_t* winners) {
  using Limits = std::numeric_limits<SumOf<T>>;
  std::fill_n(best, count, Limits::has_infinity ? -Limits::infinity() : Limits::lowest());
  std::fill_n(winners, count, 0);
  for (int c = 0; c < classes; ++c) keep_better(logits + c * plane, c, count, best, winners);
}

template void find_winners(const float*, int, ptrdiff_t, int, float*, int32_t*);
template void find_winners(const uint8_t*, int, ptrdiff_t, int, int32_t*, int32_t*);
template void find_winners(const int8_t*, int, ptrdiff_t, int, int32_t*, int32_t*);

}  // namespace edge_mtl
