"""Bundles in which bytes were changed anywhere: opened as they were, or refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_mtl.bundle import Bundle, BundleError


@pytest.fixture(scope="module")
def good_bytes(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Bundle) -> bytes:
    path = tmp_path_factory.mktemp("good") / "b.emtl"
    manifest, files = tiny_bundle.manifest, tiny_bundle.files
    Bundle(path, manifest, files, signature=bytes(64)).save()
    return path.read_bytes()


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_whatever_is_changed_it_is_opened_as_it_was_or_refused(
    tmp_path: Path, good_bytes: bytes, tiny_bundle: Bundle, data: st.DataObject
) -> None:
    """Changes where they matter: in the headers, the directory, the manifest."""
    changed = bytearray(good_bytes)
    end = len(changed) - 1
    places = st.one_of(st.integers(0, 300), st.integers(end - 400, end), st.integers(0, end))
    for _ in range(data.draw(st.integers(1, 6))):
        place, value = data.draw(places), data.draw(st.binary(min_size=1, max_size=8))
        changed[place : place + len(value)] = value
    path = tmp_path / "b.emtl"
    path.write_bytes(changed[: data.draw(st.sampled_from([len(changed), end, end // 2]))])
    try:
        opened = Bundle.open(path)
    except BundleError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return
    assert opened.files == tiny_bundle.files
