// The loops of `Segmenter`, for whatever processor the including file is compiled: see levels.h.
//
// Between four logits, the corners of a square, every class is blended bilinearly, and so is the
// difference of two classes, whose least value is then at a corner. Two things follow. A class that
// wins at all four corners wins in between, and only squares whose corners disagree are computed.
// And there a class that another one beats at all four corners wins nowhere: mostly two are left.
#include <algorithm>
#include <cstring>
#include <type_traits>

#include "label_cells.h"
#include "mask_band.h"
#include "mixed_squares.h"

namespace edge_mtl {
namespace EDGE_MTL_LEVEL {
namespace {

// Calls function(i) for every flag that is 1 and not 0. There are bytes of 0 up to a multiple of 8.
template <typename Function>
inline void for_each_set(const uint8_t* flags, int count, const Function& function) {
  for (int first = 0; first < count; first += 8) {
    uint64_t eight;
    for (std::memcpy(&eight, flags + first, 8); eight != 0; eight &= eight - 1) {
      function(first + __builtin_ctzll(eight) / 8);
    }
  }
}

// `width` bytes of up to kLanes.
inline void copy_labels(const uint8_t* labels, int width, uint8_t* out) {
  if (width >= 8) {
    std::memcpy(out, labels, 8);
    std::memcpy(out + width - 8, labels + width - 8, 8);
  } else if (width >= 4) {
    std::memcpy(out, labels, 4);
    std::memcpy(out + width - 4, labels + width - 4, 4);
  } else {
    for (int i = 0; i < width; ++i) out[i] = labels[i];
  }
}

// The pixels of one square. label_of(weight_y, weight_x): their classes. lanes: those that one row
// of pixels takes of a vector.
template <int lanes, typename LabelOf>
INLINE void paint(const Canvas& canvas, int row, int column, const LabelOf& label_of) {
  constexpr int kRows = kLanes / lanes;
  const int x = canvas.columns.begin(column), width = canvas.columns.end(column) - x;
  const int y = canvas.rows.begin(row), height = canvas.rows.end(row) - y;
  const ptrdiff_t pitch = canvas.columns.count();
  const int32_t* weight_x = canvas.columns.weights(column);
  for (int first = 0; first < width; first += lanes, weight_x += kLanes) {
    const int32_t* weight_y = canvas.rows.weights(row);
    uint8_t* out = canvas.mask + y * pitch + x + first;
    const int here = std::min(lanes, width - first);
    for (int left = height; left > 0; left -= kRows, weight_y += kLanes) {
      alignas(16) uint8_t labels[kLanes];
      const Int32s label = label_of(load<Int32s>(weight_y), load<Int32s>(weight_x));
      store(__builtin_convertvector(label, Bytes), labels);
      if (here == lanes && left >= kRows) {
        for (int i = 0; i < kRows; ++i, out += pitch) std::memcpy(out, labels + i * lanes, lanes);
      } else {
        const int rows = std::min(kRows, left);
        for (int i = 0; i < rows; ++i, out += pitch) copy_labels(labels + i * lanes, here, out);
      }
    }
  }
}

// The pixels of a batch of squares where two classes share one logit.
template <int lanes, typename Squares>
void paint_binary(const Canvas& canvas, const SquareBatch& batch, const Squares& squares,
                  typename Squares::Sum zero) {
  for (int lane = 0; lane < batch.count; ++lane) {
    const auto logit = squares.above(zero, lane, 0);
    paint<lanes>(canvas, batch.rows[lane], batch.columns[lane],
                 [&](const Int32s& y, const Int32s& x) {
                   return logit.at(y, x) > 0 ? Int32s{} + 1 : Int32s{};
                 });
  }
}

// The pixels of a batch of squares. contenders: scratch.
template <int lanes, typename Squares>
void paint_classes(const Canvas& canvas, const SquareBatch& batch, int classes, Squares& squares,
                   Contenders& contenders) {
  // Differences of floats would be rounded: only of whole numbers is their blend that of the
  // logits.
  constexpr bool kByDifference = !std::is_same_v<typename Squares::Sum, float>;
  contenders.find(squares, batch, classes);
  if constexpr (kByDifference) squares.hold_apart(contenders.second, contenders.first);
  for (int lane = 0; lane < batch.count; ++lane) {
    const int first = contenders.first[lane], second = contenders.second[lane];
    const auto paint_as = [&](const auto& label_of) {
      paint<lanes>(canvas, batch.rows[lane], batch.columns[lane], label_of);
    };
    if (contenders.count[lane] > 2) {
      paint_as([&](const Int32s& y, const Int32s& x) {
        auto best = squares.logit(lane, first).at(y, x);
        Int32s label = Int32s{} + first;
        for (int c = second; c < classes; ++c) {
          if (!contenders.left[c][lane]) continue;
          const auto logit = squares.logit(lane, c).at(y, x);
          label = logit > best ? Int32s{} + c : label;
          best = logit > best ? logit : best;
        }
        return label;
      });
    } else if constexpr (kByDifference) {
      const auto apart = squares.apart(lane);
      paint_as([&](const Int32s& y, const Int32s& x) {
        return apart.at(y, x) > 0 ? Int32s{} + second : Int32s{} + first;
      });
    } else {
      const auto one = squares.logit(lane, first), other = squares.logit(lane, second);
      paint_as([&](const Int32s& y, const Int32s& x) {
        return other.at(y, x) > one.at(y, x) ? Int32s{} + second : Int32s{} + first;
      });
    }
  }
}

// Marks the cells of a row whose winner is not that of the cell before.
inline void mark_changes(const uint8_t* __restrict__ lower, int width,
                         uint8_t* __restrict__ flags) {
  flags[0] = 0;
  for (int i = 1; i < width; ++i) flags[i] = lower[i] != lower[i - 1];
}

// Marks the squares above a row whose corners disagree. upper: the winners of the next row.
inline void mark_mixed(const uint8_t* __restrict__ lower, const uint8_t* __restrict__ upper,
                       int width, uint8_t* __restrict__ flags) {
  const int end = width - 1;
  for (int i = 0; i < end; ++i) {
    const uint8_t winner = lower[i];
    flags[i] = (lower[i + 1] != winner) | (upper[i] != winner) | (upper[i + 1] != winner);
  }
  flags[end] = lower[end] != upper[end];
}

// The pixels between a row of logits and the next one, as if no square were mixed. lower: the
// winners of the row's cells. flags: scratch.
inline void fill_row(const Canvas& canvas, int row, const uint8_t* lower, int width,
                     uint8_t* flags) {
  const int begin = canvas.rows.begin(row), end = canvas.rows.end(row);
  if (begin == end) return;
  const ptrdiff_t pitch = canvas.columns.count();
  uint8_t* const first = canvas.mask + begin * pitch;
  mark_changes(lower, width, flags);
  int from = 0;
  uint8_t label = lower[0];
  for_each_set(flags, width, [&](int cell) {
    const int to = canvas.columns.begin(cell);
    std::memset(first + from, label, to - from);
    from = to;
    label = lower[cell];
  });
  std::memset(first + from, label, pitch - from);
  for (int y = begin + 1; y < end; ++y) std::memcpy(canvas.mask + y * pitch, first, pitch);
}

template <int lanes, typename T>
void label_band(const MaskBand<T>& band) {
  const int width = band.width, last_column = width - 1;
  const ptrdiff_t plane = static_cast<ptrdiff_t>(band.height) * width;
  const T* const logits = band.logits + static_cast<ptrdiff_t>(band.first) * width;
  const int cells = (std::min(band.last + 1, band.height) - band.first) * width;
  if (band.binary) {
    mark_above(logits, static_cast<SumOf<T>>(band.zero), cells, band.winners);
  } else {
    label_cells(logits, band.classes, plane, cells, band.winners);
  }
  SquareBatch batch;
  MixedSquares<T> squares;
  Contenders contenders;
  const auto paint_batch = [&] {
    squares.gather(band.logits, band.classes, plane, width, batch);
    if (band.binary) {
      const int zero = std::is_same_v<T, int8_t> ? band.zero + 128 : band.zero;
      paint_binary<lanes>(band.canvas, batch, squares, zero);
    } else {
      paint_classes<lanes>(band.canvas, batch, band.classes, squares, contenders);
    }
  };
  for (int row = band.first; row < band.last; ++row) {
    const int above = row + 1 < band.height ? width : 0;
    const uint8_t* const lower = band.winners + static_cast<ptrdiff_t>(row - band.first) * width;
    const uint8_t* const upper = lower + above;
    fill_row(band.canvas, row, lower, width, band.flags);
    mark_mixed(lower, upper, width, band.flags);
    for_each_set(band.flags, width, [&](int column) {
      const int right = column < last_column ? 1 : 0;
      batch.add(row, column, row * width + column, above, right,
                {lower[column], lower[column + right], upper[column], upper[column + right]});
      if (batch.count < kLanes) return;
      paint_batch();
      batch.clear();
    });
  }
  if (batch.count == 0) return;
  batch.fill_up();
  paint_batch();
}

}  // namespace

template <typename T>
void label_squares(const MaskBand<T>& band) {
  if (band.canvas.lanes == 4) {
    label_band<4>(band);
  } else if (band.canvas.lanes == 8) {
    label_band<8>(band);
  } else {
    label_band<16>(band);
  }
}

template void label_squares(const MaskBand<float>&);
template void label_squares(const MaskBand<Half>&);
template void label_squares(const MaskBand<uint8_t>&);
template void label_squares(const MaskBand<int8_t>&);

}  // namespace EDGE_MTL_LEVEL
}  // namespace edge_mtl
