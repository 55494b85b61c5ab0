"""The `areplicate` command, with a file for each subcommand, which is imported when it is asked for.

These are `batch`, `chat`, `demo`, `keys`, `local`, `models`, `prices` (from its `price_sources`) and `shell`, which is
`areplicate completion`. `prompt` reads what is asked, `answering` shows the answer and `waiting` what comes before it,
`terminal` prints tables, `pairs` reads options, and `signals` ends a command in order.
"""

from __future__ import annotations

import errno
import signal
import sys
from codecs import lookup
from importlib import import_module
from io import TextIOWrapper
from typing import Any, NoReturn

from ..gateway import early_signals

SERVING = ("--config", "--host", "--port", "--workers", "--debug", "--ssl-certfile", "--ssl-keyfile")
"""Options that mean `serve` if no command is named."""

if sys.argv[1:] and sys.argv[1].partition("=")[0] in ("serve", *SERVING):
    early_signals.remember()  # before the imports that follow, which take a while

try:
    import click
except ModuleNotFoundError:  # the entry point is installed without the extra, too
    sys.exit("The areplicate command needs click: pip install 'areplicate[cli]'")

import areplicate  # noqa: E402

from ..errors import APIError  # noqa: E402

_COMMANDS = {
    "batch": ("areplicate.cli.batch", "cli"),
    "chat": ("areplicate.cli.chat", "cli"),
    "completion": ("areplicate.cli.shell", "cli"),
    "demo": ("areplicate.cli.demo", "cli"),
    "keys": ("areplicate.cli.keys", "cli,gateway"),
    "local": ("areplicate.cli.local", "cli"),
    "models": ("areplicate.cli.models", "cli"),
    "prices": ("areplicate.cli.prices", "gateway"),
    "serve": ("areplicate.gateway.command", "gateway"),
}
"""Where each command is, and the extra that it needs. One is imported when it is asked for: a gateway
does not keep in memory what draws tables on terminals."""


class _Commands(click.Group):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0].partition("=")[0] in SERVING:
            args = ["serve", *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except APIError as error:
            raise click.ClickException(str(error)) from None
        except OSError as error:
            if error.errno == errno.EPIPE:  # who read the output has left, and click ends the command
                raise
            what = error.filename or "The output"
            raise click.ClickException(
                f"{what} cannot be read or written: {error.strerror or error}."
            ) from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            if near := get_close_matches(args[0], _COMMANDS, n=1):
                raise click.UsageError(f"{error.message} Did you mean {near[0]!r}?", ctx) from None
            raise

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, extra = _COMMANDS[cmd_name]
        try:
            command: click.Command = getattr(import_module(module), cmd_name)
        except ModuleNotFoundError as missing:
            package = (missing.name or "").partition(".")[0]
            return _to_be_installed(cmd_name, f"needs {package}: pip install 'areplicate[{extra}]'")
        return command


def _to_be_installed(name: str, needs: str) -> click.Command:
    """A command that only says what must be installed for it."""

    def fail() -> None:
        raise click.ClickException(f"areplicate {name} {needs}")

    anything = {"ignore_unknown_options": True, "allow_extra_args": True}
    return click.Command(name, callback=fail, help=f"({needs})", context_settings=anything)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(areplicate.__version__, prog_name="areplicate")
@click.option("--verbose", "-v", is_flag=True, help="Log each request as a curl command, and each phase.")
def main(verbose: bool) -> None:
    """Any language model on Replicate as if it were OpenAI's chat API.

    `areplicate --config config.yaml` serves the gateway.
    """
    areplicate.set_verbose = verbose
    _end_in_order()
    _write_any_character()


def _write_any_character() -> None:
    """Files and pipes are written in UTF-8, as they are read; what a terminal cannot show is a question mark.

    The encoding of many a system has no place for most of what models write, and an answer would be lost.
    """
    if isinstance(sys.stdout, TextIOWrapper) and lookup(sys.stdout.encoding).name != "utf-8":
        if sys.stdout.isatty():
            sys.stdout.reconfigure(errors="replace")
        else:
            sys.stdout.reconfigure(encoding="utf-8")


def _end_in_order() -> None:
    """SIGTERM and SIGHUP end the command in order, so that no prediction is left running.

    SIGHUP stays ignored below `nohup`, and a gateway reads its configuration again at it.
    """
    signal.signal(signal.SIGTERM, _end)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, _end)


def _end(number: int, _: object) -> NoReturn:
    sys.exit(128 + number)
