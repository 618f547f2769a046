"""A run's metrics for Prometheus, on `DRIFTUNE_METRICS=HOST:PORT` while it lives; without that this isn't imported.

Several runs in one process share the address, and are told apart by their domains. A second process on the machine
finds the address taken: it says so in its log, and goes on without. What outlives runs is at `/metrics` of
`driftune serve --metrics`, which reads it from the lake's place.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from flows.events import Event, listening
from flows.watching import Observer, Watch

BUCKETS_S = (0.1, 1, 5, 15, 30, 60, 120, 300, 900, 3600)
"""Seconds of batches: they are made to take 10 to 30; a training is one."""

_LOCK = threading.Lock()
_SERVED: dict[str, Served] = {}
"""What is served in this process, by its address."""


class Served:
    """An address on which metrics are offered, for as many runs as there are in this process."""

    def __init__(self, address: str) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(self)  # any object that can `collect` will do
        self.watches: list[Watch] = []
        names: dict[str, Any] = {"registry": self.registry, "labelnames": ("domain", "stage")}
        self.batches = Histogram("driftune_batch_seconds", "Seconds that a batch took", buckets=BUCKETS_S, **names)
        self.failures = Counter("driftune_batches_failed", "Batches that an error ended", **names)
        told: dict[str, Any] = {"registry": self.registry, "labelnames": ("domain", "kind")}
        self.events = Counter("driftune_events", "What happened, by its kind", **told)
        host, _, port = address.rpartition(":")
        self.server, self._thread = start_http_server(int(port), host.strip("[]"), self.registry)

    def collect(self) -> Iterator[Metric]:
        """What the runs are at now, asked for by each scrape."""
        seconds = CounterMetricFamily("driftune_stage_seconds", "Seconds in a stage", labels=("domain", "stage"))
        current = GaugeMetricFamily("driftune_stage", "1 for the stage that a run is at", labels=("domain", "stage"))
        done = GaugeMetricFamily("driftune_progress_done", "Units done of what was told last", labels=("domain",))
        total = GaugeMetricFamily("driftune_progress_total", "Units of it in all", labels=("domain",))
        idle = GaugeMetricFamily("driftune_idle_seconds", "Seconds without progress", labels=("domain",))
        for watch in list(self.watches):
            name = watch.house.domain.name
            for stage, told in watch.stages.items():
                seconds.add_metric((name, stage), told["seconds"])
                current.add_metric((name, stage), float(stage == watch.stage))
            done.add_metric((name,), watch.done)
            total.add_metric((name,), watch.total)
            idle.add_metric((name,), time.monotonic() - watch.progressed)
        yield from (seconds, current, done, total, idle)

    def close(self) -> None:
        """Ends it."""
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


class Metrics(Observer):
    """Offers a run's metrics.

    Args:
        watch: The run.
        address: `HOST:PORT`.
    """

    def __init__(self, watch: Watch, address: str) -> None:
        self._watch = watch
        self._address = address
        self._served: Served | None = None

    @contextlib.contextmanager
    def run(self) -> Iterator[None]:
        """Stands around the run: its metrics are offered."""
        with _LOCK:
            if self._address not in _SERVED:
                _SERVED[self._address] = Served(self._address)
            self._served = served = _SERVED[self._address]
            served.watches.append(self._watch)
        try:
            with listening(self._heard):
                yield
        finally:
            with _LOCK:
                served.watches.remove(self._watch)
                if not served.watches:
                    del _SERVED[self._address]
                    served.close()

    @contextlib.contextmanager
    def batch(self, title: str, size: int) -> Iterator[None]:
        """Stands around a batch: its seconds, and whether it failed."""
        del title, size
        since, labels = time.monotonic(), self._labels()
        try:
            yield
        except Exception:
            if self._served is not None:
                self._served.failures.labels(**labels).inc()
            raise
        finally:
            if self._served is not None:
                self._served.batches.labels(**labels).observe(time.monotonic() - since)

    def _heard(self, event: Event) -> None:
        if self._served is not None and event.domain == self._watch.house.domain.name:
            self._served.events.labels(domain=event.domain, kind=event.kind).inc()

    def _labels(self) -> dict[str, Any]:
        return {"domain": self._watch.house.domain.name, "stage": self._watch.stage}
