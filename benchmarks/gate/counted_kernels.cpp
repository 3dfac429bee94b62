// The kernels, each called once where callgrind counts: inside `run_counted`. Prints the
// instruction set whose loops run, then the names of what is counted, in order.
//
// The sizes are those of driving-s: a 1280x720 frame in an input of 640x384, masks at stride 2,
// boxes and poses at strides 8, 16 and 32. The inputs are always the same: regions of one class
// with soft borders, and twenty objects with duplicates around them.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "fused_head.h"
#include "multiversion.h"
#include "pool.h"
#include "preprocess.h"

extern "C" __attribute__((noinline)) void run_counted(const std::function<void()>& kernel) {
  kernel();
}

using namespace edge_mtl;

namespace {

constexpr int kFrameWidth = 1280, kFrameHeight = 720;
constexpr int kWidth = 640, kHeight = 384;
constexpr Placement kPlacement{kFrameWidth, kFrameHeight, 0, 12, 640, 360};
constexpr int kStrides[] = {8, 16, 32};
constexpr int kClasses = 11, kKinds = 4, kBins = 16, kKeypoints = 17, kListed = 5040;
constexpr int kObjects = 20, kObjectColumns = 5;
constexpr int kMaxBoxes = 128;

void count(const char* name, const std::function<void()>& kernel) {
  kernel();  // scratch memory is made in a first call
  std::puts(name);
  run_counted(kernel);
}

// Numbers that are the same in every C++ library.
class Noise {
 public:
  float operator()(float low, float high) {
    return low + (high - low) * static_cast<float>(random_() % 65536) / 65536.0F;
  }

 private:
  std::mt19937 random_{7};
};

template <typename T>
constexpr DType kDType = sizeof(T) == 1 ? DType::kUint8 : DType::kFloat32;

// A raw output in T: 8 bits stand for values from -10 to 15.5.
template <typename T>
struct Output {
  RawTensor tensor;
  std::vector<T> values;

  Output(int channels, int height, int width)
      : tensor{kDType<T>, channels, height, width, 0.1F, 100},
        values(static_cast<size_t>(channels) * height * width) {}

  void put(int channel, int row, int column, float value) {
    const float raw = std::is_same_v<T, float>
                          ? value
                          : std::fmin(std::fmax(std::round(value / 0.1F) + 100, 0.0F), 255.0F);
    const ptrdiff_t at = channel * tensor.plane() + static_cast<ptrdiff_t>(row) * tensor.width;
    values[at + column] = static_cast<T>(raw);
  }

  void fill(Noise& noise, float low, float high) {
    for (int c = 0; c < tensor.channels; ++c) {
      for (int y = 0; y < tensor.height; ++y) {
        for (int x = 0; x < tensor.width; ++x) put(c, y, x, noise(low, high));
      }
    }
  }
};

// Logits whose winners are large regions: random ones every 24 cells, blended in between.
template <typename T>
Output<T> make_logits(int channels) {
  constexpr int kApart = 24;
  Output<T> output(channels, kHeight / 2, kWidth / 2);
  const int rows = output.tensor.height / kApart + 2, columns = output.tensor.width / kApart + 2;
  Noise noise;
  std::vector<float> nodes(static_cast<size_t>(channels) * rows * columns);
  for (float& node : nodes) node = noise(-8, 8);
  for (int c = 0; c < channels; ++c) {
    for (int y = 0; y < output.tensor.height; ++y) {
      for (int x = 0; x < output.tensor.width; ++x) {
        const float* const node = nodes.data() + (c * rows + y / kApart) * columns + x / kApart;
        const float v = static_cast<float>(y % kApart) / kApart;
        const float u = static_cast<float>(x % kApart) / kApart;
        const float upper = node[0] * (1 - u) + node[1] * u;
        const float lower = node[columns] * (1 - u) + node[columns + 1] * u;
        output.put(c, y, x, upper * (1 - v) + lower * v);
      }
    }
  }
  return output;
}

// The outputs of one level, with the cells of the objects whose turn it is and those around them.
// bins: of a distance; 0 where the distances themselves are there.
template <typename T>
struct Level {
  int stride;
  Output<T> scores, boxes, points, visible;

