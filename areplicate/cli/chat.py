"""`areplicate chat` and `areplicate demo`: an answer on the terminal, as it is written."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner

import areplicate

from ..errors import APIError, AuthenticationError
from ..options.declared import BY_NAME
from ..options.values import BASE_VARIABLES, KEY_VARIABLES, from_environment
from ..replicate.progress import Phase, Status, phase_by_now
from .prompt import user_message
from .shell import model_names

DEMO_MODEL = "meta/meta-llama-3-8b-instruct"
DEMO_PROMPT = "In one sentence: why does a cold boot take minutes?"
DEMO_ANSWER = "Tens of gigabytes of weights have to reach a GPU that was busy with something else until now."

out = Console()
err = Console(stderr=True)


@click.command()
@click.argument("model", shell_complete=model_names)
@click.argument("prompt", required=False)
@click.option("--system", "-s", help="A system message that opens the conversation.")
@click.option(
    "--file",
    "-f",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A text file that is put before PROMPT; may be given several times.",
)
@click.option("--image", "images", multiple=True, metavar="FILE|URL", help="An image to ask about.")
@click.option("--max-tokens", type=click.IntRange(min=1), help="The most tokens that an answer may have.")
@click.option("--temperature", type=float, help="How random the answer is; 0 gives the likeliest.")
@click.option("--top-p", type=float, help="The share of likely tokens that are chosen from, up to 1.")
@click.option("--stop", multiple=True, help="A text at which the answer ends; may be given several times.")
@click.option("--seed", type=int, help="The same seed gives the same answer, if the model takes one.")
@click.option(
    "--option",
    "-o",
    "--input",
    "inputs",
    multiple=True,
    metavar="NAME=VALUE",
    help="An input of the model's own, as JSON or text; may be given several times.",
)
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds for one answer.")
@click.option("--api-base", help="Where the API is, such as http://127.0.0.1:4100/v1.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole response as JSON.")
@click.option("--stream/--no-stream", default=True, help="Print the answer while it is written.")
def chat(
    model: str,
    prompt: str | None,
    system: str | None,
    files: tuple[Path, ...],
    images: tuple[str, ...],
    stop: tuple[str, ...],
    inputs: tuple[str, ...],
    as_json: bool,
    stream: bool,
    **options: Any,
) -> None:
    """Ask MODEL one PROMPT, or talk with it if there is none.

    What is piped in is asked, too, before PROMPT: `cat notes.txt | areplicate chat MODEL "Sum it up"`.
    The answer alone goes to the standard output. Ctrl-C stops an answer; at the prompt it ends the
    conversation, as Ctrl-D does.
    """
    tell_that_it_cannot_connect()
    params = {name: value for name, value in options.items() if value is not None}
    if stop:
        params["stop"] = list(stop)
    for name, value in parsed_inputs(inputs).items():
        # Keywords are checked for mistyped names; an input with the name of an option goes in by extra_body.
        (params.setdefault("extra_body", {}) if name in BY_NAME else params)[name] = value
    messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    message = user_message(prompt, files, images)
    if message is None:
        _converse(model, messages, params)
    else:
        ask = _answer if stream and not as_json else partial(_whole_answer, as_json=as_json)
        with _stopping():
            ask(model, [*messages, message], params)


def tell_that_it_cannot_connect() -> None:
    """Shows once that a connection fails, while it is tried again; --verbose shows the whole log anyway."""
    told: set[str] = set()

    def is_news(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if not message.startswith("Cannot connect") or message in told:
            return False
        told.add(message)
        return True

    if not areplicate.set_verbose:
        handler = logging.StreamHandler()
        handler.addFilter(is_news)
        logging.getLogger("areplicate").addHandler(handler)


@click.command()
def demo() -> None:
    """Ask a model through a cold boot: Replicate's if a key is set, else one on this machine."""
    messages = [{"role": "user", "content": DEMO_PROMPT}]
    click.echo(f"{click.style(DEMO_MODEL, bold=True)}: {DEMO_PROMPT}", err=True)
    if from_environment(*KEY_VARIABLES):
        base = from_environment(*BASE_VARIABLES) or "Replicate"
        click.echo(f"(asking {base}, with the key in the environment)", err=True)
        with _stopping():
            _answer(DEMO_MODEL, messages, {})
        return
    from ..local import LocalModel, LocalReplicate

    click.echo("(asking a stand-in on this machine; set REPLICATE_API_KEY to ask Replicate)", err=True)
    owner, name = DEMO_MODEL.split("/")
    model = LocalModel(owner=owner, name=name, boot_seconds=6, tokens_per_second=20, reply=DEMO_ANSWER)
    with LocalReplicate(models=[model]) as server, _stopping():
        _answer(DEMO_MODEL, messages, {"api_base": server.api_base, "api_key": "demo"})


