// What the kernels take at most, on every processor alike. edge_mtl/spec.py and tasks.py have
// the same numbers.
#pragma once

namespace edge_mtl {

constexpr int kMaxExtent = 65535;     // of a frame, a mask, an input and a tensor: see `Axis`
constexpr int kMaxFrames = 16;        // of a batch
constexpr int kMaxTasks = 8;          // of each kind
constexpr int kMaxLevels = 4;         // of a detection or pose task
constexpr int kMaxClasses = 255;      // of a task: a label is a byte
constexpr int kMaxBins = 64;          // of a distance
constexpr int kMaxCandidates = 4096;  // of a frame that are decoded, and so boxes
constexpr int kMaxListed = 1 << 20;   // candidates that a network has decoded itself

}  // namespace edge_mtl
