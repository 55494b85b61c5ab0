"""The best poll times that anybody could have chosen who had known the runs before."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate

from .traces import Run

LONGEST = 9.5
"""Seconds between two looks at most."""


def hindsight(runs: Sequence[Run], price: float) -> tuple[float, float]:
    """Mean lateness in percent of a run, and mean requests, of the poll times that are best for `runs`.

    Nothing is held, and every run is polled at the same ages. Found by dynamic programming over the ages
    at which runs ended; `price` is what one request costs, as a part of the run's time.
    """
    totals = sorted(run.total for run in runs)
    grid = (float(second) for second in range(5, int(totals[-1]), 4))
    ages = [0.0, *sorted({*totals, *grid})]
    inverses = list(accumulate((1 / total for total in totals), initial=0.0))
    ended = [bisect_right(totals, age) for age in ages]
    least = [0.0] + [float("inf")] * (len(ages) - 1)
    before = [0] * len(ages)
    for look in range(1, len(ages)):
        for last in range(look - 1, -1, -1):
            if ages[look] - ages[last] > LONGEST:
                break
            count = ended[look] - ended[last]
            late = ages[look] * (inverses[ended[look]] - inverses[ended[last]]) - count
            cost = least[last] + late + price * (len(totals) - ended[last])
            if cost < least[look]:
                least[look], before[look] = cost, last
    looks = [len(ages) - 1]
    while before[looks[-1]]:
        looks.append(before[looks[-1]])
    return _figures(totals, [ages[look] for look in reversed(looks)])


def _figures(totals: Sequence[float], looks: Sequence[float]) -> tuple[float, float]:
    late_percent = requests = 0.0
    for total in totals:
        seen = bisect_left(looks, total)
        late_percent += 100 * (looks[seen] - total) / total / len(totals)
        requests += (seen + 2) / len(totals)
    return late_percent, requests
