from __future__ import annotations

import contextlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_mtl.bundle import FORMAT, MANIFEST, NETWORK, Bundle, BundleError, Calibration


@pytest.fixture(params=["b.emtl", "folder"])
def path(request: pytest.FixtureRequest, tmp_path: Path, tiny_bundle: Bundle) -> Path:
    """`tiny_bundle` as a zip and as a folder."""
    path: Path = tmp_path / request.param
    Bundle(path, tiny_bundle.manifest, tiny_bundle.files).save()
    return path


def rewrite(path: Path, name: str, change: Callable[[bytes], bytes | None]) -> None:
    """Change one file of a bundle behind its back; None removes it."""
    if path.is_dir():
        changed = change((path / name).read_bytes())
        if changed is None:
            (path / name).unlink()
        else:
            (path / name).write_bytes(changed)
        return
    with zipfile.ZipFile(path) as archive:
        files = {each: archive.read(each) for each in archive.namelist()}
    changed = change(files.pop(name))
    if changed is not None:
        files[name] = changed
    with zipfile.ZipFile(path, "w") as archive:
        for each, data in files.items():
            archive.writestr(each, data)


def with_manifest(**changes: object) -> Callable[[bytes], bytes]:
    return lambda data: json.dumps({**json.loads(data), **changes}).encode()


def flip_a_bit(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def test_round_trip(path: Path, tiny_bundle: Bundle) -> None:
    opened = Bundle.open(path)
    assert opened == Bundle(path, tiny_bundle.manifest, tiny_bundle.files)
    assert opened.spec == tiny_bundle.spec
    assert opened.network == tiny_bundle.files[NETWORK]


def test_a_bundle_from_before_networks_degraded_does_not(path: Path, tiny_bundle: Bundle) -> None:
    def older(data: bytes) -> bytes:
        manifest = json.loads(data)
        assert manifest.pop("lighter") == []
        assert manifest["spec"].pop("degrade") is None
        return json.dumps(manifest).encode()

    rewrite(path, MANIFEST, older)
    assert Bundle.open(path).manifest == tiny_bundle.manifest


def test_a_bundle_from_before_there_were_planes_has_none(path: Path, tiny_bundle: Bundle) -> None:
    def older(data: bytes) -> bytes:
        manifest = json.loads(data)
        assert manifest.pop("planes") == manifest["spec"].pop("planes") == []
        return json.dumps(manifest).encode()

    rewrite(path, MANIFEST, older)
    assert Bundle.open(path).manifest == tiny_bundle.manifest


def test_optional_fields_survive(tmp_path: Path, tiny_bundle: Bundle) -> None:
    manifest = tiny_bundle.manifest
    accuracy = {"float": {"segmentation": {"miou": 0.7}}}
    saved = Bundle.create(
        tmp_path / "b.emtl",
        tiny_bundle.files,
        spec=manifest.spec,
        target="cpu",
        precision="int8",
        input=manifest.input,
        outputs=manifest.outputs,
        calibration=Calibration(data="rendered", frames=8, method="minmax"),
        accuracy=accuracy,
        accuracy_data="rendered",
    )
    saved.save()
    opened = Bundle.open(saved.path).manifest
    assert opened == saved.manifest
    assert opened.accuracy == accuracy


def with_lighter(inner: Bundle, path: Path, data: bytes | None = None) -> Bundle:
    """`inner` with itself as its lighter network, or with `data` for that."""
    files = {**inner.files, "lighter-0.emtl": inner.packed() if data is None else data}
    derived = {"format", "created_by", "files"}
    fields = {name: getattr(inner.manifest, name) for name in inner.manifest.__struct_fields__}
    kept = {name: value for name, value in fields.items() if name not in derived}
    return Bundle.create(path, files, **{**kept, "lighter": ("lighter-0.emtl",)})


@pytest.mark.parametrize("name", ["b.emtl", "folder"])
def test_a_lighter_network_is_a_bundle_in_the_bundle(
    name: str, tmp_path: Path, tiny_bundle: Bundle
) -> None:
    assert tiny_bundle.lighter() == ()
    with_lighter(tiny_bundle, tmp_path / name).save()
    [found] = Bundle.open(tmp_path / name).lighter()
    assert (found.manifest, found.files) == (tiny_bundle.manifest, tiny_bundle.files)
    assert found.path == tmp_path / name  # which is what can be made again
    assert tiny_bundle.packed() == Bundle.packed(found)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data[:-30], "found a file that is no zip or was damaged or truncated"),
        (flip_a_bit, "network.onnx was changed"),
        (lambda _: b"", "found a file that is no zip"),
    ],
)
def test_a_damaged_lighter_network(
    tmp_path: Path, tiny_bundle: Bundle, change: Callable[[bytes], bytes], said: str
) -> None:
    """One that the manifest vouches for all the same, as somebody hostile would make it."""
    path = tmp_path / "b.emtl"
    with_lighter(tiny_bundle, path, change(tiny_bundle.packed())).save()
    opened = Bundle.open(path)
    with pytest.raises(BundleError, match=f"b.emtl: lighter-0.emtl: .*{said}.*edge-mtl export"):
        opened.lighter()


