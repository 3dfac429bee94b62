// Every task of a network, for all frames of a batch, in one launch. The blocks of a grid share the
// work out by their index: tiles of the masks, slices of the detections' cells, classifications.
// Whichever block of a detection is done last orders its candidates, suppresses boxes and decodes
// poses; nothing is allocated and the host is not asked, so that a CUDA graph can hold the launch.
#include "device_boxes.cuh"
#include "device_classes.cuh"
#include "device_masks.cuh"
#include "gpu.h"
#include "head_plan.h"

namespace edge_mtl {
namespace {

union HeadShared {
  MaskShared mask;
  BoxShared boxes;
  ClassShared classes;
};

}  // namespace

// Blocks: as many as HeadLayout.blocks (edge_mtl/gpu/head_layout.py) says.
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
