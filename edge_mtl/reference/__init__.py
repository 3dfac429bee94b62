"""The NumPy twins of the kernels: what `ops` computes, written as the specification.

The compiled kernels give the same results bit for bit, and the twins stand in for them where they
are not built. What makes that possible:

- Positions between samples are whole numbers of 1/2048, computed from whole numbers.
- Pixels are blended in integers and normalised through a table of 256 values.
- Logits are blended in int32 or, in one order of operations, in float32. The weights stay whole
  numbers: their scale is the same for every class and does not change which one wins.
- Scores come from an exponential made of basic operations in float64, in one order; the weights of
  a distance's bins from one in float32.

The loop in kernels/NAME.cpp has its twin in the module of its name.
"""

from edge_mtl.reference.classify import classify
from edge_mtl.reference.decoded import find_decoded
from edge_mtl.reference.detect import MIN_CANDIDATES, Cells, detect, max_candidates
from edge_mtl.reference.fused_head import MaskSize, fused_head, mask_extent
from edge_mtl.reference.pose import find_poses
from edge_mtl.reference.preprocess import pixel_lines, pixel_table, preprocess
from edge_mtl.reference.raw_tensor import dequantise, level_names
from edge_mtl.reference.scores import bin_weights, exponential, logit, sigmoid
from edge_mtl.reference.segment import class_logits, segment

__all__ = [
    "MIN_CANDIDATES",
    "Cells",
    "MaskSize",
    "bin_weights",
    "class_logits",
    "classify",
    "dequantise",
    "detect",
    "exponential",
    "find_decoded",
    "find_poses",
    "fused_head",
    "level_names",
    "logit",
    "mask_extent",
    "max_candidates",
    "pixel_lines",
    "pixel_table",
    "preprocess",
    "segment",
    "sigmoid",
]
