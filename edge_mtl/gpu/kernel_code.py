"""The kernels' code for the GPU at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge_mtl.errors import EdgeMtlError

THREADS = 256  # of a block; kThreads of kernels/gpu.h

# Beside the compiled CPU module: sources, and binaries where the build found nvcc.
_FOLDER = "_cuda"


def code_folder() -> Path:
    """Where the kernels' CUDA sources and binaries were installed.

    Raises:
        EdgeMtlError: the package was installed without its kernels.
    """
    try:
        from edge_mtl import _kernels
    except ImportError as error:
        raise EdgeMtlError(
            f"the GPU's kernels are installed with the compiled module, which is missing ({error}):"
            " install edge-mtl with a C++ compiler at hand"
        ) from error
    return Path(_kernels.__file__).parent / _FOLDER


def load_kernel(name: str) -> Any:
    """The kernel `edge_mtl_NAME` of NAME.cu, as a `pycuda.driver.Function` of the current context.

    A binary that was shipped is taken where the driver accepts it. Where it does not, as on a board
    that is newer or a driver that is older than the build, the source is compiled by the machine's
    own nvcc, once: PyCUDA keeps what it compiled in the user's cache folder.

    Raises:
        EdgeMtlError: neither is possible; the message says why.
    """
    from pycuda import driver

    folder = code_folder()
    binary = folder / f"{name}.fatbin"
    refused = "this installation holds none, nvcc was not found when it was built"
    if binary.exists():
        try:
            return driver.module_from_file(str(binary)).get_function(f"edge_mtl_{name}")
        except driver.Error as error:
            refused = str(error)
    compiled = driver.module_from_buffer(_compile(folder, name, refused))
    return compiled.get_function(f"edge_mtl_{name}")


def _compile(folder: Path, name: str, refused: str) -> bytes:
    from pycuda import compiler, driver

    try:
        cubin: bytes = compiler.compile(
            (folder / f"{name}.cu").read_text(),
            options=["--options-file", str(folder / "nvcc.flags")],
            no_extern_c=True,
            include_dirs=[str(folder)],
        )
    except (OSError, driver.CompileError) as error:
        device = driver.Context.get_device()
        capability = ".".join(map(str, device.compute_capability()))
        raise EdgeMtlError(
            f"no code of the kernel {name} for {device.name()} of compute capability {capability}: "
            f"of the shipped binary the driver says: {refused}; compiling the source here says: "
            f"{error}. Install the CUDA toolkit that fits the driver, so that nvcc is on the PATH"
        ) from error
    return cubin
