#include "fused_head.h"

#include <type_traits>
#include <utility>

namespace edge_mtl {

void FusedHead::add_segmentation(const RawTensor& logits) {
  with_type(logits.dtype, nullptr, [&](const auto* data) {
    using T = std::decay_t<decltype(*data)>;
    segmenters_.emplace_back(std::in_place_type<Segmenter<T>>, logits.channels, logits.height,
                             logits.width, network_height_, network_width_);
  });
  logits_.push_back(logits);
}

void FusedHead::add_detection(Detector detector) { detectors_.push_back(std::move(detector)); }

std::vector<RawTensor> FusedHead::tensors() const {
  std::vector<RawTensor> tensors = logits_;
  for (const Detector& detector : detectors_) {
    for (const DetectionLevel& level : detector.levels()) {
      tensors.push_back(level.scores);
      tensors.push_back(level.boxes);
    }
  }
  return tensors;
}

void FusedHead::run(const void* const* raw, const Placement& placement, const MaskView* masks,
                    const FoundBoxes* found, int* counts) {
  for (AnySegmenter& any_segmenter : segmenters_) {
    std::visit(
        [&](auto& segmenter) {
          using Logit = typename std::decay_t<decltype(segmenter)>::Logit;
          segmenter(static_cast<const Logit*>(*raw), placement, masks->height, masks->width,
                    masks->labels);
        },
        any_segmenter);
    ++raw;
    ++masks;
  }
  for (Detector& detector : detectors_) {
    *counts++ = detector(raw, placement, *found++);
    raw += 2 * detector.levels().size();
  }
}

}  // namespace edge_mtl
