// Between four logits, the corners of a square, every class is blended bilinearly, and so is the
// difference of two classes, whose least value is then at a corner. Two things follow. A class that
// wins at all four corners wins in between, and only squares whose corners disagree are computed.
// And there a class that another one beats at all four corners wins nowhere: mostly two are left.
#include "segment.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "multiversion.h"
#include "winners.h"

namespace edge_mtl {
namespace {

constexpr int kLanes = 16;
constexpr int kMaxClasses = 256;

template <typename Value, int lanes = kLanes>
struct VectorOf {
  using Type __attribute__((vector_size(lanes * sizeof(Value)))) = Value;
};
using Int32s = VectorOf<int32_t>::Type;
using Bytes = uint8_t __attribute__((vector_size(kLanes)));

#define INLINE inline __attribute__((always_inline))

template <typename Vector, typename Value>
INLINE Vector load(const Value* values) {
  Vector vector;
  std::memcpy(&vector, values, sizeof vector);
  return vector;
}

const Int32s kFirstIds = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

// Of the classes from `first` on, those whose lane of `beaten` is 0; returns how many.
INLINE int take_unbeaten(const Int32s& beaten, int first, int classes, uint8_t* left) {
  alignas(64) int32_t lanes[kLanes];
  std::memcpy(lanes, &beaten, sizeof lanes);
  const int here = std::min(kLanes, classes - first);
  int count = 0;
  for (int i = 0; i < here; ++i) {
    left[count] = static_cast<uint8_t>(first + i);
    count += 1 - lanes[i];
  }
  return count;
}

// The logits of all classes at the corners of one square: lower left, lower right, upper left,
// upper right.
class FloatCorners {
 public:
  template <typename T>
  INLINE void gather(const T* lower, const T* upper, int right, int classes, ptrdiff_t plane) {
    for (int c = 0; c < classes; ++c, lower += plane, upper += plane) {
      of_[0][c] = bounded_logit(value_of(lower[0]));
      of_[1][c] = bounded_logit(value_of(lower[right]));
      of_[2][c] = bounded_logit(value_of(upper[0]));
      of_[3][c] = bounded_logit(value_of(upper[right]));
    }
  }

  INLINE float at(int corner, int c) const { return of_[corner][c]; }

  // Writes to `left` the classes that no winner of a corner beats at all of them, in ascending
  // order, and returns how many these are. Of equal classes the first wins: a later one is beaten.
  INLINE int contenders(const uint8_t* winners, int classes, uint8_t* left) const {
    int count = 0;
    for (int first = 0; first < classes; first += kLanes) {
      const Int32s class_id = kFirstIds + first;
      Int32s beaten{};
      for (int i = 0; i < 4; ++i) {
        const int winner = winners[i];
        if (i > 0 && winner == winners[i - 1]) continue;
        // How far the winner is above each class where it is least above it.
        Floats before = Floats{} + 1.0F, after = before;
        for (int corner = 0; corner < 4; ++corner) {
          const float best = of_[corner][winner];
          const Floats logit = load<Floats>(of_[corner] + first);
          const Floats further = lowered(best) - logit, equal = best - logit;
          before = further < before ? further : before;
          after = equal < after ? equal : after;
        }
        const Int32s above = before > Floats{} ? Int32s{} + 1 : Int32s{};
        const Int32s not_below = after < Floats{} ? Int32s{} : Int32s{} + 1;
        beaten |= class_id > winner ? not_below : above;
      }
      count += take_unbeaten(beaten, first, classes, left + count);
    }
    return count;
  }

 private:
  using Floats = VectorOf<float>::Type;

  // Blended with others like it, this stays above all that is less: rounding moves a blend by less
  // than a tenth of what it is lowered by.
  static INLINE float lowered(float value) {
    return value - 1e-5F * (value < 0.0F ? -value : value);
  }

