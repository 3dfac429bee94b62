// The best of several classes, for segmentation and detection alike.
#pragma once

#include <cstddef>
#include <cstdint>

#include "head_math.h"

namespace edge_mtl {

// For each of `count` cells, the class with the highest logit and that logit. The first of equal
// classes wins; NaN never wins: where there is nothing else, class 0 with -infinity.
// logits: `classes` rows of `count` cells, `plane` apart; at most 256 classes.
template <typename T>
void find_winners(const T* logits, int classes, ptrdiff_t plane, int count, ValueOf<T>* best,
                  uint8_t* winners);

// The highest logit of each cell alone, in the same order; -infinity, or the type's lowest value,
// where there is nothing but NaN.
template <typename T>
void find_best(const T* logits, int classes, ptrdiff_t plane, int count, ValueOf<T>* best);

}  // namespace edge_mtl
