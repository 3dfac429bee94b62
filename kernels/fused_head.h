// Every task of a network in one call, from the engine's raw outputs.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "detect.h"
#include "head_math.h"
#include "raw_tensor.h"
#include "segment.h"

namespace edge_mtl {

struct MaskView {
  uint8_t* labels;
  int height, width;
};

class FusedHead {
 public:
  FusedHead(int network_width, int network_height)
      : network_width_(network_width), network_height_(network_height) {}

  void add_segmentation(const RawTensor& logits);
  void add_detection(Detector detector);

  // The tensors that `run` takes: a segmentation's logits each, then the scores and boxes of each
  // detection's levels.
  std::vector<RawTensor> tensors() const;
  const std::vector<Detector>& detectors() const { return detectors_; }
  size_t segmentations() const { return segmenters_.size(); }
  int network_width() const { return network_width_; }
  int network_height() const { return network_height_; }

  // masks: one for each segmentation; found and counts: one for each detection.
  void run(const void* const* raw, const Placement& placement, const MaskView* masks,
           const FoundBoxes* found, int* counts);

 private:
  using AnySegmenter = std::variant<Segmenter<float>, Segmenter<uint8_t>, Segmenter<int8_t>>;

  int network_width_, network_height_;
  std::vector<RawTensor> logits_;
  std::vector<AnySegmenter> segmenters_;
  std::vector<Detector> detectors_;
};

}  // namespace edge_mtl