  alignas(64) float of_[4][kMaxClasses];
};

// Eight bits each: the corners of a class are one word, and 16 classes one vector.
template <typename T>
class ByteCorners {
 public:
  INLINE void gather(const T* lower, const T* upper, int right, int classes, ptrdiff_t plane) {
    // Two neighbours at once, but for the last column, which is its own neighbour.
    for (int c = 0; c < classes && right == 1; ++c, lower += plane, upper += plane) {
      words_[c] = (pair(lower) | pair(upper) << 16) ^ kSigns;
    }
    for (int c = 0; c < classes && right == 0; ++c, lower += plane, upper += plane) {
      words_[c] = (byte(*lower) * 0x0101U | byte(*upper) * 0x01010000U) ^ kSigns;
    }
  }

  INLINE int32_t at(int corner, int c) const {
    return static_cast<int32_t>(words_[c] >> (8 * corner) & 0xFF) - (kSigns & 0xFF);
  }

  INLINE int contenders(const uint8_t* winners, int classes, uint8_t* left) const {
    int count = 0;
    for (int first = 0; first < classes; first += kLanes) {
      const Int32s class_id = kFirstIds + first;
      const ByteVector logits = load<ByteVector>(words_ + first);
      Int32s beaten{};
      for (int i = 0; i < 4; ++i) {
        const int winner = winners[i];
        if (i > 0 && winner == winners[i - 1]) continue;
        const uint32_t word = words_[winner];
        const Int32s not_below = covers(word, logits);
        // One less at each corner; where that cannot be, no class counts as beaten.
        const bool any_zero = ((word - kOnes) & ~word & (kOnes << 7)) != 0;
        const Int32s above = any_zero ? Int32s{} : covers(word - kOnes, logits);
        beaten |= class_id > winner ? not_below : above;
      }
      count += take_unbeaten(beaten, first, classes, left + count);
    }
    return count;
  }

 private:
  using ByteVector = VectorOf<uint8_t, 4 * kLanes>::Type;
  using Words = VectorOf<uint32_t>::Type;

  static constexpr uint32_t kOnes = 0x01010101;
  // Of signed values: turns their order into that of unsigned ones.
  static constexpr uint32_t kSigns = std::is_signed_v<T> ? kOnes << 7 : 0;

  static INLINE uint32_t byte(T value) { return static_cast<uint8_t>(value); }

  static INLINE uint32_t pair(const T* values) {
    static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first is the lowest byte");
    uint16_t both;
    std::memcpy(&both, values, sizeof both);
    return both;
  }

  // 1 for the words none of whose bytes is above that of `word`.
  static INLINE Int32s covers(uint32_t word, const ByteVector& logits) {
    const auto best = reinterpret_cast<ByteVector>(Words{} + word);
    const ByteVector higher = best > logits ? best : logits;
    return reinterpret_cast<Words>(higher) == Words{} + word ? Int32s{} + 1 : Int32s{};
  }

  alignas(64) uint32_t words_[kMaxClasses];
};

template <typename T>
using Corners = std::conditional_t<std::is_same_v<SumOf<T>, float>, FloatCorners, ByteCorners<T>>;

// A logit everywhere in a square, times kOne * kOne.
template <typename Sum, typename Sums>
INLINE Sums blended(Sum lower_left, Sum lower_right, Sum upper_left, Sum upper_right, Sums down,
                    Sums right) {
  const Sums left = blend(Sums{} + lower_left, Sums{} + upper_left, down);
  return blend(left, blend(Sums{} + lower_right, Sums{} + upper_right, down), right);
}

// What `label_squares` needs to know of a mask.
template <typename T>
struct Job {
  const T* logits;
  int classes, width;  // of the logits
  ptrdiff_t plane;
  bool binary;
  int zero;
  const SquareTaps &rows, &columns;
  uint8_t* mask;
};

// Some rows of the mask between two rows of logits, with their weights once for each of the lanes
// that a row takes of a vector.
struct Rows {
  static constexpr int kVectors = 16;

  int begin, end;
  alignas(64) int32_t weights[kVectors * kLanes];

