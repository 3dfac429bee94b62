"""Where `make bench` leaves its results: `benchmarks/results/MACHINE/COMMIT.json`.

python benchmarks/result_files.py      prints the path, and makes the folder
"""

from __future__ import annotations

import re
from pathlib import Path

from checkout import commit
from rows import RESULTS

from edge_mtl.machine import Machine, gpus


def machine_folder() -> Path:
    """Of this machine's results: named after what decides about times, not after its host."""
    machine = Machine.here()
    words = [machine.processor, str(machine.cores), "cores", *(gpu.name for gpu in gpus())]
    return RESULTS / re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")


if __name__ == "__main__":
    machine_folder().mkdir(parents=True, exist_ok=True)
    print(machine_folder() / f"{commit()}.json")
