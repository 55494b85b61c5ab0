"""What a stand-in serves by default: one model for each way of behaving."""

from __future__ import annotations

from typing import Any

from .components import USUAL_INPUTS, language_model_schema
from .models import LocalDeployment, LocalModel

_SYSTEM: dict[str, dict[str, Any]] = {"system_prompt": {"type": "string", "default": ""}}
_TEMPLATE: dict[str, dict[str, Any]] = {"prompt_template": {"type": "string", "default": "{prompt}"}}
_MESSAGES: dict[str, dict[str, Any]] = {"messages": {"type": "array", "items": {"type": "object"}}}
_LIMIT: dict[str, dict[str, Any]] = {"max_completion_tokens": {"type": "integer", "minimum": 1}}


def _model(full_name: str, description: str, **behaviour: Any) -> LocalModel:
    owner, name = full_name.split("/")
    return LocalModel(owner=owner, name=name, description=description, **behaviour)


DEFAULT_MODELS: tuple[LocalModel, ...] = (
    _model(
        "meta/meta-llama-3-8b-instruct",
        "Official, warm, quick",
        time_to_first_token=0.1,
        tokens_per_second=100,
        schema=language_model_schema(USUAL_INPUTS | _SYSTEM | _TEMPLATE),
    ),
    _model(
        "meta/meta-llama-3-70b-instruct",
        "Official, boots for a few seconds",
        boot_seconds=3,
        time_to_first_token=0.2,
        tokens_per_second=40,
        schema=language_model_schema(USUAL_INPUTS | _SYSTEM | _TEMPLATE),
    ),
    _model(
        "openai/gpt-5",
        "Official, takes messages",
        time_to_first_token=0.2,
        tokens_per_second=60,
        schema=language_model_schema(_MESSAGES | _SYSTEM | _LIMIT),
    ),
    _model(
        "meta/meta-llama-3-8b",
        "A base model: official, one string for its output, no stream",
        output_kind="string",
        streams=False,
        run_seconds=0.5,
        schema=language_model_schema(USUAL_INPUTS, output="string"),
    ),
    _model(
        "local/community-chat",
        "A community model: runs by its version only, and boots first",
        official=False,
        boot_seconds=2,
        time_to_first_token=0.1,
        tokens_per_second=50,
        schema=language_model_schema(USUAL_INPUTS | _SYSTEM),
    ),
    _model(
        "local/failing",
        "Fails after a few words",
        run_seconds=0.5,
        failure="CUDA out of memory",
        failure_after=3,
    ),
)

DEFAULT_DEPLOYMENTS = (LocalDeployment(owner="local", name="chat", model="meta/meta-llama-3-8b-instruct"),)
