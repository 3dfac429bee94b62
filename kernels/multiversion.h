// MULTIVERSION compiles a loop for several levels of x86-64 and picks the processor's at load.
#pragma once

#ifdef EDGE_MTL_MULTIVERSION
#define MULTIVERSION __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define MULTIVERSION
#endif

namespace edge_mtl {

// The level of x86-64 whose loops run here; "baseline" where they were compiled only once.
inline const char* instruction_set() {
#ifdef EDGE_MTL_MULTIVERSION
  if (__builtin_cpu_supports("x86-64-v4")) return "x86-64-v4";
  if (__builtin_cpu_supports("x86-64-v3")) return "x86-64-v3";
#endif
  return "baseline";
}

}  // namespace edge_mtl
