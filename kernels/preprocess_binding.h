// `Preprocessor` of _kernels.pyi.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "argument_checks.h"
#include "array_checks.h"
#include "pool.h"
#include "preprocess.h"

namespace edge_mtl {

class PreprocessorBinding {
 public:
  PreprocessorBinding(int width, int height, int batch, uint8_t pad, nb::object table_object,
                      const std::array<LineTuple, 3>& numbers, int threads)
      : width_(width), height_(height), batch_(batch), pool_(checked_pool(threads)) {
    require_between(1, kMaxFrames, batch, "the batch");
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
    require(frames.size() == placements.size(), "expected a frame for each of the ",
            placements.size(), " placements, found ", frames.size());
    CallArrays arrays(frames.size() + 1);
    std::vector<FrameView> views;
    views.reserve(frames.size());
    for (size_t i = 0; i < frames.size(); ++i) {
      views.push_back(checked_frame(frames[i], placements[i], arrays));
    }
    std::visit(
        [&](auto& kernel) {
          using T = typename std::decay_t<decltype(*kernel)>::Value;
          T* const out = arrays.output<T>(out_object, "out", {batch_, 3, height_, width_});
          arrays.require_apart();
          const nb::gil_scoped_release released;
          const std::lock_guard<std::mutex> lock(mutex_);
          (*kernel)(views, out, *pool_);
        },
        kernel_);
  }

 private:
  static FrameView checked_frame(nb::handle object, const Placement& placement,
                                 CallArrays& arrays) {
    auto frame = as_array<nb::ndarray<nb::ro>>(object, "frame", nb::dtype<uint8_t>());
    const int64_t width = placement.frame_width, height = placement.frame_height;
    const Shape shape{height, width, 3};
    require_shape("frame", shape, frame.shape_ptr(), frame.ndim(), ", as the placement says");
    require(frame.stride(2) == 1 && (width == 1 || frame.stride(1) == 3),
            "the pixels of a frame's row must be contiguous: pass numpy.ascontiguousarray(...)");
    const int64_t row_stride = height == 1 ? 0 : frame.stride(0);
    // Farther apart, which no memory is, their distances would not fit into 64 bits.
    require_between(-int64_t{INT32_MAX}, INT32_MAX, row_stride, "the bytes between a frame's rows");
    const int64_t last_row = (height - 1) * row_stride;
    const void* const pixels =
        arrays.hold_input(std::move(frame), "frame", std::min<int64_t>(0, last_row),
                          static_cast<size_t>(std::abs(last_row) + 3 * width));
    return {static_cast<const uint8_t*>(pixels), row_stride, placement};
  }

  template <typename T>
  void build(uint8_t pad, nb::handle object, const std::array<Line, 3>& lines) {
    CallArrays arrays(1);
    const void* const table = arrays.input(object, "table", nb::dtype<T>(), {3, 256});
    kernel_ = std::make_unique<Preprocessor<T>>(width_, height_, pad, static_cast<const T*>(table),
                                                lines);
  }

  int width_, height_, batch_;
  std::shared_ptr<Pool> pool_;
  std::variant<std::unique_ptr<Preprocessor<float>>, std::unique_ptr<Preprocessor<Half>>,
               std::unique_ptr<Preprocessor<uint8_t>>, std::unique_ptr<Preprocessor<int8_t>>>
      kernel_;
  std::mutex mutex_;
};

}  // namespace edge_mtl
