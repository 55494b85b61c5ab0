"""From a model's output to the text and the reasoning of an answer."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import msgspec

from .channels import OPENS, ChannelSplitter
from .chunks import message_of
from .formats.families import family_of, spelled
from .responses import Delta, Message
from .schemas.schema import ModelSchema
from .stops import begun_at_the_end

_REASONS = (
    r"(?<![a-z])r1(?![a-z\d])|qwq|qvq|qwen-?3|think|reason|magistral|nemotron|exaone-(deep|[4-9]|\d{3}b)"
    r"|glm-(z|4\.[1-9]|[5-9])|minimax-m\d|smollm-?3|seed-?oss|gpt-?oss|hermes-?4|deephermes|deepcoder|deepscaler|skywork-or1"
    r"|deepseek-?v(3\.[1-9]|[4-9])|kimi-k2\.[5-9]|step-?3|\bring-|\bling-3|mimo|apertus|granite-3\.[23]|gemma-?4|hunyuan"
    r"|command-(a|r7b)|ernie-?4\.5|\bhy-?3|solar-open|kimi-k3|laguna|spark-?2|minicpm-?(4\.?1|5)"
    r"|cogito|intern-s\d|solar-pro|falcon-h1r|intellect-\d|sarvam|\bcwm\b|kat-v\d|mistral-small-[4-9](?!\d)"
)
"""The names of models that write a thought before they answer."""

THOUGHTS = {
    "<think>": "</think>",
    "<thought>": "</thought>",
    "<seed:think>": "</seed:think>",
    "[THINK]": "[/THINK]",
    "◁think▷": "◁/think▷",
    "<longcat_think>": "</longcat_think>",
    "<mm:think>": "</mm:think>",
    "<think:opensource>": "</think:opensource>",
    "<|inner_prefix|>": "<|inner_suffix|>",
    "<|channel>thought": "<channel|>",
    "<|START_THINKING|>": "<|END_THINKING|>",
    "<|think|>": "<|end|>",
    "<|open|>think<|sep|>": "<|close|>think<|sep|>",
    "<|begin_assistant|>\nHere are my reasoning steps:": "[BEGIN FINAL RESPONSE]",
}
"""What opens a thought in the models' formats, and what closes it: Seed-OSS, EXAONE Deep, Magistral, Kimi-VL, LongCat,
MiniMax M3, Hy3, Apertus, Gemma 4, Command A, Solar Open, Kimi K3, Apriel and Granite 3.2 have their own marks."""

_IN_WORDS = (
    (r"apriel", "Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]"),
    (r"hyperclova", "/think\n", "\nassistant\n"),
    (r"granite-3\.[23]", "Here is my thought process:", "Here is my response:"),
)
"""What opens and closes a thought in words, by the names of the models: any other model's answer may begin with these
words."""

_WRAPPED = (
    (r"command-(a|r7b)", "<|START_RESPONSE|>", "<|END_RESPONSE|>"),
    (r"solar-open", "<|begin|>assistant<|content|>", "<|end|>"),
    (r"kimi-k3", "<|open|>response<|sep|>", "<|close|>response<|sep|>"),
    (r"hunyuan|glm-4\.1v|k2-think", "<answer>", "</answer>"),
    (r"ernie|granite", "<response>", "</response>"),
)
"""What some models, by their names, write around the answer that follows a thought. For others, it is the answer's."""
Around = tuple[str, str]
_SCHEMES = ("https://", "http://", "data:")


def output_text(output: Any) -> str:
    """The text of a prediction's `output`.

    Replicate's models give a list of strings to be joined, one string, null, the URLs of media (a
    line each), an object whose text is known (`_text_of`), or anything else, of which this is the JSON.
    """
    if isinstance(output, str):
        return output
    if output is None:
        return ""
    if isinstance(output, list):
        try:
            text = "".join(output)
        except TypeError:  # not all of them are strings
            return msgspec.json.encode(output).decode()
        return "".join(map(Lines(), output)) if "://" in text or "data:" in text else text
    known = _text_of(output) if isinstance(output, dict) else None
    return msgspec.json.encode(output).decode() if known is None else known


_TEXTS = ("text", "content", "output_text", "generated_text", "response")
_BESIDE_TEXT = frozenset(
    ("role", "json_output", "response_id", "id", "model", "finish_reason", "stop_reason", "usage", "metrics")
)
"""Fields of known objects that do not belong to their text."""


def _text_of(output: dict[str, Any]) -> str | None:
    """The text of an answer that is an object of a known shape; None if it has another.

    `openai/gpt-5-structured` gives `{text, json_output, response_id}`, its text empty if a JSON schema
    was asked for; others give a message, or a completion, as OpenAI's API has them.
    """
    choices = output.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        message = choices[0].get("message")
        return _text_of(message) if isinstance(message, dict) else None
    if isinstance(output.get("json_output"), (dict, list)) and not output.get("text"):
        return msgspec.json.encode(output["json_output"]).decode()
    rest = output.keys() - _BESIDE_TEXT
    if len(rest) == 1 and (name := rest.pop()) in _TEXTS:
        return output[name] if isinstance(output[name], str) else None
    return None


