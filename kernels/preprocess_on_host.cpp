// The preprocessing kernel for GPUs as a library for the host, for tests.
#define EDGE_MTL_HOST_SHIM
#include "preprocess.cu"

using namespace edge_mtl;

extern "C" {

void run_preprocess(const InputPlan* plan, unsigned blocks, unsigned at_once) {
  shim::launch(blocks, sizeof(TileShared), at_once, [=] { edge_mtl_preprocess(plan); });
}

size_t input_plan_bytes() { return sizeof(InputPlan); }
}
