// Candidates in order to boxes, and to the poses of those that are kept.
#pragma once

#include "device_candidates.cuh"
#include "device_tensor.cuh"
#include "gpu.h"
#include "head_math.h"
#include "head_plan.h"

namespace edge_mtl {
namespace {

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
      return bounded_logit(value_at(level.boxes, first + i * plane));
    };
    float best = logit_of_bin(0);
    for (int i = 1; i < plan.bins; ++i) {
      const float logit = logit_of_bin(i);
      best = logit > best ? logit : best;
    }
    float whole = 0.0F, moment = 0.0F;
    for (int i = plan.bins - 1; i >= 0; --i) {
      add_bin(bin_weight(logit_of_bin(i) - best), whole, moment);
    }
    sides[side] = moment / whole;
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

}  // namespace
}  // namespace edge_mtl
