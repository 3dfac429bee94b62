// The samples of one axis by square: those between a cell and the next, which follow one another.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "tap_table.h"
#include "vectors.h"

namespace edge_mtl {

class SquareTaps {
 public:
  // Returns whether the samples have changed.
  bool cover(const Axis& axis) {
    if (!table_.cover(axis)) return false;
    begin_.assign(axis.cells + 1, 0);
    for (int i = 0; i < table_.size(); ++i) ++begin_[table_.lower()[i] + 1];
    for (int64_t cell = 0; cell < axis.cells; ++cell) begin_[cell + 1] += begin_[cell];
    return true;
  }

  // Lays the weights of each square out in vectors of kLanes. repeated: how often each of them
  // follows itself. period: the lanes after which the same samples come again.
  void lay_out(int repeated, int period) {
    first_.resize(cells());
    lanes_.clear();
    const int samples = period / repeated;  // of a vector
    for (int cell = 0; cell < cells(); ++cell) {
      first_[cell] = lanes_.size();
      for (int sample = begin(cell); sample < end(cell); sample += samples) {
        for (int lane = 0; lane < kLanes; ++lane) {
          const int i = sample + lane % period / repeated;
          lanes_.push_back(i < end(cell) ? table_.weight()[i] : 0);
        }
      }
    }
  }

  int count() const { return table_.size(); }
  int cells() const { return static_cast<int>(begin_.size()) - 1; }
  int begin(int cell) const { return begin_[cell]; }
  int end(int cell) const { return begin_[cell + 1]; }
  const int32_t* weights(int cell) const { return lanes_.data() + first_[cell]; }

  // The lanes that the samples of a square take, 4, 8 or 16; the first and the last square, which
  // reach to the border, may need several times as many.
  int lanes() const {
    int widest = 1;
    for (int cell = 1; cell + 1 < cells(); ++cell)
      widest = std::max(widest, end(cell) - begin(cell));
    return widest <= 4 ? 4 : widest <= 8 ? 8 : kLanes;
  }

 private:
  TapTable table_{kOne};
  std::vector<int> begin_;
  std::vector<size_t> first_;  // by square, of its lanes
  std::vector<int32_t> lanes_;
};

}  // namespace edge_mtl
