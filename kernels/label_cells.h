// The winners of cells, between which masks are made. A part of segment_loops.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "head_math.h"
#include "vectors.h"

namespace edge_mtl {
namespace EDGE_MTL_LEVEL {
namespace {

// The class with the highest logit of every cell: the first of equal ones; NaN never wins. Several
// vectors of cells go through all classes, and what is best so far stays in registers.
template <typename T>
void label_cells(const T* __restrict__ logits, int classes, ptrdiff_t plane, int count,
                 uint8_t* __restrict__ winners) {
  using Value = ValueOf<T>;
  using Id = std::conditional_t<sizeof(Value) == 1, uint8_t, int32_t>;
  constexpr int wide = 64 / sizeof(Value), kAtOnce = 4, block = kAtOnce * wide;
  using Values = typename VectorOf<Value, wide>::Type;
  using Ids = typename VectorOf<Id, wide>::Type;
  using Limits = std::numeric_limits<Value>;
  const Value lowest = Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
  int first = 0;
  for (; count >= block && first < count; first += block) {
    if (first > count - block) first = count - block;  // some of them once more
    Values best[kAtOnce];
    Ids ids[kAtOnce];
    for (int v = 0; v < kAtOnce; ++v) best[v] = Values{} + lowest, ids[v] = Ids{};
    const T* of_class = logits + first;
    for (int c = 0; c < classes; ++c, of_class += plane) {
      for (int v = 0; v < kAtOnce; ++v) {
        Values logit;
        if constexpr (std::is_same_v<T, Value>) {
          logit = load<Values>(of_class + v * wide);
        } else {
          alignas(64) Value values[wide];
          for (int i = 0; i < wide; ++i) values[i] = value_of(of_class[v * wide + i]);
          logit = load<Values>(values);
        }
        ids[v] = logit > best[v] ? Ids{} + static_cast<Id>(c) : ids[v];
        best[v] = logit > best[v] ? logit : best[v];
      }
    }
    for (int v = 0; v < kAtOnce; ++v) {
      store(__builtin_convertvector(ids[v], typename VectorOf<uint8_t, wide>::Type),
            winners + first + v * wide);
    }
  }
  for (; first < count; ++first) {
    Value best = lowest;
    winners[first] = 0;
    for (int c = 0; c < classes; ++c) {
      const Value logit = value_of(logits[c * plane + first]);
      if (logit > best) best = logit, winners[first] = static_cast<uint8_t>(c);
    }
  }
}

// The same where two classes share one logit: the second wins above zero.
template <typename T>
void mark_above(const T* __restrict__ logits, SumOf<T> zero, int count,
                uint8_t* __restrict__ winners) {
  for (int i = 0; i < count; ++i) winners[i] = SumOf<T>{value_of(logits[i])} > zero;
}

}  // namespace
}  // namespace EDGE_MTL_LEVEL
}  // namespace edge_mtl
