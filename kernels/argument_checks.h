// Numbers from Python: within the kernels' limits, or an error that says what was expected and what
// was found.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "array_checks.h"
#include "head_math.h"
#include "limits.h"
#include "pool.h"
#include "raw_tensor.h"

namespace edge_mtl {

// The tuples of _kernels.pyi.
using TensorTuple = std::tuple<std::string, std::tuple<int, int, int>, float, int>;
using LineTuple = std::tuple<float, float>;
using PlacementTuple = std::tuple<int, int, int, int, int, int>;
using LevelTuple = std::tuple<int, TensorTuple, TensorTuple>;

constexpr int kMaxThreads = 256;

inline void require_between(int64_t lowest, int64_t highest, int64_t found, const char* name) {
  require(lowest <= found && found <= highest, name, " must be between ", lowest, " and ", highest,
          ", found ", found);
}

inline void require_extent(int extent, const char* name) {
  require_between(1, kMaxExtent, extent, name);
}

inline Placement checked_placement(const PlacementTuple& numbers, int network_width,
                                   int network_height) {
  const auto [frame_width, frame_height, x, y, width, height] = numbers;
  require_extent(frame_width, "the frame's width");
  require_extent(frame_height, "the frame's height");
  require(0 <= x && 0 < width && width <= network_width - x && 0 <= y && 0 < height &&
              height <= network_height - y,
          "the placement must lie in the network's input of ", network_width, "x", network_height,
          ", found ", width, "x", height, " at ", x, ", ", y);
  return {frame_width, frame_height, x, y, width, height};
}

// Placements of a batch that is not more than full.
inline std::vector<Placement> checked_placements(const std::vector<PlacementTuple>& numbers,
                                                 int batch, int network_width, int network_height) {
  require(!numbers.empty() && numbers.size() <= static_cast<size_t>(batch),
          "expected the placements of 1 to ", batch, " frames, found ", numbers.size());
  std::vector<Placement> placements;
  placements.reserve(numbers.size());
  for (const PlacementTuple& each : numbers) {
    placements.push_back(checked_placement(each, network_width, network_height));
  }
  return placements;
}

inline DType dtype_of(const std::string& name) {
  if (name == "float32") return DType::kFloat32;
  if (name == "float16") return DType::kFloat16;
  if (name == "uint8") return DType::kUint8;
  require(name == "int8", "the tensor must be float32, float16, uint8 or int8, found ", name);
  return DType::kInt8;
}

// most: what each extent may be.
inline RawTensor checked_tensor(const TensorTuple& numbers, int most = kMaxExtent) {
  const auto& [name, shape, scale, zero_point] = numbers;
  const auto [channels, height, width] = shape;
  const DType dtype = dtype_of(name);
  require_between(1, most, channels, "the number of channels");
  require_between(1, most, height, "the tensor's height");
  require_between(1, most, width, "the tensor's width");
  require(int64_t{channels} * height * width <= INT32_MAX, "the tensor has 2^31 values or more");
  if (dtype == DType::kUint8 || dtype == DType::kInt8) {
    const int lowest = dtype == DType::kUint8 ? 0 : INT8_MIN;
    require_between(lowest, lowest + 255, zero_point, "the zero point");
    require(1e-30F <= scale && scale <= 1e30F,  // and so not NaN
            "the scale must be between 1e-30 and 1e30, found ", scale);
  }
  return {dtype, channels, height, width, scale, zero_point};
}

// Logits or scores: a channel for each class.
inline RawTensor checked_classes(const TensorTuple& numbers) {
  const RawTensor tensor = checked_tensor(numbers);
  require_between(1, kMaxClasses, tensor.channels, "the number of classes");
  return tensor;
}

inline std::shared_ptr<Pool> checked_pool(int threads) {
  require_between(1, kMaxThreads, threads, "threads");
  return Pool::of(threads);
}

}  // namespace edge_mtl
