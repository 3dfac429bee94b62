from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """Pictures here are tiny: several threads would mostly wait for each other."""
