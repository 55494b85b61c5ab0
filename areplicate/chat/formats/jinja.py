"""Hugging Face's chat templates: Jinja, rendered as Transformers does, in Jinja's own sandbox.

A template is code that the owner of the calling program brings. The sandbox keeps it from Python's inner
attributes and from changing its values; its time and the size of its text are bounded.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from ...errors import BadRequestError
from ..messages import InputMessage
from .arrangement import is_continued
from .tool_format import arguments_of

if TYPE_CHECKING:
    from jinja2 import Template

MAX_SECONDS = 10.0
"""CPU time of one rendering; a conversation of a million words takes some tenths of a second."""

MAX_CHARACTERS = 64_000_000
"""Characters of one rendering, and of one value that is made by multiplying."""

TOKENS = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token")
"""The special tokens that Transformers gives a template by name."""

_CONTINUE = "CONTINUE_FINAL_MESSAGE "
_DEADLINE = "areplicate_deadline"


class ChatTemplate(msgspec.Struct, frozen=True):
    """A chat template and the special tokens that it names.

    Attributes:
        source: the template.
        tokens: the special tokens by name, such as `eos_token`; None says that the tokenizer has none.
        tool_source: the template for conversations with tools, if the tokenizer has one of its own.
    """

    source: str
    tokens: dict[str, Any] = {}
    tool_source: str | None = None

    def check(self) -> None:
        """Raises `BadRequestError` if this is not a template, or where Jinja or a token is missing."""
        for source in filter(None, (self.source, self.tool_source)):
            _compiled(source)
            for token in TOKENS:
                if token in _reads(source) and token not in self.tokens:
                    raise BadRequestError(
                        f"The chat template needs {token}: give {token}=..., as it stands in the model's "
                        f"tokenizer_config.json, or {token}=None if the model has none; or give that file as "
                        "tokenizer_config=..."
                    )

    @property
    def reads(self) -> frozenset[str]:
        """The names of the values that the template reads."""
        return _reads(self.source) | (_reads(self.tool_source) if self.tool_source else frozenset())

    def render(
        self, messages: tuple[InputMessage, ...], tools: Sequence[Any], values: Mapping[str, Any]
    ) -> str:
        """The prompt that the template makes of a conversation.

        The template is given what `tokenizer.apply_chat_template(messages, tools=tools,
        add_generation_prompt=True, **values)` gives it; a last message of the assistant's is
        continued, as with `continue_final_message=True`. Source: "Chat templates" in the
        documentation of Transformers.

        Raises:
            BadRequestError: the template fails, refuses the conversation, reaches for what it may not, or
                takes too long.
        """
        template = _compiled(self.tool_source if tools and self.tool_source else self.source)
        # A template is given empty system text, too, so that an answer before it is not the last message.
        continued = messages[-1].role == "assistant" and is_continued(messages)
        given = {
            **{name: token for name, token in self.tokens.items() if token is not None},
            "tools": list(tools) or None,
            "documents": None,
            "add_generation_prompt": not continued,
            **values,
        }

        def rendered(
            silence: str | None, arguments: Callable[[Mapping[str, Any]], Any] = arguments_of
        ) -> str:
            wire = [_wire(message, arguments, silence) for message in messages]
            if continued:
                wire[-1]["content"] += _CONTINUE
            return _rendered(template, {"messages": wire, **given})

        text = _with_calls(rendered) if any(m.tool_calls for m in messages) else rendered("")
        return _open_end(text) if continued else text


def _with_calls(rendered: Callable[..., str]) -> str:
    """A conversation with calls, in the form that its template takes them.

    DeepSeek's templates, among others, write a call only where its message has no content, which is None in OpenAI's
    API; others print that, or fail.
    """
    text = _with_arguments(rendered, "")
    with suppress(BadRequestError):
        silent = _with_arguments(rendered, None)
        if silent.count("None") == text.count("None"):
            return silent
    return text


def _with_arguments(rendered: Callable[..., str], silence: str | None) -> str:
    try:
        return rendered(silence)
    except BadRequestError as error:
        if not isinstance(error.__cause__, TypeError):
            raise
        # Some templates, DeepSeek's among them, take a call's arguments as the text that they are.
        return rendered(silence, _as_text)


def _rendered(template: Template, values: Mapping[str, Any]) -> str:
    pieces: list[str] = []
    size = 0
    deadline = time.thread_time() + MAX_SECONDS
    try:
        for piece in template.generate(values, **{_DEADLINE: deadline}):
            pieces.append(piece)
            size += len(piece)
            _check(size, deadline)
    except Exception as error:
        raise BadRequestError(f"The chat template failed: {_why(error)}.") from error
    return "".join(pieces)


def _check(size: int, deadline: float) -> None:
    if size > MAX_CHARACTERS:
        raise OverflowError(f"it makes a text of more than {MAX_CHARACTERS:,} characters")
    if time.thread_time() > deadline:
        raise TimeoutError(f"it takes more than {MAX_SECONDS:g} s")


def _open_end(text: str) -> str:
    """The prompt up to the end of the message that the model continues."""
    if _CONTINUE.strip() not in text:
        raise BadRequestError(
            "The chat template leaves out the assistant's last message, so it cannot be continued: "
            "end the conversation with a user's message."
        )
    text, _, after = text.rpartition(_CONTINUE.strip())
    return text if after.startswith(" ") else text.rstrip()


@lru_cache(maxsize=64)
def _compiled(source: str) -> Template:
    try:
        return _environment().from_string(source)  # type: ignore[no-any-return]
    except ImportError:
        raise BadRequestError(
            "A chat_template needs Jinja: pip install 'areplicate[templates]', or give roles instead."
        ) from None
    except Exception as error:
        raise BadRequestError(f"The chat template cannot be read: {_why(error)}.") from error


@lru_cache(maxsize=64)
def _reads(source: str) -> frozenset[str]:
    from jinja2.meta import find_undeclared_variables

    return frozenset(find_undeclared_variables(_environment().parse(source)))


@lru_cache(maxsize=1)
def _environment() -> Any:
    from jinja2.exceptions import TemplateError
    from jinja2.ext import Extension, loopcontrols
    from jinja2.nodes import Node
    from jinja2.parser import Parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """`{% generation %}` marks what the assistant said, for training; here it changes nothing."""

        tags = {"generation"}  # noqa: RUF012 - as Jinja declares it

        def parse(self, parser: Parser) -> list[Node]:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    class Sandbox(ImmutableSandboxedEnvironment):
        """Jinja's sandbox, which looks at the clock at every call and at the size of every product."""

        intercepted_binops = frozenset(("*", "**"))

        def call(self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:
            _check(0, __context.get(_DEADLINE, float("inf")))
            return super().call(__context, __obj, *args, **kwargs)

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            _check_product(operator, left, right)
            return super().call_binop(context, operator, left, right)

    def raise_exception(message: str) -> NoReturn:
        raise TemplateError(str(message))

    environment = Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, Generation])
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda format: datetime.now().strftime(format)
    return environment


