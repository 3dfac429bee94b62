// What the head kernel on a GPU needs to know, in one piece that lies in the device's memory: all
// tasks, all frames of a batch, where raw outputs are read and where results go. It is written when
// an engine is opened, and a frame's part of it again when its camera's frames change size; a
// launch takes nothing else, so that it can be captured in a CUDA graph.
#pragma once

#include <cstdint>

#include "head_math.h"
#include "limits.h"

namespace edge_mtl {

// 8-bit values stand for scale * (value - zero_point).
struct DeviceTensor {
  const void* data;  // (batch, channels, height, width)
  int32_t dtype;     // DType
  int32_t channels, height, width;
  float scale;
  int32_t zero_point;
};

struct MaskPlan {
  DeviceTensor logits;
  int32_t binary;
  uint8_t* labels[kMaxFrames];
  int32_t height[kMaxFrames], width[kMaxFrames];
};

struct LevelPlan {
  int32_t stride;
  int32_t first_cell;  // of all levels' cells in a row
  DeviceTensor scores, boxes;
};

// Boxes that the network has decoded itself: how the numbers of a candidate lie in the tensor,
// which is (numbers, candidates, 1) or channels_last. See DecodedLayout of detect_decoded.h.
struct DecodedPlan {
  DeviceTensor tensor;
  int32_t channels_last, by_centre, objectness;
};

// A cell whose best class is above the threshold. The order of keys is that of candidates: best
// logit first, then by cell.
struct DeviceCandidate {
  uint64_t key;
  int32_t class_id;
};

struct BoxPlan {
  int32_t levels;  // 0 where boxes are decoded already
  int32_t bins, max_boxes, max_candidates;
  int32_t cells;    // of all levels, or candidates that are decoded already
  float min_logit;  // or score
  float iou_threshold;
  LevelPlan level[kMaxLevels];
  DecodedPlan decoded;
  // By frame: scratch, zero between launches.
  int32_t* counts;              // (frames, 2): candidates found, blocks done
  DeviceCandidate* candidates;  // (frames, cells)
  // By frame: results.
  float* boxes;         // (frames, max_boxes, 4)
  float* scores;        // (frames, max_boxes)
  int32_t* class_ids;   // (frames, max_boxes)
  int32_t* found;       // (frames,)
  int32_t* kept_cells;  // (frames, max_boxes): scratch, which cell found each box
};

struct PoseLevelPlan {
  DeviceTensor points, visible;
};

struct PosePlan {
  int32_t detection, keypoints;
  const uint8_t* has_keypoints;  // by class of the detection's boxes
  PoseLevelPlan level[kMaxLevels];
  int32_t* rows;   // (frames, max_boxes)
  float* points;   // (frames, max_boxes, keypoints, 2)
  float* scores;   // (frames, max_boxes, keypoints)
  int32_t* found;  // (frames,)
};

struct ClassPlan {
  DeviceTensor logits;
  int32_t multi_label;
  float* scores;  // (frames, classes)
};

struct HeadPlan {
  int32_t frames, network_width, network_height;
  int32_t masks, detections, poses, classifications;
  Placement placement[kMaxFrames];
  MaskPlan mask[kMaxTasks];
  BoxPlan detection[kMaxTasks];
  PosePlan pose[kMaxTasks];
  ClassPlan classification[kMaxTasks];
};

}  // namespace edge_mtl
