#include "pose.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "multiversion.h"

namespace edge_mtl {
namespace {

// The values of some channels in one cell.
struct CellReader {
  const RawTensor& tensor;
  const void* data;
  ptrdiff_t cell;

  void operator()(int first, int step, int count, float* out) const {
    with_type(tensor.dtype, data, [&](const auto* values) {
      using Sum = SumOf<std::decay_t<decltype(*values)>>;
      for (int i = 0; i < count; ++i) {
        const Sum value = value_of(values[(first + i * step) * tensor.plane() + cell]);
        out[i] = dequantised(value, tensor.scale, tensor.zero_point);
      }
    });
  }
};

// Of kLanes keypoints of one cell.
struct Lanes {
  float x[kLanes], y[kLanes], visible[kLanes];  // raw, then decoded
};

MULTIVERSION void decode_lanes(Lanes& lanes, int column, int row, float stride,
                               const Placement& placement) {
  Lanes raw = lanes, decoded;
  const Placement placed = placement;
  for (int i = 0; i < kLanes; ++i) {
    const Keypoint keypoint =
        decoded_keypoint(raw.x[i], raw.y[i], raw.visible[i], column, row, stride, placed);
    decoded.x[i] = keypoint.x;
    decoded.y[i] = keypoint.y;
    decoded.visible[i] = keypoint.score;
  }
  lanes = decoded;
}

}  // namespace

PoseDecoder::PoseDecoder(int detector, std::vector<bool> has_keypoints,
                         std::vector<PoseLevel> levels)
    : detector_(detector), has_keypoints_(std::move(has_keypoints)), levels_(std::move(levels)) {}

void PoseDecoder::decode(const Cell& cell, int stride, const void* const* raw,
                         const Placement& placement, float* points, float* scores) const {
  const PoseLevel& level = levels_[cell.level];
  const ptrdiff_t at = static_cast<ptrdiff_t>(cell.row) * level.visible.width + cell.column;
  const CellReader offset{level.points, raw[2 * cell.level], at};
  const CellReader visible{level.visible, raw[2 * cell.level + 1], at};
  for (int first = 0; first < keypoints(); first += kLanes) {
    const int count = std::min(keypoints() - first, kLanes);
    Lanes lanes{};
    offset(2 * first, 2, count, lanes.x);
    offset(2 * first + 1, 2, count, lanes.y);
    visible(first, 1, count, lanes.visible);
    decode_lanes(lanes, cell.column, cell.row, static_cast<float>(stride), placement);
    for (int i = 0; i < count; ++i) {
      *points++ = lanes.x[i];
      *points++ = lanes.y[i];
      *scores++ = lanes.visible[i];
    }
  }
}

int PoseDecoder::operator()(const void* const* raw, const Placement& placement,
                            const Detector& detector, const FoundBoxes& boxes, int count,
                            const FoundPoses& poses) const {
  int found = 0;
  for (int row = 0; row < count; ++row) {
    if (!has_keypoints_[boxes.class_ids[row]]) continue;
    const Cell cell = detector.cell_of_box(row);
    const ptrdiff_t first = static_cast<ptrdiff_t>(found) * keypoints();
    decode(cell, detector.levels()[cell.level].stride, raw, placement, poses.points + 2 * first,
           poses.scores + first);
    poses.rows[found++] = row;
  }
  return found;
}

}  // namespace edge_mtl
