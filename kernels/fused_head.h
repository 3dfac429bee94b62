// Every task of a network for all frames of a batch in one call, from the engine's raw outputs.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "classify.h"
#include "detect.h"
#include "detect_decoded.h"
#include "head_math.h"
#include "pool.h"
#include "pose.h"
#include "raw_tensor.h"
#include "segment.h"

namespace edge_mtl {

struct MaskView {
  uint8_t* labels;
  int height, width;
};

// Where the results of one frame go: an entry for each task of a kind; boxes of detections come
// before those of decoded detections.
struct HeadResults {
  std::vector<MaskView> masks;
  std::vector<FoundBoxes> boxes;
  std::vector<FoundPoses> poses;
  std::vector<float*> class_scores;
  std::vector<int> box_counts, pose_counts;  // of any size before
};

// One frame of a batch. raw: its part of every tensor that `FusedHead::tensors` names.
struct HeadFrame {
  std::vector<const void*> raw;
  Placement placement;
  HeadResults results;
};

// Bytes of logits and masks that one thread is done with, in less than a tenth of a millisecond,
// before a helper that has to wake up first would have helped.
constexpr size_t kNotWorthWaking = 512 << 10;

// The tasks, and the scratch memory for one frame.
class FusedHead {
 public:
  FusedHead(int network_width, int network_height)
      : network_width_(network_width), network_height_(network_height) {}

  void add_segmentation(const RawTensor& logits, bool binary);
  void add_detection(Detector detector);
  void add_decoded_detection(DecodedDetector detector);
  void add_pose(PoseDecoder decoder);  // its detector comes before it
  void add_classification(Classifier classifier);

  // The tensors that a frame has: a segmentation's logits each, the scores and boxes of each
  // detection's levels, the list of each decoded detection, the points and visible logits of each
  // pose's, a classification's logits each.
  std::vector<RawTensor> tensors() const;
  size_t segmentations() const { return segmenters_.size(); }
  const std::vector<Detector>& detectors() const { return detectors_; }
  const std::vector<DecodedDetector>& decoded_detectors() const { return decoded_detectors_; }
  const std::vector<PoseDecoder>& pose_decoders() const { return pose_decoders_; }
  const std::vector<Classifier>& classifiers() const { return classifiers_; }
  int network_width() const { return network_width_; }
  int network_height() const { return network_height_; }

  // All frames at once. heads: copies of one another, at least as many as frames.
  static void run(std::vector<FusedHead>& heads, std::vector<HeadFrame>& frames, Pool& pool,
                  size_t not_worth_waking = kNotWorthWaking);

 private:
  using AnySegmenter =
      std::variant<Segmenter<float>, Segmenter<Half>, Segmenter<uint8_t>, Segmenter<int8_t>>;

  // Boxes, poses and classifications.
  void find_objects(HeadFrame& frame);

  int network_width_, network_height_;
  std::vector<RawTensor> logits_;
  std::vector<AnySegmenter> segmenters_;
  std::vector<Detector> detectors_;
  std::vector<DecodedDetector> decoded_detectors_;
  std::vector<PoseDecoder> pose_decoders_;
  std::vector<Classifier> classifiers_;
};

}  // namespace edge_mtl
