"""`Provenance`: what a bundle was made with and from, as its manifest tells it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from importlib.metadata import Distribution

_TOOLS = (
    *("edge-mtl", "msgspec", "numpy", "onnx", "onnx-ir", "onnxruntime", "onnxscript"),
    *("opencv-python", "opencv-python-headless", "openvino", "safetensors", "tensorrt"),
    *("tensorrt-cu12", "tensorrt-cu13", "tensorrt-rtx-cu12", "tensorrt-rtx-cu13", "torch"),
)
"""The distributions that can have a say in what is in a bundle."""


class Provenance(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The bill of materials of a bundle.

    tools: the versions of the distributions that were installed, by name, and of "python".
    platform: operating system and processor, such as "linux-x86_64".
    commit: of edge-mtl's own source, with "-dirty" where it was changed since; None where it was
        installed from something else than git.
    inputs: the SHA-256 of what it was made from, by what it is: "checkpoint" and "configuration"
        are files as they are; "weights" is the network, "calibration data" and "held-out data" the
        frames and labels that were used, whatever files they came from; "settings" is the export.
    """

    tools: dict[str, str]
    platform: str
    commit: str | None
    inputs: dict[str, str]

    @classmethod
    def here(cls, inputs: dict[str, str]) -> Provenance:
        """What this machine makes of `inputs`: equal wherever the same versions are installed."""
        import platform

        from edge_mtl.engine_file import platform_here

        found = {name: _version(name) for name in _TOOLS}
        tools = {name: version for name, version in found.items() if version is not None}
        return cls(
            tools={**tools, "python": platform.python_version()},
            platform=platform_here(),
            commit=_commit(),
            inputs=dict(sorted(inputs.items())),
        )


def _version(name: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, distribution  # slow to import

    try:
        return distribution(name).version
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of this package: of the checkout it lies in, or that pip installed it from."""
    import subprocess
    from importlib.metadata import PackageNotFoundError, distribution

    source = Path(__file__).resolve().parents[1]
    if (source / ".git").exists():
        describe = ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude", "*"]
        try:
            done = subprocess.run(
                describe, cwd=source, capture_output=True, text=True, check=True, timeout=10
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip() or None
    try:
        return commit_of(distribution("edge-mtl"))
    except PackageNotFoundError:
        return None


def commit_of(installed: Distribution) -> str | None:
    """The commit that pip noted for what it installed from a repository (PEP 610)."""
    origin = installed.read_text("direct_url.json")
    if origin is None:
        return None
    commit = msgspec.json.decode(origin).get("vcs_info", {}).get("commit_id")
    return commit if isinstance(commit, str) else None
