"""Clients that are installed apart: the AI SDK, Codex and Claude Code from npm, and LlamaIndex.

The command lines do a scripted task: the model asks them to write a file and then to read it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.agents import apart
from tests.gateway.agents.conftest import ADA, SUNNY
from tests.gateway.process import MASTER, Gateway

pytestmark = [pytest.mark.integration, pytest.mark.first(60)]

_SECONDS = 300
_AI_SDK = """
import { generateText, streamText, generateObject, stepCountIs, tool } from "ai"
import { createOpenAI } from "@ai-sdk/openai"
import { createAnthropic } from "@ai-sdk/anthropic"
import { z } from "zod"

const [url, apiKey] = process.argv.slice(2)
const openai = createOpenAI({ baseURL: `${url}/v1`, apiKey })
const anthropic = createAnthropic({ baseURL: `${url}/v1`, apiKey })
const tools = {
  get_weather: tool({
    description: "The weather in a city.",
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => `sunny in ${city}`,
  }),
}
const Person = z.object({ name: z.string(), age: z.number().int() })
const told = {}
for (const [api, model] of Object.entries({
  responses: openai.responses, chat: openai.chat, messages: anthropic,
})) {
  const asked = { model: model("weather"), tools, prompt: "How is the weather in Paris?", stopWhen: stepCountIs(3), maxRetries: 0,
    providerOptions: { openai: { store: false } } }
  const { text, steps } = await generateText(asked)
  let streamed = ""
  for await (const piece of streamText(asked).textStream) streamed += piece
  const { object } = await generateObject({ model: model(api === "messages" ? "person-json" : "ada"), schema: Person, prompt: "Who?", maxRetries: 0 })
  told[api] = { text, streamed, called: steps.flatMap((step) => step.toolCalls.map((call) => call.input)), object }
}
console.log(JSON.stringify(told))
"""

_LLAMA_INDEX = """
import gc, json, sys
gc.disable()  # its imports take three seconds, and one more with searches for garbage
from pydantic import BaseModel
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike

class Person(BaseModel):
    name: str
    age: int

def get_weather(city: str) -> str:
    "The weather in a city."
    return "sunny"

def model(name):
    return OpenAILike(model=name, api_base=sys.argv[1] + "/v1", api_key=sys.argv[2], is_chat_model=True,
                      is_function_calling_model=True, max_retries=0)

tool = FunctionTool.from_defaults(get_weather)
answer = model("weather").chat_with_tools([tool], user_msg="How is the weather in Paris?")
[call] = model("weather").get_tool_calls_from_response(answer)
said = list(model("chat").stream_chat([ChatMessage(role="user", content="Hi")]))[-1].message.content
person = model("person-tool").as_structured_llm(Person).complete("Who?").raw
print(json.dumps({"call": [call.tool_name, call.tool_kwargs], "said": said, "person": person.model_dump()}))
"""


def run(command: list[str], **options: Any) -> str:
    done: subprocess.CompletedProcess[str] = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        stdin=subprocess.DEVNULL,
        check=False,
        **options,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def environment(home: Path, **more: str) -> dict[str, str]:
    """Nothing of the user's own settings, and no calls home."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return {**kept, "HOME": str(home), **more}


def test_ai_sdk(running: Gateway) -> None:
    folder = apart.npm("ai", "zod", "@ai-sdk/openai", "@ai-sdk/anthropic")
    script = folder / f"ai-sdk-{os.getpid()}.mjs"  # node looks for packages beside the script
    script.write_text(_AI_SDK)
    try:
        printed = json.loads(run(["node", str(script), running.url, MASTER]).splitlines()[-1])
    finally:
        script.unlink()
    for api in ("responses", "chat", "messages"):
        assert printed[api]["text"] == SUNNY and printed[api]["streamed"].endswith(SUNNY), api
        assert printed[api]["called"] == [{"city": "Paris"}] and printed[api]["object"] == ADA, api


def test_llamaindex(running: Gateway) -> None:
    interpreter = apart.python("llama-index-llms-openai-like")
    printed = json.loads(run([str(interpreter), "-c", _LLAMA_INDEX, running.url, MASTER]).splitlines()[-1])
    assert printed == {
        "call": ["get_weather", {"city": "Paris"}],
        "said": "Hello, dear world!",
        "person": ADA,
    }


MCP_SERVER = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    result = {
        "initialize": {"capabilities": {"tools": {}}, "serverInfo": {"name": "files", "version": "1"}},
        "tools/list": {"tools": [{"name": "write", "inputSchema": {"type": "object", "properties": {}}}]},
        "tools/call": {"content": [{"type": "text", "text": "It is written."}]},
    }.get(asked["method"], {})
    if asked["method"] == "initialize":
        result["protocolVersion"] = asked["params"]["protocolVersion"]
    if asked["method"] == "tools/call":
        open("one.txt", "w").write("one\\n")
    if "id" in asked:
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}), flush=True)
"""


def test_codex(running: Gateway, tmp_path: Path) -> None:
    folder = apart.npm("@openai/codex")
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    (home / "config.toml").write_text(
        f"""model = "codex"
model_provider = "areplicate"

[model_providers.areplicate]
name = "areplicate"
base_url = "{running.url}/v1"
env_key = "AREPLICATE_KEY"
wire_api = "responses"
stream_max_retries = 0

[mcp_servers.files]
command = "{sys.executable}"
args = ["server.py"]
cwd = "{work}"
required = true
"""
    )
    (work / "server.py").write_text(MCP_SERVER)
    command = [
        *(str(folder / "node_modules" / ".bin" / "codex"), "exec", "--skip-git-repo-check"),
        *("--dangerously-bypass-approvals-and-sandbox", "Write a file and read it."),
    ]
    printed = run(command, cwd=work, env=environment(tmp_path, CODEX_HOME=str(home), AREPLICATE_KEY=MASTER))
    assert printed.strip() == "Done: one."
    assert (work / "one.txt").read_text() == "one\n"


@pytest.mark.parametrize(
    "model",
    [
        "",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("claude-sonnet-4-5", "claude")),
    ],
)
def test_claude_code(running: Gateway, tmp_path: Path, model: str) -> None:
    """As nobody says otherwise; and with the slow tests, as an alias has it and by the gateway's own name."""
    claude = apart.npm("@anthropic-ai/claude-code") / "node_modules" / ".bin" / "claude"
    variables = environment(
        tmp_path,
        ANTHROPIC_BASE_URL=running.url,
        ANTHROPIC_API_KEY=MASTER,
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
        DISABLE_AUTOUPDATER="1",
        IS_SANDBOX="1",
    )
    command = [str(claude), "-p", "Write a file and read it.", *(["--model", model] if model else ())]
    command += ["--dangerously-skip-permissions", "--output-format", "json"]
    work = tmp_path / "work"
    work.mkdir()
    printed = json.loads(run(command, cwd=work, env=variables))
    assert (printed["is_error"], printed["result"], printed["num_turns"]) == (False, "Done: one.", 3)
    assert (work / "one.txt").read_text() == "one\n"
