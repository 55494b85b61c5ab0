"""What a poll schedule trades: lateness against requests, over recorded runs.

    python -m benchmarks.poll_schedule [FILE]

Prints a table over first wait, growth and longest wait, with the creation held open for 60 s and without,
and draws it to benchmarks/results/poll_schedule.svg, beside what no schedule can beat.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import backoff

from areplicate.replicate.poller import poll_waits
from areplicate.replicate.retry import growing

from .hindsight import hindsight
from .plots import new_figure, save
from .traces import HOLD, Policy, Run, read_runs, summary, traces_argument

PLOT = Path(__file__).parent / "results" / "poll_schedule.svg"
FIRST = (0.05, 0.1, 0.3, 1.0, 3.0)
GROWTH = (1.1, 1.2, 1.4, 1.6, 2.0)
LONGEST = (5.0, 9.5)
MOST_LATE_PERCENT, MOST_REQUESTS, MOST_LATE_SECONDS = 4.0, 25.0, 10.0


class Point(NamedTuple):
    """One schedule's figures."""

    first: float
    growth: float
    longest: float
    late_percent: float
    late_worst: float
    requests: float

    @property
    def fit(self) -> bool:
        """Whether it is within all three targets."""
        return (
            self.late_percent < MOST_LATE_PERCENT
            and self.requests < MOST_REQUESTS
            and self.late_worst < MOST_LATE_SECONDS
        )


def schedule(first: float, growth: float, longest: float) -> Callable[[float], Iterator[float]]:
    """Waits as areplicate's: growing, a quarter of each drawn."""
    return lambda waited: (
        wait * 3 / 4 + backoff.full_jitter(wait / 4)
        for wait in growing(base=growth, factor=first, longest=longest)
    )


def explore(runs: Sequence[Run], hold: float) -> list[Point]:
    """The figures of every schedule of the grid."""
    points = []
    for first, growth, longest in itertools.product(FIRST, GROWTH, LONGEST):
        of = summary(runs, Policy("", "", schedule(first, growth, longest), hold), range(3))
        points.append(Point(first, growth, longest, of["late_percent"], of["late_worst_s"], of["requests"]))
    return points


def table(points: Sequence[Point]) -> Iterator[str]:
    """Lines of Markdown; the schedules within all three targets in bold."""
    yield "| first wait s | growth | longest s | late, mean % of the run | worst s | requests, mean |"
    yield "| --: | --: | --: | --: | --: | --: |"
    for point in points:
        mark = "**" if point.fit else ""
        yield (
            f"| {point.first:g} | {point.growth:g} | {point.longest:g} | {mark}{point.late_percent:.2f}{mark} "
            f"| {point.late_worst:.2f} | {mark}{point.requests:.1f}{mark} |"
        )


def draw(explored: dict[str, list[Point]], chosen: dict[str, Point], best: list[tuple[float, float]]) -> None:
    """Lateness over requests: every schedule of the grid, the chosen one, and what hindsight can do."""
    figure, axes = new_figure()
    for colour, (label, points) in zip(("tab:blue", "tab:orange"), explored.items(), strict=True):
        requests, late = [point.requests for point in points], [point.late_percent for point in points]
        axes.scatter(requests, late, s=10, alpha=0.5, color=colour, label=f"{label}: schedules")
        mine = chosen[label]
        axes.scatter(mine.requests, mine.late_percent, s=130, marker="*", color=colour, edgecolor="black")
    axes.plot(*zip(*best, strict=True), ":", color="tab:orange", label="not held: best in hindsight")
    axes.fill_between(
        [0, MOST_REQUESTS], 0.5, MOST_LATE_PERCENT, color="tab:green", alpha=0.12, label="target"
    )
    axes.set(yscale="log", xlim=(8, 60), ylim=(0.5, 60), xlabel="requests a run", ylabel="late, % of the run")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_title("Polling: the stars are areplicate's, held for 60 s at first and not")
    axes.legend(fontsize=8)
    save(figure, PLOT)


def main() -> None:
    if (path := traces_argument()) is None:
        return
    runs = read_runs(path)
    explored, chosen = {}, {}
    for label, hold in (("held", HOLD), ("not held", 0.0)):
        print(f"\nCreation {label}{' for 60 s' if hold else ''}; within the targets in bold\n")
        explored[label] = explore(runs, hold)
        print("\n".join(table(explored[label])))
        of = summary(runs, Policy("", "", poll_waits, hold))
        late, worst, requests = of["late_percent"], of["late_worst_s"], of["requests"]
        chosen[label] = Point(0, 0, 0, late, worst, requests)
        print(f"\nareplicate's: late {late:.2f} %, worst {worst:.2f} s, {requests:.1f} requests")
    best = [hindsight(runs, price) for price in (0.002, 0.003, 0.005, 0.01, 0.02)]
    print("\nNot held, no schedule beats hindsight:")
    for late, requests in best:
        print(f"late {late:.2f} % takes {requests:.1f} requests")
    draw(explored, chosen, [(requests, late) for late, requests in best])


if __name__ == "__main__":
    main()
