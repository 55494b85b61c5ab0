"""`areplicate completion`: completes commands, options and models in a shell."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem, get_completion_class

SHELLS = ("bash", "zsh", "fish")


def model_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The models of the catalogue that begin so."""
    from ..chat.schemas import catalogue

    return [CompletionItem(name) for name in catalogue.names() if name.startswith(incomplete)]


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print a script that teaches SHELL to complete commands, options and models.

    bash: add `eval "$(areplicate completion bash)"` to ~/.bashrc; zsh: the same with zsh, in ~/.zshrc;
    fish: `areplicate completion fish > ~/.config/fish/completions/areplicate.fish`.
    """
    from . import main

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(main, {}, "areplicate", "_AREPLICATE_COMPLETE").source())
