"""The sources of what callgrind counts, as git names them by their content.

Names of content, unlike those of commits, stay the same when a commit is made, amended or rebased.
"""

from __future__ import annotations

import os
import subprocess
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[2]
_KERNELS, _DRIVER = "kernels", "benchmarks/gate/counted_kernels.cpp"


class Sources(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """kernels: the git tree of the kernels. driver: the git blob of what calls them."""

    kernels: str
    driver: str


def sources_here() -> Sources | None:
    """Those of this checkout, committed or not, which git holds from now on; None where there is no
    git."""
    with tempfile.TemporaryDirectory() as folder:
        index = str(Path(folder) / "index")  # not the user's own
        try:
            _git("add", _KERNELS, _DRIVER, index=index)
            kernels = _git("write-tree", f"--prefix={_KERNELS}/", index=index)
            driver = _git("rev-parse", f":{_DRIVER}", index=index)
        except (OSError, subprocess.CalledProcessError):
            return None
    return Sources(kernels.decode().strip(), driver.decode().strip())


def extract(sources: Sources, root: Path) -> bool:
    """Write them below `root`, laid out as in a checkout. False where git does not hold them, as in
    a shallow clone."""
    try:
        tree = _git("archive", "--format=tar", f"--prefix={_KERNELS}/", sources.kernels)
        driver = _git("cat-file", "blob", sources.driver)
    except (OSError, subprocess.CalledProcessError):
        return False
    with tarfile.open(fileobj=BytesIO(tree)) as archive:
        archive.extractall(root, filter="data")
    (root / _DRIVER).parent.mkdir(parents=True)
    (root / _DRIVER).write_bytes(driver)
    (root / "edge_mtl" / "export").mkdir(parents=True)  # the build asks for it
    return True


def _git(*words: str, index: str | None = None) -> bytes:
    environment = os.environ | ({"GIT_INDEX_FILE": index} if index else {})
    return subprocess.run(
        ("git", *words), cwd=ROOT, env=environment, capture_output=True, check=True
    ).stdout
