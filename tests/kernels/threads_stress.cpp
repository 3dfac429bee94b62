// The threads of pools and kernels, for ThreadSanitizer: ends with 1 where a result is wrong.
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

constexpr int kSize = 96, kFrames = 3, kClasses = 5, kBoxes = 40;

struct Inputs {
  std::vector<float> logits, distances;
  std::vector<uint8_t> bytes, scores, pixels;
};

Inputs draw_inputs() {
  std::mt19937 random(7);
  Inputs inputs;
  const int cells = kSize / 4 * kSize / 4 * kFrames;
  std::normal_distribution<float> normal(0.0F, 2.0F);
  for (int i = 0; i < kClasses * cells; ++i) {
    inputs.logits.push_back(normal(random));
    inputs.bytes.push_back(static_cast<uint8_t>(random()));
    inputs.scores.push_back(static_cast<uint8_t>(random()));
    inputs.distances.push_back(normal(random) + 2.0F);
  }
  inputs.pixels.resize(3 * 120 * 110);
  for (uint8_t& pixel : inputs.pixels) pixel = static_cast<uint8_t>(random());
  return inputs;
}

struct Results {
  std::vector<uint8_t> masks = std::vector<uint8_t>(2 * kFrames * 120 * 110);
  std::vector<float> boxes = std::vector<float>(4 * kFrames * kBoxes);
  std::vector<float> scores = std::vector<float>(kFrames * kBoxes);
  std::vector<int32_t> class_ids = std::vector<int32_t>(kFrames * kBoxes);
  std::vector<int> counts;
  std::vector<uint8_t> input = std::vector<uint8_t>(3 * kFrames * kSize * kSize);

  bool operator==(const Results& other) const {
    return masks == other.masks && boxes == other.boxes && scores == other.scores &&
           class_ids == other.class_ids && counts == other.counts && input == other.input;
  }
};

class Camera {
 public:
  explicit Camera(const Inputs& inputs) : inputs_(inputs) {
    const int cells = kSize / 4;
    const RawTensor logits{DType::kFloat32, kClasses, cells, cells, 1.0F, 0};
    const RawTensor bytes{DType::kUint8, kClasses, cells, cells, 0.1F, 128};
    const RawTensor distances{DType::kFloat32, 4, cells, cells, 1.0F, 0};
    FusedHead head(kSize, kSize);
    head.add_segmentation(logits, false);
    head.add_segmentation(bytes, false);
    head.add_detection(Detector({{4, bytes, distances}}, 0, 1.0F, 0.5F, kBoxes, 1000));
    heads_.assign(kFrames, head);
    std::vector<uint8_t> table(3 * 256);
    std::iota(table.begin(), table.end(), uint8_t{0});
    preprocess_ = std::make_unique<Preprocessor<uint8_t>>(
        kSize, kSize, uint8_t{0}, table.data(), std::array<Line, 3>{{{1, 0}, {1, 0}, {2, 0}}});
  }

  Results look(Pool& pool) {
    Results results;
    std::vector<HeadFrame> frames;
    std::vector<FrameView> views;
    const int plane = kSize / 4 * kSize / 4;
    for (int f = 0; f < kFrames; ++f) {
      const Placement placement{120 - f, 110, f, 2 * f, kSize - f, kSize - 2 * f};
      uint8_t* const mask = results.masks.data() + 2 * f * 120 * 110;
      frames.push_back(
          {{inputs_.logits.data() + f * kClasses * plane,
            inputs_.bytes.data() + f * kClasses * plane,
            inputs_.scores.data() + f * kClasses * plane, inputs_.distances.data() + f * 4 * plane},
           placement,
           {{{mask, 110, 120 - f}, {mask + 120 * 110, 110, 120 - f}},
            {{results.boxes.data() + 4 * f * kBoxes, results.scores.data() + f * kBoxes,
              results.class_ids.data() + f * kBoxes}},
            {},
            {},
            {},
            {}}});
      views.push_back({inputs_.pixels.data(), 3 * 120, placement});
    }
    FusedHead::run(heads_, frames, pool);
    (*preprocess_)(views, results.input.data(), pool);
    for (const HeadFrame& frame : frames) results.counts.push_back(frame.results.box_counts[0]);
    return results;
  }

 private:
  const Inputs& inputs_;
  std::vector<FusedHead> heads_;
  std::unique_ptr<Preprocessor<uint8_t>> preprocess_;
};

// Several cameras share a pool, and see what one sees that works alone.
void use_kernels() {
  const Inputs inputs = draw_inputs();
  Pool alone(1);
  const Results expected = Camera(inputs).look(alone);
  require(expected.counts[0] > 3, "too few boxes to tell anything");
  at_once(2, [&](int) {
    Camera camera(inputs);
    for (int round = 0; round < 10; ++round) {
      require(camera.look(*Pool::of(3)) == expected, "threads change the results");
    }
  });
}

}  // namespace

int main() {
  use_pools();
  use_kernels();
}