  Level(int level, int bins)
      : stride(kStrides[level]),
        scores(kKinds, kHeight / stride, kWidth / stride),
        boxes(4 * std::max(1, bins), kHeight / stride, kWidth / stride),
        points(2 * kKeypoints, kHeight / stride, kWidth / stride),
        visible(kKeypoints, kHeight / stride, kWidth / stride) {
    Noise noise;
    scores.fill(noise, -8, -4);
    boxes.fill(noise, 0, 1);
    points.fill(noise, -2, 2);
    visible.fill(noise, -4, 4);
    for (int object = level; object < kObjects; object += 3) {
      const int column = (object % kObjectColumns * 128 + 64) / stride;
      const int row = (object / kObjectColumns * 90 + 45 + kPlacement.y) / stride;
      for (int dy = -1; dy <= 1; ++dy) {
        for (int dx = -1; dx <= 1; ++dx) {
          scores.put(object % kKinds, row + dy, column + dx, dx == 0 && dy == 0 ? 3 : noise(1, 2));
          for (int side = 0; side < 4; ++side) {
            const float reach = 2.0F + static_cast<float>(side == 0 ? dx : side == 2 ? -dx : 0);
            for (int bin = 0; bin < bins; ++bin) {
              const float away = static_cast<float>(bin) - reach;
              boxes.put(side * bins + bin, row + dy, column + dx, -away * away);
            }
            if (bins == 0) boxes.put(side, row + dy, column + dx, reach);
          }
        }
      }
    }
  }
};

template <typename T>
std::vector<Level<T>> make_levels(int bins) {
  return {Level<T>(0, bins), Level<T>(1, bins), Level<T>(2, bins)};
}

// Boxes by centre as lists of candidates have them, the objects among them four times each.
Output<float> make_listed() {
  Output<float> output(4 + kKinds, kListed, 1);
  Noise noise;
  for (int i = 0; i < kListed; ++i) {
    const bool is_object = i % 63 == 0;
    const int object = i / 63 % kObjects;
    output.put(0, i, 0, static_cast<float>(object % kObjectColumns * 128 + 64) + noise(-2, 2));
    output.put(1, i, 0, static_cast<float>(object / kObjectColumns * 90 + 57) + noise(-2, 2));
    output.put(2, i, 0, noise(40, 60));
    output.put(3, i, 0, noise(40, 60));
    for (int kind = 0; kind < kKinds; ++kind) {
      const bool is_kind = is_object && kind == object % kKinds;
      output.put(4 + kind, i, 0, is_kind ? noise(0.5F, 0.9F) : noise(0.0F, 0.2F));
    }
  }
  return output;
}

// A head for one frame, put together task by task with the raw outputs and room for the results.
class Head {
 public:
  Head() : heads_{FusedHead(kWidth, kHeight)}, frames_(1) { frames_[0].placement = kPlacement; }

  template <typename T>
  Head& segment(const Output<T>& logits) {
    heads_[0].add_segmentation(logits.tensor, logits.tensor.channels == 1);
    raw_[0].push_back(logits.values.data());
    return *this;
  }

  template <typename T>
  Head& detect(const std::vector<Level<T>>& levels, int bins) {
    std::vector<DetectionLevel> numbers;
    for (const Level<T>& level : levels) {
      numbers.push_back({level.stride, level.scores.tensor, level.boxes.tensor});
      raw_[1].push_back(level.scores.values.data());
      raw_[1].push_back(level.boxes.values.data());
    }
    heads_[0].add_detection(Detector(std::move(numbers), bins, -0.6F, 0.5F, kMaxBoxes, 1000));
    return *this;
  }

  Head& detect_listed(const Output<float>& listed) {
    heads_[0].add_decoded_detection(
        DecodedDetector(listed.tensor, {false, true, false}, 0.35F, 0.5F, kMaxBoxes, 1000));
    raw_[2].push_back(listed.values.data());
    return *this;
  }

  template <typename T>
  Head& pose(const std::vector<Level<T>>& levels) {
    std::vector<PoseLevel> numbers;
    for (const Level<T>& level : levels) {
      numbers.push_back({level.points.tensor, level.visible.tensor});
      raw_[3].push_back(level.points.values.data());
      raw_[3].push_back(level.visible.values.data());
    }
    heads_[0].add_pose(PoseDecoder(0, {false, true, true, false}, std::move(numbers)));
    return *this;
  }

  template <typename T>
  Head& classify(const Output<T>& logits) {
    heads_[0].add_classification(Classifier(logits.tensor, false));
    raw_[4].push_back(logits.values.data());
    return *this;
  }

