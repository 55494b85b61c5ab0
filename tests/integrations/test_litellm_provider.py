"""areplicate inside LiteLLM: the real package, in a process of its own, forked from one that has imported it.

What it saw comes back as one line of JSON.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests import forked

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
PROGRAM = """
import asyncio, json
import litellm
from areplicate.integrations.litellm import register
from areplicate.local import LocalModel, LocalReplicate, language_model_schema
from tests.scripted import calls_tools
from tests.stage import wait_until_nothing_runs

register()
register()  # twice is once
litellm.suppress_debug_info = True
TEXT = {"type": "string"}
INPUTS = {"prompt": TEXT, "system_prompt": TEXT, "max_tokens": {"type": "integer"}, "top_k": {"type": "integer"}}
schema = language_model_schema(INPUTS)
MODELS = [
    LocalModel(owner="acme", name="chat", reply=["Hello", ", ", "world"], schema=schema),
    LocalModel(owner="acme", name="tools", reply=calls_tools(("look", {"at": "it"}), then="Seen."), schema=schema),
    LocalModel(owner="acme", name="fails", failure="CUDA out of memory"),
    LocalModel(owner="acme", name="slow", run_seconds=60),
]
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {"at": TEXT}}}}]
HI = [{"role": "user", "content": "Hi"}]
saw = {}

def whole(response):
    choice = response.choices[0]
    calls = [(call.function.name, call.function.arguments) for call in choice.message.tool_calls or ()]
    return [choice.message.content, choice.finish_reason, calls, response.usage.completion_tokens]

def collected(chunks):
    built = litellm.stream_chunk_builder(chunks, messages=HI)
    return [whole(built), [c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content]]

def error(model, key="r8_good", **options):
    try:
        litellm.completion(f"areplicate/acme/{model}", HI, api_base=local.api_base, api_key=key, **options)
    except Exception as error:
        return [type(error).__name__, error.status_code, str(error)]

async def in_async_code(where):
    saw["async"] = whole(await litellm.acompletion("areplicate/acme/chat", HI, **where))
    stream = await litellm.acompletion("areplicate/acme/tools", HI, tools=TOOLS, stream=True, **where)
    saw["async tools streamed"] = collected([chunk async for chunk in stream])
    router = litellm.Router(model_list=[{"model_name": "x", "litellm_params": {"model": "areplicate/acme/chat", **where}}])
    saw["router"] = whole(await router.acompletion("x", HI))

with LocalReplicate(MODELS, tokens={"r8_good": 200, "r8_poor": 402, "r8_refused": 403}) as local:
    where = {"api_base": local.api_base, "api_key": "r8_good"}
    saw["whole"] = whole(litellm.completion("areplicate/acme/chat", HI, max_tokens=9, top_k=3, **where))
    saw["input"] = list(local.predictions.values())[-1].input
    saw["streamed"] = collected(list(litellm.completion(
        "areplicate/acme/chat", HI, stream=True, stream_options={"include_usage": True}, **where)))
    saw["tools"] = whole(litellm.completion("areplicate/acme/tools", HI, tools=TOOLS, **where))
    asyncio.run(in_async_code(where))
    saw["errors"] = [error("none"), error("chat", "r8_wrong"), error("chat", "r8_poor"), error("chat", "r8_refused"),
                     error("fails"), error("slow", timeout=0.5), error("chat", messages_=1)]
    wait_until_nothing_runs(local)
    saw["running"] = len(local.running())
print(json.dumps(saw))
"""


@pytest.fixture(scope="module")
def saw(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    program = tmp_path_factory.mktemp("litellm") / "program.py"
    program.write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    ran = forked.run(str(program), env=environment, timeout=200, imports="integrations")
    assert ran.returncode == 0, ran.stderr[-4000:]
    answer: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return answer


HELLO = ["Hello, world", "stop", [], 3]
LOOK = ["look", '{"at":"it"}']


def test_whole_answers(saw: dict[str, Any]) -> None:
    assert saw["whole"] == saw["async"] == saw["router"] == HELLO
    assert saw["input"]["max_tokens"] == 9 and saw["input"]["top_k"] == 3


def test_streamed_answers_with_the_models_own_count_of_tokens(saw: dict[str, Any]) -> None:
    assert saw["streamed"] == [HELLO, ["Hello", ", ", "world"]]


def test_tools(saw: dict[str, Any]) -> None:
    _, reason, calls, _ = saw["tools"]
    assert (reason, calls) == ("tool_calls", [LOOK])
    _, reason, calls, _ = saw["async tools streamed"][0]
    assert (reason, calls) == ("tool_calls", [LOOK])


def test_errors_are_litellms_own(saw: dict[str, Any]) -> None:
    errors = [each[:2] for each in saw["errors"]]
    assert errors == [
        ["NotFoundError", 404],
        ["AuthenticationError", 401],
        ["PaymentRequiredError", 402],
        ["PermissionDeniedError", 403],
        ["InternalServerError", 500],
        ["Timeout", 408],
        ["BadRequestError", 400],
    ]
    assert "CUDA out of memory" in saw["errors"][4][2]
    assert saw["running"] == 0
