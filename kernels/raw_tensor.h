// A raw output of an engine, and what its values are.
#pragma once

#include <cstddef>
#include <cstdint>

#include "head_math.h"

namespace edge_mtl {

enum class DType { kFloat32, kUint8, kInt8, kFloat16 };

struct RawTensor {
  DType dtype;
  int channels, height, width;
  float scale;  // 8-bit values stand for scale * (value - zero_point)
  int zero_point;

  ptrdiff_t plane() const { return static_cast<ptrdiff_t>(height) * width; }
};

// What `function` returns for `data` as a pointer to values of that type.
template <typename Function>
auto with_type(DType dtype, const void* data, Function&& function) {
  if (dtype == DType::kUint8) return function(static_cast<const uint8_t*>(data));
  if (dtype == DType::kInt8) return function(static_cast<const int8_t*>(data));
  if (dtype == DType::kFloat16) return function(static_cast<const Half*>(data));
  return function(static_cast<const float*>(data));
}

}  // namespace edge_mtl
