#include "preprocess.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>

#include "multiversion.h"

namespace edge_mtl {
namespace {

MULTIVERSION void blend_rows(const uint8_t* __restrict__ lower, const uint8_t* __restrict__ upper,
                             int16_t weight, int count, int16_t* __restrict__ blended) {
  for (int i = 0; i < count; ++i) {
    blended[i] = static_cast<int16_t>(
        blend<kPixelOne>(static_cast<int16_t>(lower[i]), static_cast<int16_t>(upper[i]), weight));
  }
}

// Four pixels of three channels and one value that nobody reads.
constexpr int kPixels = 4, kLanes = 4 * kPixels;
using Int16s = int16_t __attribute__((vector_size(2 * kLanes)));
using Int32s = int32_t __attribute__((vector_size(4 * kLanes)));
using Bytes = uint8_t __attribute__((vector_size(kLanes)));
using Loads = uint64_t __attribute__((vector_size(2 * kLanes)));

inline __attribute__((always_inline)) uint64_t load_pixel(const int16_t* values) {
  uint64_t pixel;
  std::memcpy(&pixel, values, sizeof pixel);
  return pixel;
}

inline __attribute__((always_inline)) Int32s load_pixels(const int16_t* row, const int32_t* at) {
  const Loads pixels = {load_pixel(row + at[0]), load_pixel(row + at[1]), load_pixel(row + at[2]),
                        load_pixel(row + at[3])};
  return __builtin_convertvector(reinterpret_cast<Int16s>(pixels), Int32s);
}

MULTIVERSION void blend_columns(const int16_t* __restrict__ row, const int32_t* __restrict__ left,
                                const int32_t* __restrict__ right,
                                const int32_t* __restrict__ weights, int count,
                                uint32_t* __restrict__ pixels) {
  for (int i = 0; i < count; i += kPixels) {
    Int32s weight;
    std::memcpy(&weight, weights + 4 * i, sizeof weight);
    const Int32s blended =
        blend<kPixelOne>(load_pixels(row, left + i), load_pixels(row, right + i), weight);
    const Bytes bytes = __builtin_convertvector(rounded_pixel(blended), Bytes);
    std::memcpy(pixels + i, &bytes, sizeof bytes);
  }
}

template <typename T>
inline __attribute__((always_inline)) T on_line(float value, const Line& line) {
  const float y = value * line.gain + line.offset;
  if constexpr (std::is_same_v<T, float>) {
    return y;
  } else {
    constexpr float kLowest = std::numeric_limits<T>::lowest(),
                    kMax = std::numeric_limits<T>::max();
    const float above = y > kLowest ? y : kLowest;
    const float inside = above < kMax ? above : kMax;
    // The last bits of so large a number are whole ones.
    constexpr float kLarge = 12582912.0F;  // 1.5 * 2^23
    return static_cast<T>(static_cast<int32_t>((inside + kLarge) - kLarge));
  }
}

template <typename T>
MULTIVERSION void compute_channel(const uint32_t* __restrict__ pixels, int shift, Line line,
                                  int count, T* __restrict__ out) {
  for (int i = 0; i < count; ++i) {
    const int32_t value = static_cast<int32_t>(pixels[i] >> shift & 0xFF);
    out[i] = on_line<T>(static_cast<float>(value), line);
  }
}

}  // namespace

template <typename T>
Preprocessor<T>::Preprocessor(int width, int height, uint8_t pad, const T* table,
                              const std::array<Line, 3>& lines)
    : width_(width), height_(height), pad_(pad) {
  for (size_t c = 0; c < channels_.size(); ++c) {
    Channel& channel = channels_[c];
    std::copy_n(table + c * channel.table.size(), channel.table.size(), channel.table.begin());
    channel.line = lines[c];
    channel.straight = kComputed;
    if constexpr (kComputed) {
      for (int value = 0; value < 256; ++value) {
        channel.straight = channel.straight &&
                           on_line<T>(static_cast<float>(value), lines[c]) == channel.table[value];
      }
    }
  }
}

template <typename T>
void Preprocessor<T>::write_channel(const uint32_t* pixels, int shift, const Channel& channel,
                                    int count, T* out) {
  if constexpr (kComputed) {
    if (channel.straight) {
      compute_channel(pixels, shift, channel.line, count, out);
      return;
    }
  }
  for (int i = 0; i < count; ++i) out[i] = channel.table[pixels[i] >> shift & 0xFF];
}

template <typename T>
void Preprocessor<T>::Taps::cover(const Placement& placement) {
  rows.cover({placement.height, 0, 1, 1, placement.frame_height});
  if (!columns.cover({placement.width, 0, 1, 1, placement.frame_width})) return;
  const size_t width = placement.width;
  const size_t padded = (width + kPixels - 1) / kPixels * kPixels;
  left.assign(padded, 0);
  right.assign(padded, 0);
  weights.assign(4 * padded, 0);
  for (size_t i = 0; i < width; ++i) {
    left[i] = 3 * columns.lower()[i];
    right[i] = 3 * columns.upper()[i];
    std::fill_n(weights.begin() + static_cast<ptrdiff_t>(4 * i), 4, columns.weight()[i]);
  }
}

template <typename T>
void Preprocessor<T>::operator()(const std::vector<FrameView>& frames, T* out, Pool& pool) {
  if (taps_.size() < frames.size()) taps_.resize(frames.size());
  size_t values = 0, pixels = 0;
  for (size_t f = 0; f < frames.size(); ++f) {
    taps_[f].cover(frames[f].placement);
    values = std::max(values, 3 * static_cast<size_t>(frames[f].placement.frame_width) + 1);
    pixels = std::max(pixels, taps_[f].left.size());
  }
  scratch_.resize(pool.threads());
  for (Scratch& scratch : scratch_) {
    scratch.blended.resize(values);
    scratch.pixels.resize(pixels);
  }
  const int bands = (height_ + kBandRows - 1) / kBandRows;
  pool.run(bands * static_cast<int>(frames.size()), [&](int part, int worker) {
    const int f = part / bands, first = part % bands * kBandRows;
    make_rows(frames[f], taps_[f], first, std::min(first + kBandRows, height_), scratch_[worker],
              out + 3 * static_cast<ptrdiff_t>(f) * width_ * height_);
  });
}

template <typename T>
void Preprocessor<T>::make_rows(const FrameView& frame, const Taps& taps, int first, int last,
                                Scratch& scratch, T* out) const {
  const Placement& placement = frame.placement;
  const ptrdiff_t plane = static_cast<ptrdiff_t>(width_) * height_;
  out += static_cast<ptrdiff_t>(first) * width_;
  for (int y = first; y < last; ++y, out += width_) {
    const int row = y - placement.y;
    if (row < 0 || row >= placement.height) {
      for (int c = 0; c < 3; ++c) std::fill_n(out + c * plane, width_, channels_[c].table[pad_]);
      continue;
    }
    blend_rows(frame.pixels + taps.rows.lower()[row] * frame.row_stride,
               frame.pixels + taps.rows.upper()[row] * frame.row_stride,
               static_cast<int16_t>(taps.rows.weight()[row]), 3 * placement.frame_width,
               scratch.blended.data());
    const uint32_t* const pixels = scratch.pixels.data();
    blend_columns(scratch.blended.data(), taps.left.data(), taps.right.data(), taps.weights.data(),
                  placement.width, scratch.pixels.data());
    for (int c = 0; c < 3; ++c) {
      const Channel& channel = channels_[c];
      const T pad = channel.table[pad_];
      T* const line = out + c * plane;
      T* const inside = std::fill_n(line, placement.x, pad);
      const int shift = 8 * (2 - c);
      write_channel(pixels, shift, channel, placement.width, inside);
      std::fill(inside + placement.width, line + width_, pad);
    }
  }
}

template class Preprocessor<float>;
template class Preprocessor<Half>;
template class Preprocessor<uint8_t>;
template class Preprocessor<int8_t>;

}  // namespace edge_mtl
