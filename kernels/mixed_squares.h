// Squares of four logits whose winners are not one class: their logits, and which of the classes
// may win somewhere in between. 16 squares at a time, one in each lane. A part of segment_loops.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "bilinear.h"
#include "head_math.h"
#include "vectors.h"

namespace edge_mtl {
namespace EDGE_MTL_LEVEL {
namespace {

// Where they lie. Corners: lower left, lower right, upper left, upper right.
struct SquareBatch {
  int count = 0;
  bool any_last = false;
  int rows[kLanes], columns[kLanes];
  alignas(64) int32_t at[kLanes];     // of the lower left logit in its plane
  alignas(64) int32_t above[kLanes];  // how far the upper ones are from there; 0 in the last row
  alignas(64) int32_t right[kLanes];  // the same for the right ones; 0 in the last column
  alignas(64) int32_t winners[2][kLanes];  // of the lower left corner, and of one that differs

  INLINE void add(int row, int column, int place, int to_above, int to_right,
                  const int32_t (&classes)[4]) {
    rows[count] = row, columns[count] = column;
    at[count] = place, above[count] = to_above, right[count] = to_right;
    const int32_t later = classes[2] != classes[0] ? classes[2] : classes[3];
    winners[0][count] = classes[0];
    winners[1][count] = classes[1] != classes[0] ? classes[1] : later;
    any_last |= to_right == 0;
    ++count;
  }

  // Lanes without a square repeat the first one.
  void fill_up() {
    for (int lane = count; lane < kLanes; ++lane) {
      at[lane] = at[0], above[lane] = above[0], right[lane] = right[0];
      for (auto& winner : winners) winner[lane] = winner[0];
    }
  }

  void clear() {
    count = 0;
    any_last = false;
  }
};

class FloatSquares {
 public:
  using Sum = float;

  template <typename T>
  INLINE void gather(const T* logits, int classes, ptrdiff_t plane, int, const SquareBatch& batch) {
    for (int c = 0; c < classes; ++c, logits += plane) {
      T corners[4][kLanes];
      for (int lane = 0; lane < kLanes; ++lane) {
        const T* const lower = logits + batch.at[lane];
        const T* const upper = lower + batch.above[lane];
        corners[0][lane] = lower[0];
        corners[1][lane] = lower[batch.right[lane]];
        corners[2][lane] = upper[0];
        corners[3][lane] = upper[batch.right[lane]];
      }
      for (int i = 0; i < 4; ++i) {
        for (int lane = 0; lane < kLanes; ++lane) {
          of_[c][i][lane] = bounded_logit(value_of(corners[i][lane]));
        }
      }
    }
  }

  INLINE Bilinear<float> logit(int lane, int c) const {
    return {of_[c][0][lane], of_[c][1][lane], of_[c][2][lane], of_[c][3][lane]};
  }

  // How far a class is above `zero`.
  INLINE Bilinear<float> above(float zero, int lane, int c) const {
    return {of_[c][0][lane] - zero, of_[c][1][lane] - zero, of_[c][2][lane] - zero,
            of_[c][3][lane] - zero};
  }

  // Before `beaten` is asked.
  INLINE void hold_winners(const SquareBatch& batch) {
    for (int winner = 0; winner < 2; ++winner) {
      for (int i = 0; i < 4; ++i) {
        for (int lane = 0; lane < kLanes; ++lane) {
          const float best = of_[batch.winners[winner][lane]][i][lane];
          // Blended with others like it, this stays above all that is less: rounding moves a blend
          // by less than a tenth of what it is lowered by.
          lowered_[winner][i][lane] = best - 1e-5F * (best < 0.0F ? -best : best);
        }
      }
    }
  }

  // -1 where one of the two winners is above the class at all corners, 0 elsewhere.
  INLINE Int32s beaten(int c) const {
    Int32s beaten{};
    for (int winner = 0; winner < 2; ++winner) {
      Int32s above = Int32s{} - 1;
      for (int i = 0; i < 4; ++i) {
        above = load<Floats>(lowered_[winner][i]) > load<Floats>(of_[c][i]) ? above : Int32s{};
      }
      beaten |= above;
    }
    return beaten;
  }

 private:
  using Floats = VectorOf<float>::Type;

  alignas(64) float of_[kMaxClasses][4][kLanes];
  alignas(64) float lowered_[2][4][kLanes];
};

// Eight bits each: the corners of a class in a square are one word. Signed values count from -128:
// their order is that of unsigned ones then.
class ByteSquares {
 public:
  using Sum = int32_t;

