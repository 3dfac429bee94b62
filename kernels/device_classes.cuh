// Logits of the whole picture to scores: see classify.cpp.
#pragma once

#include "device_tensor.cuh"
#include "gpu.h"
#include "head_math.h"
#include "head_plan.h"

namespace edge_mtl {
namespace {

struct ClassShared {
  double powers[256];
  float best;
  double sum;
};

DEVICE void classify(const ClassPlan& plan, int frame, ClassShared& shared) {
  const int classes = plan.logits.channels;
  float* const scores = plan.scores + int64_t{frame} * classes;
  const auto logit = [&](int c) {
    return bounded_logit(value_at(plan.logits, sample_of(plan.logits, frame) + c));
  };
  if (plan.multi_label) {
    for (int c = threadIdx.x; c < classes; c += kThreads) scores[c] = sigmoid(logit(c));
    return;
  }
  if (threadIdx.x == 0) {
    float best = logit(0);
    for (int c = 1; c < classes; ++c) best = logit(c) > best ? logit(c) : best;
    shared.best = best;
  }
  __syncthreads();
  for (int c = threadIdx.x; c < classes; c += kThreads) {
    shared.powers[c] = exponential(static_cast<double>(logit(c)) - shared.best);
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    double sum = 0.0;
    for (int c = 0; c < classes; ++c) sum += shared.powers[c];
    shared.sum = sum;
  }
  __syncthreads();
  for (int c = threadIdx.x; c < classes; c += kThreads) {
    scores[c] = static_cast<float>(shared.powers[c] / shared.sum);
  }
}

}  // namespace
}  // namespace edge_mtl
