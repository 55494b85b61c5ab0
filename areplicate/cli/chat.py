"""`areplicate chat` and `areplicate demo`: an answer on the terminal, as it is written."""

from __future__ import annotations

import os
import sys
import time
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner

from ..errors import APIError, AuthenticationError
from ..replicate.progress import Status, phase_by_now

DEMO_MODEL = "meta/meta-llama-3-8b-instruct"
DEMO_PROMPT = "In one sentence: why does a cold boot take minutes?"
DEMO_ANSWER = "Tens of gigabytes of weights have to reach a GPU that was busy with something else until now."

out = Console()
err = Console(stderr=True)


@click.command()
@click.argument("model")
@click.argument("prompt", required=False)
@click.option("--system", help="System text that opens the conversation.")
@click.option("--max-tokens", type=click.IntRange(min=1), help="Tokens of an answer at most.")
@click.option("--temperature", type=float)
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds for one answer.")
@click.option("--api-base", help="Where the API is, such as http://127.0.0.1:4100/v1.")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="NAME=VALUE",
    help="An input of the model's own, JSON or text.",
)
def chat(model: str, prompt: str | None, system: str | None, inputs: tuple[str, ...], **options: Any) -> None:
    """Ask MODEL one PROMPT, or talk with it where there is none.

    Ctrl-C stops an answer; at the prompt it ends the conversation, as Ctrl-D does.
    """
    params = {name: value for name, value in options.items() if value is not None}
    if inputs:
        params["extra_body"] = _parsed(inputs)
    messages = [{"role": "system", "content": system}] if system else []
    if prompt is not None:
        _guarded(_answer, model, [*messages, {"role": "user", "content": prompt}], params)
    else:
        _converse(model, messages, params)


@click.command()
def demo() -> None:
    """Ask a model through a cold boot: Replicate's where a key is set, else one on this machine."""
    messages = [{"role": "user", "content": DEMO_PROMPT}]
    err.print(f"[bold]{DEMO_MODEL}[/bold]: {DEMO_PROMPT}", highlight=False)
    if os.environ.get("REPLICATE_API_KEY") or os.environ.get("REPLICATE_API_TOKEN"):
        base = os.environ.get("REPLICATE_API_BASE") or os.environ.get("REPLICATE_BASE_URL")
        err.print(f"(asking {base or 'Replicate'}, with the key in the environment)", highlight=False)
        _guarded(_answer, DEMO_MODEL, messages, {})
        return
    from ..local import LocalModel, LocalReplicate

    err.print("(asking a stand-in on this machine; set REPLICATE_API_KEY to ask Replicate)")
    owner, name = DEMO_MODEL.split("/")
    model = LocalModel(owner=owner, name=name, boot_seconds=6, tokens_per_second=20, reply=DEMO_ANSWER)
    with LocalReplicate(models=[model]) as server:
        _guarded(_answer, DEMO_MODEL, messages, {"api_base": server.api_base, "api_key": "demo"})


def _converse(model: str, messages: list[dict[str, str]], params: dict[str, Any]) -> None:
    err.print(f"[bold]{model}[/bold] (Ctrl-D ends the conversation)")
    while True:
        try:
            prompt = out.input("[bold cyan]> [/bold cyan]").strip()
        except (EOFError, KeyboardInterrupt):
            err.print()
            return
        if not prompt:
            continue
        asked = [*messages, {"role": "user", "content": prompt}]
        try:
            answer = _answer(model, asked, params)
        except KeyboardInterrupt:
            err.print("\n[yellow]stopped[/yellow]")
        except AuthenticationError as error:
            _fail(str(error))
        except APIError as error:
            _complain(str(error))
        else:
            messages = [*asked, {"role": "assistant", "content": answer}]


def _answer(model: str, messages: list[dict[str, str]], params: dict[str, Any]) -> str:
    """Streams an answer to the terminal, after a status line that lives until its first words."""
    from ..completion import completion

    waiting = _Waiting()
    text: list[str] = []
    with Live(get_renderable=waiting.line, console=err, transient=True, refresh_per_second=8) as line:
        stream = completion(model, messages, stream=True, on_status=waiting.saw, **params)
        try:
            with stream:
                for chunk in stream:
                    delta = chunk.choices[0].delta if chunk.choices else None
                    if delta is None or not (delta.content or delta.reasoning_content):
                        continue
                    line.stop()
                    if delta.reasoning_content:
                        click.secho(delta.reasoning_content, nl=False, dim=True)
                    if delta.content:
                        text.append(delta.content)
                        click.echo(delta.content, nl=False)
        finally:
            if text:
                click.echo()
    err.print(f"[dim]{waiting.summary()}[/dim]", highlight=False)
    return "".join(text)


class _Waiting:
    """The status line: `booting 12 s ...`. A phase lasts until the next is seen, so it counts itself."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._status: Status | None = None
        self._first_text: float | None = None

    def saw(self, status: Status) -> None:
        self._status = status
        if status.phase in ("processing", "done") and self._first_text is None:
            self._first_text = self._seconds()

    def line(self) -> Spinner:
        phase = phase_by_now(self._status, self._seconds())
        return Spinner("dots", f"[yellow]{phase} {self._seconds():.0f} s ...")

    def summary(self) -> str:
        first = self._seconds() if self._first_text is None else self._first_text
        return f"{first:.1f} s until the model ran, {self._seconds():.1f} s in all"

    def _seconds(self) -> float:
        return time.monotonic() - self._begun


def _guarded(ask: Any, *args: Any) -> None:
    try:
        ask(*args)
    except APIError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        err.print("\n[yellow]stopped[/yellow]")
        sys.exit(130)


def _parsed(inputs: tuple[str, ...]) -> dict[str, Any]:
    import msgspec

    parsed: dict[str, Any] = {}
    for pair in inputs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{pair!r} is not NAME=VALUE.", param_hint="--input")
        try:
            parsed[name] = msgspec.json.decode(value)
        except msgspec.DecodeError:
            parsed[name] = value
    return parsed


def _complain(message: str) -> None:
    err.print("[red]error:[/red] ", end="")
    err.print(message, markup=False, highlight=False, soft_wrap=True)


def _fail(message: str) -> NoReturn:
    _complain(message)
    sys.exit(1)
