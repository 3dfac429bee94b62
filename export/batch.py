"""How many frames an engine takes at once."""

from __future__ import annotations

import copy
from typing import NamedTuple

import onnx

from edge_mtl.errors import UsageError
from edge_mtl.spec import MAX_FRAMES

_DYNAMIC = "frames"


class Batch(NamedTuple):
    """The least, the best and the most frames; an engine of a fixed batch has them equal."""

    least: int = 1
    best: int = 1
    most: int = 1

    @property
    def dynamic(self) -> bool:
        return self.least != self.most

    @classmethod
    def parse(cls, text: str) -> Batch:
        """From "4", or "1:4:8" for a dynamic one.

        Raises:
            UsageError: it is neither, or out of the order or the range that the kernels take.
        """
        parts = text.split(":")
        numbers = [int(part) for part in parts if part.isdecimal()]
        if len(numbers) != len(parts) or len(parts) not in (1, 3):
            raise UsageError(
                f"expected a batch such as 4, or least:best:most such as 1:4:8, found {text!r}"
            )
        batch = cls(*numbers) if len(numbers) == 3 else cls(*numbers * 3)
        if not 1 <= batch.least <= batch.best <= batch.most <= MAX_FRAMES:
            raise UsageError(
                f"expected 1 <= least <= best <= most <= {MAX_FRAMES} frames, found {text!r}"
            )
        return batch


ONE_FRAME = Batch()


def with_batch(model: onnx.ModelProto, batch: Batch) -> onnx.ModelProto:
    """A copy of a graph of one frame that takes so many; itself where that is one.

    Raises:
        UsageError: what comes out does not grow with what goes in: the graph names its batch.
    """
    if batch == ONE_FRAME:
        return model
    model = copy.deepcopy(model)
    graph = model.graph
    del graph.value_info[:]
    for value in graph.input:
        value.type.tensor_type.shape.dim[0].dim_value = batch.most
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")
    # Inferred for a number, also where it stays open: what a Resize makes of a name is not known.
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph.output
    for value, found in zip(graph.output, inferred, strict=True):
        value.CopyFrom(found)
        if [each.dim_value for each in value.type.tensor_type.shape.dim][:1] != [batch.most]:
            raise UsageError(
                f"output {value.name!r} does not grow with the batch: the network was exported for "
                "one frame and says so within; leave the batch at 1"
            )
    if batch.dynamic:
        for value in (*graph.input, *graph.output):
            value.type.tensor_type.shape.dim[0].dim_param = _DYNAMIC
    return model
