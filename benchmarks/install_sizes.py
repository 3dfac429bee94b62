"""What an installation of edge-mtl brings with it: every wheel, its size, and what it unpacks to.

    python benchmarks/install_sizes.py            the runtime with engines for a CPU: the extra cpu
    python benchmarks/install_sizes.py cpu web

Builds our own wheel and fetches those of the dependencies as pip would, into a folder that is
removed again. Needs a compiler and the network.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]


class Wheel(NamedTuple):
    """packed, unpacked: in bytes."""

    name: str
    version: str
    packed: int
    unpacked: int

    @classmethod
    def of(cls, path: Path) -> Wheel:
        name, version = path.name.split("-")[:2]
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(each.file_size for each in archive.infolist())
        return cls(name.replace("_", "-"), version, path.stat().st_size, unpacked)


def wheels(extras: list[str]) -> list[Wheel]:
    """Those that `pip install edge-mtl[extras]` would install here, the largest first."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = f"{ROOT}[{','.join(extras)}]"
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", folder]
        subprocess.run([*command, "-c", ROOT / "constraints.txt", wanted], check=True)
        found = [Wheel.of(path) for path in Path(folder).glob("*.whl")]
    return sorted(found, key=lambda wheel: -wheel.unpacked)


def table(rows: list[Wheel]) -> str:
    """As Markdown, in megabytes."""
    total = Wheel("all", "", sum(row.packed for row in rows), sum(row.unpacked for row in rows))
    lines = [
        f"| {row.name} {row.version} | {row.packed / 1e6:.2f} | {row.unpacked / 1e6:.1f} |"
        for row in (*rows, total)
    ]
    return "\n".join(["| wheel | MB | unpacked MB |", "|---|---|---|", *lines])


if __name__ == "__main__":
    print(table(wheels(sys.argv[1:] or ["cpu"])))
