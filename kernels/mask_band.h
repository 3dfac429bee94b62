// The loops that label a band of a mask, compiled once for each level: see levels.h.
#pragma once

#include "levels.h"
#include "square_taps.h"

namespace edge_mtl {

// Where pixels go.
struct Canvas {
  const SquareTaps &rows, &columns;
  int lanes;  // of a vector, that one row of pixels of a square takes
  uint8_t* mask;
};

// All pixels between rows of logits from `first` to before `last` and the next ones.
template <typename T>
struct MaskBand {
  const T* logits;  // (classes, height, width)
  int classes, height, width;
  bool binary;  // one logit for two classes: the second wins above `zero`
  int zero;
  int first, last;
  uint8_t* winners;  // scratch for these rows and one more
  uint8_t* flags;    // scratch: a multiple of 8 bytes, 0 from the width on
  Canvas canvas;
};

#define EDGE_MTL_DECLARE(level)                \
  namespace level {                            \
  template <typename T>                        \
  void label_squares(const MaskBand<T>& band); \
  }
EDGE_MTL_FOR_EACH_LEVEL(EDGE_MTL_DECLARE)
#undef EDGE_MTL_DECLARE

}  // namespace edge_mtl
