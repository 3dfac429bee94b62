#include "fused_head.h"

#include <type_traits>
#include <utility>

namespace edge_mtl {
namespace {

size_t bytes_of(const RawTensor& tensor) {
  const size_t wide =
      tensor.dtype == DType::kFloat32 ? 4 : (tensor.dtype == DType::kFloat16 ? 2 : 1);
  return wide * tensor.channels * tensor.plane();
}

}  // namespace

void FusedHead::add_segmentation(const RawTensor& logits, bool binary) {
  with_type(logits.dtype, nullptr, [&](const auto* data) {
    using T = std::decay_t<decltype(*data)>;
    segmenters_.emplace_back(std::in_place_type<Segmenter<T>>, logits, binary, network_height_,
                             network_width_);
  });
  logits_.push_back(logits);
}

void FusedHead::add_detection(Detector detector) { detectors_.push_back(std::move(detector)); }

void FusedHead::add_decoded_detection(DecodedDetector detector) {
  decoded_detectors_.push_back(std::move(detector));
}

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
  for (const DecodedDetector& detector : decoded_detectors_) tensors.push_back(detector.tensor());
  for (const PoseDecoder& decoder : pose_decoders_) {
    for (const PoseLevel& level : decoder.levels()) {
      tensors.push_back(level.points);
      tensors.push_back(level.visible);
    }
  }
  for (const Classifier& classifier : classifiers_) tensors.push_back(classifier.logits());
  return tensors;
}

void FusedHead::run(std::vector<FusedHead>& heads, std::vector<HeadFrame>& frames, Pool& pool,
                    size_t not_worth_waking) {
  struct MaskJob {
    AnySegmenter* segmenter;
    int first_part;
  };
  // What takes longest comes first: a part for the objects of each frame, then bands of masks.
  const int objects = static_cast<int>(frames.size());
  int parts = objects;
  size_t bytes = 0;
  std::vector<MaskJob> masks;
  for (size_t f = 0; f < frames.size(); ++f) {
    const HeadFrame& frame = frames[f];
    for (size_t i = 0; i < heads[f].segmenters_.size(); ++i) {
      const MaskView& mask = frame.results.masks[i];
      masks.push_back({&heads[f].segmenters_[i], parts});
      bytes += bytes_of(heads[f].logits_[i]) + static_cast<size_t>(mask.height) * mask.width;
      std::visit(
          [&](auto& segmenter) {
            using Logit = typename std::decay_t<decltype(segmenter)>::Logit;
            segmenter.prepare(static_cast<const Logit*>(frame.raw[i]), frame.placement, mask.height,
                              mask.width, mask.labels);
            parts += segmenter.bands();
          },
          *masks.back().segmenter);
    }
  }
  const auto work = [&](int part, int) {
    if (part < objects) {
      heads[part].find_objects(frames[part]);
      return;
    }
    size_t i = masks.size() - 1;
    while (part < masks[i].first_part) --i;
    std::visit([&](auto& segmenter) { segmenter.label_band(part - masks[i].first_part); },
               *masks[i].segmenter);
  };
  if (bytes > not_worth_waking) {
    pool.run(parts, work);
  } else {
    for (int part = 0; part < parts; ++part) work(part, 0);
  }
}

void FusedHead::find_objects(HeadFrame& frame) {
  const void* const* raw = frame.raw.data() + segmenters_.size();
  HeadResults& results = frame.results;
  results.box_counts.clear();
  for (size_t i = 0; i < detectors_.size(); ++i) {
    results.box_counts.push_back(detectors_[i](raw, frame.placement, results.boxes[i]));
    raw += 2 * detectors_[i].levels().size();
  }
  for (DecodedDetector& detector : decoded_detectors_) {
    const FoundBoxes& boxes = results.boxes[results.box_counts.size()];
    results.box_counts.push_back(detector(*raw++, frame.placement, boxes));
  }
  results.pose_counts.clear();
  for (size_t i = 0; i < pose_decoders_.size(); ++i) {
    const int of = pose_decoders_[i].detector();
    results.pose_counts.push_back(pose_decoders_[i](raw, frame.placement, detectors_[of],
                                                    results.boxes[of], results.box_counts[of],
                                                    results.poses[i]));
    raw += 2 * pose_decoders_[i].levels().size();
  }
  for (size_t i = 0; i < classifiers_.size(); ++i) classifiers_[i](*raw++, results.class_scores[i]);
}

}  // namespace edge_mtl
