#include "pose.h"

#include <type_traits>
#include <utility>

namespace edge_mtl {
namespace {

// The value of a channel in one cell.
struct CellReader {
  const RawTensor& tensor;
  const void* data;
  ptrdiff_t cell;

  float operator()(int channel) const {
    return with_type(tensor.dtype, data, [&](const auto* values) {
      using Sum = SumOf<std::decay_t<decltype(*values)>>;
      const Sum value = value_of(values[channel * tensor.plane() + cell]);
      return dequantised(value, tensor.scale, tensor.zero_point);
    });
  }
};

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
  for (int k = 0; k < keypoints(); ++k) {
    const Keypoint keypoint =
        decoded_keypoint(offset(2 * k), offset(2 * k + 1), visible(k), cell.column, cell.row,
                         static_cast<float>(stride), placement);
    *points++ = keypoint.x;
    *points++ = keypoint.y;
    *scores++ = keypoint.score;
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
