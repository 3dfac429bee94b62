"""`edge-mtl inspect`: what is in an ONNX file, a bundle or an engine, and a spec to import by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_mtl.cli.options import JsonTarget, write_json
from edge_mtl.headline import told

if TYPE_CHECKING:
    from rich.console import Console

    from edge_mtl.bundle import Bundle
    from edge_mtl.export.graph_contents import GraphContents

_MOST_VALUES = 120


def command(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="An ONNX file, a bundle, an engine, or a name that ships."
        ),
    ],
    size: Annotated[
        str | None,
        typer.Option(metavar="WxH", help="The input's size, of a network that takes any."),
    ] = None,
    json: JsonTarget = None,
) -> None:
    from rich.console import Console

    from edge_mtl import zoo
    from edge_mtl.bundle import MANIFEST

    # What is shown goes to standard error: standard output is the spec, or the JSON.
    console = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
    path = zoo.locate(file, ".emtl")
    if path.suffix == ".emtl" or (path / MANIFEST).is_file():
        found = _show_bundle(path, console)
    else:
        found = _show_engine(path, console) or _show_onnx(
            path, console, _extent(size), json is None
        )
    if json is not None:
        write_json(json, found)


def _show_bundle(path: Path, console: Console) -> dict[str, Any]:
    from edge_mtl.bundle import Bundle

    bundle = Bundle.open(path)
    manifest = bundle.manifest
    spec = manifest.spec
    console.print(f"{path}: bundle of {spec.name}, by {manifest.created_by}")
    console.print(
        f"target {manifest.target}, {manifest.precision}, backbone {spec.backbone}, input "
        f"{spec.input.width}x{spec.input.height}, {spec.input.resize}"
    )
    for task in spec.tasks:
        kind = type(task).__struct_config__.tag
        classes = _short(", ".join(task.classes))
        console.print(f"  {kind} {task.name!r}, {len(task.classes)} classes: {classes}")
    console.print("tensors")
    for tensor in (manifest.input, *manifest.planes, *manifest.outputs):
        scale = f", {tensor.scale:.6g} * (value - {tensor.zero_point})" * tensor.quantised
        console.print(f"  {tensor.name} {tensor.dtype} {'x'.join(map(str, tensor.shape))}{scale}")
    console.print("files")
    for name, entry in manifest.files.items():
        console.print(f"  {name} {entry.bytes / 1e6:.2f} MB, sha256 {entry.sha256[:12]}")
    if manifest.calibration is not None:
        how = manifest.calibration
        console.print(f"calibrated by {how.method} on {how.frames} frames of {how.data}")
    for name, figures in (manifest.accuracy or {}).items():
        if shown := told(figures):
            console.print(f"accuracy, {name}, on {manifest.accuracy_data}: {shown}")
    if manifest.report is not None:
        _show_report(manifest.report, console)
    for name, lighter in zip(manifest.lighter, bundle.lighter(), strict=True):
        _show_lighter(name, lighter, console)
    engines = _engines(bundle)
    for name, header in engines.items():
        console.print(f"engine {name}: {header or 'of no kind that is known here'}")
    contents = _contents_of(bundle.network)
    if contents is not None:
        _show_contents(contents, console)
    return {"manifest": manifest, "engines": engines, "network": contents}


def _show_lighter(name: str, lighter: Bundle, console: Console) -> None:
    """A network that takes its turn past a deadline, of whichever the manifest lists."""
    spec, manifest = lighter.spec, lighter.manifest
    tasks = ", ".join(task.name for task in spec.tasks)
    engines = "".join(f", engine {each}" for each in manifest.engines)
    console.print(
        f"past a deadline {name}: input {spec.input.width}x{spec.input.height}, {tasks}{engines}"
    )
    if shown := told((manifest.accuracy or {}).get("exported", {})):
        console.print(f"  accuracy on {manifest.accuracy_data}: {shown}")


def _engines(bundle: Bundle) -> dict[str, str | None]:
    from edge_mtl.export.engine_file import engine_header

    found: dict[str, str | None] = {}
    for name, data in bundle.files.items():
        if name.endswith(".engine"):
            header = engine_header(data)
            found[name] = f"{header.module} {header.version}" if header else None
    return found


def _show_report(report: dict[str, Any], console: Console) -> None:
    """What the accuracy gate found: of each precision, by task the figures and the points lost."""
    kept, data, frames = report["kept"], report["data"], report["frames"]
    console.print(f"gate on {frames} frames of {data}: kept {kept}, {report['reason']}")
    for candidate in report["candidates"]:
        rows = [
            f"{each['task']} {each['figure']} {each['before']:.3f} to {each['after']:.3f} "
            f"by {each['basis']}"
            for each in candidate["figures"]
        ]
        if rows:
            console.print(f"  {candidate['precision']}: {', '.join(rows)}")


def _show_engine(path: Path, console: Console) -> dict[str, Any] | None:
    """The header of an engine; None where the file is none."""
    from edge_mtl.export.engine_file import engine_header

    if not path.is_file():
        return None
    header = engine_header(path.read_bytes()[:256])
    if header is None:
        return None
    megabytes = path.stat().st_size / 1e6
    console.print(
        f"{path}: engine built by {header.module} {header.version}, {megabytes:.1f} MB; its "
        "tensors and layers can be read only on a GPU of the kind that it was built for"
    )
    return {"module": header.module, "version": header.version}


def _extent(size: str | None) -> tuple[int, int] | None:
    """(width, height) of --size.

    Raises:
        UsageError: it is no such size.
    """
    if size is None:
        return None
    from edge_mtl.errors import UsageError

    width, _, height = size.partition("x")
    if not (width.isdecimal() and height.isdecimal() and min(int(width), int(height)) >= 8):
        raise UsageError(f"--size {size}: expected WIDTHxHEIGHT from 8 on, such as 640x384")
    return int(width), int(height)


def _show_onnx(
    path: Path, console: Console, size: tuple[int, int] | None, with_spec: bool
) -> dict[str, Any]:
    from edge_mtl.errors import EdgeMtlError
    from edge_mtl.export.foreign.loading import read_network
    from edge_mtl.export.foreign.proposal import proposal
    from edge_mtl.export.graph_contents import graph_contents

    contents = graph_contents(read_network(path, weights=False))
    console.print(f"{path}: ONNX network")
    _show_contents(contents, console)
    model = read_network(path)
    proposed: dict[str, Any] = {"spec": None, "problems": []}
    try:
        found = proposal(model, path, size)
    except EdgeMtlError as error:
        if with_spec:
            raise
        proposed["problems"] = [str(error)]
    else:
        proposed = {"spec": found.text, "problems": found.problems}
        if with_spec:
            print(found.text, end="")
    return {"network": contents, "proposal": proposed}


def _contents_of(network: bytes) -> GraphContents | None:
    """Of a bundle's network; None where onnx, of the extra export, is missing."""
    try:
        from edge_mtl.export.graph_contents import contents_of
    except ImportError:
        return None
    return contents_of(network)


def _show_contents(contents: GraphContents, console: Console) -> None:
    opsets = ", ".join(f"{domain} {version}" for domain, version in contents.opsets.items())
    console.print(f"made by {contents.producer}, IR {contents.ir_version}, opset {opsets}")
    console.print(
        f"{contents.parameters / 1e6:.3f} M parameters, {contents.weight_bytes / 1e6:.2f} MB, "
        f"{', '.join(contents.weight_types) or 'no weights'}"
    )
    for kind, edges in (("input", contents.inputs), ("output", contents.outputs)):
        for edge in edges:
            console.print(f"  {kind} {edge}")
    counted = ", ".join(f"{name} {n}" for name, n in contents.operators.items())
    console.print(f"{sum(contents.operators.values())} operators: {counted}")
    for key, value in contents.metadata.items():
        console.print(f"  {key}: {_short(value)}")


def _short(text: str) -> str:
    return text if len(text) <= _MOST_VALUES else f"{text[: _MOST_VALUES - 3]}..."