  // Makes room for the results; no task is added after it.
  Head& ready() {
    const size_t tasks = heads_[0].detectors().size() + heads_[0].decoded_detectors().size();
    masks_.resize(heads_[0].segmentations() * kFrameWidth * kFrameHeight);
    boxes_.resize(tasks * kMaxBoxes * 4);
    scores_.resize(tasks * kMaxBoxes);
    class_ids_.resize(tasks * kMaxBoxes);
    HeadFrame& frame = frames_[0];
    for (const auto& part : raw_) frame.raw.insert(frame.raw.end(), part.begin(), part.end());
    for (size_t i = 0; i < heads_[0].segmentations(); ++i) {
      uint8_t* const mask = masks_.data() + i * kFrameWidth * kFrameHeight;
      frame.results.masks.push_back({mask, kFrameHeight, kFrameWidth});
    }
    for (size_t i = 0; i < tasks; ++i) {
      frame.results.boxes.push_back({boxes_.data() + i * kMaxBoxes * 4,
                                     scores_.data() + i * kMaxBoxes,
                                     class_ids_.data() + i * kMaxBoxes});
    }
    for (size_t i = 0; i < heads_[0].pose_decoders().size(); ++i) {
      frame.results.poses.push_back({rows_.data(), points_.data(), visible_.data()});
    }
    for (size_t i = 0; i < heads_[0].classifiers().size(); ++i) {
      frame.results.class_scores.push_back(class_scores_.data() + i * kClasses);
    }
    return *this;
  }

  void operator()() {
    FusedHead::run(heads_, frames_, pool_);
    for (const int boxes : frames_[0].results.box_counts) {
      if (boxes == kObjects) continue;
      std::fprintf(stderr, "expected %d boxes, found %d\n", kObjects, boxes);
      std::exit(1);
    }
  }

 private:
  std::vector<FusedHead> heads_;
  std::vector<HeadFrame> frames_;
  // Of masks, boxes, listed boxes, poses and classes: the order of `FusedHead::tensors`.
  std::vector<const void*> raw_[5];
  std::vector<uint8_t> masks_;
  std::vector<float> boxes_, scores_;
  std::vector<int32_t> class_ids_;
  std::vector<int32_t> rows_ = std::vector<int32_t>(kMaxBoxes);
  std::vector<float> points_ = std::vector<float>(2 * kKeypoints * kMaxBoxes);
  std::vector<float> visible_ = std::vector<float>(kKeypoints * kMaxBoxes);
  std::vector<float> class_scores_ = std::vector<float>(2 * kClasses);
  Pool pool_{1};
};

template <typename T>
void count_preprocess(const char* name, T (*value_of)(int)) {
  std::vector<uint8_t> pixels(3 * kFrameWidth * kFrameHeight);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i / 7 + i / 3840);
  std::vector<T> table;
  for (int i = 0; i < 3 * 256; ++i) table.push_back(value_of(i % 256));
  Preprocessor<T> preprocess(kWidth, kHeight, 114, table.data(),
                             {{{0.5F, 3}, {0.5F, 3}, {0.5F, 3}}});
  std::vector<T> out(3 * kWidth * kHeight);
  Pool alone(1);
  count(name,
        [&] { preprocess({{pixels.data(), 3 * kFrameWidth, kPlacement}}, out.data(), alone); });
}

template <typename T>
void count_head(const std::string& type) {
  const Output<T> surfaces = make_logits<T>(kClasses), lanes = make_logits<T>(1);
  const std::vector<Level<T>> levels = make_levels<T>(0), binned = make_levels<T>(kBins);
  Output<T> time(3, 1, 1);
  Noise noise;
  time.fill(noise, -3, 3);
  const auto named = [&](const char* kernel) { return std::string(kernel) + ", " + type; };

  Head masks, binary, boxes, bins, poses, all;
  masks.segment(surfaces).ready();
  binary.segment(lanes).ready();
  boxes.detect(levels, 0).ready();
  bins.detect(binned, kBins).ready();
  poses.detect(levels, 0).pose(levels).ready();
  all.segment(surfaces).segment(lanes).segment(lanes);
  all.detect(levels, 0).pose(levels).classify(time).ready();
  count(named("masks").c_str(), [&] {
    masks();
    // A test slows these so.
    for (volatile int i = 0; sizeof(T) == 1 && i < EDGE_MTL_EXTRA_STEPS;) i = i + 1;
  });
  count(named("binary mask").c_str(), [&] { binary(); });
  count(named("boxes").c_str(), [&] { boxes(); });
  count(named("boxes of 16 bins").c_str(), [&] { bins(); });
  count(named("boxes and poses").c_str(), [&] { poses(); });
  count(named("whole head").c_str(), [&] { all(); });
}

}  // namespace

int main() {
  std::puts(instruction_set());
  count_preprocess<uint8_t>("preprocess, uint8", [](int value) {
    return static_cast<uint8_t>(std::nearbyint(0.5F * static_cast<float>(value) + 3));
  });
  count_preprocess<float>("preprocess, float32",
                          [](int value) { return 0.5F * static_cast<float>(value) + 3; });
  count_preprocess<Half>("preprocess, float16",
                         [](int value) { return Half{static_cast<uint16_t>(value)}; });
  count_head<uint8_t>("uint8");
  count_head<float>("float32");
  const Output<float> listed = make_listed();
  Head list;
  list.detect_listed(listed).ready();
  count("listed boxes, float32", [&] { list(); });
}
