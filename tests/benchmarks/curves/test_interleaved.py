from __future__ import annotations

import numpy as np
from curves.interleaved import Effort, Size, measure


def test_sizes_take_turns_there_and_back_and_first_runs_do_not_count() -> None:
    seen: list[float] = []

    def size(x: float) -> Size:
        def run() -> dict[str, float]:
            first = not seen or seen[-1] != x
            seen.append(x)
            return {"head": 1000.0 if first else x, "engine": 10 * x}

        return Size(x, run)

    ms = measure([size(1), size(2), size(3)], Effort(rounds=2, turn_s=0.0))
    assert seen == [1, 1, 2, 2, 3, 3, 3, 3, 2, 2, 1, 1]
    np.testing.assert_array_equal(ms["engine"], [[10, 20, 30]] * 2)
    # Three's second turn came right behind its first: all of its runs count there.
    np.testing.assert_array_equal(ms["head"], [[1, 2, 3]] * 2)


def test_a_turn_is_the_median_of_its_runs() -> None:
    values = iter([900.0, *[7.0, 7.0, 100.0] * 10**6])
    ms = measure([Size(1, lambda: {"head": next(values)})], Effort(rounds=1, turn_s=0.01))
    assert ms["head"][0, 0] == 7


def test_quick_is_three_sizes() -> None:
    assert Effort(1, 0.0, quick=True).some("abcde") == "abc"
    assert Effort(1, 0.0).some("abcde") == "abcde"
