"""`ImportSpec`: what a spec.toml of `edge-mtl import` says about a network trained elsewhere."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from edge_mtl.errors import UsageError
from edge_mtl.spec import IMPORTED, Degrade, InputSpec, ModelSpec
from edge_mtl.tasks import Task

Encoding = Literal["decoded", "end_to_end", "yolox", "fastestdet"]


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which tensors of the file hold one raw tensor of the spec, and in what form.

    tensor: the name of an output, or of any tensor within the graph, which is then cut there. For a
        decoded detection also several, such as boxes and scores, that are joined in this order.
    channels: the first channel and the one after the last, of a tensor that holds more than this.
    activation: what the network has already done with logits, where its graph does not show it; a
        Sigmoid or Softmax that it shows is taken off by itself.
    encoding: how a decoded detection's numbers are written: see `decoders.ENCODINGS`.
    strides: of the levels that "yolox" boxes come from, in their order.
    boxes: whether the boxes of a decoded detection are in pixels of the input or in parts of it.
    scores: whether those of a decoded detection, and its objectness, are scores or logits, or
        logits of one Softmax over all of its classes.
    background: where a "decoded" detection has a score for nothing at all beside those of its
        classes.
    """

    tensor: str | Annotated[tuple[str, ...], Meta(min_length=1)]
    channels: tuple[Annotated[int, Meta(ge=0)], Annotated[int, Meta(ge=1)]] | None = None
    activation: Literal["none", "sigmoid", "softmax"] = "none"
    encoding: Encoding = "decoded"
    strides: tuple[Annotated[int, Meta(ge=1)], ...] = (8, 16, 32)
    boxes: Literal["pixels", "parts"] = "pixels"
    scores: Literal["scores", "logits", "softmax"] = "scores"
    background: Literal["none", "first", "last"] = "none"

    @property
    def tensors(self) -> tuple[str, ...]:
        return (self.tensor,) if isinstance(self.tensor, str) else self.tensor


class ImportTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The table `[import]`: how the file's tensors become those of the spec.

    input: the name of the picture's input; needed where the file has several.
    layout: of the picture; told from its shape where left out.
    colours: the order that the network was trained with. The spec's `mean` and `std` are always
        those of red, green, blue.
    constants: by name, the values of inputs that are the same in every frame.
    outputs: by the spec's tensor name, the tensor of the file. What has the spec's own name, or
        what alone fits, need not be named.
    """

    input: str | None = None
    layout: Literal["nchw", "nhwc"] | None = None
    colours: Literal["rgb", "bgr"] = "rgb"
    constants: dict[str, Any] = {}
    outputs: dict[str, str | Source] = {}

    def source(self, tensor: str) -> Source | None:
        """Where a tensor of the spec comes from; None where nothing says it."""
        found = self.outputs.get(tensor)
        return Source(tensor=found) if isinstance(found, str) else found


class ImportSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A spec.toml: a `ModelSpec` without the parts that only our own networks have, and a table
    `[import]`."""

    name: str
    input: InputSpec
    tasks: tuple[Task, ...]
    degrade: Degrade | None = None
    table: ImportTable = msgspec.field(default=ImportTable(), name="import")

    def model_spec(self, source: str) -> ModelSpec:
        """The spec of the bundle. source: the file, for messages.

        Raises:
            UsageError: the tasks do not fit together, or `[import]` names a tensor that none of
                them has.
        """
        said = ("name", "input", "tasks", "degrade")
        plain = {name: getattr(self, name) for name in said}
        try:
            spec = msgspec.convert(msgspec.to_builtins({**plain, "backbone": IMPORTED}), ModelSpec)
        except msgspec.ValidationError as error:
            raise UsageError(f"{source}: {error}") from None
        names = [tensor.name for tensor in spec.output_tensors]
        for name in self.table.outputs:
            if name not in names:
                raise UsageError(
                    f"{source}: import.outputs.{name} is no raw tensor of the tasks, which have "
                    f"{', '.join(names)}; name one of these"
                )
        return spec
