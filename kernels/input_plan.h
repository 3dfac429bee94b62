// What the preprocessing kernel on a GPU needs to know, in one piece that lies in the device's
// memory: see head_plan.h.
#pragma once

#include <cstdint>

#include "head_math.h"
#include "head_plan.h"

namespace edge_mtl {

struct InputPlan {
  int32_t frames, width, height;  // of the network's input
  int32_t dtype;                  // DType of `out` and `table`
  int32_t pad;
  const void* table;  // (3, 256): the engine's value for every 8-bit value of R, G and B
  void* out;          // (frames, 3, height, width)
  Placement placement[kMaxFrames];
  const uint8_t* frame[kMaxFrames];  // rows of BGR pixels
  int64_t row_stride[kMaxFrames];    // in bytes
};

}  // namespace edge_mtl
