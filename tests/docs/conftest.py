"""The hooks of the documentation site, as MkDocs loads them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

HOOKS = Path(__file__).parents[2] / "docs" / "hooks"


@pytest.fixture(scope="session")
def hook() -> Callable[[str], ModuleType]:
    """A hook by its name."""
    for module in ("mkdocs", "griffe"):
        pytest.importorskip(module, reason=f"{module}, of the extra docs, is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HOOKS))
        for path in HOOKS.glob("*.py"):
            importlib.import_module(path.stem)
    return lambda name: sys.modules[name]
