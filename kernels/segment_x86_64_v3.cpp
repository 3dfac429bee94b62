#ifdef EDGE_MTL_MULTIVERSION
#pragma GCC target("arch=x86-64-v3")
#define EDGE_MTL_LEVEL x86_64_v3
#include "segment_loops.h"
#endif
