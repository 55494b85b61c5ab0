"""All routes of the gateway."""

from __future__ import annotations

from ..api import chat as chat_routes
from ..api import completions as completions_routes
from ..api import health as health_routes
from ..api import keys as key_routes
from ..api import models as model_routes
from ..api import responses as responses_routes
from ..api import spend as spend_routes
from . import openapi
from .dispatch import Route

ROUTES: tuple[Route, ...] = (
    *(
        Route(method, prefix + path, "key", handler)
        for prefix in ("/v1", "")
        for method, path, handler in (
            ("POST", "/chat/completions", chat_routes.chat_completions),
            ("POST", "/completions", completions_routes.completions),
            ("POST", "/responses", responses_routes.responses),
            ("GET", "/models", model_routes.list_models),
            ("GET", "/models/{id}", model_routes.get_model),
        )
    ),
    Route("POST", "/key/generate", "master", key_routes.generate_key),
    Route("GET", "/key/info", "key", key_routes.key_info),
    Route("GET", "/key/list", "master", key_routes.list_keys),
    Route("POST", "/key/delete", "master", key_routes.delete_keys),
    Route("POST", "/key/block", "master", key_routes.block_key),
    Route("POST", "/key/unblock", "master", key_routes.unblock_key),
    Route("GET", "/spend/keys", "master", spend_routes.spend_by_key),
    Route("GET", "/spend/models", "master", spend_routes.spend_by_model),
    Route("GET", "/spend/logs", "master", spend_routes.spend_logs),
    Route("GET", "/health", "key", health_routes.health),
    Route("GET", "/health/liveliness", "anyone", health_routes.liveliness),
    Route("GET", "/health/readiness", "anyone", health_routes.readiness),
    Route("GET", "/metrics", "master", health_routes.metrics),
    Route("GET", "/openapi.json", "anyone, with a key", openapi.document),
)
