"""A gateway whose models play agents' parts: they call tools, think, get JSON wrong, talk around it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from areplicate.local import LocalModel, LocalReplicate
from areplicate.local.components import language_model_schema
from tests.gateway.process import UPSTREAM_KEY, Gateway, config_for, entry, gateway
from tests.scripted import calls_tools, wrong_then_right

PARIS = ("get_weather", {"city": "Paris"})
OSLO = ("get_weather", {"city": "Oslo"})
SUNNY = "It is sunny in Paris."
ADA = {"name": "Ada", "age": 36}
WRITE, READ, DONE = "echo one > one.txt", "cat one.txt", "Done: one."
TOO_LONG = "E1002 PromptTooLong: Prompt length exceeds maximum input length. Detail: Prompt length (1251) exceeds 1024"
TEXT: Any = {"type": "string"}
LLAMA: Any = {
    "prompt_template": {"type": "string", "default": "{prompt}"},
    "system_prompt": TEXT,
    "max_tokens": {"type": "integer"},
    "temperature": {"type": "number", "minimum": 0, "maximum": 5},
}
NATIVE: Any = {
    "system_prompt": TEXT,
    "messages": {"type": "array", "items": {"type": "object"}},
    "tools": {"type": "array", "items": {"type": "object"}},
    "response_format": {"type": "object"},
}


def model(name: str, reply: Any, properties: Any = LLAMA, **options: Any) -> LocalModel:
    return LocalModel(
        owner="acme", name=name, reply=reply, schema=language_model_schema(properties), **options
    )


MODELS = (
    model("chat", ["Hello", ", ", "dear ", "world", "!"]),
    model("weather", calls_tools(PARIS, then=SUNNY, before="Let me look. ")),
    model("weather-native", calls_tools(PARIS, then=SUNNY, notation="granite"), NATIVE),
    model("two-cities", calls_tools([PARIS, OSLO], then="It is sunny in both.")),
    model("ada", f"Here it is:\n```json\n{json.dumps(ADA)}\n```\nAnything else?"),
    model("ada-native", json.dumps(ADA), NATIVE),
    model("ada-at-second", wrong_then_right('{"name": "Ada", "age": "old"}', json.dumps(ADA))),
    model("never-json", "I would rather talk."),
    model("deepseek-r1", "<think>\nThe sky.\n</think>\n\nIt is blue."),
    model("boots", ["Hello", "!"], boot_seconds=13),
    model("fails", "Hello", failure="CUDA out of memory", failure_after=0),
    model("too-long", "Hello", failure=TOO_LONG, failure_after=0),
    model("too-long-late", ["Hel", "lo"], failure=TOO_LONG, failure_after=1),
    model("person-tool", calls_tools(("Person", ADA), then="Done.")),
    model("final-result", calls_tools(("final_result", ADA), then="Done.")),
    model("person-json", calls_tools(("json", ADA), then=json.dumps(ADA))),
    model("codex", calls_tools(("mcp__files__write", {}), ("exec_command", {"cmd": READ}), then=DONE)),
    model("claude", calls_tools(("Bash", {"command": WRITE}), ("Bash", {"command": READ}), then=DONE)),
    model("hands-over", calls_tools(("transfer_to_poet", {}), then="Roses are red.")),
)


@pytest.fixture(scope="session")
def local() -> Iterator[LocalReplicate]:
    with LocalReplicate(models=MODELS, tokens=[UPSTREAM_KEY]) as local:
        yield local


@pytest.fixture(scope="session")
def running(local: LocalReplicate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(configuration(local), tmp_path_factory.mktemp("gateway")) as running:
        yield running


def configuration(local: LocalReplicate, **general: Any) -> dict[str, Any]:
    config = config_for(local, MODELS, **general)
    config["model_list"].append(entry(local, "claude-*", "acme/claude"))
    return config | {"router_settings": {"model_group_alias": {"claude-sonnet-4-5": "claude"}}}
