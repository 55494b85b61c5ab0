"""A stand-in for Replicate's HTTP API, to run on your own machine: see `LocalReplicate`.

It answers as the service does, quirks and all, and is what areplicate's tests and benchmarks run against. `server`
takes requests, shows the `faults` and the `rate_limits`, and lets the handler that `routes` finds answer: one in
`prediction_routes`, `files`, `catalog` or `discovery`. `service` has the state behind them: `models`, and `predictions`
whose `replies` are written as time passes.
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
