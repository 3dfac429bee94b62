// Raw logits to a class per pixel: see segment.cpp, whose squares are pixels here.
#pragma once

#include "device_tensor.cuh"
#include "gpu.h"
#include "head_math.h"
#include "head_plan.h"

namespace edge_mtl {
namespace {

constexpr int kTileWidth = 128, kTileHeight = 16;  // of a mask, in pixels
constexpr int kTileCells = 4096;  // whose winners a block keeps; a tile mostly has fewer

struct MaskShared {
  Tap rows[kTileHeight], columns[kTileWidth];
  uint8_t winners[kTileCells];
};

template <typename Sum>
DEVICE Sum lowest_sum() {
  return std::is_same_v<Sum, float> ? static_cast<Sum>(-__builtin_huge_valf())
                                    : static_cast<Sum>(INT32_MIN);
}

// The class with the highest logit of one cell; where two classes share it, whether it is above
// `zero`.
template <typename T>
DEVICE uint8_t cell_winner(const T* logits, const MaskPlan& plan, int64_t plane, SumOf<T> zero) {
  if (plan.binary) return SumOf<T>{value_of(*logits)} > zero;
  SumOf<T> best = lowest_sum<SumOf<T>>();
  int winner = 0;
  for (int c = 0; c < plan.logits.channels; ++c) {
    const SumOf<T> logit = value_of(logits[c * plane]);
    winner = logit > best ? c : winner;
    best = logit > best ? logit : best;
  }
  return static_cast<uint8_t>(winner);
}

// The class of a pixel whose corners disagree.
template <typename T>
DEVICE uint8_t blended_winner(const T* logits, const MaskPlan& plan, int64_t plane, const Tap& row,
                              const Tap& column, SumOf<T> zero) {
  using Sum = SumOf<T>;
  const int64_t width = plan.logits.width;
  const Sum down = static_cast<Sum>(row.weight), right = static_cast<Sum>(column.weight);
  Sum best{};
  int winner = 0;
  for (int c = 0; c < plan.logits.channels; ++c, logits += plane) {
    const T* const lower = logits + row.lower * width;
    const T* const upper = logits + row.upper * width;
    const auto at = [](const T* line, int x) { return bounded_logit(Sum{value_of(line[x])}); };
    const Sum left = blend(at(lower, column.lower), at(upper, column.lower), down);
    const Sum logit =
        blend(left, blend(at(lower, column.upper), at(upper, column.upper), down), right);
    if (plan.binary) return logit > zero * kOne * kOne;
    if (c == 0 || logit > best) {
      best = logit;
      winner = c;
    }
  }
  return static_cast<uint8_t>(winner);
}

// One tile of one frame's mask.
template <typename T>
DEVICE void label_tile(const HeadPlan& head, const MaskPlan& plan, int frame, int tile,
                       MaskShared& shared) {
  const int mask_width = plan.width[frame], mask_height = plan.height[frame];
  const int across = (mask_width + kTileWidth - 1) / kTileWidth;
  const int first_x = tile % across * kTileWidth, first_y = tile / across * kTileHeight;
  const int columns = mask_width - first_x < kTileWidth ? mask_width - first_x : kTileWidth;
  const int rows = mask_height - first_y < kTileHeight ? mask_height - first_y : kTileHeight;
  const Placement& placement = head.placement[frame];
  const DeviceTensor& tensor = plan.logits;
  const Axis down{mask_height, placement.y, placement.height, head.network_height, tensor.height};
  const Axis right{mask_width, placement.x, placement.width, head.network_width, tensor.width};
  for (int i = threadIdx.x; i < rows + columns; i += kThreads) {
    if (i < rows) {
      shared.rows[i] = tap_at(down, first_y + i, kOne);
    } else {
      shared.columns[i - rows] = tap_at(right, first_x + i - rows, kOne);
    }
  }
  __syncthreads();

  const T* const logits = static_cast<const T*>(tensor.data) + sample_of(tensor, frame);
  const int64_t plane = plane_of(tensor);
  const SumOf<T> zero = std::is_same_v<SumOf<T>, float> ? SumOf<T>{} : SumOf<T>(tensor.zero_point);
  const int top = shared.rows[0].lower, left = shared.columns[0].lower;
  const int cells_down = shared.rows[rows - 1].upper - top + 1;
  const int cells_across = shared.columns[columns - 1].upper - left + 1;
  // A mask that is much smaller than the logits has too many cells to a tile.
  const bool kept = cells_down * cells_across <= kTileCells;
  if (kept) {
    for (int i = threadIdx.x; i < cells_down * cells_across; i += kThreads) {
      const int64_t cell = int64_t{top + i / cells_across} * tensor.width + left + i % cells_across;
      shared.winners[i] = cell_winner(logits + cell, plan, plane, zero);
    }
    __syncthreads();
  }
  const auto winner_of = [&](int row, int column) {
    return kept ? shared.winners[(row - top) * cells_across + column - left]
                : cell_winner(logits + int64_t{row} * tensor.width + column, plan, plane, zero);
  };

  uint8_t* const labels = plan.labels[frame] + int64_t{first_y} * mask_width + first_x;
  for (int i = threadIdx.x; i < rows * columns; i += kThreads) {
    const int y = i / columns, x = i % columns;
    const Tap &row = shared.rows[y], &column = shared.columns[x];
    const uint8_t winner = winner_of(row.lower, column.lower);
    const bool agreed = winner == winner_of(row.lower, column.upper) &&
                        winner == winner_of(row.upper, column.lower) &&
                        winner == winner_of(row.upper, column.upper);
    labels[int64_t{y} * mask_width + x] =
        agreed ? winner : blended_winner(logits, plan, plane, row, column, zero);
  }
}

DEVICE int tiles_of(const MaskPlan& plan, int frame) {
  return (plan.width[frame] + kTileWidth - 1) / kTileWidth *
         ((plan.height[frame] + kTileHeight - 1) / kTileHeight);
}

}  // namespace
}  // namespace edge_mtl
