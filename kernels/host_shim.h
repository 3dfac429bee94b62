// CUDA's words on the host, so that kernels can be tested, and watched by sanitizers, where there
// is no GPU: every thread of a block is a thread, several blocks run at once.
#pragma once

#include <algorithm>
#include <atomic>
#include <barrier>
#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __restrict__

namespace edge_mtl {

constexpr int kThreads = 32;  // of a block: fewer than on a GPU, for the same loops

namespace shim {

struct Index {
  unsigned x;
};

struct Block {
  explicit Block(size_t bytes) : barrier(kThreads), memory((bytes + 15) / 16 * 2) {}
  std::barrier<> barrier;
  std::vector<uint64_t> memory;
};

inline thread_local Block* block = nullptr;

}  // namespace shim

inline thread_local shim::Index threadIdx{0}, blockIdx{0}, gridDim{0};

template <typename Shared>
Shared& block_shared() {
  return *reinterpret_cast<Shared*>(shim::block->memory.data());
}

inline void __syncthreads() { shim::block->barrier.arrive_and_wait(); }
inline void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

template <typename T>
T atomicAdd(T* at, T value) {
  return __atomic_fetch_add(at, value, __ATOMIC_ACQ_REL);
}

inline uint32_t atomicOr(uint32_t* at, uint32_t value) {
  return __atomic_fetch_or(at, value, __ATOMIC_ACQ_REL);
}

inline int __popc(uint32_t bits) { return __builtin_popcount(bits); }

namespace shim {

// kernel() for every thread of `blocks` blocks, `at_once` of them together.
template <typename Kernel>
void launch(unsigned blocks, size_t shared_bytes, unsigned at_once, const Kernel& kernel) {
  std::vector<std::thread> threads;
  std::vector<std::unique_ptr<Block>> running;
  for (unsigned slot = 0; slot < std::min(at_once, blocks); ++slot) {
    running.push_back(std::make_unique<Block>(shared_bytes));
    Block* const own = running.back().get();
    for (unsigned thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([=, &kernel] {
        block = own;
        threadIdx = {thread};
        gridDim = {blocks};
        for (unsigned index = slot; index < blocks; index += at_once) {
          blockIdx = {index};
          kernel();
          own->barrier.arrive_and_wait();
        }
      });
    }
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace shim
}  // namespace edge_mtl