def _converse(model: str, messages: list[dict[str, Any]], params: dict[str, Any]) -> None:
    click.echo(f"{click.style(model, bold=True)} (Ctrl-D ends the conversation)", err=True)
    while True:
        try:
            prompt = out.input("[bold cyan]> [/bold cyan]").strip()
        except (EOFError, KeyboardInterrupt):
            click.echo(err=True)
            return
        if not prompt:
            continue
        asked = [*messages, {"role": "user", "content": prompt}]
        try:
            answer = _answer(model, asked, params)
        except KeyboardInterrupt:
            _tell_stopped()
        except AuthenticationError:
            raise
        except APIError as error:
            click.echo(f"{click.style('error:', fg='red')} {error}", err=True)
        else:
            messages = [*asked, {"role": "assistant", "content": answer}]


def _answer(model: str, messages: list[dict[str, Any]], params: dict[str, Any]) -> str:
    """Streams an answer to the terminal, after a status line that lives until its first words."""
    waiting = _Waiting()
    text: list[str] = []
    with waiting.shown() as stop_showing:
        stream = areplicate.completion(model, messages, stream=True, on_status=waiting.saw, **params)
        try:
            with stream:
                for chunk in stream:
                    delta = chunk.choices[0].delta if chunk.choices else None
                    if delta is None or not (delta.content or delta.reasoning_content):
                        continue
                    stop_showing()
                    if delta.reasoning_content:
                        click.secho(delta.reasoning_content, nl=False, dim=True, err=not sys.stdout.isatty())
                    if delta.content:
                        text.append(delta.content)
                        click.echo(delta.content, nl=False)
        finally:
            if text:
                click.echo()
    click.secho(waiting.summary(), dim=True, err=True)
    return "".join(text)


def _whole_answer(
    model: str, messages: list[dict[str, Any]], params: dict[str, Any], *, as_json: bool
) -> None:
    waiting = _Waiting()
    with waiting.shown():
        response = areplicate.completion(model, messages, on_status=waiting.saw, **params)
    click.echo(response.model_dump_json(indent=2) if as_json else response.choices[0].message.content or "")
    click.secho(waiting.summary(), dim=True, err=True)


class _Waiting:
    """The status line: `booting 12 s ...`. It counts the seconds itself, between one status and the next.

    Without a terminal each phase is a line of its own.
    """

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._status: Status | None = None
        self._printed: Phase | None = None
        self._first_text: float | None = None

    @contextmanager
    def shown(self) -> Iterator[Callable[[], None]]:
        """Shows the line on standard error; gives what ends that before the block does."""
        with Live(get_renderable=self._line, console=err, transient=True, refresh_per_second=8) as line:
            yield line.stop

    def saw(self, status: Status) -> None:
        self._status = status
        self._print(status.phase)
        if status.phase in ("processing", "done") and self._first_text is None:
            self._first_text = self._seconds()

    def _line(self) -> Spinner:
        phase = phase_by_now(self._status, self._seconds())
        self._print(phase)
        return Spinner("dots", f"[yellow]{phase} {self._seconds():.0f} s ...")

    def _print(self, phase: Phase) -> None:
        # "done" would stand in the line of the answer; the summary says it.
        if phase not in ("done", self._printed) and not err.is_terminal:
            self._printed = phase
            click.echo(f"{phase}, {self._seconds():.0f} s", err=True)

    def summary(self) -> str:
        first = self._seconds() if self._first_text is None else self._first_text
        return f"{first:.1f} s until the model ran, {self._seconds():.1f} s in all"

    def _seconds(self) -> float:
        return time.monotonic() - self._begun


@contextmanager
def _stopping() -> Iterator[None]:
    """Ctrl-C within it ends the command."""
    try:
        yield
    except KeyboardInterrupt:
        _tell_stopped()
        sys.exit(130)


def _tell_stopped() -> None:
    click.secho("\nstopped", fg="yellow", err=True)


def parsed_inputs(inputs: tuple[str, ...], option: str = "--option") -> dict[str, Any]:
    """`NAME=VALUE` as values: JSON if it is that, else text."""
    parsed: dict[str, Any] = {}
    for pair in inputs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{pair!r} is not NAME=VALUE.", param_hint=option)
        try:
            parsed[name] = msgspec.json.decode(value)
        except msgspec.DecodeError:
            parsed[name] = value
    return parsed
