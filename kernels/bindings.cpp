// The Python face of the kernels. Only here is anything checked, before a pointer is taken from
// an array. The kernels run without the GIL; each object does one batch at a time, whatever thread
// asks.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "array_checks.h"
#include "fused_head.h"
#include "multiversion.h"
#include "pool.h"
#include "preprocess.h"

namespace nb = nanobind;

namespace edge_mtl {
namespace {

// The tuples of _kernels.pyi.
using TensorTuple = std::tuple<std::string, std::tuple<int, int, int>, float, int>;
using LineTuple = std::tuple<float, float>;
using PlacementTuple = std::tuple<int, int, int, int, int, int>;
using LevelTuple = std::tuple<int, TensorTuple, TensorTuple>;
using ArrayTriple = std::tuple<nb::object, nb::object, nb::object>;
using Counts = std::tuple<std::vector<std::vector<int>>, std::vector<std::vector<int>>>;

constexpr int kMaxThreads = 256;

void require(bool condition, const std::string& message) {
  if (!condition) throw nb::value_error(message.c_str());
}

void require_extent(int extent, const char* name) {
  require(0 < extent && extent <= kMaxExtent, std::string(name) + " must be between 1 and " +
                                                  std::to_string(kMaxExtent) + ", found " +
                                                  std::to_string(extent));
}

Placement checked_placement(const PlacementTuple& numbers, int network_width, int network_height) {
  const auto [frame_width, frame_height, x, y, width, height] = numbers;
  require_extent(frame_width, "the frame's width");
  require_extent(frame_height, "the frame's height");
  require(0 <= x && 0 < width && width <= network_width - x && 0 <= y && 0 < height &&
              height <= network_height - y,
          "the placement must lie in the network's input of " + std::to_string(network_width) +
              "x" + std::to_string(network_height) + ", found " + std::to_string(width) + "x" +
              std::to_string(height) + " at " + std::to_string(x) + ", " + std::to_string(y));
  return {frame_width, frame_height, x, y, width, height};
}

DType dtype_of(const std::string& name) {
  if (name == "float32") return DType::kFloat32;
  if (name == "float16") return DType::kFloat16;
  if (name == "uint8") return DType::kUint8;
  require(name == "int8", "the tensor must be float32, float16, uint8 or int8, found " + name);
  return DType::kInt8;
}

void require_batch(int batch) {
  require(0 < batch && batch <= kMaxFrames, "the batch must be between 1 and " +
                                                std::to_string(kMaxFrames) + " frames, found " +
                                                std::to_string(batch));
}

// Placements of a batch that is not more than full.
std::vector<Placement> checked_placements(const std::vector<PlacementTuple>& numbers, int batch,
                                          int network_width, int network_height) {
  require(!numbers.empty() && numbers.size() <= static_cast<size_t>(batch),
          "expected the placements of 1 to " + std::to_string(batch) + " frames, found " +
              std::to_string(numbers.size()));
  std::vector<Placement> placements;
  for (const PlacementTuple& each : numbers) {
    placements.push_back(checked_placement(each, network_width, network_height));
  }
  return placements;
}

RawTensor checked_tensor(const TensorTuple& numbers) {
  const auto& [name, shape, scale, zero_point] = numbers;
  const auto [channels, height, width] = shape;
  require_extent(channels, "the number of channels");
  require_extent(height, "the tensor's height");
  require_extent(width, "the tensor's width");
  require(int64_t{channels} * height * width <= INT32_MAX, "the tensor has 2^31 values or more");
  return {dtype_of(name), channels, height, width, scale, zero_point};
}

std::shared_ptr<Pool> checked_pool(int threads) {
  require(0 < threads && threads <= kMaxThreads, "threads must be between 1 and " +
                                                     std::to_string(kMaxThreads) + ", found " +
                                                     std::to_string(threads));
  return Pool::of(threads);
}

class PreprocessorBinding {
 public:
  PreprocessorBinding(int width, int height, int batch, uint8_t pad, nb::object table_object,
                      const std::array<LineTuple, 3>& numbers, int threads)
      : width_(width), height_(height), batch_(batch), pool_(checked_pool(threads)) {
    require_batch(batch);
    require_extent(width, "the input's width");
    require_extent(height, "the input's height");
    std::array<Line, 3> lines;
    for (size_t c = 0; c < lines.size(); ++c) {
      lines[c] = {std::get<0>(numbers[c]), std::get<1>(numbers[c])};
    }
    nb::ndarray<nb::ro> table;
    if (nb::try_cast(table_object, table) && table.dtype() == nb::dtype<uint8_t>()) {
      build<uint8_t>(pad, table_object, lines);
    } else if (table.is_valid() && table.dtype() == nb::dtype<int8_t>()) {
      build<int8_t>(pad, table_object, lines);
    } else if (table.is_valid() && table.dtype() == nb::dtype<Half>()) {
      build<Half>(pad, table_object, lines);
    } else {
      build<float>(pad, table_object, lines);
    }
  }

