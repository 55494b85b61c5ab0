"""A stand-in for Replicate's HTTP API, to run on your own machine: see `LocalReplicate`.

It answers as the service does, quirks and all, and is what areplicate's tests and benchmarks run against. `server`
takes requests, shows the `faults` and the `rate_limits`, and lets the handler that `routes` finds for one of the
`calls` answer: one in `prediction_routes`, `files`, `catalog` or `discovery`, with JSON from `bodies`, a list by
`paging`, or one of the `refusals`. `creations` reads requests for predictions, and `schemas` checks their input.

`service` has the state behind them: `models` (the `defaults`, with schemas of `components`), and `predictions` whose
`replies` are written as time passes on the `clock`, and sent in `streams`.
"""

from __future__ import annotations

from .calls import SeenRequest
from .components import component_schemas, language_model_schema
from .defaults import DEFAULT_DEPLOYMENTS, DEFAULT_MODELS
from .faults import Faults
from .models import LocalDeployment, LocalModel
from .predictions import LocalPrediction
from .server import LocalReplicate

__all__ = [
    "DEFAULT_DEPLOYMENTS",
    "DEFAULT_MODELS",
    "Faults",
    "LocalDeployment",
    "LocalModel",
    "LocalPrediction",
    "LocalReplicate",
    "SeenRequest",
    "component_schemas",
    "language_model_schema",
]
