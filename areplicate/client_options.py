"""Options of other clients that people bring along: meant for the client, not for the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import logs

_OTHER_NAMES = {
    "base_url": "api_base",
    "max_retries": "num_retries",
    "request_timeout": "timeout",
}
_WITHOUT_MEANING_HERE = frozenset(
    {
        "allowed_openai_params",
        "caching",
        "custom_llm_provider",
        "extra_query",
        "force_timeout",
        "input_cost_per_second",
        "input_cost_per_token",
        "logger_fn",
        "mock_response",
        "organization",
        "output_cost_per_token",
        "stream_timeout",
        "tpm",
        "use_in_pass_through",
        "verbose",
    }
)
CLIENT_OPTIONS = _WITHOUT_MEANING_HERE | _OTHER_NAMES.keys()
"""Names of OpenAI's and LiteLLM's clients; any other name is an input of the model."""


def translated(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters under the names that areplicate gives them; what means nothing here is left out."""
    result: dict[str, Any] = {}
    for name, value in params.items():
        if name in _WITHOUT_MEANING_HERE:
            logs.logger.warning("The option %s means nothing to areplicate and is left out", name)
        else:
            result.setdefault(_OTHER_NAMES.get(name, name), value)
    return result
