from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edge_mtl.bundle import Bundle, BundleError, FileEntry
from edge_mtl.engine_file import EngineFile, platform_here

ORIN = EngineFile(
    module="tensorrt",
    version="10.3.0.26",
    platform="linux-aarch64",
    compute_capabilities=("8.7",),
    precision="int8+fp16",
    network_sha256="0" * 64,
)


@pytest.mark.parametrize(
    ("change", "found", "reason"),
    [
        ({}, ("tensorrt", "10.3.0.26", (8, 7), "linux-aarch64"), None),
        ({}, ("tensorrt", "10.3.0", (8, 7), "linux-aarch64"), None),
        ({}, ("tensorrt", "10.3.0.post1", (8, 7), "linux-aarch64"), None),
        ({}, ("tensorrt_rtx", "1.7", (8, 7), "linux-aarch64"), "tensorrt, found tensorrt_rtx"),
        ({}, ("tensorrt", "10.3.0.26", (8, 7), "linux-x86_64"), "aarch64, found linux-x86_64"),
        ({}, ("tensorrt", "8.6.1", (8, 7), "linux-aarch64"), "10.3.0.26, found 8.6.1"),
        ({}, ("tensorrt", "10.13.3.9", (8, 7), "linux-aarch64"), "10.3.0.26, found 10.13.3.9"),
        ({}, ("tensorrt", "10.3.0", (11, 0), "linux-aarch64"), "capability 8.7, found 11.0"),
        ({"version_compatible": True}, ("tensorrt", "10.13.3", (8, 7), "linux-aarch64"), None),
        (
            {"version_compatible": True},
            ("tensorrt", "10.2.9", (8, 7), "linux-aarch64"),
            "newer of its major version, found 10.2.9",
        ),
        (
            {"version_compatible": True},
            ("tensorrt", "11.0.0", (8, 7), "linux-aarch64"),
            "found 11.0.0",
        ),
        ({"hardware": "ampere_plus"}, ("tensorrt", "10.3.0", (11, 0), "linux-aarch64"), None),
        (
            {"hardware": "ampere_plus"},
            ("tensorrt", "10.3.0", (7, 5), "linux-aarch64"),
            "8.0 or later, found 7.5",
        ),
    ],
)
def test_lesson_an_engine_of_another_version_or_gpu_is_found_in_the_manifest(
    change: dict[str, object], found: tuple[str, str, tuple[int, int], str], reason: str | None
) -> None:
    """jetson-inference#426, TensorRT#564, AI-Aimbot#109: loading it gives None."""
    told = msgspec.structs.replace(ORIN, **change).mismatch(*found)
    if reason is None:
        assert told is None
    else:
        assert told is not None
        assert reason in told


def with_engines(bundle: Bundle, path: Path) -> Bundle:
    ada = msgspec.structs.replace(ORIN, platform="linux-x86_64", compute_capabilities=("8.9",))
    manifest = bundle.manifest
    files = {**bundle.files, "orin.engine": b"of Orin", "ada.engine": b"of Ada"}
    facts = {
        name: getattr(manifest, name)
        for name in ("spec", "target", "precision", "input", "outputs", "planes")
    }
    engines = {"orin.engine": ORIN, "ada.engine": ada}
    return Bundle.create(path, files, **facts, engines=engines)


def test_the_engine_that_fits_is_taken(tmp_path: Path, tiny_bundle: Bundle) -> None:
    made = with_engines(tiny_bundle, tmp_path / "b.emtl")
    made.save()
    bundle = Bundle.open(made.path)
    assert bundle.manifest.engines == made.manifest.engines
    found = bundle.engine("tensorrt", "10.3.0", (8, 9), "linux-x86_64")
    assert found == ("ada.engine", b"of Ada")


def test_lesson_an_engine_is_stored_as_it_was_built_and_its_facts_beside_it(
    tmp_path: Path, tiny_bundle: Bundle
) -> None:
    """YOLOv8-TensorRT#110: facts in front of the engine, and TensorRT misses its magic tag."""
    folder = with_engines(tiny_bundle, tmp_path / "folder")
    folder.save()
    assert (tmp_path / "folder" / "orin.engine").read_bytes() == b"of Orin"
    assert b"10.3.0.26" in (tmp_path / "folder" / "manifest.json").read_bytes()


def test_where_no_engine_fits_the_way_to_build_one_is_told(
    tmp_path: Path, tiny_bundle: Bundle
) -> None:
    bundle = with_engines(tiny_bundle, tmp_path / "b.emtl")
    with pytest.raises(BundleError, match=r"8\.7, found 10\.0; ada.engine .* --rebuild") as caught:
        bundle.engine("tensorrt", "10.3.0", (10, 0), "linux-aarch64")
    assert "\n" not in str(caught.value)
    with pytest.raises(BundleError, match="found none; build it again here: edge-mtl export"):
        tiny_bundle.engine("tensorrt", "10.3.0", (8, 7), "linux-aarch64")


def test_an_engine_that_is_no_file_of_the_bundle(tmp_path: Path, tiny_bundle: Bundle) -> None:
    manifest = msgspec.structs.replace(tiny_bundle.manifest, engines={"lost.engine": ORIN})
    Bundle(tmp_path / "b.emtl", manifest, tiny_bundle.files).save()
    with pytest.raises(BundleError, match=r"lists no file 'lost\.engine'"):
        Bundle.open(tmp_path / "b.emtl")
    assert isinstance(manifest.files["network.onnx"], FileEntry)


def test_the_platform_names_system_and_processor() -> None:
    system, _, processor = platform_here().partition("-")
    assert system == "linux"
    assert processor
