// Values of raw outputs in the memory of a GPU.
#pragma once

#include "gpu.h"
#include "head_plan.h"
#include "raw_tensor.h"

namespace edge_mtl {
namespace {

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

}  // namespace
}  // namespace edge_mtl
