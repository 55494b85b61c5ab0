"""How each client's way of waiting would have fared on recorded runs: `python -m benchmarks.traces [FILE]`.

FILE has one JSON object a line, with `queued_s` (queue and cold boot) and `predict_s` of a run; by default
`shared/data/traces.jsonl` beside the checkout. Time is simulated and the network costs none: a client creates
the prediction, which is held open for as long as it asks, then looks after each of its waits.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from areplicate.replicate.poller import poll_waits

DEFAULT_FILE = Path(__file__).resolve().parents[2] / "shared" / "data" / "traces.jsonl"
HOLD = 60.0
"""Seconds for which Replicate holds a creation open with `Prefer: wait`."""
SEEDS = range(20)


class Run(NamedTuple):
    """A recorded run, in seconds."""

    queued: float
    running: float

    @property
    def total(self) -> float:
        return self.queued + self.running


class Outcome(NamedTuple):
    """What a client had of a run: seconds between the run's end and its knowing, None where it gave up."""

    late: float | None
    requests: int


class Policy(NamedTuple):
    """How a client waits.

    `waits` gives the seconds before each look, told how long the client has waited already; a client
    gives up where it ends. One that `trusts_processing` takes what it has when the hold ends for the
    whole, unless the status is `starting`.
    """

    name: str
    source: str
    waits: Callable[[float], Iterable[float]]
    hold: float = 0.0
    trusts_processing: bool = False


POLICIES = (
    Policy(
        "LiteLLM",
        "litellm 1.106.2, llms/replicate/chat/handler.py: async_completion; constants.py: 5 polls, 1 s + 2 s each",
        lambda waited: (1 + 2 * poll for poll in range(5)),
    ),
    Policy(
        "LiteLLM, polls raised",
        "the same with DEFAULT_REPLICATE_POLLING_RETRIES=1000 in the environment",
        lambda waited: (1 + 2 * poll for poll in range(1000)),
    ),
    Policy(
        "replicate 1",
        "replicate 1.0.7, run.py: async_run, in_terminal_state; client.py: poll_interval",
        lambda waited: itertools.repeat(0.5),
        hold=HOLD,
        trusts_processing=True,
    ),
    Policy(
        "replicate 2 beta",
        "replicate 2.0.0b4, lib/_predictions_run.py: async_run; resources/predictions.py: wait, "
        "which looks once before it waits",
        lambda waited: itertools.chain([0.0], itertools.repeat(0.5)),
        hold=HOLD,
        trusts_processing=True,
    ),
    Policy("areplicate", "areplicate/call.py; areplicate/poller.py: poll_waits", poll_waits, hold=HOLD),
    Policy("areplicate, not held", "the same where the pool has no connection to hold", poll_waits),
)


def read_runs(path: Path) -> list[Run]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Run(run["queued_s"], run["predict_s"]) for run in map(json.loads, lines)]


def wait_for(run: Run, policy: Policy) -> Outcome:
    """One run, waited for in simulated time."""
    now, requests = policy.hold, 1
    if run.total <= now:
        return Outcome(0.0, requests)
    if policy.trusts_processing and run.queued <= now:
        return Outcome(None, requests)
    for wait in policy.waits(now):
        now += wait
        requests += 1
        if now >= run.total:
            return Outcome(now - run.total, requests)
    return Outcome(None, requests)


def summary(runs: Sequence[Run], policy: Policy, seeds: Iterable[int] = SEEDS) -> dict[str, float]:
    """Means and worsts over all runs, each waited for with several draws of the jitter."""
    outcomes: list[tuple[Run, Outcome]] = []
    for seed in seeds:
        random.seed(seed)
        outcomes += ((run, wait_for(run, policy)) for run in runs)
    late = [(outcome.late, run.total) for run, outcome in outcomes if outcome.late is not None]
    requests = [outcome.requests for _, outcome in outcomes]
    return {
        "completed": len(late) / len(outcomes),
        "late_percent": 100 * statistics.mean(seconds / total for seconds, total in late),
        "late_mean_s": statistics.mean(seconds for seconds, _ in late),
        "late_worst_s": max(seconds for seconds, _ in late),
        "requests": statistics.mean(requests),
        "requests_worst": max(requests),
    }


def compare(runs: Sequence[Run]) -> dict[str, dict[str, Any]]:
    """Each client's figures and where its policy is written."""
    return {policy.name: {**summary(runs, policy), "source": policy.source} for policy in POLICIES}


def table(figures: dict[str, dict[str, Any]], runs: int) -> Iterator[str]:
    """Lines of Markdown."""
    yield f"| {runs} recorded runs | completed | late, mean % of the run | mean s | worst s | requests, mean | most |"
    yield "| --- | --: | --: | --: | --: | --: | --: |"
    for name, of in figures.items():
        yield (
            f"| {name} | {of['completed']:.0%} | {of['late_percent']:.2f} | {of['late_mean_s']:.2f} "
            f"| {of['late_worst_s']:.2f} | {of['requests']:.1f} | {of['requests_worst']} |"
        )
    yield ""
    yield "Lateness is that of the runs completed. The policies are as in each client's source:"
    yield ""
    for name, of in figures.items():
        yield f"- {name}: {of['source']}"


def traces_argument() -> Path | None:
    """The file named on the command line, or the default one; None, with a message, where it is absent."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path, nargs="?", default=DEFAULT_FILE)
    path: Path = parser.parse_args().file
    if path.exists():
        return path
    print(f"Skipped: there are no recorded runs at {path}.")
    return None


def main() -> None:
    if path := traces_argument():
        runs = read_runs(path)
        print("\n".join(table(compare(runs), len(runs))))


if __name__ == "__main__":
    main()
