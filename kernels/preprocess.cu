// Camera frames to the engine's input, for all frames of a batch, in one launch: a block makes a
// tile of all three channels.
#include "gpu.h"
#include "head_math.h"
#include "input_plan.h"
#include "raw_tensor.h"

namespace edge_mtl {
namespace {

constexpr int kTileWidth = 128, kTileHeight = 16;

struct TileShared {
  Tap rows[kTileHeight], columns[kTileWidth];
};

template <typename T>
DEVICE void make_tile(const InputPlan& plan, int frame, int tile, TileShared& shared) {
  const int across = (plan.width + kTileWidth - 1) / kTileWidth;
  const int first_x = tile % across * kTileWidth, first_y = tile / across * kTileHeight;
  const int columns = plan.width - first_x < kTileWidth ? plan.width - first_x : kTileWidth;
  const int rows = plan.height - first_y < kTileHeight ? plan.height - first_y : kTileHeight;
  const Placement& placement = plan.placement[frame];
  const Axis down{placement.height, 0, 1, 1, placement.frame_height};
  const Axis right{placement.width, 0, 1, 1, placement.frame_width};
  for (int i = static_cast<int>(threadIdx.x); i < rows + columns; i += kThreads) {
    // Outside the placement the taps of the nearest pixel are not used.
    if (i < rows) {
      shared.rows[i] = tap_at(down, first_y + i - placement.y, kPixelOne);
    } else {
      shared.columns[i - rows] = tap_at(right, first_x + i - rows - placement.x, kPixelOne);
    }
  }
  __syncthreads();

  const int64_t plane = int64_t{plan.width} * plan.height;
  const T* const table = static_cast<const T*>(plan.table);
  T* const out = static_cast<T*>(plan.out) + 3 * frame * plane;
  const uint8_t* const source = plan.frame[frame];
  for (int i = static_cast<int>(threadIdx.x); i < rows * columns; i += kThreads) {
    const int y = first_y + i / columns, x = first_x + i % columns;
    const bool inside = y >= placement.y && y < placement.y + placement.height &&
                        x >= placement.x && x < placement.x + placement.width;
    const Tap &row = shared.rows[i / columns], &column = shared.columns[i % columns];
    const uint8_t* const lower = source + row.lower * plan.row_stride[frame];
    const uint8_t* const upper = source + row.upper * plan.row_stride[frame];
    for (int c = 0; c < 3; ++c) {
      int32_t value = plan.pad;
      if (inside) {
        const int left = 3 * column.lower + 2 - c, right_of = 3 * column.upper + 2 - c;
        const int32_t one =
            blend<kPixelOne>(int32_t{lower[left]}, int32_t{upper[left]}, row.weight);
        const int32_t other =
            blend<kPixelOne>(int32_t{lower[right_of]}, int32_t{upper[right_of]}, row.weight);
        value = rounded_pixel(blend<kPixelOne>(one, other, column.weight));
      }
      out[c * plane + int64_t{y} * plan.width + x] = table[256 * c + value];
    }
  }
}

}  // namespace

// Blocks: a tile of 128x16 pixels of a frame each.
extern "C" __global__ void __launch_bounds__(kThreads, 2)
    edge_mtl_preprocess(const InputPlan* __restrict__ plan) {
  TileShared& shared = block_shared<TileShared>();
  const int tiles = (plan->width + kTileWidth - 1) / kTileWidth *
                    ((plan->height + kTileHeight - 1) / kTileHeight);
  const int frame = static_cast<int>(blockIdx.x) / tiles;
  const int tile = static_cast<int>(blockIdx.x) % tiles;
  switch (static_cast<DType>(plan->dtype)) {
    case DType::kUint8:
      return make_tile<uint8_t>(*plan, frame, tile, shared);
    case DType::kInt8:
      return make_tile<int8_t>(*plan, frame, tile, shared);
    case DType::kFloat16:
      return make_tile<Half>(*plan, frame, tile, shared);
    default:
      return make_tile<float>(*plan, frame, tile, shared);
  }
}

}  // namespace edge_mtl