class ReplySplitter:
    """Takes a model's text in pieces and gives what each adds to the message.

    However the text is cut, the pieces add up to the same. What may be the beginning of a tag is kept back
    until that is clear.

    Args:
        thinks: a `<think>` block at the beginning is reasoning.
        begun: the mark with which the prompt has opened the block, so that the text begins within it.
        words: the words with which the model opens and closes a thought, too.
        wrap: the marks that it writes around the answer that follows.
    """

    def __init__(
        self, *, thinks: bool, begun: str = "", words: Around | None = None, wrap: Around | None = None
    ) -> None:
        self._held = ""
        self._marks = THOUGHTS if words is None else THOUGHTS | dict([words])
        self._close = THOUGHTS.get(begun, "")
        self._wrap = wrap
        self._wrapped = False
        """Whether the marks around the answer are read, and not those around the thought."""
        self._begun = False
        self._step = ReplySplitter._begin
        self.verbatim = not (thinks or begun)
        """Whether nothing is looked for any more: what comes is content as it is."""

    def feed(self, text: str) -> list[Delta]:
        """What this piece of text makes certain."""
        if self.verbatim and not self._held:
            return _content(text)
        self._held += text
        return self._run(ended=False)

    def end(self) -> list[Delta]:
        """What was kept back, now that no text follows."""
        return self._run(ended=True)

    def _run(self, ended: bool) -> list[Delta]:
        deltas: list[Delta] = []
        while True:
            step = self._step
            deltas += step(self, ended)
            if self._step is step:
                return deltas

    def _begin(self, ended: bool) -> list[Delta]:
        start = self._held.lstrip()
        for mark, close in self._marks.items():
            if start.startswith(mark):
                self._held, self._close = start[len(mark) :], close
                self._step = ReplySplitter._within
                return []
        if ended or not any(mark.startswith(start) for mark in self._marks):
            self._step = ReplySplitter._within if self._close else ReplySplitter._answer
        return []

    def _within(self, ended: bool) -> list[Delta]:
        """The thought, or the answer within its marks, without the white space around it."""
        text, closed, rest = self._held.partition(self._close)
        if not self._begun:
            text = text.lstrip()
        if closed:
            self._held = rest
            self._step = ReplySplitter._answer if self._wrapped else ReplySplitter._skip_space
            certain = text.rstrip()
        else:
            certain = text if ended else text[: len(text) - begun_at_the_end(text, (self._close,))]
            certain = certain.rstrip()
            self._held = text[len(certain) :]
        self._begun = not closed and (self._begun or bool(certain))
        if not certain:
            return []
        return [Delta(content=certain) if self._wrapped else Delta(reasoning_content=certain)]

    def _skip_space(self, ended: bool) -> list[Delta]:
        self._held = self._held.lstrip()
        if self._held or ended:
            self._step = ReplySplitter._answer if self._wrap is None else ReplySplitter._unwrap
        return []

    def _unwrap(self, ended: bool) -> list[Delta]:
        assert self._wrap is not None
        mark, close = self._wrap
        if self._held.startswith(mark):
            self._held, self._close, self._wrapped = self._held[len(mark) :], close, True
            self._step = ReplySplitter._within
        elif ended or not mark.startswith(self._held):
            self._step = ReplySplitter._answer
        return []

    def _answer(self, ended: bool) -> list[Delta]:
        self.verbatim = True
        text, self._held = self._held, ""
        return _content(text)


Splitter = ReplySplitter | ChannelSplitter


class Lines:
    """Puts URLs that follow one another in an output on lines of their own; call it with each piece in turn.

    Media models give a list of URLs.
    """

    __slots__ = ("_after_url",)

    def __init__(self) -> None:
        self._after_url = False

    def __call__(self, piece: str) -> str:
        after_url = self._after_url
        self._after_url = piece.startswith(_SCHEMES) and not any(map(str.isspace, piece))
        return f"\n{piece}" if after_url and self._after_url else piece


def read_reply(text: str, schema: ModelSchema | None, model: str | None = None, begun: str = "") -> Message:
    """A model's text as a message, its reasoning apart.

    Only the text of models that are known to reason or that take tools is searched for a thought, and that which
    goes on with a thought that the prompt has `begun`, with this mark.
    """
    if not begun and not _thinks(schema, model):
        return Message(role="assistant", content=text)
    splitter = reply_splitter(schema, model, begun)
    return message_of([*splitter.feed(text), *splitter.end()])


def reply_splitter(schema: ModelSchema | None, model: str | None = None, begun: str = "") -> Splitter:
    """The splitter for a stream: what it gives piece by piece adds up to what `read_reply` gives."""
    if begun == OPENS or re.search("gpt-?oss", spelled(model or "")):
        return ChannelSplitter()
    name = spelled(_name(schema, model))
    words, wrap = _marks_of(name, _IN_WORDS), _marks_of(name, _WRAPPED)
    return ReplySplitter(thinks=_thinks(schema, model), begun=begun, words=words, wrap=wrap)


def _thinks(schema: ModelSchema | None, model: str | None) -> bool:
    if schema is not None and "tools" in schema.fields:
        return True
    return reasons(_name(schema, model))


def _name(schema: ModelSchema | None, model: str | None) -> str:
    return model or (schema.model if schema is not None else None) or ""


@lru_cache(maxsize=1024)
def _marks_of(name: str, rows: tuple[tuple[str, str, str], ...]) -> Around | None:
    """The marks of a model among rows of names, what opens and what closes."""
    return next(((mark, close) for names, mark, close in rows if re.search(names, name)), None)


@lru_cache(maxsize=1024)
def reasons(model: str) -> bool:
    """Whether a model of this name is known to write its reasoning down, or its family's format has thoughts."""
    if re.search(_REASONS, spelled(model)):
        return True
    template = family_of(model).template
    return template.forgets is not None or template.thought is not None


def _content(text: str) -> list[Delta]:
    return [Delta(content=text)] if text else []
