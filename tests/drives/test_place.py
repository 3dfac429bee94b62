"""Addresses of files and folders, here and in stores."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="the extra batch is not installed")

from edge_mtl.drives.place import Place
from edge_mtl.errors import EdgeMtlError, UsageError


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("/drives/a.mp4", "/drives/a.mp4"),
        ("/drives/../b//c.mp4", "/b/c.mp4"),
        ("file:///drives/a b.mp4", "/drives/a b.mp4"),
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/night/a b#1.mp4", "s3://bucket/night/a b#1.mp4"),
        ("s3://KEY:SECRET@bucket/night/?region=eu-west-1", "s3://bucket/night"),
        ("s3://bucket/what?.mp4", "s3://bucket/what?.mp4"),
        ("gs://anonymous@bucket/a.mp4", "gs://bucket/a.mp4"),
        (
            "abfs://box:SECRET@account.dfs.core.windows.net/a",
            "abfs://box@account.dfs.core.windows.net/a",
        ),
    ],
)
def test_a_name_is_the_address_without_secrets(text: str, name: str) -> None:
    assert Place.parse(text).name == name


def test_a_relative_path_is_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Place.parse("drives/a.mp4").name == str(tmp_path / "drives" / "a.mp4")


def test_a_line_of_a_list_is_beside_the_list() -> None:
    here = Place.parse("/drives/list.txt").parent
    assert Place.parse("night/a.mp4", here).name == "/drives/night/a.mp4"
    assert Place.parse("../a.mp4", here).name == "/a.mp4"
    assert Place.parse("/other/a.mp4", here).name == "/other/a.mp4"
    store = Place.parse("s3://bucket/drives/list.txt?region=eu-west-1").parent
    assert Place.parse("night/a.mp4", store) == Place(
        "s3://bucket?region=eu-west-1", "drives/night/a.mp4"
    )
    assert Place.parse("s3://other/a.mp4", store).name == "s3://other/a.mp4"


def test_a_store_is_opened_with_its_options() -> None:
    place = Place.parse("s3://KEY:SECRET@bucket/a b.mp4?region=eu-west-1&scheme=http")
    system, path = place.open()
    assert (system.type_name, system.region, path) == ("s3", "eu-west-1", "bucket/a b.mp4")


def test_a_store_that_is_none_is_refused_without_its_password() -> None:
    with pytest.raises(UsageError, match=r"ftp://\*\*\*@host: expected a path or an address"):
        Place.parse("ftp://me:hidden@host/a.mp4").open()


def test_what_a_store_says_is_one_line_without_secrets() -> None:
    place = Place.parse("s3://KEY:hidden@bucket/a.mp4?region=eu-west-1")
    error = place.refused(OSError("no entry for hidden\nmore"))
    assert isinstance(error, EdgeMtlError)
    assert str(error) == "s3://bucket/a.mp4: no entry for ***"
