// Raw logits to a class per pixel: bilinear upsampling and argmax, without full-size logits.
// Where two classes share one logit, the second wins above zero.
#pragma once

#include <cstdint>
#include <vector>

#include "head_math.h"
#include "raw_tensor.h"
#include "tap_table.h"

namespace edge_mtl {

// T is the type of the logits: float, uint8_t or int8_t.
template <typename T>
class Segmenter {
 public:
  using Logit = T;

  // The logits, (classes, height, width), or (1, height, width) if binary, cover the whole input of
  // the network.
  Segmenter(const RawTensor& logits, bool binary, int network_height, int network_width);

  // mask: (mask_height, mask_width), covers the placement's rectangle.
  void operator()(const T* logits, const Placement& placement, int mask_height, int mask_width,
                  uint8_t* mask);

 private:
  void find_cell_winners(const T* logits);

  int channels_, height_, width_, network_height_, network_width_;
  bool binary_;
  int zero_;  // the value that stands for a logit of zero
  SquareTaps rows_, columns_;
  std::vector<uint8_t> winners_;  // (height, width + 1): of each cell; the last column comes twice
  std::vector<T> best_;           // scratch of `find_winners`
};

}  // namespace edge_mtl
