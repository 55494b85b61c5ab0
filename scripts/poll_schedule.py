"""Writes the tables of docs/poll-schedule.md: ways of polling, compared on recorded runs.

A line of tests/data/traces.jsonl has `queued_s` (queue and cold boot) and `predict_s` of one run. Time is simulated
and the network costs none: a client creates the prediction, which is held open for as long as it asks, then looks
after each of its waits.
"""

from __future__ import annotations

import itertools
import json
import random
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import backoff
import pages

from areplicate.replicate.poller import poll_waits
from areplicate.replicate.retry import growing

TRACES = pages.ROOT / "tests" / "data" / "traces.jsonl"
PAGE = pages.ROOT / "docs" / "poll-schedule.md"
HOLD, LONGEST = 60.0, 9.5
"""Seconds for which Replicate holds a creation open, and between two looks at most."""
FIRST, GROWTH = (0.05, 0.1, 0.3, 1.0), (1.2, 1.4, 2.0)


class Run(NamedTuple):
    """A recorded run, in seconds."""

    queued: float
    running: float

    @property
    def total(self) -> float:
        return self.queued + self.running


class Policy(NamedTuple):
    """How a client waits: `waits` gives the seconds before each look, told how long it has waited already.

    A client gives up where they end. One that `trusts_processing` takes what it has when the hold ends for
    the whole, unless the status is `starting`.
    """

    name: str
    source: str
    waits: Callable[[float], Iterable[float]]
    hold: float = 0.0
    trusts_processing: bool = False


class Figures(NamedTuple):
    """Means and worsts over all runs; lateness is that of the runs completed."""

    completed: float
    late_percent: float
    late_worst: float
    requests: float
    requests_most: int


POLICIES = (
    Policy("areplicate", "`poll_waits` in areplicate/replicate/poller.py", poll_waits, HOLD),
    Policy("areplicate, not held", "the same where the pool has no connection to hold", poll_waits),
    Policy(
        "LiteLLM",
        "litellm 1.106.2, llms/replicate/chat/handler.py and constants.py: 5 polls, 1 s + 2 s each",
        lambda waited: (1 + 2 * poll for poll in range(5)),
    ),
    Policy(
        "LiteLLM, polls raised",
        "the same with DEFAULT_REPLICATE_POLLING_RETRIES=1000 in the environment",
        lambda waited: (1 + 2 * poll for poll in range(1000)),
    ),
    Policy(
        "replicate 1",
        "replicate 1.0.7, run.py and client.py: every 0.5 s",
        lambda waited: itertools.repeat(0.5),
        HOLD,
        trusts_processing=True,
    ),
    Policy(
        "replicate 2 beta",
        "replicate 2.0.0b4, lib/_predictions_run.py and resources/predictions.py: at once, then every 0.5 s",
        lambda waited: itertools.chain([0.0], itertools.repeat(0.5)),
        HOLD,
        trusts_processing=True,
    ),
)


def wait_for(run: Run, policy: Policy) -> tuple[float | None, int]:
    """Seconds between the run's end and the client's knowing, None where it gave up; and its requests."""
    now, requests, end = policy.hold, 1, run.total
    if end <= now:
        return 0.0, requests
    if policy.trusts_processing and run.queued <= now:
        return None, requests
    for wait in policy.waits(now):
        now += wait
        requests += 1
        if now >= end:
            return now - end, requests
    return None, requests


def figures(runs: Sequence[Run], policy: Policy, seeds: Iterable[int] = range(20)) -> Figures:
    """Each run waited for with several draws of the jitter."""
    found: list[tuple[Run, float | None, int]] = []
    for seed in seeds:
        random.seed(seed)
        undrawn = random.getstate()
        found += [(run, *wait_for(run, policy)) for run in runs]
        if random.getstate() == undrawn:  # it has no jitter
            break
    late = [(seconds, run.total) for run, seconds, _ in found if seconds is not None]
    requests = [count for *_, count in found]
    return Figures(
        len(late) / len(found),
        100 * statistics.mean(seconds / total for seconds, total in late),
        max(seconds for seconds, _ in late),
        statistics.mean(requests),
        max(requests),
    )


def schedule(first: float, growth: float) -> Callable[[float], Iterator[float]]:
    """Waits as areplicate's: growing, a quarter of each drawn."""
    return lambda waited: (
        wait * 3 / 4 + backoff.full_jitter(wait / 4)
        for wait in growing(base=growth, factor=first, longest=LONGEST)
    )


def tables(runs: Sequence[Run]) -> Iterator[str]:
    """Lines of Markdown."""
    yield f"| on {len(runs)} recorded runs | completed | late, mean % of the run | worst s | requests, mean | most |"
    yield "| --- | --: | --: | --: | --: | --: |"
    for policy in POLICIES:
        of = figures(runs, policy)
        yield (
            f"| {policy.name} | {of.completed:.0%} | {of.late_percent:.2f} | {of.late_worst:.2f} "
            f"| {of.requests:.1f} | {of.requests_most} |"
        )
    yield from (
        "",
        "Lateness is that of the runs completed. The policies are as in each client's source:",
        "",
    )
    yield from (f"- {policy.name}: {policy.source}" for policy in POLICIES)
    yield from ("", "| first wait s | growth | held: late % | requests | not held: late % | requests |")
    yield "| --: | --: | --: | --: | --: | --: |"
    for first, growth in itertools.product(FIRST, GROWTH):
        held, loose = (
            figures(runs, Policy("", "", schedule(first, growth), hold), range(3)) for hold in (HOLD, 0.0)
        )
        yield (
            f"| {first:g} | {growth:g} | {held.late_percent:.2f} | {held.requests:.1f} "
            f"| {loose.late_percent:.2f} | {loose.requests:.1f} |"
        )


def recorded() -> list[Run]:
    lines = TRACES.read_text(encoding="utf-8").splitlines()
    return [Run(run["queued_s"], run["predict_s"]) for run in map(json.loads, lines)]


if __name__ == "__main__":
    pages.write({PAGE: pages.filled(PAGE, tables="\n".join(tables(recorded())))}, __doc__)
