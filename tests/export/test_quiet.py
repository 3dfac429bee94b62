from __future__ import annotations

import logging

import pytest

from edge_mtl.export.quiet import quiet


def test_only_errors_pass_and_all_is_as_before(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("a_library")
    logger.setLevel(logging.INFO)
    before = list(logger.handlers)
    with quiet("a_library"):
        logger.warning("deprecated")
        logger.error("broken")
    logger.warning("heard")
    assert [record.message for record in caplog.records] == ["broken", "heard"]
    assert logger.level == logging.INFO
    assert logger.handlers == before


def test_the_root_comes_back_after_an_error() -> None:
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    with pytest.raises(ValueError, match="inside"), quiet(""):
        raise ValueError("inside")
    assert (root.level, root.handlers) == (level, handlers)
