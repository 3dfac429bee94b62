#ifdef EDGE_MTL_MULTIVERSION
#pragma GCC target("arch=x86-64-v4")
#define EDGE_MTL_LEVEL x86_64_v4
#include "segment_loops.h"
#endif
