"""`areplicate demo`: a question through a cold boot."""

from __future__ import annotations

import click

from ..options.access import BASE_VARIABLES, KEY_VARIABLES, from_environment
from .answering import stopped_by_ctrl_c, streamed_answer

_MODEL = "meta/meta-llama-3-8b-instruct"
_PROMPT = "In one sentence: why does a cold boot take minutes?"
_ANSWER = "Tens of gigabytes of weights have to reach a GPU that was busy with something else until now."


@click.command()
def demo() -> None:
    """Ask a model through a cold boot: Replicate's if a key is set, else one on this machine."""
    messages = [{"role": "user", "content": _PROMPT}]
    click.echo(f"{click.style(_MODEL, bold=True)}: {_PROMPT}", err=True)
    if from_environment(*KEY_VARIABLES):
        base = from_environment(*BASE_VARIABLES) or "Replicate"
        click.echo(f"(asking {base}, with the key in the environment)", err=True)
        with stopped_by_ctrl_c():
            streamed_answer(_MODEL, messages, {})
        return
    from ..local import LocalModel, LocalReplicate

    click.echo("(asking a stand-in on this machine; set REPLICATE_API_KEY to ask Replicate)", err=True)
    owner, name = _MODEL.split("/")
    model = LocalModel(owner=owner, name=name, boot_seconds=6, tokens_per_second=20, reply=_ANSWER)
    with LocalReplicate(models=[model]) as server, stopped_by_ctrl_c():
        streamed_answer(_MODEL, messages, {"api_base": server.api_base, "api_key": "demo"})
