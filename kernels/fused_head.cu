// Every task of a network, for all frames of a batch, in one launch. The blocks of a grid share the
// work out by their index: tiles of the masks, slices of the detections' cells, classifications.
// Whichever block of a detection is done last orders its candidates, suppresses boxes and decodes
// poses; nothing is allocated and the host is not asked, so that a CUDA graph can hold the launch.
#include "gpu.h"
#include "head_math.h"
#include "head_plan.h"
#include "raw_tensor.h"

// Without calls a thread needs no stack.
#define DEVICE __device__ __forceinline__

namespace edge_mtl {
namespace {

constexpr int kTileWidth = 128, kTileHeight = 16;  // of a mask, in pixels
constexpr int kTileCells = 4096;  // whose winners a block keeps; a tile mostly has fewer
constexpr int kChunk = 32;        // candidates that are suppressed together

struct MaskShared {
  Tap rows[kTileHeight], columns[kTileWidth];
  uint8_t winners[kTileCells];
};

struct BoxShared {
  int is_last, count, kept;
  uint32_t histogram[256];
  uint64_t bound;
  uint64_t keys[kMaxCandidates];
  uint8_t class_ids[kMaxCandidates];
  Box chunk[kChunk];
  int32_t chunk_class[kChunk];
  uint32_t solid, suppressed, rivals[kChunk], alive;  // a bit for each of the chunk
};

struct ClassShared {
  double powers[256];
  float best;
  double sum;
};

union HeadShared {
  MaskShared mask;
  BoxShared boxes;
  ClassShared classes;
};

DEVICE float value_at(const DeviceTensor& tensor, int64_t at) {
  switch (static_cast<DType>(tensor.dtype)) {
    case DType::kUint8:
      return dequantised(int32_t{static_cast<const uint8_t*>(tensor.data)[at]}, tensor.scale,
                         tensor.zero_point);
    case DType::kInt8:
      return dequantised(int32_t{static_cast<const int8_t*>(tensor.data)[at]}, tensor.scale,
                         tensor.zero_point);
    case DType::kFloat16:
      return half_to_float(static_cast<const Half*>(tensor.data)[at]);
    default:
      return static_cast<const float*>(tensor.data)[at];
  }
}

DEVICE int64_t plane_of(const DeviceTensor& tensor) {
  return int64_t{tensor.height} * tensor.width;
}

DEVICE int64_t sample_of(const DeviceTensor& tensor, int frame) {
  return frame * tensor.channels * plane_of(tensor);
}

// Masks

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

// Boxes

// The order of candidates as that of whole numbers: best logit first, then by cell.
DEVICE uint64_t key_of(float logit, int cell) {
  uint32_t bits;
  const float positive_zero = logit + 0.0F;  // of two zeros neither is better
  std::memcpy(&bits, &positive_zero, sizeof bits);
  const uint32_t ascending = bits & 0x80000000U ? ~bits : bits | 0x80000000U;
  return uint64_t{~ascending} << 32 | static_cast<uint32_t>(cell);
}

DEVICE float logit_of(uint64_t key) {
  const uint32_t ascending = ~static_cast<uint32_t>(key >> 32);
  const uint32_t bits = ascending & 0x80000000U ? ascending & 0x7FFFFFFFU : ~ascending;
  float logit;
  std::memcpy(&logit, &bits, sizeof logit);
  return logit;
}

DEVICE int level_of(const BoxPlan& plan, int cell) {
  int level = 0;
  while (level + 1 < plan.levels && cell >= plan.level[level + 1].first_cell) ++level;
  return level;
}

// Number i of a candidate that the network has decoded itself.
DEVICE float number_of(const DecodedPlan& plan, int frame, int place, int i) {
  const DeviceTensor& tensor = plan.tensor;
  const int64_t at =
      plan.channels_last ? int64_t{place} * tensor.height + i : int64_t{i} * tensor.height + place;
  return value_at(tensor, sample_of(tensor, frame) + at);
}

// The rank of such a candidate, and its class; lowest where it is none.
DEVICE float rank_of(const BoxPlan& plan, int frame, int place, int& class_id) {
  const DecodedPlan& decoded = plan.decoded;
  const float objectness = decoded.objectness ? number_of(decoded, frame, place, 4) : 1.0F;
  float best = -__builtin_huge_valf();
  if (decoded.objectness && !(objectness > plan.min_logit)) return best;
  const int first = 4 + decoded.objectness;
  const int last = decoded.channels_last ? decoded.tensor.height : decoded.tensor.channels;
  for (int i = first; i < last; ++i) {
    const float score = number_of(decoded, frame, place, i);
    class_id = score > best ? i - first : class_id;
    best = score > best ? score : best;
  }
  return decoded.objectness ? best * objectness : best;
}

// The best logit of a cell, and its class.
DEVICE float best_logit(const BoxPlan& plan, int frame, int cell, int& class_id) {
  const LevelPlan& level = plan.level[level_of(plan, cell)];
  const DeviceTensor& tensor = level.scores;
  const int64_t at = sample_of(tensor, frame) + cell - level.first_cell;
  float best = -__builtin_huge_valf();
  for (int c = 0; c < tensor.channels; ++c) {
    const float logit = value_at(tensor, at + c * plane_of(tensor));
    class_id = logit > best ? c : class_id;
    best = logit > best ? logit : best;
  }
  return best;
}

// Notes the candidates among kThreads cells of one frame.
DEVICE void collect(const BoxPlan& plan, int frame, int slice) {
  const int cell = slice * kThreads + static_cast<int>(threadIdx.x);
  if (cell >= plan.cells) return;
  int class_id = 0;
  const float best = plan.levels == 0 ? rank_of(plan, frame, cell, class_id)
                                      : best_logit(plan, frame, cell, class_id);
  if (!(best > plan.min_logit)) return;
  const int place = atomicAdd(&plan.counts[2 * frame], 1);
  plan.candidates[int64_t{frame} * plan.cells + place] = {key_of(best, cell), class_id};
}

// The highest key of the best `wanted` of `count` candidates: its digits one after the other, from
// counts of the candidates that share those before.
DEVICE void find_bound(const DeviceCandidate* candidates, int count, int wanted,
                       BoxShared& shared) {
  if (threadIdx.x == 0) shared.bound = 0;
  for (int shift = 56; shift >= 0; shift -= 8) {
    for (int i = threadIdx.x; i < 256; i += kThreads) shared.histogram[i] = 0;
    __syncthreads();
    const uint64_t before = shared.bound;
    for (int i = threadIdx.x; i < count; i += kThreads) {
      const uint64_t key = candidates[i].key;
      if (shift == 56 || key >> (shift + 8) == before >> (shift + 8)) {
        atomicAdd(&shared.histogram[key >> shift & 0xFF], 1U);
      }
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      uint64_t digit = 0;
      while (wanted > static_cast<int>(shared.histogram[digit])) {
        wanted -= static_cast<int>(shared.histogram[digit++]);
      }
      shared.bound = before | digit << shift;
    }
    __syncthreads();
  }
}

// Batcher's bitonic sort of the first `count` candidates in shared memory, by key.
DEVICE void sort(int count, BoxShared& shared) {
  int size = 1;
  while (size < count) size *= 2;
  for (int i = count + static_cast<int>(threadIdx.x); i < size; i += kThreads) {
    shared.keys[i] = ~uint64_t{0};
  }
  __syncthreads();
  for (int run = 2; run <= size; run *= 2) {
    for (int gap = run / 2; gap > 0; gap /= 2) {
      for (int i = threadIdx.x; i < size / 2; i += kThreads) {
        const int low = 2 * i - (i & (gap - 1)), high = low + gap;
        const bool ascending = (low & run) == 0;
        if ((shared.keys[low] > shared.keys[high]) == ascending) {
          const uint64_t key = shared.keys[low];
          const uint8_t class_id = shared.class_ids[low];
          shared.keys[low] = shared.keys[high];
          shared.class_ids[low] = shared.class_ids[high];
          shared.keys[high] = key;
          shared.class_ids[high] = class_id;
        }
      }
      __syncthreads();
    }
  }
}

// The distances of one cell.
DEVICE Reach reach_of(const BoxPlan& plan, const LevelPlan& level, int64_t at) {
  const int64_t plane = plane_of(level.boxes);
  if (plan.bins == 0) {
    return {value_at(level.boxes, at), value_at(level.boxes, at + plane),
            value_at(level.boxes, at + 2 * plane), value_at(level.boxes, at + 3 * plane)};
  }
  float sides[4];
  for (int side = 0; side < 4; ++side) {
    const int64_t first = at + side * plan.bins * plane;
    const auto logit_of_bin = [&](int i) {
      return static_cast<double>(bounded_logit(value_at(level.boxes, first + i * plane)));
    };
    double best = logit_of_bin(0);
    for (int i = 1; i < plan.bins; ++i) {
      const double logit = logit_of_bin(i);
      best = logit > best ? logit : best;
    }
    sides[side] = static_cast<float>(
        mean_of_bins(plan.bins, [&](int i) { return exponential(logit_of_bin(i) - best); }));
  }
  return {sides[0], sides[1], sides[2], sides[3]};
}

// The cell of a key: its level, and its place in it.
struct Place {
  int level, row, column;
};

DEVICE Place place_of(const BoxPlan& plan, int cell) {
  const int level = level_of(plan, cell);
  const int of_level = cell - plan.level[level].first_cell;
  const int width = plan.level[level].scores.width;
  return {level, of_level / width, of_level % width};
}

// Decodes candidate i of a chunk; returns whether its box is one.
DEVICE bool decode(const HeadPlan& head, const BoxPlan& plan, int frame, uint64_t key, Box& out) {
  const Placement& placement = head.placement[frame];
  const int cell = static_cast<int>(static_cast<uint32_t>(key));
  Box whole;
  if (plan.levels == 0) {
    const DecodedPlan& decoded = plan.decoded;
    const float values[4] = {number_of(decoded, frame, cell, 0), number_of(decoded, frame, cell, 1),
                             number_of(decoded, frame, cell, 2),
                             number_of(decoded, frame, cell, 3)};
    whole = placed_box(values, decoded.by_centre != 0, placement);
  } else {
    const Place place = place_of(plan, cell);
    const LevelPlan& level = plan.level[place.level];
    const int64_t at =
        sample_of(level.boxes, frame) + int64_t{place.row} * level.boxes.width + place.column;
    whole = decoded_box(reach_of(plan, level, at), place.column, place.row,
                        static_cast<float>(level.stride), placement);
  }
  if (!is_finite(whole)) return false;
  out = clipped_box(whole, placement);
  return is_solid(out);
}

// Greedy suppression of the sorted candidates, kChunk at a time: each is held against the boxes
// that were kept before and against those of its chunk, all at once, and only then are they kept or
// not, one after the other.
DEVICE void suppress(const HeadPlan& head, const BoxPlan& plan, int frame, int count,
                     BoxShared& shared) {
  float* const boxes = plan.boxes + int64_t{4} * frame * plan.max_boxes;
  float* const scores = plan.scores + int64_t{frame} * plan.max_boxes;
  int32_t* const class_ids = plan.class_ids + int64_t{frame} * plan.max_boxes;
  int32_t* const cells = plan.kept_cells + int64_t{frame} * plan.max_boxes;
  if (threadIdx.x == 0) shared.kept = 0;
  for (int first = 0; first < count; first += kChunk) {
    if (threadIdx.x == 0) shared.solid = shared.suppressed = 0;
    for (int i = threadIdx.x; i < kChunk; i += kThreads) shared.rivals[i] = 0;
    __syncthreads();
    if (shared.kept == plan.max_boxes) break;
    const int here = count - first < kChunk ? count - first : kChunk;
    for (int i = threadIdx.x; i < here; i += kThreads) {
      if (decode(head, plan, frame, shared.keys[first + i], shared.chunk[i])) {
        atomicOr(&shared.solid, 1U << i);
      }
      shared.chunk_class[i] = shared.class_ids[first + i];
    }
    __syncthreads();
    const int kept = shared.kept;
    for (int pair = threadIdx.x; pair < (kept + here) * here; pair += kThreads) {
      const int i = pair % here, other = pair / here;
      if (other < kept) {
        const Box box{boxes[4 * other], boxes[4 * other + 1], boxes[4 * other + 2],
                      boxes[4 * other + 3]};
        if (class_ids[other] == shared.chunk_class[i] &&
            overlaps(box, shared.chunk[i], plan.iou_threshold)) {
          atomicOr(&shared.suppressed, 1U << i);
        }
      } else if (other - kept < i && shared.chunk_class[other - kept] == shared.chunk_class[i] &&
                 overlaps(shared.chunk[other - kept], shared.chunk[i], plan.iou_threshold)) {
        atomicOr(&shared.rivals[i], 1U << (other - kept));
      }
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      uint32_t alive = 0;
      int left = plan.max_boxes - kept;
      for (int i = 0; i < here && left > 0; ++i) {
        const bool solid = shared.solid >> i & 1U, beaten = shared.suppressed >> i & 1U;
        if (!solid || beaten || (shared.rivals[i] & alive) != 0) continue;
        alive |= 1U << i;
        --left;
      }
      shared.alive = alive;
      shared.kept = plan.max_boxes - left;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < here; i += kThreads) {
      if ((shared.alive >> i & 1U) == 0) continue;
      const int place = kept + __popc(shared.alive & ((1U << i) - 1U));
      const Box& box = shared.chunk[i];
      boxes[4 * place] = box.x1;
      boxes[4 * place + 1] = box.y1;
      boxes[4 * place + 2] = box.x2;
      boxes[4 * place + 3] = box.y2;
      const float rank = logit_of(shared.keys[first + i]);
      scores[place] = plan.levels == 0 ? rank : sigmoid(rank);
      class_ids[place] = shared.chunk_class[i];
      cells[place] = static_cast<int32_t>(static_cast<uint32_t>(shared.keys[first + i]));
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) plan.found[frame] = shared.kept;
  __syncthreads();
}

DEVICE void find_poses(const HeadPlan& head, const PosePlan& pose, const BoxPlan& plan, int frame,
                       BoxShared& shared) {
  const int64_t first_row = int64_t{frame} * plan.max_boxes;
  if (threadIdx.x == 0) {
    int found = 0;
    for (int row = 0; row < shared.kept; ++row) {
      if (pose.has_keypoints[plan.class_ids[first_row + row]]) pose.rows[first_row + found++] = row;
    }
    pose.found[frame] = shared.count = found;
  }
  __syncthreads();
  for (int i = threadIdx.x; i < shared.count * pose.keypoints; i += kThreads) {
    const int which = i / pose.keypoints, k = i % pose.keypoints;
    const Place place = place_of(plan, plan.kept_cells[first_row + pose.rows[first_row + which]]);
    const PoseLevelPlan& level = pose.level[place.level];
    const int64_t at = int64_t{place.row} * level.visible.width + place.column;
    const int64_t plane = plane_of(level.visible);
    const int64_t points = sample_of(level.points, frame) + at;
    const Keypoint keypoint = decoded_keypoint(
        value_at(level.points, points + 2 * k * plane),
        value_at(level.points, points + (2 * k + 1) * plane),
        value_at(level.visible, sample_of(level.visible, frame) + at + k * plane), place.column,
        place.row, static_cast<float>(plan.level[place.level].stride), head.placement[frame]);
    const int64_t out = (first_row + which) * pose.keypoints + k;
    pose.points[2 * out] = keypoint.x;
    pose.points[2 * out + 1] = keypoint.y;
    pose.scores[out] = keypoint.score;
  }
  __syncthreads();
}

// A slice of the cells of one frame; the last block of all slices goes on to the boxes.
DEVICE void detect(const HeadPlan& head, int which, int frame, int slice, int slices,
                   BoxShared& shared) {
  const BoxPlan& plan = head.detection[which];
  collect(plan, frame, slice);
  __threadfence();
  __syncthreads();
  int32_t* const counts = plan.counts + 2 * frame;
  if (threadIdx.x == 0) {
    shared.is_last = atomicAdd(&counts[1], 1) == slices - 1;
    if (shared.is_last) {
      __threadfence();
      shared.count = atomicAdd(&counts[0], 0);
      counts[0] = counts[1] = 0;  // for the next launch
    }
  }
  __syncthreads();
  if (!shared.is_last) return;
  const DeviceCandidate* const candidates = plan.candidates + int64_t{frame} * plan.cells;
  const int found = shared.count;
  const int wanted = found < plan.max_candidates ? found : plan.max_candidates;
  if (wanted < found) {
    find_bound(candidates, found, wanted, shared);
  } else if (threadIdx.x == 0) {
    shared.bound = ~uint64_t{0};
  }
  __syncthreads();
  if (threadIdx.x == 0) shared.count = 0;
  __syncthreads();
  for (int i = threadIdx.x; i < found; i += kThreads) {
    if (candidates[i].key > shared.bound) continue;
    const int place = atomicAdd(&shared.count, 1);
    shared.keys[place] = candidates[i].key;
    shared.class_ids[place] = static_cast<uint8_t>(candidates[i].class_id);
  }
  __syncthreads();
  sort(wanted, shared);
  suppress(head, plan, frame, wanted, shared);
  for (int i = 0; i < head.poses; ++i) {
    if (head.pose[i].detection == which) find_poses(head, head.pose[i], plan, frame, shared);
  }
}

// Classifications

DEVICE void classify(const ClassPlan& plan, int frame, ClassShared& shared) {
  const int classes = plan.logits.channels;
  float* const scores = plan.scores + int64_t{frame} * classes;
  const auto logit = [&](int c) {
    return bounded_logit(value_at(plan.logits, sample_of(plan.logits, frame) + c));
  };
  if (plan.multi_label) {
    for (int c = threadIdx.x; c < classes; c += kThreads) scores[c] = sigmoid(logit(c));
    return;
  }
  if (threadIdx.x == 0) {
    float best = logit(0);
    for (int c = 1; c < classes; ++c) best = logit(c) > best ? logit(c) : best;
    shared.best = best;
  }
  __syncthreads();
  for (int c = threadIdx.x; c < classes; c += kThreads) {
    shared.powers[c] = exponential(static_cast<double>(logit(c)) - shared.best);
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    double sum = 0.0;
    for (int c = 0; c < classes; ++c) sum += shared.powers[c];
    shared.sum = sum;
  }
  __syncthreads();
  for (int c = threadIdx.x; c < classes; c += kThreads) {
    scores[c] = static_cast<float>(shared.powers[c] / shared.sum);
  }
}

DEVICE int tiles_of(const MaskPlan& plan, int frame) {
  return (plan.width[frame] + kTileWidth - 1) / kTileWidth *
         ((plan.height[frame] + kTileHeight - 1) / kTileHeight);
}

}  // namespace

// Blocks: those that `head_blocks` counts.
extern "C" __global__ void __launch_bounds__(kThreads, 2)
    edge_mtl_fused_head(const HeadPlan* __restrict__ plan) {
  HeadShared& shared = block_shared<HeadShared>();
  const HeadPlan& head = *plan;
  int block = static_cast<int>(blockIdx.x);
  // Detections first: what comes after the last of their blocks takes longest.
  for (int which = 0; which < head.detections; ++which) {
    const int slices = (head.detection[which].cells + kThreads - 1) / kThreads;
    if (block < slices * head.frames) {
      detect(head, which, block / slices, block % slices, slices, shared.boxes);
      return;
    }
    block -= slices * head.frames;
  }
  for (int which = 0; which < head.masks; ++which) {
    const MaskPlan& mask = head.mask[which];
    for (int frame = 0; frame < head.frames; ++frame) {
      const int tiles = tiles_of(mask, frame);
      if (block < tiles) {
        switch (static_cast<DType>(mask.logits.dtype)) {
          case DType::kUint8:
            return label_tile<uint8_t>(head, mask, frame, block, shared.mask);
          case DType::kInt8:
            return label_tile<int8_t>(head, mask, frame, block, shared.mask);
          case DType::kFloat16:
            return label_tile<Half>(head, mask, frame, block, shared.mask);
          default:
            return label_tile<float>(head, mask, frame, block, shared.mask);
        }
      }
      block -= tiles;
    }
  }
  const int which = block / head.frames;
  classify(head.classification[which], block % head.frames, shared.classes);
}

}  // namespace edge_mtl
