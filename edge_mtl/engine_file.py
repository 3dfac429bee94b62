"""`EngineFile`: what a TensorRT engine in a bundle was built with, to be compared before it loads.

An engine itself tells that it does not fit only by failing to load, often without a reason
(`NoneType`, "magic tag"); the manifest tells it in words.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

ComputeCapability = Annotated[str, Meta(pattern=r"^[0-9]{1,2}\.[0-9]$")]
_VERSION = r"^[0-9]+(\.[0-9]+)+$"
_BATCH = Annotated[int, Meta(ge=1, le=1 << 16)]


class EngineFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How one engine of a bundle was built.

    module: whose runtime loads it.
    version: the module's, such as "10.3.0.26"; digits and dots.
    platform: operating system and processor, `platform_here()`.
    compute_capabilities: of the GPUs that it was built for; empty where `hardware` alone says.
    hardware: "same": only these compute capabilities; "ampere_plus": 8.0 and later.
    version_compatible: the runtime may be newer than the builder, within a major version.
    precision: what its layers may run in, such as "int8+fp16".
    batch: least, best and most frames at once.
    network_sha256: of the ONNX graph it was built from. Its own hash is in `Manifest.files`.
    dla: the core of the deep-learning accelerator that it is for; None for the GPU alone.
    """

    module: Literal["tensorrt", "tensorrt_rtx"]
    version: Annotated[str, Meta(pattern=_VERSION)]
    platform: str
    compute_capabilities: tuple[ComputeCapability, ...]
    hardware: Literal["same", "ampere_plus"] = "same"
    version_compatible: bool = False
    precision: str
    batch: tuple[_BATCH, _BATCH, _BATCH] = (1, 1, 1)
    network_sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    dla: Annotated[int, Meta(ge=0, le=7)] | None = None

    def mismatch(
        self, module: str, version: str, compute_capability: tuple[int, int], platform: str
    ) -> str | None:
        """What keeps this engine from loading in a runtime, in a few words; None where it fits.

        Args:
            module: "tensorrt" or "tensorrt_rtx".
            version: the `__version__` of that module.
            compute_capability: of the GPU, (major, minor).
            platform: `platform_here()`.
        """
        if module != self.module:
            return f"built for {self.module}, found {module}"
        if platform != self.platform:
            return f"built for {self.platform}, found {platform}"
        if not self._version_fits(version):
            kind = ", or newer of its major version" if self.version_compatible else ""
            return f"built for {module} {self.version}{kind}, found {version}"
        if not self._gpu_fits(compute_capability):
            capabilities = " or ".join(self.compute_capabilities)
            wanted = "8.0 or later" if self.hardware == "ampere_plus" else capabilities
            major, minor = compute_capability
            return f"built for compute capability {wanted}, found {major}.{minor}"
        return None

    def _version_fits(self, found: str) -> bool:
        # A module may leave out the build number of its version: what both name is compared.
        pairs = list(zip(_numbers(self.version), _numbers(found), strict=False))
        wanted, there = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        if self.version_compatible:
            return there[:1] == wanted[:1] and there >= wanted
        return there == wanted

    def _gpu_fits(self, found: tuple[int, int]) -> bool:
        if self.hardware == "ampere_plus":
            return found >= (8, 0)
        if not self.compute_capabilities:
            return True
        return f"{found[0]}.{found[1]}" in self.compute_capabilities


def platform_here() -> str:
    """The operating system and the processor's architecture, such as "linux-x86_64"."""
    import platform  # a tenth of what reading a bundle imports

    return f"{platform.system().lower()}-{platform.machine()}"


def _numbers(version: str) -> list[int]:
    """The leading numbers of a version: "10.3.0.post1" is 10, 3, 0."""
    numbers = []
    for part in version.split("."):
        if not part.isdecimal():
            break
        numbers.append(int(part))
    return numbers
