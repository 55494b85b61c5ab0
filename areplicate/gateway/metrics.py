"""The metrics at `/metrics`, through prometheus_client.

With several workers each writes its figures into files under `PROMETHEUS_MULTIPROC_DIR`, and
whichever is asked adds them up.
"""

from __future__ import annotations

import os
from collections import defaultdict
from functools import cache
from typing import TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    values,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

# They double the number of series, and nobody plots them.
disable_created_metrics()  # type: ignore[no-untyped-call]

CONTENT_TYPE = CONTENT_TYPE_LATEST
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
M = TypeVar("M", Counter, Histogram)


def _remembering(metric: M) -> M:
    """The metric, with its series kept in a dictionary: every request looks up seven of them."""
    labels = metric.labels

    def made(*values: str) -> M:
        try:
            return labels(*values)
        except FileNotFoundError:
            # Who tidies up has deleted the workers' folder, and no request may fail for that.
            os.makedirs(os.environ[FOLDER], mode=0o700, exist_ok=True)
            return labels(*values)

    metric.labels = cache(made)  # type: ignore[method-assign]
    return metric


class Metrics:
    """What is counted. `model` is the name that clients ask for, which the configuration bounds."""

    def __init__(self) -> None:
        self._shared = shared = FOLDER in os.environ
        self._waiting: defaultdict[Counter | Gauge, float] = defaultdict(float)
        """What was counted since somebody asked last."""
        if shared:
            # It would look for the folder when it is imported, which a worker's parent has done without one.
            values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call]
        self._registry = registry = CollectorRegistry()
        home = None if shared else registry

        def counter(name: str, about: str, *labels: str) -> Counter:
            return _remembering(Counter(f"areplicate_{name}", about, labels, registry=home))

        def histogram(name: str, about: str, *labels: str) -> Histogram:
            seconds = Histogram(f"areplicate_{name}_seconds", about, labels, registry=home, buckets=_SECONDS)
            return _remembering(seconds)

        self.requests = counter(
            "requests", "Requests by endpoint, model and status", "endpoint", "model", "status"
        )
        self.latency = histogram("request", "Time from request to the end of its answer", "endpoint", "model")
        self.first_token = histogram(
            "time_to_first_token", "Time from request to first streamed text", "model"
        )
        self.boot = histogram("boot", "Time that predictions spent booting", "model")
        self.in_flight = Gauge(
            "areplicate_requests_in_flight",
            "Requests being answered",
            registry=home,
            multiprocess_mode="livesum",
        )
        self.tokens = counter("tokens", "Tokens", "model", "kind")
        self.spend = counter("spend_dollars", "Dollars spent at Replicate", "model")
        self.limited = counter("rate_limited", "Answers with status 429, by who limited", "by")
        self.upstream = counter("upstream_requests", "HTTP requests to Replicate", "kind", "status")
        if shared:
            from prometheus_client.multiprocess import MultiProcessCollector

            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]

    def count(self, series: Counter | Gauge, by: float = 1.0) -> None:
        """Adds to a figure. Where no other process reads it, that waits until somebody asks: it takes
        prometheus_client five times as long as a dictionary."""
        if self._shared:
            series.inc(by)
        else:
            self._waiting[series] += by

    def text(self) -> bytes:
        """All figures in Prometheus's text format."""
        for series, amount in self._waiting.items():
            series.inc(amount)
        self._waiting.clear()
        return generate_latest(self._registry)
