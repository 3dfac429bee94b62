// Raw logits to a class per pixel: bilinear upsampling and argmax, without full-size logits.
// Where two classes share one logit, the second wins above zero.
#pragma once

#include <cstdint>
#include <vector>

#include "head_math.h"
#include "raw_tensor.h"
#include "tap_table.h"

namespace edge_mtl {

// T is the type of the logits: float, Half, uint8_t or int8_t.
template <typename T>
class Segmenter {
 public:
  using Logit = T;

  // The logits, (classes, height, width), or (1, height, width) if binary, cover the whole input of
  // the network.
  Segmenter(const RawTensor& logits, bool binary, int network_height, int network_width);

  // A mask takes two steps: prepare it, then label all of its bands, several at once if need be.
  // mask: (mask_height, mask_width), covers the placement's rectangle.
  void prepare(const T* logits, const Placement& placement, int mask_height, int mask_width,
               uint8_t* mask);
  void label_band(int band);

  int bands() const { return (height_ + kBandRows - 1) / kBandRows; }

 private:
  // Rows of logits. A band finds the winners of its own rows and of the one after them.
  static constexpr int kBandRows = 8;

  void find_cell_winners(int row, int rows, uint8_t* winners, ValueOf<T>* best) const;

  int channels_, height_, width_, network_height_, network_width_;
  bool binary_;
  int zero_;  // the value that stands for a logit of zero
  SquareTaps rows_, columns_;
  std::vector<uint8_t> winners_;  // (bands, kBandRows + 1, width + 1); the last column comes twice
  std::vector<ValueOf<T>> best_;  // (bands, width): scratch of `find_winners`
  const T* logits_ = nullptr;
  uint8_t* mask_ = nullptr;
};

}  // namespace edge_mtl
