"""Writes tests/data/formats.jsonl: what real chat templates make of conversations.

    python scripts/render_formats.py FOLDER

FOLDER holds what public repositories publish: chat templates (`*.jinja`) and FastChat's `conversation.py`, named as
in format_sources.json. Templates are rendered as Transformers does it; only what comes out is kept, with its source.
A token that opens the text is left out, as tokenizers put it there. A line has `family`, `conversation`, `source`, and
`text`; or `refused`, if the template takes no such conversation, or would lose text of it.

An entry of format_sources.json may have:

    only, skip   the conversations that are rendered, or that are not
    also         of the conversations in `MORE`, those that are rendered: few templates take them
    call         the text of a call, for templates that take it as its message's content
    name         the template's name in FastChat; `default` is its system text
    bos_token, eos_token, opening   the template's tokens
    otherwise    what the file has otherwise than the model's owner: its words, and the owner's
"""

from __future__ import annotations

import argparse
import copy
import datetime
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

MORE = (
    *("tools with descriptions", "tools without system", "calls alone"),
    *("calls again", "calls after text", "thoughts", "thought of a call"),
)
ROOT = Path(__file__).parents[1]
CONVERSATIONS = ROOT / "tests" / "data" / "conversations.json"
FORMATS = ROOT / "tests" / "data" / "formats.jsonl"
SOURCES = Path(__file__).with_name("format_sources.json")
DAY = datetime.datetime(2024, 7, 26)
_CONTINUE = "CONTINUE_FINAL_MESSAGE "


class Refused(Exception):
    """The source takes no such conversation."""


class Generation(Extension):
    tags = {"generation"}  # noqa: RUF012 - as Jinja declares it

    def parse(self, parser: Any) -> Any:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def environment() -> ImmutableSandboxedEnvironment:
    """The environment that Transformers' `apply_chat_template` renders in."""

    def tojson(value: Any, ensure_ascii: bool = False, **how: Any) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, **how)

    def raise_exception(message: str) -> NoReturn:
        raise Refused(message)

    made = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, Generation]
    )
    made.filters["tojson"] = tojson
    made.globals["raise_exception"] = raise_exception
    made.globals["strftime_now"] = DAY.strftime
    return made


def from_template(path: Path, entry: dict[str, Any]) -> Callable[[Any, Any], str]:
    template = environment().from_string(path.read_text(encoding="utf-8"))
    tokens = {name: entry[name] for name in ("bos_token", "eos_token") if name in entry}

    def render(messages: list[dict[str, Any]], tools: Any) -> str:
        continued = messages[-1]["role"] == "assistant"
        if continued:
            messages[-1]["content"] += _CONTINUE
        values: dict[str, Any] = {
            "tools": tools,
            "documents": None,
            "add_generation_prompt": not continued,
        } | tokens
        try:
            text = template.render(messages=messages, **values)
        except TypeError:  # a template that takes a call's arguments as text
            for message in messages:
                for call in message.get("tool_calls", ()):
                    call["function"]["arguments"] = json.dumps(call["function"]["arguments"])
            text = template.render(messages=messages, **values)
        if continued:
            text, found, after = text.rpartition(_CONTINUE.strip())
            if not found:
                raise Refused("the last answer is left out")
            text = text if after.startswith(" ") else text.rstrip()
        return text.removeprefix(entry.get("opening", entry.get("bos_token") or ""))

    return render


def from_fastchat(path: Path, entry: dict[str, Any]) -> Callable[[Any, Any], str]:
    spec = importlib.util.spec_from_file_location("fastchat_conversation", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def render(messages: list[dict[str, Any]], tools: Any) -> str:
        conversation = module.get_conv_template(entry["name"])
        if "default" in entry:
            conversation.set_system_message(entry["default"])
        roles = [message["role"] for message in messages]
        if roles[-1] == "assistant" or "tool" in roles or "system" in roles[1:]:
            raise Refused("FastChat has no such conversation")
        for message in messages:
            if message["role"] == "system":
                conversation.set_system_message(message["content"])
            else:
                speaker = conversation.roles[message["role"] == "assistant"]
                conversation.append_message(speaker, message["content"])
        conversation.append_message(conversation.roles[1], None)
        return str(conversation.get_prompt()).removeprefix(entry.get("opening", ""))

    return render


def lost(text: str, messages: list[dict[str, Any]], tools: Any) -> str | None:
    """What the text leaves out of the conversation."""
    said = [str(message["content"] or "").rpartition("</think>")[2].strip() for message in messages]
    functions = [call["function"] for message in messages for call in message.get("tool_calls", ())]
    calls = [str(value) for function in functions for value in function["arguments"].values()]
    descriptions = [tool["function"]["description"] for tool in tools or ()]
    missing = [piece for piece in (*said, *calls, *descriptions) if piece not in text.replace('\\"', '"')]
    return missing[0] if missing else None


def with_call_as_text(messages: list[dict[str, Any]], entry: dict[str, Any]) -> list[dict[str, Any]]:
    messages = copy.deepcopy(messages)
    for message in messages:
        if "call" in entry and message.pop("tool_calls", None):
            message["content"] = entry["call"]
    return messages


def rows(folder: Path, entry: dict[str, Any]) -> list[dict[str, Any]]:
    make = from_fastchat if "name" in entry else from_template
    render = make(folder / entry["file"], entry)
    made = []
    for name, conversation in json.loads(CONVERSATIONS.read_text(encoding="utf-8")).items():
        wanted = entry.get("also" if name in MORE else "only", () if name in MORE else (name,))
        if name not in wanted or name in entry.get("skip", ()):
            continue
        row = {"family": entry["family"], "conversation": name, "source": entry["source"]}
        messages, tools = conversation["messages"], conversation.get("tools")
        try:
            text = render(with_call_as_text(messages, entry), copy.deepcopy(tools))
            for theirs, owners in entry.get("otherwise", {}).items():
                text = text.replace(theirs, owners)
        except (Refused, TypeError, jinja2.TemplateError) as error:
            row["refused"] = str(error)
        else:
            missing = lost(text, messages, tools)
            row |= {"text": text} if missing is None else {"refused": f"it loses {missing!r}"}
        made.append(row)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the fetched templates lie")
    folder = parser.parse_args().folder
    entries = json.loads(SOURCES.read_text(encoding="utf-8"))
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for entry in entries for row in rows(folder, entry)]
    FORMATS.write_text("".join(lines), encoding="utf-8")
    texts = sum('"text": ' in line for line in lines)
    print(f"{len(entries)} sources, {texts} texts, {len(lines) - texts} refused")


if __name__ == "__main__":
    main()
