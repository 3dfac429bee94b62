// What the kernels take at most, on every processor alike. edge_mtl/spec.py has the same numbers.
#pragma once

namespace edge_mtl {

constexpr int kMaxExtent = 65535;  // of a frame, a mask, an input and a tensor: see `Axis`
constexpr int kMaxFrames = 16;     // of a batch
constexpr int kMaxBins = 64;       // of a distance

}  // namespace edge_mtl
