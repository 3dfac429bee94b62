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
  using Sum = SumOf<T>;

  // Columns begin <= x < end of the mask, that lie between the same two columns of cells.
  struct Span {
    int begin, end;
  };

  void find_spans();
  void find_cell_winners(const T* logits);

  // What lies between two rows of cells: fills `agreed_`, which holds where all four winners around
  // a pixel agree, and collects in `mixed_` where they do not.
  void compare_corners(const int32_t* lower_winners, const int32_t* upper_winners);

  int channels_, height_, width_, network_height_, network_width_;
  bool binary_;
  Sum zero_;  // the value that stands for a logit of zero
  TapTable rows_, columns_;
  std::vector<int32_t> winners_;  // (height, width): the winner of each cell
  std::vector<Sum> line_;         // (channels, width): one row of the mask, blended vertically
  std::vector<Span> spans_;       // right of each column of cells
  std::vector<uint8_t> differ_;   // of each column of cells: whether a corner right of it differs
  std::vector<uint8_t> agreed_;   // one row of the mask
  std::vector<Span> mixed_;
  std::vector<Sum> best_;  // scratch of `find_winners`
};

}  // namespace edge_mtl
