"""What 8-bit edges change in a street, beside what 8 bits in all layers change.

    python benchmarks/figures/eight_bit_edges.py      writes docs/images/quantised-edges.png

One rendered frame goes through driving-s three times, before and behind it the kernels: in float;
in float with its picture and its raw outputs rounded to the 8 bits that the bundle has there; and
as the bundle that ships, in 8 bits throughout.
"""

from __future__ import annotations

import cv2
import msgspec
import numpy as np
from drawing import IMAGES
from numpy.typing import NDArray

from edge_mtl import ops, reference, zoo
from edge_mtl.bundle import Bundle
from edge_mtl.data.rendered import RenderedScenes
from edge_mtl.network.checkpoint import load_checkpoint
from edge_mtl.network.engine import TorchEngine
from edge_mtl.placement import Placement
from edge_mtl.runtime.draw import Annotator
from edge_mtl.runtime.engines import Engine, open_engine
from edge_mtl.scene import Scene
from edge_mtl.tensor_spec import TensorSpec

FRAME_SIZE, FRAME, SEED = (960, 540), 15, 303
MASKS = "segmentation"
PART, ENLARGED = (250, 290, 200, 130), 4  # x, y, width and height of what is shown
RED, DARK = (0, 0, 255), (40, 40, 40)

Image = NDArray[np.uint8]


def rounded(tensor: TensorSpec, values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """To the tensor's 8 bits, as ONNX's QuantizeLinear does it."""
    steps = np.rint(values / np.float32(tensor.scale)) + tensor.zero_point
    eight_bit: NDArray[np.uint8] = steps.clip(0, 255).astype(np.uint8)
    return eight_bit


def see(engine: Engine, bundle: Bundle, frame: Image, edges: Bundle | None = None) -> Scene:
    """What is seen through an engine; with 8-bit edges as `edges` has them around a float one."""
    spec = bundle.spec
    placement = Placement.fit(FRAME_SIZE, spec.input)
    tensors, outputs = engine.output_tensors, engine.outputs
    if edges is None:
        ops.Preprocessor(spec.input, engine.input_tensor)([frame], [placement], engine.image)
        engine.infer()
    else:
        picture = edges.manifest.input
        eight_bit = np.zeros(picture.shape, np.uint8)
        ops.Preprocessor(spec.input, picture)([frame], [placement], eight_bit)
        engine.image[:] = reference.dequantise(picture, eight_bit)
        engine.infer()
        tensors = edges.manifest.outputs
        outputs = {each.name: rounded(each, outputs[each.name]) for each in tensors}
    [scene] = ops.FusedHead(spec, tensors)(outputs, [placement], "frame")
    return scene


def differing(drawn: Image, was: Scene, found: Scene, title: str) -> Image:
    """A part of a frame with the pixels in red whose class is another one."""
    off = was.masks[MASKS].labels != found.masks[MASKS].labels
    shifts = np.abs(was.detections["detection"].boxes - found.detections["detection"].boxes)
    print(f"{title}: {off.mean():.2%} of the pixels, boxes within {shifts.max():.1f} px")
    marked = drawn.copy()
    marked[off] = RED
    x, y, width, height = PART
    size = width * ENLARGED, height * ENLARGED
    part = cv2.resize(marked[y : y + height, x : x + width], size, interpolation=cv2.INTER_NEAREST)
    strip = np.full((48, size[0], 3), 255, np.uint8)
    text = f"{title}: {off.mean():.2%} of all pixels differ"
    cv2.putText(strip, text, (4, 34), cv2.FONT_HERSHEY_SIMPLEX, 0.85, DARK, 2, cv2.LINE_AA)
    return np.vstack([strip, part])


def main() -> None:
    frame = RenderedScenes(90, seed=SEED, size=FRAME_SIZE).image(FRAME)
    bundle = Bundle.open(zoo.locate("driving-s", ".emtl"))
    network = load_checkpoint(zoo.locate("driving-s", ".safetensors"))
    floating = TorchEngine(network, bundle.spec)
    plain = see(floating, bundle, frame)
    edges = see(floating, bundle, frame, edges=bundle)
    whole = see(open_engine("onnxruntime", bundle), bundle, frame)
    drawn = Annotator()(msgspec.structs.replace(plain, detections={}, poses={}), frame)
    left = differing(drawn, plain, edges, "8-bit edges, float inside")
    right = differing(drawn, plain, whole, "8 bits in all layers")
    gap = np.full((left.shape[0], 12, 3), 255, np.uint8)
    path = IMAGES / "quantised-edges.png"
    cv2.imwrite(str(path), np.hstack([left, gap, right]), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    print(path)


if __name__ == "__main__":
    main()
