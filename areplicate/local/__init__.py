"""A stand-in for Replicate's HTTP API, to run on your own machine.

It answers as the service does, quirks and all, and is what areplicate's tests and benchmarks run
against. See `LocalReplicate`.
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
