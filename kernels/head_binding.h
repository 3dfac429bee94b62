// `FusedHead` of _kernels.pyi.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "argument_checks.h"
#include "array_checks.h"
#include "fused_head.h"
#include "pool.h"

namespace edge_mtl {

using ArrayTriple = std::tuple<nb::object, nb::object, nb::object>;
using Counts = std::tuple<std::vector<std::vector<int>>, std::vector<std::vector<int>>>;

class FusedHeadBinding {
 public:
  FusedHeadBinding(int network_width, int network_height, int batch, int threads)
      : heads_{FusedHead(network_width, network_height)},
        batch_(batch),
        pool_(checked_pool(threads)) {
    require_between(1, kMaxFrames, batch, "the batch");
    require_extent(network_width, "the network's width");
    require_extent(network_height, "the network's height");
  }

  void add_segmentation(const TensorTuple& logits, bool binary) {
    require_room(head().segmentations());
    const RawTensor tensor = checked_classes(logits);
    require(!binary || tensor.channels == 1, "two classes share one channel of logits, found ",
            tensor.channels);
    heads_.front().add_segmentation(tensor, binary);
  }

  void add_detection(const std::vector<LevelTuple>& numbers, int bins, float min_logit,
                     float iou_threshold, int max_boxes, int max_candidates) {
    require_box_task(min_logit, iou_threshold, max_boxes, max_candidates);
    require_between(1, kMaxLevels, static_cast<int64_t>(numbers.size()), "the number of levels");
    require(bins == 0 || (2 <= bins && bins <= kMaxBins), "bins must be 0, or between 2 and ",
            kMaxBins, ", found ", bins);
    const int box_channels = 4 * std::max(1, bins);
    std::vector<DetectionLevel> levels;
    for (const auto& [stride, scores, boxes] : numbers) {
      require_extent(stride, "a level's stride");
      levels.push_back({stride, checked_classes(scores), checked_tensor(boxes)});
      const DetectionLevel& level = levels.back();
      require(level.boxes.channels == box_channels && level.boxes.height == level.scores.height &&
                  level.boxes.width == level.scores.width,
              "a level's boxes must have ", box_channels, " channels and the size of its scores");
      require(level.scores.channels == levels.front().scores.channels,
              "every level must have a score for each class");
    }
    heads_.front().add_detection(
        Detector(std::move(levels), bins, min_logit, iou_threshold, max_boxes, max_candidates));
  }

  void add_decoded_detection(const TensorTuple& candidates, bool channels_last, bool by_centre,
                             bool objectness, float min_score, float iou_threshold, int max_boxes,
                             int max_candidates) {
    require_box_task(min_score, iou_threshold, max_boxes, max_candidates);
    const RawTensor tensor = checked_tensor(candidates, kMaxListed);
    const int numbers = channels_last ? tensor.height : tensor.channels;
    require(
        tensor.width == 1,
        "candidates must have shape (numbers, candidates, 1) or (candidates, numbers, 1), found ",
        Shape{tensor.channels, tensor.height, tensor.width});
    require_between(1, kMaxClasses, numbers - 4 - objectness,
                    "the number of scores of a candidate");
    heads_.front().add_decoded_detection(
        DecodedDetector(tensor, {channels_last, by_centre, objectness}, min_score, iou_threshold,
                        max_boxes, max_candidates));
  }

