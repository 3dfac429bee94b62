// Raw logits to a class per pixel: bilinear upsampling and argmax, without full-size logits.
// Where two classes share one logit, the second wins above zero.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "head_math.h"
#include "raw_tensor.h"
#include "square_taps.h"

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

  size_t flag_bytes() const { return (static_cast<size_t>(width_) + 7) / 8 * 8; }
  size_t band_scratch() const {
    return flag_bytes() + (kBandRows + 1) * static_cast<size_t>(width_);
  }

  int channels_, height_, width_, network_height_, network_width_;
  bool binary_;
  int zero_;  // the value that stands for a logit of zero
  int lanes_ = 0;
  SquareTaps rows_, columns_;
  std::vector<uint8_t> scratch_;  // by band: flags, then winners (kBandRows + 1, width)
  const T* logits_ = nullptr;
  uint8_t* mask_ = nullptr;
};

}  // namespace edge_mtl
