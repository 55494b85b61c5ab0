"""The figures at `/metrics`, through prometheus_client.

With several workers each writes its figures into files under `PROMETHEUS_MULTIPROC_DIR`, and
whichever is asked adds them up.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

# They double the number of series, and nobody plots them.
disable_created_metrics()  # type: ignore[no-untyped-call]

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


M = TypeVar("M", Counter, Histogram)


def _remembering(metric: M) -> M:
    """The metric, with its series kept in a dictionary: every request looks up seven of them."""
    metric.labels = cache(metric.labels)  # type: ignore[method-assign]
    return metric


class Metrics:
    """What is counted. `model` is the name that clients ask for, which the configuration bounds."""

    def __init__(self) -> None:
        shared = "PROMETHEUS_MULTIPROC_DIR" in os.environ
        self._registry = registry = CollectorRegistry()
        self._shared = shared
        home = None if shared else registry
        self.requests = _remembering(
            Counter(
                "areplicate_requests",
                "Requests by endpoint, model and status",
                ("endpoint", "model", "status"),
                registry=home,
            )
        )
        self.latency = _remembering(
            Histogram(
                "areplicate_request_seconds",
                "Time from request to the end of its answer",
                ("endpoint", "model"),
                registry=home,
                buckets=_SECONDS,
            )
        )
        self.first_token = _remembering(
            Histogram(
                "areplicate_time_to_first_token_seconds",
                "Time from request to first streamed text",
                ("model",),
                registry=home,
                buckets=_SECONDS,
            )
        )
        self.boot = _remembering(
            Histogram(
                "areplicate_boot_seconds",
                "Time that predictions spent booting",
                ("model",),
                registry=home,
                buckets=_SECONDS,
            )
        )
        self.in_flight = Gauge(
            "areplicate_requests_in_flight",
            "Requests being answered",
            registry=home,
            multiprocess_mode="livesum",
        )
        self.tokens = _remembering(Counter("areplicate_tokens", "Tokens", ("model", "kind"), registry=home))
        self.spend = _remembering(
            Counter("areplicate_spend_dollars", "Dollars spent at Replicate", ("model",), registry=home)
        )
        self.limited = _remembering(
            Counter(
                "areplicate_rate_limited", "Answers with status 429, by who limited", ("by",), registry=home
            )
        )
        self.upstream = _remembering(
            Counter(
                "areplicate_upstream_requests",
                "HTTP requests to Replicate",
                ("kind", "status"),
                registry=home,
            )
        )
        if shared:
            from prometheus_client.multiprocess import MultiProcessCollector

            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]

    def text(self) -> bytes:
        """All figures in Prometheus's text format."""
        return generate_latest(self._registry)