  void add_pose(int detection, const std::vector<int>& class_ids,
                const std::vector<LevelTuple>& numbers) {
    require_room(head().pose_decoders().size());
    const int detectors = static_cast<int>(head().detectors().size());
    require(0 <= detection && detection < detectors, "the detection of a pose must be one of the ",
            detectors, " added before it, found ", detection);
    const Detector& detector = head().detectors()[detection];
    std::vector<bool> has_keypoints(detector.classes());
    for (const int class_id : class_ids) {
      require(0 <= class_id && class_id < detector.classes(),
              "a class of a pose must be one of the ", detector.classes(),
              " of its detection, found ", class_id);
      has_keypoints[class_id] = true;
    }
    require(!numbers.empty() && numbers.size() == detector.levels().size(),
            "a pose needs the levels of its detection");
    std::vector<PoseLevel> levels;
    for (const auto& [stride, points, visible] : numbers) {
      const DetectionLevel& found_in = detector.levels()[levels.size()];
      levels.push_back({checked_tensor(points), checked_tensor(visible)});
      const PoseLevel& level = levels.back();
      for (const RawTensor& tensor : {level.points, level.visible}) {
        require(stride == found_in.stride && tensor.height == found_in.scores.height &&
                    tensor.width == found_in.scores.width,
                "a level of a pose must have the stride and the size of its detection's");
      }
      require(level.points.channels == 2 * level.visible.channels &&
                  level.visible.channels == levels.front().visible.channels,
              "a level of a pose must have 2 channels of points for each keypoint");
    }
    heads_.front().add_pose(PoseDecoder(detection, std::move(has_keypoints), std::move(levels)));
  }

  void add_classification(const TensorTuple& logits, bool multi_label) {
    require_room(head().classifiers().size());
    const RawTensor tensor = checked_classes(logits);
    require(tensor.plane() == 1, "a classification has one logit per class, found ",
            Shape{tensor.height, tensor.width}, " of them");
    heads_.front().add_classification(Classifier(tensor, multi_label));
  }

  // masks: by frame, of each segmentation. What else is written has a row for each frame.
  Counts operator()(const std::vector<nb::object>& raw, const std::vector<PlacementTuple>& numbers,
                    const std::vector<std::vector<nb::object>>& masks,
                    const std::vector<ArrayTriple>& boxes, const std::vector<ArrayTriple>& poses,
                    const std::vector<nb::object>& class_scores) {
    called_ = true;
    const std::vector<Placement> placements =
        checked_placements(numbers, batch_, head().network_width(), head().network_height());
    const std::vector<RawTensor> tensors = head().tensors();
    require(raw.size() == tensors.size(), "expected ", tensors.size(), " raw outputs, found ",
            raw.size());
    require(masks.size() == placements.size() && boxes.size() == box_limits().size() &&
                poses.size() == head().pose_decoders().size() &&
                class_scores.size() == head().classifiers().size(),
            "every frame needs its masks, and every other task its outputs");

    const int64_t count = static_cast<int64_t>(placements.size());
    std::vector<HeadFrame> frames;
    frames.reserve(placements.size());
    for (const Placement& placement : placements) {
      frames.push_back({{}, placement, {}});
      frames.back().raw.reserve(raw.size());
    }
    CallArrays arrays(raw.size() + placements.size() * head().segmentations() + 3 * boxes.size() +
                      3 * poses.size() + class_scores.size());
    for (size_t i = 0; i < raw.size(); ++i) {
      const RawTensor& tensor = tensors[i];
      const nb::dlpack::dtype dtype = dlpack_type(tensor.dtype);
      const auto* const data = static_cast<const uint8_t*>(
          arrays.input(raw[i], {"raw output ", static_cast<int>(i)}, dtype,
                       {batch_, tensor.channels, tensor.height, tensor.width}));
      const size_t sample = dtype.bits / 8 * static_cast<size_t>(tensor.channels * tensor.plane());
      for (size_t f = 0; f < frames.size(); ++f) frames[f].raw.push_back(data + f * sample);
    }
    for (size_t f = 0; f < frames.size(); ++f) {
      require(masks[f].size() == head().segmentations(), "every segmentation needs a mask, found ",
              masks[f].size());
      for (const nb::object& object : masks[f]) {
        MaskView mask;
        mask.labels = arrays.output<uint8_t>(object, "mask", [&](const auto* found, size_t axes) {
          require(axes == 2 && 0 < found[0] && found[0] <= kMaxExtent && 0 < found[1] &&
                      found[1] <= kMaxExtent,
                  "a mask must have shape (H, W), each between 1 and ", kMaxExtent, ", found ",
                  text(found, axes));
          mask.height = static_cast<int>(found[0]);
          mask.width = static_cast<int>(found[1]);
        });
        frames[f].results.masks.push_back(mask);
      }
    }
    for (size_t i = 0; i < boxes.size(); ++i) {
      const auto& [corners, scores, class_ids] = boxes[i];
      const int64_t n = box_limits()[i];
      const FoundBoxes first{arrays.output<float>(corners, "boxes", {count, n, 4}),
                             arrays.output<float>(scores, "scores", {count, n}),
                             arrays.output<int32_t>(class_ids, "class_ids", {count, n})};
      for (int64_t f = 0; f < count; ++f) {
        frames[f].results.boxes.push_back(
            {first.boxes + 4 * n * f, first.scores + n * f, first.class_ids + n * f});
      }
    }
    for (size_t i = 0; i < poses.size(); ++i) {
      const auto& [rows, points, scores] = poses[i];
      const PoseDecoder& decoder = head().pose_decoders()[i];
      const int64_t n = head().detectors()[decoder.detector()].max_boxes(), k = decoder.keypoints();
      const FoundPoses first{arrays.output<int32_t>(rows, "rows", {count, n}),
                             arrays.output<float>(points, "points", {count, n, k, 2}),
                             arrays.output<float>(scores, "scores", {count, n, k})};
      for (int64_t f = 0; f < count; ++f) {
        frames[f].results.poses.push_back(
            {first.rows + n * f, first.points + 2 * n * k * f, first.scores + n * k * f});
      }
    }
    for (size_t i = 0; i < class_scores.size(); ++i) {
      const int64_t classes = head().classifiers()[i].logits().channels;
      float* const first = arrays.output<float>(class_scores[i], "class_scores", {count, classes});
      for (int64_t f = 0; f < count; ++f) {
        frames[f].results.class_scores.push_back(first + classes * f);
      }
    }
    arrays.require_apart();
    {
      const nb::gil_scoped_release released;
      const std::lock_guard<std::mutex> lock(mutex_);
      while (heads_.size() < frames.size()) heads_.push_back(heads_.front());
      FusedHead::run(heads_, frames, *pool_);
    }
    Counts counts;
    for (HeadFrame& frame : frames) {
      std::get<0>(counts).push_back(std::move(frame.results.box_counts));
      std::get<1>(counts).push_back(std::move(frame.results.pose_counts));
    }
    return counts;
  }

