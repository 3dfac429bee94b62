// Candidates for boxes: found by all blocks of a frame, ordered by the last one.
#pragma once

#include "device_tensor.cuh"
#include "gpu.h"
#include "head_math.h"
#include "head_plan.h"
#include "limits.h"

namespace edge_mtl {
namespace {

constexpr int kChunk = 32;  // candidates that are suppressed together

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

}  // namespace
}  // namespace edge_mtl
