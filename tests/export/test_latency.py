from __future__ import annotations

import pytest

from edge_mtl.bundle import Bundle
from edge_mtl.export import latency
from edge_mtl.export.latency import latencies


def test_every_network_is_timed_in_every_engine_that_takes_all(
    tiny_bundle: Bundle, tiny_bundle_8bit: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = latency.open_engine

    def without_8_bits(name: str, bundle: Bundle) -> latency.Engine:
        if name == "floats-only":
            if bundle is tiny_bundle_8bit:
                raise latency.EdgeMtlError("refused")
            name = "onnxruntime"
        return opened(name, bundle)

    monkeypatch.setattr(latency, "open_engine", without_8_bits)
    bundles = {"fp32": tiny_bundle, "int8": tiny_bundle_8bit}
    found = latencies(bundles, ("onnxruntime", "floats-only"))
    assert found.keys() == {"fp32", "int8"}
    for times in found.values():
        assert times.keys() == {"onnxruntime"}
        assert 0.0 < times["onnxruntime"] < 1000.0


def test_where_no_engine_is_installed_nothing_is_timed(tiny_bundle: Bundle) -> None:
    assert latencies({"fp32": tiny_bundle}, ()) == {"fp32": {}}
