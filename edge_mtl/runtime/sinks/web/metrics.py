"""What Prometheus reads at `/metrics`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from edge_mtl.runtime.vitals import BOUNDS_MS, Histogram, Vitals

_OF_SOURCE = {
    "dropped": "Frames of a live source that nobody took in time.",
    "skipped": "Pictures that could not be read.",
    "reconnects": "How often the source was lost and came back.",
    "resolution_changes": "How often the frames changed their size.",
}


def exposition(cameras: Callable[[], Iterable[Vitals]]) -> bytes:
    """The metrics of all cameras and of the process, as `text/plain; version=1.0.0`."""
    registry = CollectorRegistry()
    registry.register(_Cameras(cameras))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _Cameras(Collector):
    def __init__(self, cameras: Callable[[], Iterable[Vitals]]) -> None:
        self._cameras = cameras

    def collect(self) -> Iterator[Metric]:
        frames = CounterMetricFamily("edge_mtl_frames", "Scenes that were made.", labels=["camera"])
        degraded = CounterMetricFamily(
            "edge_mtl_degraded_frames", "Scenes that a lighter network made.", labels=["camera"]
        )
        degradations = CounterMetricFamily(
            "edge_mtl_degradations", "How often lighter networks took over.", labels=["camera"]
        )
        silent = GaugeMetricFamily(
            "edge_mtl_silent_seconds", "Since the last scene, or the start.", labels=["camera"]
        )
        state = GaugeMetricFamily(
            "edge_mtl_source_state", "1 for the state of the source.", labels=["camera", "state"]
        )
        stages = HistogramMetricFamily(
            "edge_mtl_stage_seconds", "How long a stage took.", labels=["camera", "stage"]
        )
        age = HistogramMetricFamily(
            "edge_mtl_frame_age_seconds",
            "From the capture of a frame until its scene was there.",
            labels=["camera"],
        )
        of_source = {
            name: CounterMetricFamily(f"edge_mtl_source_{name}", text, labels=["camera"])
            for name, text in _OF_SOURCE.items()
        }
        sink_labels = ["camera", "sink"]
        written = CounterMetricFamily(
            "edge_mtl_sink_written", "Scenes that a sink took.", labels=sink_labels
        )
        dropped = CounterMetricFamily(
            "edge_mtl_sink_dropped",
            "Scenes that a sink had no time for, or that came after it had failed.",
            labels=sink_labels,
        )
        failed = GaugeMetricFamily(
            "edge_mtl_sink_failed", "1 where a sink stopped early.", labels=sink_labels
        )
        for vitals in self._cameras():
            camera = vitals.camera
            frames.add_metric([camera], vitals.frames)
            degraded.add_metric([camera], vitals.degraded)
            degradations.add_metric([camera], vitals.degradations)
            silent.add_metric([camera], vitals.silent_s)
            source = vitals.source.health.to_json()
            state.add_metric([camera, source["state"]], 1)
            for name, family in of_source.items():
                if name in source:
                    family.add_metric([camera], source[name])
            for stage, histogram in vitals.stages.items():
                if stage == "age":
                    _add(age, [camera], histogram)
                else:
                    _add(stages, [camera, stage], histogram)
            for sink in vitals.sinks:
                labels = [camera, sink.name]
                written.add_metric(labels, sink.written)
                dropped.add_metric(labels, sink.dropped)
                failed.add_metric(labels, sink.failure is not None)
        yield InfoMetricFamily("edge_mtl", "What runs.", {"version": version("edge-mtl")})
        yield from (frames, degraded, degradations, silent, state, stages, age, *of_source.values())
        yield from (written, dropped, failed)


def _add(family: HistogramMetricFamily, labels: list[str], histogram: Histogram) -> None:
    bounds = [*(str(bound / 1e3) for bound in BOUNDS_MS), "+Inf"]
    counts = accumulate(histogram.counts)
    family.add_metric(
        labels, list(zip(bounds, counts, strict=True)), sum_value=histogram.total_ms / 1e3
    )