def _check_product(operator: str, left: Any, right: Any) -> None:
    """A short expression must not make a value that fills the memory."""
    size = 0
    if isinstance(left, int) and isinstance(right, int):
        size = left.bit_length() * abs(right) if operator == "**" else 0
    elif isinstance(right, int) and isinstance(left, (str, list, tuple)):
        size = len(left) * right
    elif isinstance(left, int) and isinstance(right, (str, list, tuple)):
        size = left * len(right)
    _check(size, float("inf"))


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON as tokenizers' templates expect it: not escaped for HTML."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _wire(
    message: InputMessage, arguments: Callable[[Mapping[str, Any]], Any], silence: str | None
) -> dict[str, Any]:
    """A message as templates expect it. `silence`: the content of one that has nothing but calls."""
    wire = message.as_openai()
    if message.thought:
        wire["reasoning_content"] = wire["thinking"] = message.thought  # as Transformers names it
    if message.tool_calls:
        wire["content"] = wire["content"] or silence
        wire["tool_calls"] = [
            {**call, "function": {**call["function"], "arguments": arguments(call["function"])}}
            for call in message.tool_calls
        ]
    return wire


def _as_text(function: Mapping[str, Any]) -> str:
    arguments = function["arguments"]
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def _why(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    text = str(error).strip().rstrip(".") or type(error).__name__
    line = getattr(error, "lineno", None)
    return f"{text[:300]} (line {line})" if line else text[:300]
