// Vectors of 16 values, which every compiler makes of whatever registers there are.
#pragma once

#include <cstdint>
#include <cstring>

// Loops that MULTIVERSION compiles several times take with them what is inlined, and nothing else.
#define INLINE inline __attribute__((always_inline))

namespace edge_mtl {

constexpr int kLanes = 16;

template <typename Value, int lanes = kLanes>
struct VectorOf {
  using Type __attribute__((vector_size(lanes * sizeof(Value)))) = Value;
};
using Int32s = VectorOf<int32_t>::Type;
using Words = VectorOf<uint32_t>::Type;
using Bytes = VectorOf<uint8_t>::Type;

template <typename Vector, typename Value>
INLINE Vector load(const Value* values) {
  Vector vector;
  std::memcpy(&vector, values, sizeof vector);
  return vector;
}

template <typename Vector, typename Value>
INLINE void store(const Vector& vector, Value* values) {
  std::memcpy(values, &vector, sizeof vector);
}

}  // namespace edge_mtl
