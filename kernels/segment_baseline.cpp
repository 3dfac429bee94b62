#define EDGE_MTL_LEVEL baseline
#include "segment_loops.h"