 private:
  // A call works without the GIL: tasks must not be added meanwhile.
  void require_room(size_t tasks) const {
    require(!called_, "a task must be added before the first call");
    require(tasks < kMaxTasks, "there must be at most ", kMaxTasks,
            " tasks of a kind, found one more");
  }

  // What both kinds of tasks that find boxes have in common.
  void require_box_task(float above, float iou_threshold, int max_boxes, int max_candidates) const {
    require_room(box_limits().size());
    require(!std::isnan(above), "the least logit or score must be a number, found nan");
    require(0.0F <= iou_threshold && iou_threshold <= 1.0F,  // and so not NaN
            "iou_threshold must be between 0 and 1, found ", iou_threshold);
    require_between(1, kMaxCandidates, max_candidates, "max_candidates");
    require_between(1, max_candidates, max_boxes, "max_boxes");
  }

  // max_boxes of every task that finds boxes.
  std::vector<int> box_limits() const {
    std::vector<int> limits;
    for (const Detector& each : head().detectors()) limits.push_back(each.max_boxes());
    for (const DecodedDetector& each : head().decoded_detectors()) {
      limits.push_back(each.max_boxes());
    }
    return limits;
  }

  const FusedHead& head() const { return heads_.front(); }

  std::vector<FusedHead> heads_;  // the first, and copies of it for more frames
  int batch_;
  bool called_ = false;
  std::shared_ptr<Pool> pool_;
  std::mutex mutex_;
};

}  // namespace edge_mtl