  void operator()(const std::vector<nb::object>& frames, const std::vector<PlacementTuple>& numbers,
                  nb::object out_object) {
    const std::vector<Placement> placements = checked_placements(numbers, batch_, width_, height_);
    require(frames.size() == placements.size(),
            "expected a frame for each of the " + std::to_string(placements.size()) +
                " placements, found " + std::to_string(frames.size()));
    std::vector<nb::ndarray<nb::ro>> arrays;  // keeps what DLPack may have made for us
    std::vector<FrameView> views;
    for (size_t i = 0; i < frames.size(); ++i) {
      arrays.push_back(as_array<nb::ndarray<nb::ro>>(frames[i], "frame", nb::dtype<uint8_t>()));
      const auto& frame = arrays.back();
      const Placement& placement = placements[i];
      const Shape shape{placement.frame_height, placement.frame_width, 3};
      require(shape_of(frame) == shape, "frame must have shape " + text(shape) +
                                            ", as the placement says, found " +
                                            text(shape_of(frame)));
      require(frame.stride(2) == 1 && (placement.frame_width == 1 || frame.stride(1) == 3),
              "the pixels of a frame's row must be contiguous: pass numpy.ascontiguousarray(...)");
      views.push_back({static_cast<const uint8_t*>(frame.data()),
                       placement.frame_height == 1 ? 0 : frame.stride(0), placement});
    }
    std::visit(
        [&](auto& kernel) {
          using T = typename std::decay_t<decltype(*kernel)>::Value;
          T* const out = output<T>(out_object, "out", {batch_, 3, height_, width_});
          const nb::gil_scoped_release released;
          const std::lock_guard<std::mutex> lock(mutex_);
          (*kernel)(views, out, *pool_);
        },
        kernel_);
  }

 private:
  template <typename T>
  void build(uint8_t pad, nb::handle object, const std::array<Line, 3>& lines) {
    const auto table = contiguous<nb::ndarray<nb::ro>>(object, "table", nb::dtype<T>(), {3, 256});
    kernel_ = std::make_unique<Preprocessor<T>>(width_, height_, pad,
                                                static_cast<const T*>(table.data()), lines);
  }

  int width_, height_, batch_;
  std::shared_ptr<Pool> pool_;
  std::variant<std::unique_ptr<Preprocessor<float>>, std::unique_ptr<Preprocessor<Half>>,
               std::unique_ptr<Preprocessor<uint8_t>>, std::unique_ptr<Preprocessor<int8_t>>>
      kernel_;
  std::mutex mutex_;
};

class FusedHeadBinding {
 public:
  FusedHeadBinding(int network_width, int network_height, int batch, int threads)
      : heads_{FusedHead(network_width, network_height)},
        batch_(batch),
        pool_(checked_pool(threads)) {
    require_batch(batch);
    require_extent(network_width, "the network's width");
    require_extent(network_height, "the network's height");
  }

  void add_segmentation(const TensorTuple& logits, bool binary) {
    const RawTensor tensor = checked_tensor(logits);
    require(tensor.channels <= 255,
            "a mask holds at most 255 classes, found " + std::to_string(tensor.channels));
    require(!binary || tensor.channels == 1,
            "two classes share one channel of logits, found " + std::to_string(tensor.channels));
    heads_.front().add_segmentation(tensor, binary);
  }

  void add_detection(const std::vector<LevelTuple>& numbers, int bins, float min_logit,
                     float iou_threshold, int max_boxes, int max_candidates) {
    require(bins == 0 || (2 <= bins && bins <= kMaxBins), "bins must be 0, or between 2 and " +
                                                              std::to_string(kMaxBins) +
                                                              ", found " + std::to_string(bins));
    const int box_channels = 4 * std::max(1, bins);
    require(0 < max_boxes && max_boxes <= max_candidates,
            "max_boxes must be between 1 and max_candidates, found " + std::to_string(max_boxes));
    std::vector<DetectionLevel> levels;
    for (const auto& [stride, scores, boxes] : numbers) {
      levels.push_back({stride, checked_tensor(scores), checked_tensor(boxes)});
      const DetectionLevel& level = levels.back();
      require(level.boxes.channels == box_channels && level.boxes.height == level.scores.height &&
                  level.boxes.width == level.scores.width,
              "a level's boxes must have " + std::to_string(box_channels) +
                  " channels and the size of its scores");
      require(level.scores.channels == levels.front().scores.channels,
              "every level must have a score for each class");
    }
    heads_.front().add_detection(
        Detector(std::move(levels), bins, min_logit, iou_threshold, max_boxes, max_candidates));
  }

