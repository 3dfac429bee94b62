"""What of edge-mtl works on this machine, and how to get the rest."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

from edge_mtl.errors import EdgeMtlError
from edge_mtl.extras import explain, install_command
from edge_mtl.machine import Machine, cameras, gpus


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked for.

    state: "ok", "missing" where something can be installed, "absent" where the machine has none.
    remedy: the command that mends it, or what to do.
    """

    subject: str
    state: Literal["ok", "missing", "absent"]
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Everything that was looked for; `ready` where a model can be run."""

    machine: Machine
    findings: tuple[Finding, ...]
    ready: bool

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, strings and lists."""
        return asdict(self)


def examine() -> Diagnosis:
    """Look at engines, kernels, OpenCV, GPUs, cameras and energy meters. Imports the engines, but
    no torch."""
    from edge_mtl.runtime.engines import ENGINES

    engines = [_imported(name, each.module) for name, each in ENGINES.items() if not each.built]
    builders = {name: each.module for name, each in ENGINES.items() if each.built}
    gpu_findings = tuple(_gpus(builders))
    others = (_cameras(), _energy(), _torch())
    findings = (*engines, _kernels(), *_opencv(), *gpu_findings, *others)
    works = {each.subject for each in (*engines, *gpu_findings) if each.state == "ok"}
    ready = any(each.subject in works for each in engines) or (
        {"GPU", "PyCUDA"} <= works and not works.isdisjoint(builders)
    )
    return Diagnosis(Machine.here(), findings, ready)


def _imported(subject: str, module: str) -> Finding:
    """Whether a module imports, which is more than that it is installed."""
    try:
        found = import_module(module)
    except ImportError as error:
        absent = isinstance(error, ModuleNotFoundError) and error.name == module
        why = explain(error)
        remedy = install_command(module) if absent or why is None else str(why)
        return Finding(subject, "missing", "not installed" if absent else str(error), remedy)
    found_version = getattr(found, "__version__", "") or found.VERSION_TEXT  # PyCUDA's
    return Finding(subject, "ok", str(found_version).partition("-")[0])


def _kernels() -> Finding:
    from edge_mtl import ops

    instructions = ops.compiled()
    if instructions is not None:
        return Finding("kernels", "ok", f"compiled, {instructions}")
    return Finding("kernels", "missing", "NumPy stands in, slowly", ops.why_not_compiled() or "")


def _opencv() -> Iterator[Finding]:
    finding = _imported("OpenCV", "cv2")
    yield finding
    if finding.state != "ok":
        return
    from edge_mtl.runtime.sources import backends

    for subject, library, use in (
        ("FFmpeg", "FFMPEG", "video files, RTSP, HTTP"),
        ("V4L2", "v4l/v4l2", "cameras on USB"),
    ):
        if backends.opencv_builds_in(library):
            yield Finding(subject, "ok", f"in OpenCV: {use}")
        else:
            yield Finding(subject, "missing", f"not in this OpenCV: {use}", "reinstall OpenCV")
    through = backends.gstreamer()
    if through is not None:
        yield Finding("GStreamer", "ok", f"through {through}: gst: and csi: sources")
    else:
        found = "neither in this OpenCV (pip's has none) nor through PyGObject: gst:, csi:"
        yield Finding("GStreamer", "absent", found, backends.GSTREAMER_REMEDY)


def _gpus(builders: Mapping[str, str]) -> Iterator[Finding]:
    """GPUs and what their engines take. builders: by name of the engine, the module."""
    found = gpus()
    for gpu in found:
        yield Finding("GPU", "ok", gpu.told())
    if not found:
        yield Finding("GPU", "absent", "no NVIDIA driver or no GPU")
    modules = [_imported(name, module) for name, module in builders.items()]
    needed = [*modules, _pycuda()]
    if any(each.state == "ok" for each in modules):  # either of them is enough
        needed = [each for each in needed if each.state == "ok" or each.subject == "PyCUDA"]
    # Without a GPU nothing is amiss where they are not installed.
    yield from (each for each in needed if each.state == "ok" or found)
    if found:
        yield _gpu_kernels()


def _pycuda() -> Finding:
    """PyCUDA, with the driver that it needs."""
    from edge_mtl.gpu.context import pycuda_driver

    finding = _imported("PyCUDA", "pycuda")
    if finding.state != "ok":
        return finding
    try:
        pycuda_driver()
    except EdgeMtlError as error:
        return Finding("PyCUDA", "missing", f"{finding.found}, which does not work", str(error))
    return finding


def _gpu_kernels() -> Finding:
    from edge_mtl.gpu.kernel_code import code_folder

    try:
        binaries = sorted(path.stem for path in code_folder().glob("*.fatbin"))
    except EdgeMtlError as error:
        return Finding("GPU kernels", "missing", "not installed", str(error))
    if binaries:
        return Finding("GPU kernels", "ok", f"compiled: {', '.join(binaries)}")
    if shutil.which("nvcc"):
        return Finding("GPU kernels", "ok", "sources, for nvcc to compile at first use")
    remedy = "install the CUDA toolkit that fits the driver, so that nvcc is on the PATH"
    return Finding("GPU kernels", "missing", "sources, and no nvcc to compile them", remedy)


def _cameras() -> Finding:
    found = cameras()
    return Finding("cameras", "ok" if found else "absent", ", ".join(found) or "no /dev/video*")


def _energy() -> Finding:
    """What `edge-mtl bench` reads energy from."""
    from edge_mtl.benchmark.energy import open_meter

    meter = open_meter(on_gpu=bool(gpus()))
    if isinstance(meter, str):
        return Finding("energy", "absent", meter)
    meter.close()
    return Finding("energy", "ok", f"{meter.name}: {meter.covers}")


def _torch() -> Finding:
    # Found, not imported: that would take seconds and say nothing more.
    if importlib.util.find_spec("torch") is None:
        remedy = install_command("torch")
        return Finding("training", "missing", "torch is not installed", remedy)
    try:
        return Finding("training", "ok", f"torch {version('torch')}")
    except PackageNotFoundError:
        return Finding("training", "missing", "torch is broken", "reinstall torch")
