"""What a stand-in serves by default: one model for each way of behaving."""

from __future__ import annotations

from typing import Any

from .components import USUAL_INPUTS, language_model_schema
from .models import LocalDeployment, LocalModel

_SYSTEM: dict[str, dict[str, Any]] = {"system_prompt": {"type": "string", "default": ""}}
_TEMPLATE: dict[str, dict[str, Any]] = {"prompt_template": {"type": "string", "default": "{prompt}"}}
_MESSAGES: dict[str, dict[str, Any]] = {"messages": {"type": "array", "items": {"type": "object"}}}

DEFAULT_MODELS: tuple[LocalModel, ...] = (
    LocalModel(
        owner="meta",
        name="meta-llama-3-8b-instruct",
        description="Official, warm, quick",
        time_to_first_token=0.1,
        tokens_per_second=100,
        schema=language_model_schema(USUAL_INPUTS | _SYSTEM | _TEMPLATE),
    ),
    LocalModel(
        owner="meta",
        name="meta-llama-3-70b-instruct",
        description="Official, boots for a few seconds",
        boot_seconds=3,
        time_to_first_token=0.2,
        tokens_per_second=40,
        schema=language_model_schema(USUAL_INPUTS | _SYSTEM | _TEMPLATE),
    ),
    LocalModel(
        owner="openai",
        name="gpt-5",
        description="Official, takes messages",
        time_to_first_token=0.2,
        tokens_per_second=60,
        schema=language_model_schema(
            _MESSAGES | _SYSTEM | {"max_completion_tokens": {"type": "integer", "minimum": 1}}
        ),
    ),
    LocalModel(
        owner="meta",
        name="meta-llama-3-8b",
        description="A base model: official, one string for its output, no stream",
        output_kind="string",
        streams=False,
        run_seconds=0.5,
        schema=language_model_schema(USUAL_INPUTS, output="string"),
    ),
    LocalModel(
        owner="local",
        name="community-chat",
        description="A community model: runs by its version only, and boots first",
        official=False,
        boot_seconds=2,
        time_to_first_token=0.1,
        tokens_per_second=50,
        schema=language_model_schema(USUAL_INPUTS | _SYSTEM),
    ),
    LocalModel(
        owner="local",
        name="failing",
        description="Fails after a few words",
        run_seconds=0.5,
        failure="CUDA out of memory",
        failure_after=3,
    ),
)

DEFAULT_DEPLOYMENTS: tuple[LocalDeployment, ...] = (
    LocalDeployment(owner="local", name="chat", model="meta/meta-llama-3-8b-instruct"),
)
