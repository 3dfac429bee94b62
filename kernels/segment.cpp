#include "segment.h"

#include <algorithm>
#include <type_traits>

#include "mask_band.h"

namespace edge_mtl {

template <typename T>
Segmenter<T>::Segmenter(const RawTensor& logits, bool binary, int network_height, int network_width)
    : channels_(logits.channels),
      height_(logits.height),
      width_(logits.width),
      network_height_(network_height),
      network_width_(network_width),
      binary_(binary),
      zero_(std::is_same_v<SumOf<T>, float> ? 0 : logits.zero_point) {}

template <typename T>
void Segmenter<T>::prepare(const T* logits, const Placement& placement, int mask_height,
                           int mask_width, uint8_t* mask) {
  const bool rows_changed =
      rows_.cover({mask_height, placement.y, placement.height, network_height_, height_});
  if (columns_.cover({mask_width, placement.x, placement.width, network_width_, width_}) ||
      rows_changed) {
    lanes_ = columns_.lanes();
    columns_.lay_out(1, lanes_);
    rows_.lay_out(lanes_, kLanes);
  }
  // Once, and not before there are logits: nobody reserves memory by a number alone.
  scratch_.resize(bands() * band_scratch());
  logits_ = logits;
  mask_ = mask;
}

template <typename T>
void Segmenter<T>::label_band(int band) {
  const int first = band * kBandRows, last = std::min(first + kBandRows, height_);
  if (rows_.begin(first) == rows_.end(last - 1)) return;  // none of the mask lies there
  uint8_t* const flags = scratch_.data() + band * band_scratch();
  EDGE_MTL_AT_LEVEL(label_squares<T>)
  (MaskBand<T>{logits_,
               channels_,
               height_,
               width_,
               binary_,
               zero_,
               first,
               last,
               flags + flag_bytes(),
               flags,
               {rows_, columns_, lanes_, mask_}});
}

template class Segmenter<float>;
template class Segmenter<Half>;
template class Segmenter<uint8_t>;
template class Segmenter<int8_t>;

}  // namespace edge_mtl
