// The head kernel for GPUs as a library for the host, for tests.
#define EDGE_MTL_HOST_SHIM
#include "fused_head.cu"

using namespace edge_mtl;

extern "C" {

void run_head(const HeadPlan* plan, unsigned blocks, unsigned at_once) {
  shim::launch(blocks, sizeof(HeadShared), at_once, [=] { edge_mtl_fused_head(plan); });
}

size_t plan_bytes() { return sizeof(HeadPlan); }

int block_threads() { return kThreads; }
}
