"""The poll schedule over recorded runs: how late an answer is known, and for how many requests."""

from __future__ import annotations

import random
import statistics

import pytest

from areplicate.replicate.poller import poll_waits
from tests.recorded import traces

HOLD = 60.0
"""Seconds for which Replicate holds a creation open."""


@pytest.mark.parametrize(("hold", "late_percent", "requests"), [(HOLD, 1.5, 13), (0.0, 16, 27)])
def test_lateness_stays_in_proportion_and_under_ten_seconds(
    hold: float, late_percent: float, requests: float
) -> None:
    random.seed(1)
    late, asked = [], []
    for run in traces() * 5:
        total = run["queued_s"] + run["predict_s"]
        now, count, waits = hold, 1, poll_waits(hold)
        while now < total:
            now, count = now + next(waits), count + 1
        late.append((now - total if count > 1 else 0.0, total))
        asked.append(count)
    assert 100 * statistics.mean(seconds / total for seconds, total in late) < late_percent
    assert max(seconds for seconds, _ in late) < 10
    assert statistics.mean(asked) < requests


def test_the_waits_are_spread_and_grow_to_nine_and_a_half_seconds() -> None:
    random.seed(1)
    many = [list(zip(range(30), poll_waits(), strict=False)) for _ in range(200)]
    for number in range(30):
        waits = [schedule[number][1] for schedule in many]
        wait = min(9.5, 0.1 * 1.4**number)
        assert 0.75 * wait <= min(waits) < 0.80 * wait < 0.95 * wait < max(waits) <= wait * 1.000001


def test_who_has_waited_long_already_is_not_polled_at_once() -> None:
    assert 0.05 * 100 * 0.75 <= next(poll_waits(100.0)) <= 0.05 * 100
