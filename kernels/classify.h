// Logits of the whole picture to the score of each class.
#pragma once

#include <vector>

#include "raw_tensor.h"

namespace edge_mtl {

class Classifier {
 public:
  // logits: (classes, 1, 1). One class holds (softmax), or any number of them (multi_label: the
  // sigmoid of each).
  Classifier(const RawTensor& logits, bool multi_label);

  // scores: (classes,).
  void operator()(const void* raw, float* scores);

  const RawTensor& logits() const { return logits_; }

 private:
  RawTensor logits_;
  bool multi_label_;
  std::vector<double> powers_;
};

}  // namespace edge_mtl
