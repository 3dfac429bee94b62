#include "fused_head.h"

#include <type_traits>
#include <utility>

namespace edge_mtl {

void FusedHead::add_segmentation(const RawTensor& logits, bool binary) {
  with_type(logits.dtype, nullptr, [&](const auto* data) {
    using T = std::decay_t<decltype(*data)>;
    segmenters_.emplace_back(std::in_place_type<Segmenter<T>>, logits, binary, network_height_,
                             network_width_);
  });
  logits_.push_back(logits);
}

void FusedHead::add_detection(Detector detector) { detectors_.push_back(std::move(detector)); }

void FusedHead::add_pose(PoseDecoder decoder) { pose_decoders_.push_back(std::move(decoder)); }

void FusedHead::add_classification(Classifier classifier) {
  classifiers_.push_back(std::move(classifier));
}

std::vector<RawTensor> FusedHead::tensors() const {
  std::vector<RawTensor> tensors = logits_;
  for (const Detector& detector : detectors_) {
    for (const DetectionLevel& level : detector.levels()) {
      tensors.push_back(level.scores);
      tensors.push_back(level.boxes);
    }
  }
  for (const PoseDecoder& decoder : pose_decoders_) {
    for (const PoseLevel& level : decoder.levels()) {
      tensors.push_back(level.points);
      tensors.push_back(level.visible);
    }
  }
  for (const Classifier& classifier : classifiers_) tensors.push_back(classifier.logits());
  return tensors;
}

void FusedHead::run(const void* const* raw, const Placement& placement, HeadResults& results,
                    Pool& pool) {
  std::vector<int> first_part{1};  // of each mask; part 0 is all the rest
  for (size_t i = 0; i < segmenters_.size(); ++i) {
    const MaskView& mask = results.masks[i];
    std::visit(
        [&](auto& segmenter) {
          using Logit = typename std::decay_t<decltype(segmenter)>::Logit;
          segmenter.prepare(static_cast<const Logit*>(raw[i]), placement, mask.height, mask.width,
                            mask.labels);
          first_part.push_back(first_part.back() + segmenter.bands());
        },
        segmenters_[i]);
  }
  pool.run(first_part.back(), [&](int part, int) {
    if (part == 0) {
      find_objects(raw + segmenters_.size(), placement, results);
      return;
    }
    size_t i = 0;
    while (part >= first_part[i + 1]) ++i;
    std::visit([&](auto& segmenter) { segmenter.label_band(part - first_part[i]); },
               segmenters_[i]);
  });
}

void FusedHead::find_objects(const void* const* raw, const Placement& placement,
                             HeadResults& results) {
  results.box_counts.clear();
  for (size_t i = 0; i < detectors_.size(); ++i) {
    results.box_counts.push_back(detectors_[i](raw, placement, results.boxes[i]));
    raw += 2 * detectors_[i].levels().size();
  }
  results.pose_counts.clear();
  for (size_t i = 0; i < pose_decoders_.size(); ++i) {
    const int of = pose_decoders_[i].detector();
    results.pose_counts.push_back(pose_decoders_[i](raw, placement, detectors_[of],
                                                    results.boxes[of], results.box_counts[of],
                                                    results.poses[i]));
    raw += 2 * pose_decoders_[i].levels().size();
  }
  for (size_t i = 0; i < classifiers_.size(); ++i) classifiers_[i](*raw++, results.class_scores[i]);
}

}  // namespace edge_mtl
