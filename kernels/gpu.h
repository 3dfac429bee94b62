// The few words of CUDA that the kernels use. Where EDGE_MTL_HOST_SHIM is defined they come from
// host_shim.h, which runs the same kernels on the host, a thread of it for each of a block's.
#pragma once

#ifdef EDGE_MTL_HOST_SHIM
#include "host_shim.h"
#else

#include <cstdint>

namespace edge_mtl {

constexpr int kThreads = 256;  // of a block

// What the threads of a block share.
template <typename Shared>
__device__ __forceinline__ Shared& block_shared() {
  __shared__ __align__(16) unsigned char memory[sizeof(Shared)];
  return *reinterpret_cast<Shared*>(memory);
}

}  // namespace edge_mtl

#endif

// Without calls a thread needs no stack.
#define DEVICE __device__ __forceinline__
