// Camera frame to engine input: resize, pad, BGR to RGB, normalise, quantise, planar.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "head_math.h"
#include "tap_table.h"

namespace edge_mtl {

// T is the type of the engine's input: float, uint8_t or int8_t.
template <typename T>
class Preprocessor {
 public:
  using Value = T;

  // table: (3, 256), the engine's value for every 8-bit value of R, G and B.
  Preprocessor(int width, int height, uint8_t pad, const T* table);

  // frame: rows of frame_width BGR pixels, row_stride bytes apart. out: (3, height, width).
  // The placement lies inside the input.
  void operator()(const uint8_t* frame, ptrdiff_t row_stride, const Placement& placement, T* out);

 private:
  int width_, height_;
  uint8_t pad_;
  std::array<std::array<T, 256>, 3> table_;
  TapTable rows_, columns_;
  std::vector<int32_t> blended_;  // one row of the frame, blended vertically
  std::vector<uint8_t> pixels_;   // one row of the input, B G R and one more
};

}  // namespace edge_mtl
