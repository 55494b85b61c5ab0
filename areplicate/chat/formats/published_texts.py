"""The texts that families' published templates write, as published: in `published_texts.txt`, each below its name."""

from __future__ import annotations

from pathlib import Path

_FILE = Path(__file__).with_name("published_texts.txt")
_PARTS = _FILE.read_text(encoding="utf-8").split("======== ")[1:]
PUBLISHED: dict[str, str] = dict(part.removesuffix("\n").split("\n", 1) for part in _PARTS)

GRANITE_3_3 = PUBLISHED["granite-3.1"].replace("\n", " ")
_GRANITE_TOOLS = " with access to the following tools. When a tool is required to answer the user's query, respond{only} with <|tool_call|> followed by a JSON list of tools used. If a tool does not exist in the provided list of tools, notify the user that you do not have the ability to fulfill the request."
GRANITE_3_1_TOOLS = PUBLISHED["granite-3.1"].removesuffix(".") + _GRANITE_TOOLS.replace("{only}", "")
GRANITE_3_3_TOOLS = (
    GRANITE_3_3.removesuffix(" AI assistant.") + " assistant" + _GRANITE_TOOLS.replace("{only}", " only")
)

GPT_OSS_TOOLS = (
    PUBLISHED["gpt-oss"].removesuffix("<|end|>")
    + "\nCalls to these tools must go to the commentary channel: 'functions'.<|end|>"
)

_COMMAND_A_SAFETY = PUBLISHED["command-a-safety"]
_COMMAND_A_TOOL_USE = PUBLISHED["command-a-tool-use"]
_COMMAND_A_STYLE = PUBLISHED["command-a-style"]
COMMAND_A = f"{_COMMAND_A_SAFETY}\n{_COMMAND_A_STYLE}"
COMMAND_A_TOOLS = f"{_COMMAND_A_SAFETY}\n\n{_COMMAND_A_TOOL_USE}\n\n{_COMMAND_A_STYLE}"
