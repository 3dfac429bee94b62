"""What of edge-mtl works on this machine, and how to get the rest."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

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
    """Look at engines, kernels, OpenCV, GPUs and cameras. Imports the engines, but no torch."""
    from edge_mtl.runtime.engines import ENGINES

    engines = [_imported(name, entry.module) for name, entry in ENGINES.items()]
    findings = (*engines, _kernels(), *_opencv(), *_gpus(), _cameras(), _torch())
    ready = any(engine.state == "ok" for engine in engines)
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
    return Finding(subject, "ok", str(found.__version__).partition("-")[0])


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
    import cv2

    registry = cv2.videoio_registry
    built_in = {
        registry.getBackendName(backend)
        for backend in registry.getBackends()
        if registry.isBackendBuiltIn(backend) or registry.hasBackend(backend)
    }
    yield Finding("video", "ok" if built_in else "missing", ", ".join(sorted(built_in)))
    # The registry names GStreamer where only a plug-in could bring it; the build log does not.
    lines = [line.split() for line in cv2.getBuildInformation().splitlines()]
    if any(line[:2] == ["GStreamer:", "YES"] for line in lines):
        yield Finding("GStreamer", "ok", "in this OpenCV")
    else:
        yield Finding(
            "GStreamer",
            "absent",
            "not in pip's OpenCV",
            "use the system's: apt-get install python3-opencv",
        )


def _gpus() -> Iterator[Finding]:
    found = gpus()
    for gpu in found:
        major, minor = gpu.compute_capability
        cuda = ".".join(map(str, gpu.driver_cuda))
        yield Finding("GPU", "ok", f"{gpu.name}, SM {major}{minor}, driver for CUDA {cuda}")
    if not found:
        yield Finding("GPU", "absent", "no NVIDIA driver or no GPU")
    for subject, module in (("TensorRT", "tensorrt"), ("TensorRT-RTX", "tensorrt_rtx")):
        finding = _imported(subject, module)
        # Without a GPU nothing is amiss where it is not installed.
        if finding.state == "ok" or found:
            yield finding


def _cameras() -> Finding:
    found = cameras()
    return Finding("cameras", "ok" if found else "absent", ", ".join(found) or "no /dev/video*")


def _torch() -> Finding:
    # Found, not imported: that would take seconds and say nothing more.
    if importlib.util.find_spec("torch") is None:
        remedy = install_command("torch")
        return Finding("training", "missing", "torch is not installed", remedy)
    try:
        return Finding("training", "ok", f"torch {version('torch')}")
    except PackageNotFoundError:
        return Finding("training", "missing", "torch is broken", "reinstall torch")
