"""ncnn on the processor, with OpenCV and NumPy around it.

The float graph is converted by pnnx, as its documentation recommends, with the weights left in
float32. All that its documentation names as fast (packed layouts, Winograd, SGEMM, light mode) is
on by itself. Its own INT8 comes from its own calibration and would be another network; it has no
layers for the Q/DQ nodes of ours.
https://github.com/Tencent/ncnn/wiki/use-ncnn-with-pytorch-or-onnx
https://github.com/Tencent/ncnn/wiki/faq
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import shipped
from numpy.typing import NDArray

from peers.in_opencv import around
from peers.job import InStages, Job, MissingError


def fp32(job: Job) -> InStages:
    import ncnn

    network: Any = ncnn.Net()
    network.opt.num_threads = job.threads
    with tempfile.TemporaryDirectory() as folder:
        parameters, weights = _converted(Path(folder))
        network.load_param(str(parameters))
        network.load_model(str(weights))
    bundle = shipped.fp32()
    blobs = {each.name: f"out{index}" for index, each in enumerate(bundle.manifest.outputs)}

    def infer(image: NDArray[np.float32]) -> Mapping[str, NDArray[Any]]:
        with network.create_extractor() as extractor:
            extractor.input("in0", ncnn.Mat(image[0]))
            found = {name: np.array(extractor.extract(blob)[1]) for name, blob in blobs.items()}
        return {name: array[None] for name, array in found.items()}

    return around(bundle, infer, job)


def _converted(folder: Path) -> tuple[Path, Path]:
    """The files of the network in ncnn's format."""
    import pnnx

    bundle = shipped.fp32()
    graph = folder / "network.onnx"
    graph.write_bytes(bundle.network)
    shape = ",".join(map(str, bundle.manifest.input.shape))
    words = [pnnx.EXEC_PATH, graph.name, f"inputshape=[{shape}]", "fp16=0"]
    run = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    files = folder / "network.ncnn.param", folder / "network.ncnn.bin"
    if run.returncode or not all(file.is_file() for file in files):
        raise MissingError(
            f"a conversion by pnnx: it ended with {run.returncode}, {run.stderr[-200:]}"
        )
    return files
