"""All routes of the gateway: those that the modules of this folder declare, and the document of them."""

from __future__ import annotations

from ..http.openapi import document_of
from ..http.route import Route
from . import batches, chat, completions, embeddings, files, health, keys, messages, models, responses, spend

_MODULES = (chat, completions, embeddings, responses, messages, files, batches, models, keys, spend, health)
_DECLARED = [value for module in _MODULES for value in vars(module).values() if isinstance(value, Route)]

ROUTES = (*_DECLARED, document_of(_DECLARED))