  template <typename T>
  INLINE void gather(const T* logits, int classes, ptrdiff_t plane, int width,
                     const SquareBatch& batch) {
    // Two neighbours at once. In the last column, which is its own neighbour, the one before it
    // is read too and then replaced.
    alignas(64) int32_t lower[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) {
      lower[lane] = batch.at[lane] - (width > 1 && batch.right[lane] == 0 ? 1 : 0);
    }
    if (width > 1) {
      for (int lane = 0; lane < kLanes; ++lane) {
        const T* two = logits + lower[lane];
        const ptrdiff_t above = batch.above[lane];
        uint32_t* word = &of_[0][lane];
#pragma GCC unroll 4
        for (int c = 0; c < classes; ++c, two += plane, word += kLanes) {
          *word = pair(two) | pair(two + above) << 16;
        }
      }
    }
    for (int lane = 0; lane < kLanes && batch.any_last; ++lane) {
      if (batch.right[lane] != 0) continue;
      const T* const last = logits + batch.at[lane];
      for (int c = 0; c < classes; ++c) {
        const uint32_t below = byte(last[c * plane]);
        of_[c][lane] = below * 0x0101U | byte(last[c * plane + batch.above[lane]]) * 0x01010000U;
      }
    }
    for (int c = 0; c < classes && std::is_signed_v<T>; ++c) {
      store(load<Words>(of_[c]) ^ kOnes << 7, of_[c]);
    }
  }

  INLINE Bilinear<int32_t> logit(int lane, int c) const { return above(0, lane, c); }

  INLINE Bilinear<int32_t> above(int32_t zero, int lane, int c) const {
    const uint32_t word = of_[c][lane];
    return {corner(word, 0) - zero, corner(word, 1) - zero, corner(word, 2) - zero,
            corner(word, 3) - zero};
  }

  // How far one class is above another one, of every square.
  INLINE void hold_apart(const int32_t* above, const int32_t* below) {
    alignas(64) uint32_t words_above[kLanes], words_below[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) {
      words_above[lane] = of_[above[lane]][lane];
      words_below[lane] = of_[below[lane]][lane];
    }
    for (int lane = 0; lane < kLanes; ++lane) {
      const uint32_t a = words_above[lane], b = words_below[lane];
      apart_.set(lane, corner(a, 0) - corner(b, 0), corner(a, 1) - corner(b, 1),
                 corner(a, 2) - corner(b, 2), corner(a, 3) - corner(b, 3));
    }
  }

  INLINE Bilinear<int32_t> apart(int lane) const { return apart_.of(lane); }

  INLINE void hold_winners(const SquareBatch& batch) {
    for (int winner = 0; winner < 2; ++winner) {
      alignas(64) uint32_t words[kLanes];
      for (int lane = 0; lane < kLanes; ++lane)
        words[lane] = of_[batch.winners[winner][lane]][lane];
      const Words word = load<Words>(words);
      // One less at each corner. Where that cannot be nothing counts as beaten: the higher of this
      // and a class is never 0.
      const Words zeros = (word - kOnes) & ~word & (kOnes << 7);
      store(zeros != 0 ? Words{} + (kOnes << 7) : word - kOnes, least_[winner]);
      store(zeros != 0 ? Words{} : word - kOnes, higher_[winner]);
    }
  }

  INLINE Int32s beaten(int c) const {
    const ByteVector logits = load<ByteVector>(of_[c]);
    Int32s beaten{};
    for (int winner = 0; winner < 2; ++winner) {
      const auto least = load<ByteVector>(least_[winner]);
      const ByteVector higher = least > logits ? least : logits;
      beaten =
          reinterpret_cast<Words>(higher) == load<Words>(higher_[winner]) ? Int32s{} - 1 : beaten;
    }
    return beaten;
  }

 private:
  using ByteVector = VectorOf<uint8_t, 4 * kLanes>::Type;

  static constexpr uint32_t kOnes = 0x01010101;

  template <typename T>
  static INLINE uint32_t byte(T value) {
    return static_cast<uint8_t>(value);
  }

  template <typename T>
  static INLINE uint32_t pair(const T* values) {
    static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first is the lowest byte");
    uint16_t both;
    std::memcpy(&both, values, sizeof both);
    return both;
  }

  static INLINE int32_t corner(uint32_t word, int i) {
    return static_cast<int32_t>(word >> (8 * i) & 0xFF);
  }

  alignas(64) uint32_t of_[kMaxClasses][kLanes];
  alignas(64) uint32_t least_[2][kLanes], higher_[2][kLanes];
  Bilinears apart_;
};

template <typename T>
using MixedSquares = std::conditional_t<std::is_same_v<SumOf<T>, float>, FloatSquares, ByteSquares>;

// The classes of each square that neither of two winners of corners beats at all corners. Only
// these may win in between. They are two at least, as a winner is not beaten where it wins.
struct Contenders {
  alignas(64) int32_t first[kLanes], second[kLanes], count[kLanes];
  alignas(64) uint8_t left[kMaxClasses][kLanes];  // by class, whether it is one of them

  template <typename Squares>
  INLINE void find(Squares& squares, const SquareBatch& batch, int classes) {
    squares.hold_winners(batch);
    Int32s lowest{}, next{}, so_far{};
    for (int c = classes; c-- > 0;) {
      const Int32s beaten = squares.beaten(c);
      next = beaten != 0 ? next : lowest;
      lowest = beaten != 0 ? lowest : Int32s{} + c;
      so_far += beaten + 1;
      store(__builtin_convertvector(beaten + 1, Bytes), left[c]);
    }
    store(lowest, first), store(next, second), store(so_far, count);
  }
};

}  // namespace
}  // namespace EDGE_MTL_LEVEL
}  // namespace edge_mtl
