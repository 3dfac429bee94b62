// The threads of pools and kernels, for ThreadSanitizer: ends with 1 where a result is wrong.
// Prints a digest of the results, which is the same on every processor.
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

#include "fused_head.h"
#include "pool.h"
#include "preprocess.h"

using namespace edge_mtl;

namespace {

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "wrong: %s\n", what);
  std::exit(1);
}

template <typename Work>
void at_once(int callers, const Work& work) {
  std::vector<std::thread> threads;
  for (int i = 0; i < callers; ++i) threads.emplace_back([&work, i] { work(i); });
  for (std::thread& thread : threads) thread.join();
}

// Every part is done once, and calls of one worker follow one another: what they count needs no
// lock. Pools come and go meanwhile.
void use_pools() {
  at_once(3, [](int caller) {
    for (int round = 0; round < 300; ++round) {
      const auto pool = Pool::of(1 + (caller + round) % 4);
      const int parts = round % 41;
      std::vector<int> done(parts), by_worker(pool->threads());
      pool->run(parts, [&](int part, int worker) {
        ++done[part];
        ++by_worker[worker];
      });
      require(done == std::vector<int>(parts, 1), "a part was not done once");
      require(std::accumulate(by_worker.begin(), by_worker.end(), 0) == parts, "workers' counts");
    }
  });
}

constexpr int kSize = 96, kCells = kSize / 4, kPlane = kCells * kCells;
constexpr int kFrames = 3, kClasses = 5, kBins = 4, kBoxes = 40, kKeypoints = 2;
constexpr int kMostChannels = 4 * kBins;

// Raw outputs of each type, with room for the most channels.
struct Inputs {
  std::vector<float> floats;
  std::vector<Half> halves;
  std::vector<uint8_t> bytes, pixels;

  Inputs() : pixels(3 * 120 * 110) {
    std::mt19937 random(7);
    for (int i = 0; i < kFrames * kMostChannels * kPlane; ++i) {
      floats.push_back(static_cast<float>(random() % 1001) / 100.0F - 5.0F);
      // Between -16 and 16, and so never NaN.
      halves.push_back({static_cast<uint16_t>(random() % 0x4C00 | (random() & 1) << 15)});
      bytes.push_back(static_cast<uint8_t>(random()));
    }
    for (uint8_t& pixel : pixels) pixel = static_cast<uint8_t>(random());
  }
};

struct Results {
  std::vector<uint8_t> masks = std::vector<uint8_t>(3 * kFrames * 120 * 110);
  std::vector<float> boxes = std::vector<float>(2 * 4 * kFrames * kBoxes);
  std::vector<float> scores = std::vector<float>(2 * kFrames * kBoxes);
  std::vector<int32_t> class_ids = std::vector<int32_t>(2 * kFrames * kBoxes);
  std::vector<int32_t> rows = std::vector<int32_t>(kFrames * kBoxes);
  std::vector<float> points = std::vector<float>(3 * kKeypoints * kFrames * kBoxes);
  std::vector<float> class_scores = std::vector<float>(kFrames * kClasses);
  std::vector<int> counts;
  std::vector<uint8_t> input = std::vector<uint8_t>(3 * kFrames * kSize * kSize);

  // FNV-1a over everything.
  uint64_t digest() const {
    uint64_t hash = 14695981039346656037U;
    const auto add = [&](const auto& values) {
      const auto* const bytes = reinterpret_cast<const uint8_t*>(values.data());
      for (size_t i = 0; i < values.size() * sizeof values[0]; ++i) {
        hash = (hash ^ bytes[i]) * 1099511628211U;
      }
    };
    add(masks), add(boxes), add(scores), add(class_ids), add(rows), add(points);
    add(class_scores), add(counts), add(input);
    return hash;
  }
};

