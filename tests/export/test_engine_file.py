from __future__ import annotations

from edge_mtl.export.engine_file import EngineHeader, engine_header


def test_the_version_of_an_engine_is_read_without_loading_it() -> None:
    """Lesson 10, an engine of another version: seen before TensorRT says `magic tag`."""
    data = b"vtrt" + bytes(20) + bytes([1, 7, 1, 116]) + bytes(100)
    assert engine_header(data) == EngineHeader("tensorrt_rtx", "1.7.1.116")
    assert engine_header(b"ftrt" + data[4:]) == EngineHeader("tensorrt", "1.7.1.116")
    assert engine_header(b"PK\x03\x04" + data[4:]) is None
    assert engine_header(data[:20]) is None


def test_an_engine_built_here_says_the_version_that_built_it() -> None:
    import numpy as np
    import onnx
    import pytest
    from onnx import helper, numpy_helper

    trt = pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is missing")
    from edge_mtl.export.tensorrt_builder import EngineRequest, build_engine

    weight = numpy_helper.from_array(np.ones((2, 3, 1, 1), np.float32), "w")
    edges = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, (1, channels, 8, 8))
        for name, channels in (("x", 3), ("y", 2))
    ]
    node = helper.make_node("Conv", ["x", "w"], ["y"])
    graph = helper.make_graph([node], "g", edges[:1], edges[1:], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    request = EngineRequest(compute_capabilities=("8.6",))
    engine, _ = build_engine(model.SerializeToString(), request)
    assert engine_header(engine) == EngineHeader("tensorrt_rtx", trt.__version__)
