from __future__ import annotations

import msgspec
import numpy as np
from rich.console import Console

from edge_mtl.data.sample import IGNORE, Boxes, Sample, Vocabulary
from edge_mtl.labelling.census import take_census


class TwoFrames:
    """20 pixels with labels, and 80 without."""

    name = "two"
    vocabulary = Vocabulary(
        {"road": ("no", "yes"), "lanes": ("no", "lane")},
        ("car", "bus", "person"),
        {"time": ("day", "night"), "seen": ("sun", "rain", "snow")},
    )

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int, /) -> Sample:
        if index == 1:
            return Sample(np.zeros((8, 10, 3), np.uint8), "1", attributes={"time": "day"})
        mask = np.full((4, 5), IGNORE, np.uint8)
        mask[0], mask[1, 0] = 1, 0
        keypoints = np.zeros((3, 17, 3), np.float32)
        keypoints[1, :4, 2] = 2, 1, 2, 0
        return Sample(
            np.zeros((4, 5, 3), np.uint8),
            "0",
            {"road": mask},
            Boxes(
                np.zeros((3, 4), np.float32),
                np.array([0, 2, 0]),
                keypoints,
                ignored=np.zeros((5, 4), np.float32),
            ),
            {"time": "day", "seen": ("sun", "rain")},
        )


def test_everything_is_counted_over_all_frames() -> None:
    done: list[tuple[int, int]] = []
    census = take_census(TwoFrames(), lambda *step: done.append(step))
    assert done == [(1, 2), (2, 2)]
    assert msgspec.to_builtins(census) == {
        "frames": 2,
        "pixels": {"road": {"no": 0.01, "yes": 0.05}, "lanes": {"no": 0.0, "lane": 0.0}},
        "boxes": {"car": 2, "person": 1},
        "areas": 5,
        "poses": 1,
        "keypoints": 3,
        "attributes": {"time": {"day": 2}, "seen": {"sun": 1, "rain": 1}},
    }


def test_the_table_says_it_all() -> None:
    console = Console(width=80)
    with console.capture() as captured:
        console.print(take_census(TwoFrames()).table())
    rows = [line.split("│") for line in captured.get().splitlines() if "│" in line]
    cells = [[cell.strip() for cell in row[1:-1]] for row in rows]
    assert ["road", "all", "6.0 %"] in cells
    assert ["road", "yes", "5.00 %"] in cells
    assert ["boxes", "car", "2"] in cells
    assert ["boxes", "areas ignored", "5"] in cells
    assert ["poses", "with 3 keypoints", "1"] in cells
    assert ["time", "day", "2 frames"] in cells
