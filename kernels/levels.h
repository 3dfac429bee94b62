// Loops that are written with vectors are compiled in a file of their own for each level of x86-64,
// NAME_LEVEL.cpp, in a namespace of the level's name; here the processor's level is chosen. (Of the
// clones that MULTIVERSION makes GCC splits the vectors before it knows how long they may be.)
#pragma once

#ifdef EDGE_MTL_MULTIVERSION
#define EDGE_MTL_FOR_EACH_LEVEL(apply) apply(baseline) apply(x86_64_v3) apply(x86_64_v4)
// A function of this processor's level.
#define EDGE_MTL_AT_LEVEL(function)                            \
  (__builtin_cpu_supports("x86-64-v4")   ? x86_64_v4::function \
   : __builtin_cpu_supports("x86-64-v3") ? x86_64_v3::function \
                                         : baseline::function)
#else
#define EDGE_MTL_FOR_EACH_LEVEL(apply) apply(baseline)
#define EDGE_MTL_AT_LEVEL(function) baseline::function
#endif
