from __future__ import annotations

import subprocess
from importlib.metadata import Distribution, version
from pathlib import Path

import pytest

from edge_mtl.engine_file import platform_here
from edge_mtl.provenance import Provenance, commit_of

ROOT = Path(__file__).parents[1]


def test_it_says_what_made_a_bundle_and_from_what() -> None:
    found = Provenance.here({"weights": "1" * 64, "checkpoint": "0" * 64})
    assert found.tools["edge-mtl"] == version("edge-mtl")
    assert found.tools["numpy"] == version("numpy")
    assert found.tools["python"].startswith("3.")
    assert "pytest" not in found.tools
    assert found.platform == platform_here()
    assert list(found.inputs) == ["checkpoint", "weights"]
    assert found == Provenance.here({"weights": "1" * 64, "checkpoint": "0" * 64})


def test_the_commit_is_that_of_the_checkout() -> None:
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip("not in a git checkout")
    commit = Provenance.here({}).commit
    assert commit is not None
    assert commit.removesuffix("-dirty") == done.stdout.strip()


@pytest.mark.parametrize(
    ("origin", "commit"),
    [
        ('{"url": "https://example.org/e.git", "vcs_info": {"commit_id": "abc"}}', "abc"),
        ('{"url": "file:///tmp/e.whl", "archive_info": {}}', None),
        (None, None),
    ],
)
def test_the_commit_is_that_which_pip_noted(
    tmp_path: Path, origin: str | None, commit: str | None
) -> None:
    folder = tmp_path / "edge_mtl-1.dist-info"
    folder.mkdir()
    if origin is not None:
        (folder / "direct_url.json").write_text(origin)
    assert commit_of(Distribution.at(folder)) == commit
