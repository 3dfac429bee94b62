from __future__ import annotations

from edge_mtl.tensorrt_log import Messages, plain

NO_DRIVER = (
    "[checkMacros.cpp::catchCudaError::250] Error Code 1: Cuda Runtime (In catchCudaError at "
    "/_src/common/checkMacros.cpp:250 (cudaError 35: CUDA driver version is insufficient for CUDA "
    "runtime version))"
)
CAUSE = (
    "ITensor::getDimensions: Error Code 4: API Usage Error (bias_dq: input has type Int32 but must "
    "have type Int8. In checkType at /_src/optimizer/common/nodeBase.cpp:456)"
)


def test_the_cause_is_told_not_its_wake() -> None:
    """As TensorRT-RTX 1.7 says it where there is no GPU."""
    messages = Messages()
    for each in (NO_DRIVER, CAUSE, NO_DRIVER):
        messages.error(each)
    assert messages.reason() == (
        "API Usage Error (bias_dq: input has type Int32 but must have type Int8)"
    )


def test_no_driver_is_told_where_it_is_all_there_is() -> None:
    messages = Messages()
    messages.error(NO_DRIVER)
    assert "CUDA driver version is insufficient" in messages.reason()
    messages.clear()
    assert messages.reason() == "no reason given"


def test_what_has_no_frame_stays() -> None:
    assert plain("setX() is unsupported\n  in TensorRT-RTX.") == (
        "setX() is unsupported in TensorRT-RTX."
    )


def test_a_long_message_takes_no_time() -> None:
    """An expression with one repetition in another took seconds for ten words, and years for
    these."""
    words = "the magic tag does not match what this version expects " * 20
    assert plain(f"[dispatch.cpp::load::48] Error Code 1: {words}") == words.strip()
    assert plain(words) == words.strip()