class Camera {
 public:
  explicit Camera(const Inputs& inputs) : inputs_(inputs) {
    const auto tensor = [](DType dtype, int channels) {
      return RawTensor{dtype, channels, kCells, kCells, 0.1F, 128};
    };
    FusedHead head(kSize, kSize);
    head.add_segmentation(tensor(DType::kFloat32, kClasses), false);
    head.add_segmentation(tensor(DType::kFloat16, kClasses), false);
    head.add_segmentation(tensor(DType::kUint8, kClasses), false);
    const RawTensor scores = tensor(DType::kUint8, kClasses);
    head.add_detection(
        Detector({{4, scores, tensor(DType::kFloat32, 4)}}, 0, 1.0F, 0.5F, kBoxes, 1000));
    head.add_detection(
        Detector({{4, tensor(DType::kFloat16, kClasses), tensor(DType::kFloat16, 4 * kBins)}},
                 kBins, 1.0F, 0.3F, kBoxes, 1000));
    head.add_pose(PoseDecoder(
        0, {true, false, true, true, true},
        {{tensor(DType::kFloat32, 2 * kKeypoints), tensor(DType::kFloat16, kKeypoints)}}));
    RawTensor logits = tensor(DType::kFloat32, kClasses);
    logits.height = logits.width = 1;
    head.add_classification(Classifier(logits, false));
    heads_.assign(kFrames, head);
    std::vector<uint8_t> table(3 * 256);
    std::iota(table.begin(), table.end(), uint8_t{0});
    // The first two lines are those of the table: these channels are computed, the third not.
    preprocess_ = std::make_unique<Preprocessor<uint8_t>>(
        kSize, kSize, uint8_t{0}, table.data(), std::array<Line, 3>{{{1, 0}, {1, 0}, {2, 0}}});
  }

  Results look(Pool& pool) {
    Results results;
    std::vector<HeadFrame> frames;
    std::vector<FrameView> views;
    for (int f = 0; f < kFrames; ++f) {
      const Placement placement{120 - f, 110, f, 2 * f, kSize - f, kSize - 2 * f};
      const float* const floats = inputs_.floats.data() + f * kMostChannels * kPlane;
      const Half* const halves = inputs_.halves.data() + f * kMostChannels * kPlane;
      const uint8_t* const bytes = inputs_.bytes.data() + f * kMostChannels * kPlane;
      HeadFrame frame{
          {floats, halves, bytes, bytes, floats, halves, halves, floats, halves, floats},
          placement,
          {}};
      for (int i = 0; i < 3; ++i) {
        frame.results.masks.push_back(
            {results.masks.data() + (3 * f + i) * 120 * 110, 110, 120 - f});
      }
      for (int i = 0; i < 2; ++i) {
        const int first = (2 * f + i) * kBoxes;
        frame.results.boxes.push_back({results.boxes.data() + 4 * first,
                                       results.scores.data() + first,
                                       results.class_ids.data() + first});
      }
      float* const points = results.points.data() + 3 * kKeypoints * kBoxes * f;
      frame.results.poses.push_back(
          {results.rows.data() + f * kBoxes, points, points + 2 * kKeypoints * kBoxes});
      frame.results.class_scores.push_back(results.class_scores.data() + f * kClasses);
      frames.push_back(std::move(frame));
      views.push_back({inputs_.pixels.data(), 3 * 120, placement});
    }
    FusedHead::run(heads_, frames, pool, 0);  // as if it were worth it
    (*preprocess_)(views, results.input.data(), pool);
    for (const HeadFrame& frame : frames) {
      for (const int count : frame.results.box_counts) results.counts.push_back(count);
      results.counts.push_back(frame.results.pose_counts[0]);
    }
    return results;
  }

 private:
  const Inputs& inputs_;
  std::vector<FusedHead> heads_;
  std::unique_ptr<Preprocessor<uint8_t>> preprocess_;
};

// Several cameras share a pool, and see what one sees that works alone.
void use_kernels() {
  const Inputs inputs;
  Pool alone(1);
  const Results expected = Camera(inputs).look(alone);
  for (const int count : expected.counts) require(count > 3, "too few boxes to tell anything");
  at_once(2, [&](int) {
    Camera camera(inputs);
    for (int round = 0; round < 10; ++round) {
      require(camera.look(*Pool::of(3)).digest() == expected.digest(), "threads change results");
    }
  });
  std::printf("%016llx\n", static_cast<unsigned long long>(expected.digest()));
}

}  // namespace

int main() {
  use_pools();
  use_kernels();
}
