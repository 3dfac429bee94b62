"""Figures that others have published: of devices, and of networks that ran on them.

What could not be confirmed is not here. NVIDIA prints most rates with structured sparsity, which
doubles them and which our networks do not have: those here are dense.
"""

from __future__ import annotations

from dataclasses import dataclass

ORIN_NANO = (
    "NVIDIA Jetson Orin Nano Series Modules Data Sheet, DS-11105-001 v1.5, chapter 1: 33 dense "
    "INT8 TOPS, 2.08 FP32 TFLOPS and 102 GB/s in MAXN_SUPER, "
    "https://developer.nvidia.com/embedded/downloads"
)
AGX_ORIN = (
    "NVIDIA Jetson AGX Orin Series Modules Data Sheet, DS-10662-001 v1.8: GPU of the 64 GB module, "
    "170 sparse INT8 TOPS (85 dense), 204.8 GB/s, https://developer.nvidia.com/embedded/downloads"
)
AGX_ORIN_BRIEF = (
    "NVIDIA Jetson AGX Orin Series Technical Brief v1.2: 5.3 FP32 TFLOPS, "
    "https://developer.nvidia.com/embedded/downloads"
)
THOR = (
    "NVIDIA Jetson Thor Series Modules Data Sheet, DS-11945-001 v1.5: T5000, 2560 cores at up to "
    "1.575 GHz (8.06 FP32 TFLOPS), 273 GB/s, https://developer.nvidia.com/downloads/assets/embedded/"
    "secure/jetson/thor/docs/jetson-thor-series-modules-datasheet_ds-11945-001.pdf"
)
THOR_FP16 = (
    "NVIDIA Jetson T5000 and Jetson AGX Orin Migration Application Note, DA-11926-001 v1.2, table "
    "1: 517 sparse FP16 TFLOPS (258.5 dense), https://developer.nvidia.com/downloads/assets/embedded/"
    "secure/jetson/thor/docs/jetson-orin-thor-migration-application-note_da.pdf"
)
H200 = (
    "NVIDIA H200 Tensor Core GPU Datasheet: SXM, 3958 sparse INT8 TOPS (1979 dense), 67 FP32 "
    "TFLOPS, 4.8 TB/s, https://www.nvidia.com/en-us/data-center/h200/"
)
YOLO26 = (
    "Ultralytics, Quick Start Guide: NVIDIA Jetson with Ultralytics YOLO26, TensorRT (INT8) at "
    "640x640, https://docs.ultralytics.com/guides/nvidia-jetson/"
)
RESNET_AGX_ORIN = (
    "NVIDIA Jetson Benchmarks, MLPerf v3.1: ResNet on AGX Orin, single stream 0.64 ms, "
    "https://developer.nvidia.com/embedded/jetson-benchmarks"
)
RESNET_H100 = (
    "MLPerf Inference v4.0, closed, NVIDIA, H100-SXM-80GBx1_TRT, resnet50 Offline: 88 714 "
    "samples/s, https://github.com/mlcommons/inference_results_v4.0"
)


@dataclass(frozen=True)
class NetworkRun:
    """A network in TensorRT on a device. operations: 10^9, two a multiplication."""

    operations: float
    layers: int
    ms: float


@dataclass(frozen=True)
class PublishedDevice:
    """tensor_tops: 10^12 dense operations a second of the tensor cores, in `tensor_format`; of
    INT8 where that is published. core_tflops: those of the other cores, in float32.
    gigabytes_s: of memory. runs: of networks in INT8, from small to large."""

    mode: str
    tensor_tops: float
    tensor_format: str
    core_tflops: float
    gigabytes_s: float
    sources: tuple[str, ...]
    runs: tuple[NetworkRun, ...] = ()


# YOLO26n, l and x: 5.4, 86.4 and 193.9 * 10^9 operations, 122, 190 and 190 layers when fused, as
# Ultralytics prints them.
DEVICES: dict[str, PublishedDevice] = {
    "jetson-orin-nano": PublishedDevice(
        "8 GB, MAXN_SUPER",
        *(33, "INT8", 2.08, 102),
        (ORIN_NANO, YOLO26),
        (NetworkRun(5.4, 122, 3.80), NetworkRun(86.4, 190, 11.83), NetworkRun(193.9, 190, 19.99)),
    ),
    "jetson-agx-orin": PublishedDevice(
        "64 GB, MAXN",
        *(85, "INT8", 5.3, 204.8),
        (AGX_ORIN, AGX_ORIN_BRIEF, YOLO26, RESNET_AGX_ORIN),
        (NetworkRun(5.4, 122, 2.30), NetworkRun(86.4, 190, 5.97), NetworkRun(193.9, 190, 9.33)),
    ),
    "jetson-thor": PublishedDevice(
        "T5000, MAXN; no INT8 rate is published for it, so that of FP16 is taken",
        *(258.5, "FP16", 8.06, 273),
        (THOR, THOR_FP16, YOLO26),
        (NetworkRun(5.4, 122, 1.52), NetworkRun(86.4, 190, 3.24), NetworkRun(193.9, 190, 4.72)),
    ),
    "h200": PublishedDevice("SXM", *(1979, "INT8", 67, 4800), (H200, RESNET_H100)),
}
"""By the name that `edge-mtl export --device` takes."""

RESNET_50_MACS = 4.09e9
"""Of ResNet-50 at 224x224 (He et al., 2015, arXiv:1512.03385, with the strides of version 1.5)."""
RESNET_50_AGX_ORIN_MS = 0.64
RESNET_50_H100_A_SECOND = 88714.3
"""An H100 has the tensor cores of an H200."""
