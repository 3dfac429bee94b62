from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from edge_mtl.extras import EXTRA_OF, explain, install_command

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]


def test_a_missing_module_names_the_extra() -> None:
    error = explain(ModuleNotFoundError("No module named 'cv2'", name="cv2"))
    assert "pip install 'edge-mtl[cpu]'" in str(error)
    error = explain(ModuleNotFoundError("no", name="torch.nn"))
    assert "needs torch, which is missing: pip install 'edge-mtl[train]'" in str(error)


def test_a_broken_module_and_a_missing_library_are_told_apart() -> None:
    error = explain(ImportError("cannot import name 'x' from 'cv2'", name="cv2"))
    assert "cv2 is installed but broken" in str(error)
    error = explain(ImportError("libGL.so.1: cannot open shared object file", name="cv2"))
    assert str(error).endswith("sudo apt-get install libgl1")


def test_a_library_for_another_numpy_is_explained() -> None:
    """What Debian 12's OpenCV 4.6 says with NumPy 2.2; it names no module."""
    error = explain(ImportError("numpy.core.multiarray failed to import"))
    assert str(error).endswith("NumPy 2 is installed: pip install 'numpy<2'")


@pytest.mark.parametrize("name", [None, "edge_mtl.no_such_module", "json"])
def test_a_bug_of_ours_is_not_explained_away(name: str | None) -> None:
    assert explain(ModuleNotFoundError("no", name=name)) is None


def _extras() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return list(project["project"]["optional-dependencies"])


def test_every_extra_exists() -> None:
    for module, extra in EXTRA_OF.items():
        assert extra in _extras()
        assert install_command(module)


def test_readme_has_a_row_of_every_extra() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme.split("| extra | brings | for |")[1].split("\n\n")[0]
    names = [row.split("|")[1] for row in table.splitlines()[2:]]
    assert sorted(re.findall("`(.+?)`", "".join(names))) == sorted(_extras())
