"""The models that the stand-in serves to the benchmarks.

Their names are of real models, whose inputs areplicate has in its catalogue: no client needs to look one up
first.
"""

from __future__ import annotations

import re
from typing import Any

from areplicate.local import LocalModel, language_model_schema

CHUNKS: list[Any] = [f" word{number}" for number in range(20)]
TEXT = "".join(CHUNKS)

_BOOTING = (
    "meta/llama-2-13b",
    "meta/meta-llama-3-70b",
    "meta/meta-llama-3-8b",
    "meta/codellama-34b-instruct",
    "meta/codellama-13b",
    "meta/codellama-13b-instruct",
    "meta/codellama-70b-instruct",
    "meta/codellama-13b-python",
    "meta/codellama-7b-python",
    "meta/llamaguard-7b",
)


_SCHEMA = language_model_schema({"stream": {"type": "boolean"}})  # LiteLLM puts it into the input


def _model(full_name: str, **behaviour: Any) -> LocalModel:
    owner, _, name = full_name.partition("/")
    return LocalModel(owner=owner, name=name, **{"reply": CHUNKS, "schema": _SCHEMA, **behaviour})


def numbered_answer(input: dict[str, Any]) -> list[str]:
    """What the model of the fault campaign says to `What is question 17?`, in whatever template."""
    numbers = re.findall(r"question (\d+)", input["prompt"])
    return ["Answer", " ", f"{numbers[-1]}."] if numbers else ["Hello", "."]


WARM = _model("meta/meta-llama-3-8b-instruct", run_seconds=0.2)
FAN = _model("meta/meta-llama-3-70b-instruct", run_seconds=0.5)
STREAMED = _model("meta/llama-2-7b-chat", time_to_first_token=0.05, tokens_per_second=20)
QUICK_STREAM = _model("meta/llama-2-13b-chat", reply=[f" word{n}" for n in range(100)], tokens_per_second=40)
ENDLESS = _model("meta/meta-llama-3.1-405b-instruct", run_seconds=600.0)
"""Gives its first piece at once, and the next after half a minute."""
HELD = _model("meta/llama-2-70b-chat", run_seconds=4.0)
"""Long enough for a thousand requests to be in flight at once."""
NUMBERED = _model("meta/meta-llama-guard-2-8b", reply=numbered_answer, run_seconds=0.3)
"""Its answers depend on the question."""


BOOTED_RUN_SECONDS = 0.2


def booting(seconds: float) -> list[LocalModel]:
    """Cold models: a boot is had once, so each client and each way of calling takes one of its own."""
    return [_model(name, boot_seconds=seconds, run_seconds=BOOTED_RUN_SECONDS) for name in _BOOTING]


def all_models(boot_seconds: float = 0.0) -> list[LocalModel]:
    return [WARM, FAN, STREAMED, QUICK_STREAM, ENDLESS, HELD, NUMBERED, *booting(boot_seconds)]