  void add_decoded_detection(const TensorTuple& list, bool channels_last, bool by_centre,
                             bool objectness, float min_score, float iou_threshold, int max_boxes,
                             int max_candidates) {
    const RawTensor tensor = checked_tensor(list);
    const int numbers = channels_last ? tensor.height : tensor.channels;
    const int classes = numbers - 4 - objectness;
    require(tensor.width == 1 && 0 < classes && classes <= 254,
            "a list of boxes must have one column, and 4 numbers, an objectness where there is "
            "one and 1 to 254 scores a candidate, found " +
                text(Shape{tensor.channels, tensor.height, tensor.width}));
    require(0 < max_boxes && max_boxes <= max_candidates,
            "max_boxes must be between 1 and max_candidates, found " + std::to_string(max_boxes));
    heads_.front().add_decoded_detection(
        DecodedDetector(tensor, {channels_last, by_centre, objectness}, min_score, iou_threshold,
                        max_boxes, max_candidates));
  }

  void add_pose(int detection, const std::vector<int>& class_ids,
                const std::vector<LevelTuple>& numbers) {
    const int detectors = static_cast<int>(heads_.front().detectors().size());
    require(0 <= detection && detection < detectors,
            "the detection of a pose must be one of the " + std::to_string(detectors) +
                " added before it, found " + std::to_string(detection));
    const Detector& detector = heads_.front().detectors()[detection];
    std::vector<bool> has_keypoints(detector.classes());
    for (const int class_id : class_ids) {
      require(0 <= class_id && class_id < detector.classes(),
              "a class of a pose must be one of the " + std::to_string(detector.classes()) +
                  " of its detection, found " + std::to_string(class_id));
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
    const RawTensor tensor = checked_tensor(logits);
    require(tensor.plane() == 1, "a classification has one logit per class, found " +
                                     text(Shape{tensor.height, tensor.width}) + " of them");
    heads_.front().add_classification(Classifier(tensor, multi_label));
  }

  // masks: by frame, of each segmentation. What else is written has a row for each frame.
  Counts operator()(const std::vector<nb::object>& raw, const std::vector<PlacementTuple>& numbers,
                    const std::vector<std::vector<nb::object>>& masks,
                    const std::vector<ArrayTriple>& boxes, const std::vector<ArrayTriple>& poses,
                    const std::vector<nb::object>& class_scores) {
    const std::vector<Placement> placements = checked_placements(
        numbers, batch_, heads_.front().network_width(), heads_.front().network_height());
    const std::vector<RawTensor> tensors = heads_.front().tensors();
    require(raw.size() == tensors.size(), "expected " + std::to_string(tensors.size()) +
                                              " raw outputs, found " + std::to_string(raw.size()));
    require(masks.size() == placements.size() && boxes.size() == box_limits().size() &&
                poses.size() == heads_.front().pose_decoders().size() &&
                class_scores.size() == heads_.front().classifiers().size(),
            "every frame needs its masks, and every other task its outputs");

    const int64_t count = static_cast<int64_t>(placements.size());
    std::vector<HeadFrame> frames;
    for (const Placement& placement : placements) frames.push_back({{}, placement, {}});
    std::vector<nb::ndarray<nb::ro>> arrays;  // keeps what DLPack may have made for us
    for (size_t i = 0; i < raw.size(); ++i) {
      const RawTensor& tensor = tensors[i];
      const Shape shape{batch_, tensor.channels, tensor.height, tensor.width};
      arrays.push_back(contiguous<nb::ndarray<nb::ro>>(raw[i], "raw output " + std::to_string(i),
                                                       dlpack_type(tensor.dtype), shape));
      const auto* const data = static_cast<const uint8_t*>(arrays.back().data());
      const size_t sample = arrays.back().nbytes() / batch_;
      for (size_t f = 0; f < frames.size(); ++f) frames[f].raw.push_back(data + f * sample);
    }
    for (size_t f = 0; f < frames.size(); ++f) {
      require(masks[f].size() == heads_.front().segmentations(),
              "every segmentation needs a mask, found " + std::to_string(masks[f].size()));
      for (const nb::object& object : masks[f]) {
        const auto mask = as_array<nb::ndarray<>>(object, "mask", nb::dtype<uint8_t>());
        require(mask.ndim() == 2 && 0 < mask.shape(0) && mask.shape(0) <= kMaxExtent &&
                    0 < mask.shape(1) && mask.shape(1) <= kMaxExtent,
                "a mask must have shape (H, W), found " + text(shape_of(mask)));
        frames[f].results.masks.push_back({output<uint8_t>(object, "mask", shape_of(mask)),
                                           static_cast<int>(mask.shape(0)),
                                           static_cast<int>(mask.shape(1))});
      }
    }
    for (size_t i = 0; i < boxes.size(); ++i) {
      const auto& [corners, scores, class_ids] = boxes[i];
      const int64_t n = box_limits()[i];
      const FoundBoxes first{output<float>(corners, "boxes", {count, n, 4}),
                             output<float>(scores, "scores", {count, n}),
                             output<int32_t>(class_ids, "class_ids", {count, n})};
      for (int64_t f = 0; f < count; ++f) {
        frames[f].results.boxes.push_back(
            {first.boxes + 4 * n * f, first.scores + n * f, first.class_ids + n * f});
      }
    }
    for (size_t i = 0; i < poses.size(); ++i) {
      const auto& [rows, points, scores] = poses[i];
      const PoseDecoder& decoder = heads_.front().pose_decoders()[i];
      const int64_t n = heads_.front().detectors()[decoder.detector()].max_boxes(),
                    k = decoder.keypoints();
      const FoundPoses first{output<int32_t>(rows, "rows", {count, n}),
                             output<float>(points, "points", {count, n, k, 2}),
                             output<float>(scores, "scores", {count, n, k})};
      for (int64_t f = 0; f < count; ++f) {
        frames[f].results.poses.push_back(
            {first.rows + n * f, first.points + 2 * n * k * f, first.scores + n * k * f});
      }
    }
    for (size_t i = 0; i < class_scores.size(); ++i) {
      const int64_t classes = heads_.front().classifiers()[i].logits().channels;
      float* const first = output<float>(class_scores[i], "class_scores", {count, classes});
      for (int64_t f = 0; f < count; ++f) {
        frames[f].results.class_scores.push_back(first + classes * f);
      }
    }
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
  // max_boxes of every task that finds boxes.
  std::vector<int> box_limits() const {
    std::vector<int> limits;
    for (const Detector& each : heads_.front().detectors()) limits.push_back(each.max_boxes());
    for (const DecodedDetector& each : heads_.front().decoded_detectors()) {
      limits.push_back(each.max_boxes());
    }
    return limits;
  }

  std::vector<FusedHead> heads_;  // the first, and copies of it for more frames
  int batch_;
  std::shared_ptr<Pool> pool_;
  std::mutex mutex_;
};

}  // namespace
}  // namespace edge_mtl

NB_MODULE(_kernels, module) {
  using namespace edge_mtl;
  module.def("instruction_set", &instruction_set);
  nb::class_<PreprocessorBinding>(module, "Preprocessor")
      .def(nb::init<int, int, int, uint8_t, nb::object, const std::array<LineTuple, 3>&, int>(),
           nb::arg("width"), nb::arg("height"), nb::arg("batch"), nb::arg("pad"), nb::arg("table"),
           nb::arg("lines"), nb::arg("threads"))
      .def("__call__", &PreprocessorBinding::operator(), nb::arg("frames"), nb::arg("placements"),
           nb::arg("out").none());
  nb::class_<FusedHeadBinding>(module, "FusedHead")
      .def(nb::init<int, int, int, int>(), nb::arg("network_width"), nb::arg("network_height"),
           nb::arg("batch"), nb::arg("threads"))
      .def("add_segmentation", &FusedHeadBinding::add_segmentation, nb::arg("logits"),
           nb::arg("binary"))
      .def("add_detection", &FusedHeadBinding::add_detection, nb::arg("levels"), nb::arg("bins"),
           nb::arg("min_logit"), nb::arg("iou_threshold"), nb::arg("max_boxes"),
           nb::arg("max_candidates"))
      .def("add_decoded_detection", &FusedHeadBinding::add_decoded_detection, nb::arg("candidates"),
           nb::arg("channels_last"), nb::arg("by_centre"), nb::arg("objectness"),
           nb::arg("min_score"), nb::arg("iou_threshold"), nb::arg("max_boxes"),
           nb::arg("max_candidates"))
      .def("add_pose", &FusedHeadBinding::add_pose, nb::arg("detection"), nb::arg("class_ids"),
           nb::arg("levels"))
      .def("add_classification", &FusedHeadBinding::add_classification, nb::arg("logits"),
           nb::arg("multi_label"))
      .def("__call__", &FusedHeadBinding::operator(), nb::arg("raw"), nb::arg("placements"),
           nb::arg("masks"), nb::arg("boxes"), nb::arg("poses"), nb::arg("class_scores"));
}
