// Camera frames to engine input: resize, pad, BGR to RGB, normalise, quantise, planar.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "head_math.h"
#include "pool.h"
#include "tap_table.h"

namespace edge_mtl {

// gain * value + offset, in single precision; for whole numbers rounded, halves to even, and kept
// within their range.
struct Line {
  float gain, offset;
};

// Rows of BGR pixels, row_stride bytes apart; the placement says how many, and lies in the input.
struct FrameView {
  const uint8_t* pixels;
  ptrdiff_t row_stride;
  Placement placement;
};

// T is the type of the engine's input: float, Half, uint8_t or int8_t.
template <typename T>
class Preprocessor {
 public:
  using Value = T;

  // table: (3, 256), the engine's value for every 8-bit value of R, G and B. lines: by channel, a
  // line that may give the same values; where it does it is computed, which is faster.
  Preprocessor(int width, int height, uint8_t pad, const T* table,
               const std::array<Line, 3>& lines);

  // out: (frames, 3, height, width).
  void operator()(const std::vector<FrameView>& frames, T* out, Pool& pool);

 private:
  struct Channel {
    std::array<T, 256> table;
    Line line;
    bool straight;  // the line gives the table's values
  };

  // Where the pixels of one frame go. They stay the same from call to call: a camera keeps its
  // place in a batch.
  struct Taps {
    TapTable rows{kPixelOne}, columns{kPixelOne};
    // By pixel of a row: where its left and its right neighbour begin in the frame's row, and the
    // weight, once for each of four values. There are as many as whole vectors take.
    std::vector<int32_t> left, right, weights;

    void cover(const Placement& placement);
  };

  struct Scratch {
    std::vector<int16_t> blended;  // one row of the frame, blended vertically
    std::vector<uint32_t> pixels;  // one row of the input, B, G and R from the lowest byte on
  };

  // Whether a line is ever computed: halves are looked up.
  static constexpr bool kComputed = !std::is_same_v<T, Half>;

  // Rows of the input that one thread makes without asking for more.
  static constexpr int kBandRows = 16;

  static void write_channel(const uint32_t* pixels, int shift, const Channel& channel, int count,
                            T* out);
  void make_rows(const FrameView& frame, const Taps& taps, int first, int last, Scratch& scratch,
                 T* out) const;

  int width_, height_;
  uint8_t pad_;
  std::array<Channel, 3> channels_;
  std::vector<Taps> taps_;        // of each frame
  std::vector<Scratch> scratch_;  // of each worker
};

}  // namespace edge_mtl
