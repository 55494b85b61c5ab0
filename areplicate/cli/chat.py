"""`areplicate chat`: one question, or a conversation at the terminal."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from ..errors import APIError, AuthenticationError
from ..options.declared import BY_NAME
from .answering import stopped_by_ctrl_c, streamed_answer, tell_stopped, whole_answer
from .pairs import parsed_pairs
from .prompt import user_message
from .shell import model_names
from .waiting import tell_that_it_cannot_connect

_ARGUMENTS = {"model", "messages", *BY_NAME}


@click.command()
@click.argument("model", shell_complete=model_names)
@click.argument("prompt", required=False)
@click.option("--system", "-s", help="A system message that opens the conversation.")
@click.option(
    "--file",
    "-f",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path, allow_dash=True),
    help="A text file that is put before PROMPT; may be given several times. - is what is piped in.",
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
    for name, value in parsed_pairs(inputs).items():
        # Keywords are checked for mistyped names; an input with the name of an option goes in by extra_body.
        (params.setdefault("extra_body", {}) if name in _ARGUMENTS else params)[name] = value
    messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    message = user_message(prompt, files, images)
    if message is None:
        _converse(model, messages, params)
    else:
        ask = streamed_answer if stream and not as_json else partial(whole_answer, as_json=as_json)
        with stopped_by_ctrl_c():
            ask(model, [*messages, message], params)


def _converse(model: str, messages: list[dict[str, Any]], params: dict[str, Any]) -> None:
    click.echo(f"{click.style(model, bold=True)} (Ctrl-D ends the conversation)", err=True)
    while True:
        try:
            prompt = Console().input("[bold cyan]> [/bold cyan]").strip()
        except (EOFError, KeyboardInterrupt):
            click.echo(err=True)
            return
        if not prompt:
            continue
        asked = [*messages, {"role": "user", "content": prompt}]
        try:
            said = streamed_answer(model, asked, params)
        except KeyboardInterrupt:
            tell_stopped()
        except AuthenticationError:
            raise
        except APIError as error:
            click.echo(f"{click.style('error:', fg='red')} {error}", err=True)
        else:
            messages = [*asked, {"role": "assistant", "content": said}]
