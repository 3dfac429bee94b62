"""What `driving-s` should take on Jetson boards and an H200: reckoned, on none of them measured.

    python benchmarks/estimates.py -o estimates.json             # takes no GPU

For every launch of the network in INT8 the slowest of its arithmetic and its memory traffic, and
what launching costs, at rates that others have published (`roofline/published.py`). The file is a
`BenchResult` with estimates alone, for `edge-mtl report` and `benchmarks/scaling_page.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import bench_result
import typer
from rich.console import Console
from rich.table import Table
from roofline.launches import Launch, kernels_around, launches_of
from roofline.published import DEVICES, RESNET_50_AGX_ORIN_MS
from roofline.reckoning import rates_of, reckon

from edge_mtl import zoo
from edge_mtl.benchmark.result import BenchResult, Estimate
from edge_mtl.export.graph import onnx_from_network
from edge_mtl.network.checkpoint import load_checkpoint
from edge_mtl.network.network import Network
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import ClassificationTask
from edge_mtl.train.whole_file import write_whole

FRAME_SIZE = 1280, 720
RESNET_50 = ModelSpec(
    name="resnet-50",
    input=InputSpec(width=224, height=224),
    backbone="resnet50",
    tasks=(ClassificationTask(name="label", classes=tuple(f"class {i}" for i in range(1000))),),
)


def command(
    output: Annotated[Path | None, typer.Option("-o", help="The JSON file to write.")] = None,
) -> None:
    resnet_50 = launches_of(onnx_from_network(Network(RESNET_50).eval()))
    network = load_checkpoint(zoo.locate("driving-s", ".safetensors"))
    launches = [
        *launches_of(onnx_from_network(network)),
        *kernels_around(network.spec, FRAME_SIZE),
    ]
    result = estimates(launches, resnet_50)
    console = Console(soft_wrap=True)
    console.print(_table(result))
    console.print(check(resnet_50))
    if output is not None:
        write_whole(output, result.to_bytes())


def estimates(launches: list[Launch], resnet_50: list[Launch]) -> BenchResult:
    """One a device."""
    return bench_result.of(
        frame_size=FRAME_SIZE,
        estimates=tuple(_estimate(name, launches, resnet_50) for name in DEVICES),
    )


def check(resnet_50: list[Launch]) -> str:
    """The same arithmetic for a network whose time is published."""
    device = DEVICES["jetson-agx-orin"]
    low, high = (
        reckon(resnet_50, device, rates) for rates in rates_of("jetson-agx-orin", resnet_50)
    )
    return (
        f"The same arithmetic for ResNet-50 at 224x224 on AGX Orin: {low:.2f} to {high:.2f} ms; "
        f"published: {RESNET_50_AGX_ORIN_MS} ms."
    )


def _estimate(name: str, launches: list[Launch], resnet_50: list[Launch]) -> Estimate:
    device = DEVICES[name]
    best, worst = rates_of(name, resnet_50)
    operations = sum(each.tensor_operations + each.core_operations for each in launches) / 1e9
    moved = sum(each.moved_bytes for each in launches) / 1e6
    bundle = f"driving-s-{name}.emtl"
    borrowed = "" if device.runs else ", rates of an H100 and of Jetsons"
    return Estimate(
        model="driving-s",
        device=name,
        engine="tensorrt",
        low_ms=round(reckon(launches, device, best), 2),
        high_ms=round(reckon(launches, device, worst), 2),
        basis=(
            f"ESTIMATE ({device.mode}{borrowed}): {operations:.1f} G operations in {len(launches)} "
            f"launches at {worst.tensor_share:.0%} to {best.tensor_share:.0%} of "
            f"{device.tensor_tops:g} dense {device.tensor_format} TOPS, {moved:.0f} MB at "
            f"{worst.bandwidth_share:.0%} to {best.bandwidth_share:.0%} of {device.gigabytes_s:g} "
            f"GB/s, {best.launch_us:.1f} to {worst.launch_us:.1f} us a launch"
        ),
        sources=device.sources,
        command=(
            f"edge-mtl export driving-s -o {bundle} --device {name} "
            f"--calibrate camvid:data/camvid && edge-mtl export --rebuild {bundle} && "
            f"edge-mtl bench {bundle} --engine tensorrt --seconds 10"
        ),
    )


def _table(result: BenchResult) -> Table:
    table = Table("device", "ms a frame, ESTIMATED", "1/s", "from")
    for each in result.estimates:
        table.add_row(
            each.device,
            f"{each.low_ms:.2f} to {each.high_ms:.2f}",
            f"{1e3 / each.high_ms:.0f} to {1e3 / each.low_ms:.0f}",
            each.basis,
        )
    return table


if __name__ == "__main__":
    typer.run(command)
