// The Python face of the kernels. Only here is anything checked, before a pointer is taken from
// an array. The kernels run without the GIL; each object does one frame at a time, whatever thread
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
using Counts = std::tuple<std::vector<int>, std::vector<int>>;

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
  PreprocessorBinding(int width, int height, uint8_t pad, nb::object table_object,
                      const std::array<LineTuple, 3>& numbers, int threads)
      : width_(width), height_(height), pool_(checked_pool(threads)) {
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

  void operator()(nb::object frame_object, const PlacementTuple& numbers, nb::object out_object) {
    const Placement placement = checked_placement(numbers, width_, height_);
    const auto frame = as_array<nb::ndarray<nb::ro>>(frame_object, "frame", nb::dtype<uint8_t>());
    const Shape shape{placement.frame_height, placement.frame_width, 3};
    require(shape_of(frame) == shape, "frame must have shape " + text(shape) +
                                          ", as the placement says, found " +
                                          text(shape_of(frame)));
    require(frame.stride(2) == 1 && (placement.frame_width == 1 || frame.stride(1) == 3),
            "the pixels of a frame's row must be contiguous: pass numpy.ascontiguousarray(...)");
    std::visit(
        [&](auto& kernel) {
          using T = typename std::decay_t<decltype(*kernel)>::Value;
          T* const out = output<T>(out_object, "out", {1, 3, height_, width_});
          const auto* const pixels = static_cast<const uint8_t*>(frame.data());
          const ptrdiff_t row_stride = placement.frame_height == 1 ? 0 : frame.stride(0);
          const nb::gil_scoped_release released;
          const std::lock_guard<std::mutex> lock(mutex_);
          (*kernel)(pixels, row_stride, placement, out, *pool_);
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

  int width_, height_;
  std::shared_ptr<Pool> pool_;
  std::variant<std::unique_ptr<Preprocessor<float>>, std::unique_ptr<Preprocessor<Half>>,
               std::unique_ptr<Preprocessor<uint8_t>>, std::unique_ptr<Preprocessor<int8_t>>>
      kernel_;
  std::mutex mutex_;
};

class FusedHeadBinding {
 public:
  FusedHeadBinding(int network_width, int network_height, int threads)
      : head_(network_width, network_height), pool_(checked_pool(threads)) {
    require_extent(network_width, "the network's width");
    require_extent(network_height, "the network's height");
  }

  void add_segmentation(const TensorTuple& logits, bool binary) {
    const RawTensor tensor = checked_tensor(logits);
    require(tensor.channels <= 255,
            "a mask holds at most 255 classes, found " + std::to_string(tensor.channels));
    require(!binary || tensor.channels == 1,
            "two classes share one channel of logits, found " + std::to_string(tensor.channels));
    head_.add_segmentation(tensor, binary);
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
    head_.add_detection(
        Detector(std::move(levels), bins, min_logit, iou_threshold, max_boxes, max_candidates));
  }

  void add_pose(int detection, const std::vector<int>& class_ids,
                const std::vector<LevelTuple>& numbers) {
    const int detectors = static_cast<int>(head_.detectors().size());
    require(0 <= detection && detection < detectors,
            "the detection of a pose must be one of the " + std::to_string(detectors) +
                " added before it, found " + std::to_string(detection));
    const Detector& detector = head_.detectors()[detection];
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
    head_.add_pose(PoseDecoder(detection, std::move(has_keypoints), std::move(levels)));
  }

  void add_classification(const TensorTuple& logits, bool multi_label) {
    const RawTensor tensor = checked_tensor(logits);
    require(tensor.plane() == 1, "a classification has one logit per class, found " +
                                     text(Shape{tensor.height, tensor.width}) + " of them");
    head_.add_classification(Classifier(tensor, multi_label));
  }

  Counts operator()(const std::vector<nb::object>& raw, const PlacementTuple& numbers,
                    const std::vector<nb::object>& masks, const std::vector<ArrayTriple>& boxes,
                    const std::vector<ArrayTriple>& poses,
                    const std::vector<nb::object>& class_scores) {
    const Placement placement =
        checked_placement(numbers, head_.network_width(), head_.network_height());
    const std::vector<RawTensor> tensors = head_.tensors();
    require(raw.size() == tensors.size(), "expected " + std::to_string(tensors.size()) +
                                              " raw outputs, found " + std::to_string(raw.size()));
    require(masks.size() == head_.segmentations() && boxes.size() == head_.detectors().size() &&
                poses.size() == head_.pose_decoders().size() &&
                class_scores.size() == head_.classifiers().size(),
            "every task needs its outputs");

    std::vector<nb::ndarray<nb::ro>> arrays;  // keeps what DLPack may have made for us
    std::vector<const void*> pointers;
    for (size_t i = 0; i < raw.size(); ++i) {
      const RawTensor& tensor = tensors[i];
      const Shape shape{1, tensor.channels, tensor.height, tensor.width};
      arrays.push_back(contiguous<nb::ndarray<nb::ro>>(raw[i], "raw output " + std::to_string(i),
                                                       dlpack_type(tensor.dtype), shape));
      pointers.push_back(arrays.back().data());
    }
    HeadResults results;
    for (const nb::object& object : masks) {
      const auto mask = as_array<nb::ndarray<>>(object, "mask", nb::dtype<uint8_t>());
      require(mask.ndim() == 2 && 0 < mask.shape(0) && mask.shape(0) <= kMaxExtent &&
                  0 < mask.shape(1) && mask.shape(1) <= kMaxExtent,
              "a mask must have shape (H, W), found " + text(shape_of(mask)));
      results.masks.push_back({output<uint8_t>(object, "mask", shape_of(mask)),
                               static_cast<int>(mask.shape(0)), static_cast<int>(mask.shape(1))});
    }
    for (size_t i = 0; i < boxes.size(); ++i) {
      const auto& [corners, scores, class_ids] = boxes[i];
      const int64_t n = head_.detectors()[i].max_boxes();
      results.boxes.push_back({output<float>(corners, "boxes", {n, 4}),
                               output<float>(scores, "scores", {n}),
                               output<int32_t>(class_ids, "class_ids", {n})});
    }
    for (size_t i = 0; i < poses.size(); ++i) {
      const auto& [rows, points, scores] = poses[i];
      const PoseDecoder& decoder = head_.pose_decoders()[i];
      const int64_t n = head_.detectors()[decoder.detector()].max_boxes();
      results.poses.push_back({output<int32_t>(rows, "rows", {n}),
                               output<float>(points, "points", {n, decoder.keypoints(), 2}),
                               output<float>(scores, "scores", {n, decoder.keypoints()})});
    }
    for (size_t i = 0; i < class_scores.size(); ++i) {
      const int64_t classes = head_.classifiers()[i].logits().channels;
      results.class_scores.push_back(output<float>(class_scores[i], "class_scores", {classes}));
    }
    const nb::gil_scoped_release released;
    const std::lock_guard<std::mutex> lock(mutex_);
    head_.run(pointers.data(), placement, results, *pool_);
    return {results.box_counts, results.pose_counts};
  }

 private:
  FusedHead head_;
  std::shared_ptr<Pool> pool_;
  std::mutex mutex_;
};

}  // namespace
}  // namespace edge_mtl

NB_MODULE(_kernels, module) {
  using namespace edge_mtl;
  module.def("instruction_set", &instruction_set);
  nb::class_<PreprocessorBinding>(module, "Preprocessor")
      .def(nb::init<int, int, uint8_t, nb::object, const std::array<LineTuple, 3>&, int>(),
           nb::arg("width"), nb::arg("height"), nb::arg("pad"), nb::arg("table"), nb::arg("lines"),
           nb::arg("threads"))
      .def("__call__", &PreprocessorBinding::operator(), nb::arg("frame").none(),
           nb::arg("placement"), nb::arg("out").none());
  nb::class_<FusedHeadBinding>(module, "FusedHead")
      .def(nb::init<int, int, int>(), nb::arg("network_width"), nb::arg("network_height"),
           nb::arg("threads"))
      .def("add_segmentation", &FusedHeadBinding::add_segmentation, nb::arg("logits"),
           nb::arg("binary"))
      .def("add_detection", &FusedHeadBinding::add_detection, nb::arg("levels"), nb::arg("bins"),
           nb::arg("min_logit"), nb::arg("iou_threshold"), nb::arg("max_boxes"),
           nb::arg("max_candidates"))
      .def("add_pose", &FusedHeadBinding::add_pose, nb::arg("detection"), nb::arg("class_ids"),
           nb::arg("levels"))
      .def("add_classification", &FusedHeadBinding::add_classification, nb::arg("logits"),
           nb::arg("multi_label"))
      .def("__call__", &FusedHeadBinding::operator(), nb::arg("raw"), nb::arg("placement"),
           nb::arg("masks"), nb::arg("boxes"), nb::arg("poses"), nb::arg("class_scores"));
}
