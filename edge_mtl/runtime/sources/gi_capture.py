"""A capture of GStreamer through PyGObject, for an OpenCV that was built without GStreamer."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.runtime.sources import backends
from edge_mtl.runtime.sources.image_pool import ImagePool

_OPEN_S = 10.0
_SLICE_S = 0.2
# A time stamp of a pipeline that is older than this is of a clock that went wrong.
_OLDEST_S = 5.0


class GiCapture:
    """A `Capture` of a pipeline that ends in an appsink of BGR frames.

    A frame is stamped with the time at which its source made it, where the source says so: the
    time that a decoder took is part of its age.

    Args:
        pipeline: as `gst-launch-1.0` takes it.
        sink_name: the name of its appsink.
        timeout_s: without a frame, after which the pipeline is taken for lost.

    Raises:
        UsageError: there is no such element or property.
        EdgeMtlError: the pipeline fails, ends, or gives no frame within 10 s.
    """

    frames_per_second: float | None = None

    def __init__(self, pipeline: str, sink_name: str, timeout_s: float) -> None:
        gst: Any = backends.pygobject()
        self._gst = gst
        self._timeout_s = timeout_s
        self._pool = ImagePool()
        try:
            self._pipeline = gst.parse_launch(pipeline)
        except Exception as error:  # GLib.Error, which is not importable without PyGObject
            raise UsageError(f"GStreamer refuses the pipeline: {error}") from None
        self._sink = self._pipeline.get_by_name(sink_name)
        self._sample: Any = None
        try:
            self._pipeline.set_state(gst.State.PLAYING)
            # The first frame here: until it is there, nothing is open.
            self._first: Any = self._pull(_OPEN_S)
        except BaseException:
            self.release()
            raise
        rate = self._first.get_caps().get_structure(0).get_fraction("framerate")
        if rate[0] and rate.value_numerator > 0:
            self.frames_per_second = rate.value_numerator / rate.value_denominator

    def grab(self) -> int | None:
        """See `Capture`."""
        self._sample, self._first = self._first or self._pull(self._timeout_s), None
        now_ns = time.monotonic_ns()
        pts = self._sample.get_buffer().pts
        clock = self._pipeline.get_clock()
        if clock is None or pts == self._gst.CLOCK_TIME_NONE:
            return now_ns
        age_ns = clock.get_time() - self._pipeline.get_base_time() - pts
        return now_ns - age_ns if 0 <= age_ns <= 1e9 * _OLDEST_S else now_ns

    def retrieve(self) -> NDArray[np.uint8] | None:
        """See `Capture`."""
        buffer = self._sample.get_buffer()
        if buffer.has_flags(self._gst.BufferFlags.CORRUPTED):
            return None
        shape = self._sample.get_caps().get_structure(0)
        width, height = shape.get_value("width"), shape.get_value("height")
        mapped, info = buffer.map(self._gst.MapFlags.READ)
        if not mapped:
            return None
        try:
            # GStreamer's lines begin at multiples of four bytes.
            rows = np.frombuffer(info.data, np.uint8)
            if rows.size < height * -(-3 * width // 4) * 4:
                return None
            rows = rows.reshape(height, -1)[:, : 3 * width]
            image = self._pool.take(height, width)
            np.copyto(image, rows.reshape(height, width, 3))
            return image
        finally:
            buffer.unmap(info)

    def release(self) -> None:
        """See `Capture`."""
        self._pipeline.set_state(self._gst.State.NULL)

    def _pull(self, timeout_s: float) -> Any:
        """The next sample.

        Raises:
            EdgeMtlError: there is none in the time, or the pipeline failed or ended.
        """
        bus = self._pipeline.get_bus()
        kinds = self._gst.MessageType.ERROR | self._gst.MessageType.EOS
        waited_s = 0.0
        while waited_s < timeout_s:
            sample = self._sink.emit("try-pull-sample", int(1e9 * _SLICE_S))
            if sample is not None:
                return sample
            message = bus.pop_filtered(kinds)
            if message is not None and message.type == self._gst.MessageType.ERROR:
                error, _ = message.parse_error()
                raise EdgeMtlError(f"{message.src.get_name()}: {error.message}")
            if message is not None or self._sink.get_property("eos"):
                raise EdgeMtlError("the pipeline ended")
            waited_s += _SLICE_S
        raise EdgeMtlError(f"it gave no frame in {timeout_s:g} s")
