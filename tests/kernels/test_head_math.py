"""The arithmetic of kernels/head_math.h that no result of a kernel shows bit by bit."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

KERNELS = Path(__file__).parents[2] / "kernels"
PROGRAM = """
#include "head_math.h"
extern "C" void convert(const edge_mtl::Half* halves, float* floats, int count) {
  for (int i = 0; i < count; ++i) floats[i] = edge_mtl::half_to_float(halves[i]);
}
"""


def test_every_float16_becomes_the_same_float32(tmp_path: Path):
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++ to compile the header with")
    (tmp_path / "convert.cpp").write_text(PROGRAM)
    words = "-std=c++17 -O3 -shared -fPIC -Wall -Wextra -Werror"
    command = [compiler, *words.split(), f"-I{KERNELS}", "convert.cpp", "-o", "convert.so"]
    subprocess.run(command, check=True, cwd=tmp_path)
    halves = np.arange(1 << 16, dtype=np.uint16)
    floats = np.empty(halves.size, np.float32)
    library = ctypes.CDLL(str(tmp_path / "convert.so"))
    library.convert(halves.ctypes, floats.ctypes, halves.size)
    expected = halves.view(np.float16).astype(np.float32)
    numbers = ~np.isnan(expected)
    assert numbers.sum() == 2**16 - 2 * 1023
    np.testing.assert_array_equal(np.isnan(floats), ~numbers)
    # As bits: of zeros the sign too.
    given, wanted = (each[numbers].view(np.uint32) for each in (floats, expected))
    np.testing.assert_array_equal(given, wanted)
