"""`areplicate batch`: a file of questions, and the file of their answers."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from ..bulk import job as jobs
from ..bulk.checking import CheckedJob, Share, check
from ..bulk.inputs import Defaults
from ..bulk.job import Job
from ..bulk.reading import CSV, PARQUET
from ..bulk.tally import Tally
from ..errors import APIError, BadRequestError, NotFoundError
from ..gateway.config.prices import built_in, published_price
from ..replicate.limits import CREATIONS_PER_MINUTE
from ..router import AsyncRouter
from . import signals
from .pairs import parsed_pairs
from .waiting import tell_that_it_cannot_connect

err = Console(stderr=True)

SOME_FAILED = 3
"""The exit status of a job that has ended, and some of whose rows have an error instead of an answer."""


class _Group(click.Group):
    """`areplicate batch FILE` runs a job; `areplicate batch export FILE` writes what it has so far."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Group)
def batch() -> None:
    """Answer a file of questions, and go on where it stopped.

    `areplicate batch INPUT -o OUTPUT` asks (its options: `areplicate batch run --help`);
    `areplicate batch export INPUT -o OUTPUT` writes the answers that there are so far.
    """


def _files(command: Any) -> Any:
    """The options that say what the job is."""
    options = [
        click.argument(
            "source", metavar="INPUT", type=click.Path(exists=True, dir_okay=False, path_type=Path)
        ),
        click.option(
            "--output",
            "-o",
            required=True,
            type=click.Path(dir_okay=False, path_type=Path),
            help="The answers' file. Its journal, OUTPUT.journal, lies beside it.",
        ),
        click.option("--model", help="The model of rows that name none."),
        click.option("--system", help="A system message for each row."),
        click.option("--column", default="prompt", show_default=True, help="The column with the prompt."),
        click.option(
            "--set",
            "settings",
            multiple=True,
            metavar="NAME=VALUE",
            help="An option or an input of the model for all rows, such as max_tokens=100.",
        ),
        click.option("--limit", type=click.IntRange(min=1), help="Only the first rows."),
        click.option(
            "--append-to-rows",
            is_flag=True,
            help="Write the input's rows with columns added, instead of OpenAI's batch format. "
            "CSV and Parquet are always written so.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _job(
    source: Path,
    output: Path,
    model: str | None,
    system: str | None,
    column: str,
    settings: tuple[str, ...],
    limit: int | None,
    append_to_rows: bool,
) -> Job:
    defaults = Defaults(model, system, column, parsed_pairs(settings, "--set"))
    return Job(source, output, defaults, limit, append_to_rows or output.suffix.lower() in (*CSV, PARQUET))


@batch.command()
@_files
@click.option("--max-in-flight", type=click.IntRange(min=1), help="The most questions asked at a time.")
@click.option("--retry-failed", is_flag=True, help="Ask the rows again that failed in an earlier run.")
@click.option("--dry-run", is_flag=True, help="Check every row and estimate the time; ask nothing.")
@click.option(
    "--creations-per-minute", default=CREATIONS_PER_MINUTE, show_default=True, help="The account's limit."
)
@click.option("--api-base", help="Where the API is, such as http://127.0.0.1:4100/v1.")
def run(
    max_in_flight: int | None,
    retry_failed: bool,
    dry_run: bool,
    creations_per_minute: float,
    api_base: str | None,
    **files: Any,
) -> None:
    """Ask a model each question of INPUT and write the answers to OUTPUT, in INPUT's order.

    INPUT is OpenAI's batch format, JSON lines with a prompt or messages, CSV, or Parquet. All lines are checked
    before anything is asked. The same command again goes on where it stopped, whatever stopped it. Ctrl-C
    stops it once what is in flight has been answered. The exit status is 3 if a row has an error instead of an
    answer.
    """
    job = _job(**files)
    tell_that_it_cannot_connect()
    stopping = False

    def stop() -> None:
        nonlocal stopping
        stopping = True
        click.echo("\nWaiting for what is in flight; Ctrl-C again cancels it.", err=True)

    async def work() -> Tally | None:
        async with AsyncRouter(api_base=api_base, creations_per_minute=creations_per_minute) as router:
            checked = await check(job, router)
            _tell(job, checked, creations_per_minute)
            if dry_run:
                return None
            tally = Tally(checked.rows, creations_per_minute, _cost)
            with progress_shown(tally) as (show, seconds):
                async with _every(seconds, show):
                    await jobs.run(job, router, tally, max_in_flight, retry_failed, lambda: stopping)
            return tally

    with _may_be_stopped(job):
        tally = signals.run(work, stop)
        if tally is not None:
            hint = f", {tally.failed:,} of them with an error (--retry-failed asks them again)"
            click.echo(f"{_rows(_exported(job))} in {job.output}{hint if tally.failed else ''}", err=True)
    if stopping:
        _stop(job, "stopped", 130)
    if tally is not None and tally.failed:
        sys.exit(SOME_FAILED)


@batch.command()
@_files
def export(**files: Any) -> None:
    """Write the answers that there are so far, also while the job runs."""
    job = _job(**files)
    click.echo(f"{_rows(_exported(job))} in {job.output}", err=True)


def _exported(job: Job) -> int:
    try:
        return jobs.export(job)
    except OSError as error:
        raise click.ClickException(
            f"{job.output} cannot be written: {error.strerror or error}. The answers are kept in {job.journal}."
        ) from error


def _tell(job: Job, checked: CheckedJob, creations_per_minute: float) -> None:
    """Prints what the job is; ends the command with the wrong lines if there are any."""
    if checked.wrong:
        for error in checked.errors:
            click.echo(f"{job.input}:{error.line}: {error.message}", err=True)
        more = checked.wrong - len(checked.errors)
        raise click.ClickException(
            f"{checked.wrong} of {checked.rows} rows are wrong{f' ({more} not shown)' if more else ''}; "
            "nothing was asked."
        )
    for model, share in checked.models.items():
        click.echo(f"{model}: {_rows(share.rows)}, {_expected_cost(model, share)}", err=True)
    minutes = checked.rows / creations_per_minute
    click.echo(
        f"{_rows(checked.rows)}: {_duration(minutes * 60)} at least, at {creations_per_minute:g} a minute.",
        err=True,
    )


def _expected_cost(model: str, share: Share) -> str:
    price = published_price(model, built_in())
    if price is None:
        return "without a published price for tokens"
    prompts = price.of_tokens(share.prompt_tokens, 0)
    if share.most_tokens is None:
        return f"about ${prompts:,.2f} for the prompts, and ${price.output_token * 1e6:g} a million tokens of answers"
    return f"at most about ${prompts + price.of_tokens(0, share.most_tokens):,.2f}"


def _cost(response: Any) -> float | None:
    """What an answer cost, by the published prices."""
    price = published_price(response.model, built_in())
    runs = getattr(response, "replicate", None)
    return None if price is None or not runs else sum(price.of_run(run) for run in runs)


@contextmanager
def _may_be_stopped(job: Job) -> Iterator[None]:
    """Ends the command with the exit status that tells what has stopped the job."""
    try:
        yield
    except (BadRequestError, NotFoundError):  # the same command would say the same again
        raise
    except APIError as error:
        _stop(job, f"error: {error}", 1)
    except KeyboardInterrupt:
        _stop(job, "stopped", 130)
    except SystemExit as end:
        status = int(end.code or 0)
        _stop(job, f"stopped by {signal.Signals(status - 128).name}", status)


def _stop(job: Job, why: str, code: int) -> NoReturn:
    click.echo(why, err=True)
    if job.journal.exists():
        click.echo("The same command goes on from here.", err=True)
    sys.exit(code)


@asynccontextmanager
async def _every(seconds: float, show: Callable[[], object]) -> AsyncIterator[None]:
    """Calls `show` every `seconds`, and once more at the end."""

    async def shows() -> None:
        while True:
            show()
            await asyncio.sleep(seconds)

    showing = asyncio.create_task(shows())
    try:
        yield
    finally:
        showing.cancel()
        show()


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else f"{rest} s"


@contextmanager
def progress_shown(tally: Tally) -> Iterator[tuple[Callable[[], object], float]]:
    """A function that shows how far the job is, and how often to call it (seconds): a bar, or lines without a
    terminal."""

    def line() -> str:
        return f"{tally.line()}, {_duration(tally.seconds_left)} left"

    if not err.is_terminal:
        yield lambda: click.echo(f"{tally.ended:,} of {tally.rows:,}: {line()}", err=True), 10.0
        return
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=err) as bar:
        task = bar.add_task("", total=tally.rows)
        yield lambda: bar.update(task, completed=tally.ended, description=line()), 0.2
