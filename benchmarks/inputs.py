"""What it costs to build a model's input, and to load the catalogue of models.

Prints the best of several runs, since the machine may be busy with other things, and a ratio to work
that any client does: writing the request's body as JSON.
"""

from __future__ import annotations

import json
import time
import timeit
from collections.abc import Callable
from typing import Any

from areplicate.chat.inputs import build_input
from areplicate.chat.schemas import catalogue

MODELS = (
    "meta/meta-llama-3-8b-instruct",  # the whole conversation in the model's format
    "meta/llama-2-70b-chat",  # several turns, so that the server's template completes them
    "openai/gpt-5.1",  # OpenAI's messages
)
CONVERSATION = [
    {"role": "system", "content": "Be a good human!"},
    {"role": "user", "content": "What do you know about earth?"},
    {"role": "assistant", "content": "It is the third planet from the sun."},
    {"role": "user", "content": "And what of its moon?"},
]
PARAMS = {"max_tokens": 20, "temperature": 0.5, "top_p": 0.9}


def best_seconds(work: Callable[[], Any], number: int) -> float:
    """Seconds of CPU for one run of `work`: the best of twenty averages."""
    return min(timeit.repeat(work, timer=time.process_time, number=number, repeat=20)) / number


def cold_catalogue() -> Any:
    """Reads the file and decodes one model, as the first call of a process does."""
    for cached in (catalogue.find, catalogue._entries):
        cached.cache_clear()
    return catalogue.find(MODELS[0])


def main() -> None:
    load = best_seconds(cold_catalogue, 5)
    print(f"catalogue: {load * 1e3:.2f} ms to load, with the first model")
    for model in MODELS:
        schema = catalogue.find(model)
        params = PARAMS if model != "openai/gpt-5.1" else {"max_completion_tokens": 20}
        body = {"input": build_input(CONVERSATION, params, model=model, schema=schema).fields}

        def build(params: dict[str, Any] = params, model: str = model, schema: Any = schema) -> Any:
            return build_input(CONVERSATION, params, model=model, schema=schema)

        built = best_seconds(build, 500)
        dumped = best_seconds(lambda body=body: json.dumps(body).encode(), 500)  # type: ignore[misc]
        print(
            f"{model}: {built * 1e6:.1f} µs to build the input, "
            f"{built / dumped:.1f} times json.dumps of the body"
        )


if __name__ == "__main__":
    main()
