#include "preprocess.h"

#include <algorithm>
#include <cstring>

#include "multiversion.h"

namespace edge_mtl {
namespace {

MULTIVERSION void blend_rows(const uint8_t* __restrict__ lower, const uint8_t* __restrict__ upper,
                             int32_t weight, int count, int32_t* __restrict__ blended) {
  for (int i = 0; i < count; ++i) {
    blended[i] = blend(int32_t{lower[i]}, int32_t{upper[i]}, weight);
  }
}

// The three channels of a pixel and one value that nobody reads: four fill a vector register.
using Pixel = int32_t __attribute__((vector_size(16)));
using PixelBytes = uint8_t __attribute__((vector_size(4)));

inline __attribute__((always_inline)) Pixel load_pixel(const int32_t* values) {
  Pixel pixel;
  std::memcpy(&pixel, values, sizeof pixel);
  return pixel;
}

MULTIVERSION void blend_columns(const int32_t* __restrict__ row, const int32_t* __restrict__ lower,
                                const int32_t* __restrict__ upper,
                                const int32_t* __restrict__ weight, int count,
                                uint8_t* __restrict__ pixels) {
  for (int i = 0; i < count; ++i) {
    const Pixel left = load_pixel(row + 3 * lower[i]);
    const Pixel right = load_pixel(row + 3 * upper[i]);
    const Pixel pixel = rounded_pixel(blend(left, right, weight[i]));
    const PixelBytes bytes = __builtin_convertvector(pixel, PixelBytes);
    std::memcpy(pixels + 4 * i, &bytes, sizeof bytes);
  }
}

}  // namespace

template <typename T>
Preprocessor<T>::Preprocessor(int width, int height, uint8_t pad, const T* table)
    : width_(width), height_(height), pad_(pad) {
  for (auto& channel : table_) {
    std::copy_n(table, channel.size(), channel.begin());
    table += channel.size();
  }
  pixels_.resize(4 * static_cast<size_t>(width));
}

template <typename T>
void Preprocessor<T>::operator()(const uint8_t* frame, ptrdiff_t row_stride,
                                 const Placement& placement, T* out) {
  rows_.cover({placement.height, 0, 1, 1, placement.frame_height});
  columns_.cover({placement.width, 0, 1, 1, placement.frame_width});
  blended_.resize(3 * static_cast<size_t>(placement.frame_width) + 1);

  const ptrdiff_t plane = static_cast<ptrdiff_t>(width_) * height_;
  for (int y = 0; y < height_; ++y, out += width_) {
    const int row = y - placement.y;
    if (row < 0 || row >= placement.height) {
      for (int c = 0; c < 3; ++c) std::fill_n(out + c * plane, width_, table_[c][pad_]);
      continue;
    }
    blend_rows(frame + rows_.lower()[row] * row_stride, frame + rows_.upper()[row] * row_stride,
               rows_.weight()[row], 3 * placement.frame_width, blended_.data());
    blend_columns(blended_.data(), columns_.lower(), columns_.upper(), columns_.weight(),
                  placement.width, pixels_.data());
    for (int c = 0; c < 3; ++c) {
      const T* const table = table_[c].data();
      T* const line = out + c * plane;
      T* const inside = std::fill_n(line, placement.x, table[pad_]);
      const uint8_t* const channel = pixels_.data() + 2 - c;
      for (int i = 0; i < placement.width; ++i) inside[i] = table[channel[4 * i]];
      std::fill(inside + placement.width, line + width_, table[pad_]);
    }
  }
}

template class Preprocessor<float>;
template class Preprocessor<uint8_t>;
template class Preprocessor<int8_t>;

}  // namespace edge_mtl
