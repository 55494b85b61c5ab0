"""All routes of the gateway: those that the modules of `api/` declare, and the document of them."""

from __future__ import annotations

from ..api import (
    batches,
    chat,
    completions,
    embeddings,
    files,
    health,
    keys,
    messages,
    models,
    responses,
    spend,
)
from . import openapi
from .route import Route

_MODULES = (
    *(chat, completions, embeddings, responses, messages, files, batches, models, keys, spend, health),
    openapi,
)

ROUTES = tuple(value for module in _MODULES for value in vars(module).values() if isinstance(value, Route))