  INLINE void take(const SquareTaps& taps, int first, int last, int across) {
    begin = first;
    end = std::min(last, first + kVectors * kLanes / across);
    int32_t* lane = weights;
    for (int y = begin; y < end; ++y) {
      for (int i = 0; i < across; ++i) *lane++ = taps.weight()[y];
    }
    // The lanes that are left over of the last vector.
    while ((lane - weights) % kLanes != 0) *lane++ = 0;
  }
};

// The pixels of one square whose corners disagree.
template <typename T>
INLINE void label_mixed(const Job<T>& job, int row, int column, const Rows& rows,
                        Corners<T>& corners, const uint8_t* winners) {
  using Sum = SumOf<T>;
  using Sums = typename VectorOf<Sum>::Type;
  const int up = std::min(row + 1, job.rows.cells() - 1) - row;
  const int right = std::min(column + 1, job.width - 1) - column;
  const T* const lower = job.logits + static_cast<ptrdiff_t>(row) * job.width + column;
  corners.gather(lower, lower + static_cast<ptrdiff_t>(up) * job.width, right, job.classes,
                 job.plane);

  uint8_t classes[kMaxClasses] = {0, 1};
  int count = 2;
  Sum apart[4];  // by corner, how far the second of two classes is above the first
  if (job.binary) {
    for (int i = 0; i < 4; ++i) apart[i] = corners.at(i, 0) - static_cast<Sum>(job.zero);
  } else {
    count = corners.contenders(winners, job.classes, classes);
    for (int i = 0; i < 4; ++i) {
      apart[i] = corners.at(i, classes[1]) - corners.at(i, classes[0]);
    }
  }
  // Differences of floats are rounded: only of whole numbers is their blend that of the logits.
  const bool by_difference = count == 2 && (job.binary || !std::is_same_v<Sum, float>);

  const int across = job.columns.lanes();
  const int x = job.columns.begin(column), width = job.columns.end(column) - x;
  const ptrdiff_t pitch = job.columns.count();
  for (int first_x = 0; first_x < width; first_x += kLanes) {
    const Sums weight_x =
        __builtin_convertvector(load<Int32s>(job.columns.repeated(column, first_x / kLanes)), Sums);
    const int lanes = std::min(across, width - first_x);
    uint8_t* out = job.mask + static_cast<ptrdiff_t>(rows.begin) * pitch + x + first_x;
    int left = rows.end - rows.begin;
    for (const int32_t* down = rows.weights; left > 0; down += kLanes) {
      const Sums weight_y = __builtin_convertvector(load<Int32s>(down), Sums);
      Int32s label;
      if (by_difference) {
        const Sums above = blended(apart[0], apart[1], apart[2], apart[3], weight_y, weight_x);
        label = above > Sums{} ? Int32s{} + classes[1] : Int32s{} + classes[0];
      } else {
        const auto logit_of = [&](int c) {
          return blended(corners.at(0, c), corners.at(1, c), corners.at(2, c), corners.at(3, c),
                         weight_y, weight_x);
        };
        Sums best = logit_of(classes[0]);
        label = Int32s{} + classes[0];
        for (int i = 1; i < count; ++i) {
          const int c = classes[i];
          const Sums logit = logit_of(c);
          label = logit > best ? Int32s{} + c : label;
          best = logit > best ? logit : best;
        }
      }
      const Bytes bytes = __builtin_convertvector(label, Bytes);
      alignas(16) uint8_t labels[kLanes];
      std::memcpy(labels, &bytes, sizeof bytes);
      for (int i = 0; i < kLanes && left > 0; i += across, --left, out += pitch) {
        if (lanes == 4) {
          std::memcpy(out, labels + i, 4);
        } else if (lanes == 8) {
          std::memcpy(out, labels + i, 8);
        } else {
          std::memcpy(out, labels + i, lanes);
        }
      }
    }
  }
}

// All pixels between two rows of logits. lower: the winners of the row's cells, whose last comes
// twice; upper: those of the next row.
template <typename T>
MULTIVERSION void label_squares(const Job<T>& job, int row, const uint8_t* lower,
                                const uint8_t* upper) {
  const int begin = job.rows.begin(row), end = job.rows.end(row);
  if (begin == end) return;
  const ptrdiff_t mask_width = job.columns.count();
  uint8_t* const first = job.mask + begin * mask_width;
  for (int cell = 0; cell < job.width;) {
    int next = cell + 1;
    while (next < job.width && lower[next] == lower[cell]) ++next;
    std::memset(first + job.columns.begin(cell), lower[cell],
                job.columns.begin(next) - job.columns.begin(cell));
    cell = next;
  }
  for (int y = begin + 1; y < end; ++y) {
    std::memcpy(job.mask + y * mask_width, first, mask_width);
  }
  Corners<T> corners;
  Rows rows;
  for (int y = begin; y < end; y = rows.end) {
    rows.take(job.rows, y, end, job.columns.lanes());
    for (int cell = 0; cell < job.width; ++cell) {
      const uint8_t winners[4] = {lower[cell], lower[cell + 1], upper[cell], upper[cell + 1]};
      const bool differ =
          (winners[0] ^ winners[1]) | (winners[0] ^ winners[2]) | (winners[0] ^ winners[3]);
      if (differ) label_mixed(job, row, cell, rows, corners, winners);
    }
  }
}

// The winners where two classes share one logit.
template <typename T>
MULTIVERSION void mark_above(const T* __restrict__ logits, SumOf<T> zero, int count,
                             uint8_t* __restrict__ winners) {
  for (int i = 0; i < count; ++i) winners[i] = SumOf<T>{value_of(logits[i])} > zero;
}

}  // namespace

template <typename T>
Segmenter<T>::Segmenter(const RawTensor& logits, bool binary, int network_height, int network_width)
    : channels_(logits.channels),
      height_(logits.height),
      width_(logits.width),
      network_height_(network_height),
      network_width_(network_width),
      binary_(binary),
      zero_(std::is_same_v<SumOf<T>, float> ? 0 : logits.zero_point) {}

template <typename T>
void Segmenter<T>::find_cell_winners(int row, int rows, uint8_t* winners, ValueOf<T>* best) const {
  const ptrdiff_t plane = static_cast<ptrdiff_t>(height_) * width_;
  const T* logits = logits_ + static_cast<ptrdiff_t>(row) * width_;
  for (int i = 0; i < rows; ++i, logits += width_, winners += width_ + 1) {
    if (binary_) {
      mark_above(logits, static_cast<SumOf<T>>(zero_), width_, winners);
    } else {
      find_winners(logits, channels_, plane, width_, best, winners);
    }
    winners[width_] = winners[width_ - 1];
  }
}

template <typename T>
void Segmenter<T>::prepare(const T* logits, const Placement& placement, int mask_height,
                           int mask_width, uint8_t* mask) {
  rows_.cover({mask_height, placement.y, placement.height, network_height_, height_});
  columns_.cover({mask_width, placement.x, placement.width, network_width_, width_});
  // Once, and not before there are logits: nobody reserves memory by a number alone.
  winners_.resize(static_cast<size_t>(bands()) * (kBandRows + 1) * (width_ + 1));
  best_.resize(static_cast<size_t>(bands()) * width_);
  logits_ = logits;
  mask_ = mask;
}

template <typename T>
void Segmenter<T>::label_band(int band) {
  const int first = band * kBandRows, last = std::min(first + kBandRows, height_);
  if (rows_.begin(first) == rows_.end(last - 1)) return;  // none of the mask lies there
  const ptrdiff_t pitch = width_ + 1;
  uint8_t* const winners = winners_.data() + band * (kBandRows + 1) * pitch;
  ValueOf<T>* const best = best_.data() + static_cast<ptrdiff_t>(band) * width_;
  const int rows = std::min(last + 1, height_) - first;
  find_cell_winners(first, rows, winners, best);
  const Job<T> job{logits_, channels_, width_, static_cast<ptrdiff_t>(height_) * width_,
                   binary_, zero_,     rows_,  columns_,
                   mask_};
  for (int row = first; row < last; ++row) {
    const int i = row - first;
    label_squares(job, row, winners + i * pitch, winners + std::min(i + 1, rows - 1) * pitch);
  }
}

template class Segmenter<float>;
template class Segmenter<Half>;
template class Segmenter<uint8_t>;
template class Segmenter<int8_t>;

}  // namespace edge_mtl