def test_a_lighter_network_has_no_lighter_ones(tmp_path: Path, tiny_bundle: Bundle) -> None:
    nested = with_lighter(with_lighter(tiny_bundle, tmp_path / "a.emtl"), tmp_path / "b.emtl")
    with pytest.raises(BundleError, match="found one with lighter ones of its own"):
        nested.lighter()


@pytest.mark.parametrize(
    ("lighter", "said"),
    [
        (["lighter-0.emtl"], "lists no file 'lighter-0.emtl'"),
        (["network.onnx"] * 3, "Expected `array` of length <= 2"),
    ],
)
def test_lighter_networks_that_no_bundle_has(path: Path, lighter: list[str], said: str) -> None:
    rewrite(path, MANIFEST, with_manifest(lighter=lighter))
    with pytest.raises(BundleError, match=said):
        Bundle.open(path)


def test_equal_bundles_have_equal_bytes(tmp_path: Path, tiny_bundle: Bundle) -> None:
    contents = []
    for name in ("a.emtl", "b.emtl"):
        Bundle(tmp_path / name, tiny_bundle.manifest, tiny_bundle.files).save()
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1]


def test_saving_leaves_no_parts_behind(path: Path) -> None:
    assert not list(path.parent.rglob("*.part"))


def test_there_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"none\.emtl: no such bundle"):
        Bundle.open(tmp_path / "none.emtl")
    with pytest.raises(BundleError, match=r"found no manifest\.json"):
        Bundle.open(tmp_path)


@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, -1])
def test_a_truncated_bundle(tmp_path: Path, tiny_bundle: Bundle, kept: float) -> None:
    path = tmp_path / "b.emtl"
    Bundle(path, tiny_bundle.manifest, tiny_bundle.files).save()
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data)) if isinstance(kept, float) else kept])
    with pytest.raises(BundleError, match="damaged or truncated") as caught:
        Bundle.open(path)
    assert "edge-mtl export" in str(caught.value)


def test_every_changed_byte_of_a_zip_is_noticed(tmp_path: Path, tiny_bundle: Bundle) -> None:
    path = tmp_path / "b.emtl"
    Bundle(path, tiny_bundle.manifest, tiny_bundle.files).save()
    data = path.read_bytes()
    original = Bundle.open(path)
    for position in range(0, len(data), len(data) // 150):
        changed = bytearray(data)
        changed[position] ^= 0x10
        path.write_bytes(changed)
        found = None
        with contextlib.suppress(BundleError):
            found = Bundle.open(path)
        assert found in (None, original)  # some bytes mean nothing, such as a date


def test_a_changed_network(path: Path) -> None:
    rewrite(path, NETWORK, flip_a_bit)
    with pytest.raises(BundleError, match=r"network\.onnx was changed: expected sha256"):
        Bundle.open(path)


def test_a_network_that_is_too_long_or_too_short(path: Path) -> None:
    rewrite(path, NETWORK, lambda data: data + b"x")
    with pytest.raises(
        BundleError, match=r"was changed: expected network\.onnx to be of at most \d+ bytes, found"
    ):
        Bundle.open(path)
    rewrite(path, NETWORK, lambda data: data[:-2])
    with pytest.raises(BundleError, match="was changed"):
        Bundle.open(path)


def test_a_file_that_the_manifest_names_is_missing(path: Path) -> None:
    rewrite(path, NETWORK, lambda _: None)
    with pytest.raises(BundleError, match=r"network\.onnx is missing"):
        Bundle.open(path)


def test_a_manifest_from_a_newer_format(path: Path) -> None:
    newer = with_manifest(format=FORMAT + 1, something_new=True)
    rewrite(path, MANIFEST, newer)
    with pytest.raises(BundleError, match=f"format {FORMAT + 1}, .* reads up to {FORMAT}; upgrade"):
        Bundle.open(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: None, "found no manifest.json"),
        (lambda data: data[:-3], "is damaged"),
        (lambda _: b"{}", "is damaged"),
        (with_manifest(surprise=1), "surprise"),
        (with_manifest(precision="fp8"), "fp8"),
        (with_manifest(files={}), "lists no file 'network.onnx'"),
        (
            with_manifest(files={"../x": {"bytes": 1, "sha256": "0" * 64}}),
            "lists no file 'network.onnx'",
        ),
    ],
)
def test_a_manifest_that_is_wrong(
    path: Path, change: Callable[[bytes], bytes | None], message: str
) -> None:
    rewrite(path, MANIFEST, change)
    with pytest.raises(BundleError, match=message):
        Bundle.open(path)


def test_a_file_that_is_there_twice(tmp_path: Path, tiny_bundle: Bundle) -> None:
    path = tmp_path / "b.emtl"
    Bundle(path, tiny_bundle.manifest, tiny_bundle.files).save()
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(NETWORK, b"another")
    with pytest.raises(BundleError, match="2 times"):
        Bundle.open(path)


def test_a_path_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError, match="cannot be read"):
        Bundle.open(tmp_path / "file" / "b.emtl")
