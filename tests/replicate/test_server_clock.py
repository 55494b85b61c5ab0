"""What answers tell of the server's clock, and what that says of a prediction's own creation."""

from __future__ import annotations

import math
import time
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import anyio
import msgspec
import pytest

from areplicate.replicate.creation import nothing_created
from areplicate.replicate.endpoints import DeploymentEndpoint, Endpoint, ModelEndpoint, VersionEndpoint
from areplicate.replicate.marks import _same_target, echoes, resembles
from areplicate.replicate.prediction_list import ListRow
from areplicate.replicate.protocol.predictions import ListedPrediction, decode_any_prediction
from areplicate.replicate.server_clock import ServerClock, seconds, timestamp

pytestmark = pytest.mark.anyio

NEWYEAR = 1767225600.0
"""2026-01-01T00:00:00Z"""


def read(timestamp: str | None) -> datetime | None:
    """A timestamp of a prediction, as it is decoded."""
    fields = {"id": "x", "status": "starting", "created_at": timestamp}
    return decode_any_prediction(msgspec.json.encode(fields)).created_at


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-01T00:00:00Z", NEWYEAR),
        ("2026-01-01T00:00:00.5Z", NEWYEAR + 0.5),
        ("2026-01-01T00:00:00.262Z", NEWYEAR + 0.262),
        ("2026-01-01T00:00:00.123456789Z", NEWYEAR + 0.123456789),
        ("2026-01-01T00:00:00", NEWYEAR),
        ("2026-01-01T02:00:01+02:00", NEWYEAR + 1),
        ("2025-12-31T19:00:00.25-05:00", NEWYEAR + 0.25),
        ("2026-13-01T00:00:00Z", None),
        ("2026-01-01", None),
        ("yesterday", None),
        ("2026-01-01T00:00:00Z and more", None),
        ("", None),
        (None, None),
    ],
)
def test_timestamps(text: str | None, expected: float | None) -> None:
    assert seconds(read(text)) == (None if expected is None else pytest.approx(expected, abs=1e-6))


def test_a_timestamp_without_a_zone_is_in_utc_wherever_the_machine_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    try:
        assert seconds(read("2026-01-01T00:00:00")) == NEWYEAR
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_timestamp_is_written_in_utc() -> None:
    assert timestamp(NEWYEAR) == "2026-01-01T00:00:00+00:00"
    assert seconds(read(timestamp(NEWYEAR + 0.25))) == NEWYEAR + 0.25


async def test_nothing_is_known_of_a_server_that_has_not_answered() -> None:
    clock = ServerClock()
    assert (clock.earliest(0.0), clock.latest(0.0)) == (-math.inf, math.inf)
    clock.answered(None, 1.0, 2.0)
    clock.answered(read("yesterday"), 1.0, 2.0)
    assert (clock.earliest(0.0), clock.latest(0.0)) == (-math.inf, math.inf)


async def test_an_answer_bounds_the_servers_clock_from_both_sides() -> None:
    """Created at 1,005 between 1 and 4 on our clock: it is 1,001 to 1,004 ahead, give or take the margins."""
    clock = ServerClock()
    clock.saw(1005.0, 1.0, 4.0)
    assert clock.earliest(10.0) == 10 + 1001 - 1
    assert clock.latest(10.0) == 10 + 1004 + 2
    assert (clock.earliest(10.0, 0.25), clock.latest(10.0, 0.25)) == (1010.75, 1014.25)


async def test_more_answers_narrow_the_bounds() -> None:
    clock = ServerClock()
    clock.saw(1005.0, 1.0, 4.0)
    clock.answered(read(timestamp(1003.0)), 1.0, 4.0)  # 999 to 1,002
    assert (clock.earliest(0.0, 0.0), clock.latest(0.0, 0.0)) == (1001, 1002)
    clock.saw(1003.0, -math.inf, 1.5)  # 1,001.5 at least
    assert (clock.earliest(0.0, 0.0), clock.latest(0.0, 0.0)) == (1001.5, 1002)


async def test_a_row_of_the_list_was_created_before_it_was_read() -> None:
    clock = ServerClock()
    clock.saw_row(1005.0, 4.0)
    assert (clock.earliest(0.0, 0.0), clock.latest(0.0, 0.0)) == (1001, math.inf)


@pytest.mark.parametrize(
    ("created", "bounds"),
    [
        (2005.0, (2001, 2004)),
        (5.0, (1, 4)),
        (1009.0, (1005, 1004)),  # as far as the server's machines may lie apart: nothing is forgotten
        (1009.5, (1005.5, 1008.5)),
        (1001.0, (1001, 1000)),
        (1000.5, (996.5, 999.5)),
    ],
)
async def test_a_clock_that_was_set_is_learnt_anew(created: float, bounds: tuple[float, float]) -> None:
    clock = ServerClock()
    clock.saw(1005.0, 1.0, 4.0)
    clock.saw(created, 1.0, 4.0)
    assert (clock.earliest(5.0, 0.0) - 5, clock.latest(5.0, 0.0) - 5) == bounds


async def test_what_was_sent_before_a_clock_was_set_may_be_of_either_time() -> None:
    clock = ServerClock()
    clock.saw(1005.0, 1.0, 4.0)
    await anyio.sleep(10)
    clock.saw_row(2010.0, 10.0)
    assert clock.earliest(9.0, 0.0) == pytest.approx(9 + 1001, abs=0.1)
    assert clock.latest(9.0, 0.0) == math.inf
    assert clock.earliest(11.0, 0.0) == 11 + 2000
    clock.saw(2013.0, 11.0, 14.0)
    assert clock.latest(9.0, 0.0) == pytest.approx(9 + 2002, abs=0.1)


async def test_what_was_sent_before_a_clock_was_set_back_may_be_of_the_later_time() -> None:
    clock = ServerClock()
    clock.saw(1005.0, 1.0, 4.0)
    await anyio.sleep(10)
    clock.saw(13.0, 11.0, 14.0)
    assert clock.latest(9.0, 0.0) == pytest.approx(9 + 1004, abs=0.1)
    assert clock.latest(11.0, 0.0) == 11 + 2


async def test_what_is_known_fades_by_a_thousandth() -> None:
    clock = ServerClock()
    clock.saw(1005.0, 1.0, 4.0)
    await anyio.sleep(100)
    assert clock.earliest(0.0, 0.0) == pytest.approx(1001 - 0.1)
    assert clock.latest(0.0, 0.0) == pytest.approx(1004 + 0.1)
    clock.saw(1004.0, 0.0, 4.0)  # 1,000 to 1,004
    assert clock.earliest(0.0, 0.0) == pytest.approx(1001 - 0.1)
    assert clock.latest(0.0, 0.0) == pytest.approx(1004)
    await anyio.sleep(100)
    assert clock.earliest(0.0, 0.0) == pytest.approx(1001 - 0.2)
    assert clock.latest(0.0, 0.0) == pytest.approx(1004.1)


async def test_an_assumption_holds_only_as_long_as_nothing_is_known() -> None:
    clock = ServerClock()
    clock.assume(1600.0)
    assert (clock.earliest(0.0, 0.0), clock.latest(0.0, 0.0)) == (-math.inf, 1600)
    await anyio.sleep(1000)
    assert clock.latest(0.0, 0.0) == pytest.approx(1601)
    clock.assume(5000.0)
    assert clock.latest(0.0, 0.0) == pytest.approx(1601)
    known = ServerClock()
    known.saw_row(1005.0, 4.0)
    known.assume(5001.0)
    assert (known.earliest(0.0, 0.0), known.latest(0.0, 0.0)) == (1001, math.inf)


@pytest.mark.parametrize(
    ("status", "nothing"),
    [
        *((status, True) for status in (400, 401, 402, 403, 404, 409, 422, 429, 498)),
        *((status, False) for status in (200, 302, 399, 408, 499, 500, 502, 503, 504, 524)),
    ],
)
def test_only_a_clear_refusal_proves_that_nothing_was_created(status: int, nothing: bool) -> None:
    assert nothing_created(status) is nothing


VERSION = "0" * 64


@pytest.mark.parametrize(
    ("listed", "endpoint", "same"),
    [
        ({"model": "a/b"}, ModelEndpoint("a", "b"), True),
        ({"model": "a/c"}, ModelEndpoint("a", "b"), False),
        ({"model": None}, ModelEndpoint("a", "b"), True),
        ({"model": "replicate-internal/b-fp8"}, ModelEndpoint("a", "b"), True),
        ({"model": "b/replicate-internal"}, ModelEndpoint("a", "b"), False),
        ({"model": "hidden"}, ModelEndpoint("a", "b"), True),
        ({"deployment": "a/b"}, DeploymentEndpoint("a", "b"), True),
        ({"deployment": "a/c"}, DeploymentEndpoint("a", "b"), False),
        ({"deployment": None}, DeploymentEndpoint("a", "b"), True),
        ({"version": VERSION}, VersionEndpoint(VERSION), True),
        ({"version": "1" * 64}, VersionEndpoint(VERSION), False),
        ({"version": "hidden"}, VersionEndpoint(VERSION), True),
        ({"version": "dp-a557b7387b4940df25b23f779dc534c4"}, VersionEndpoint(VERSION), True),
        ({"version": None}, VersionEndpoint(VERSION), True),
    ],
)
def test_what_a_row_of_the_list_was_asked_of(listed: dict[str, str], endpoint: Endpoint, same: bool) -> None:
    assert _same_target(ListedPrediction(id="x", status="starting", **listed), endpoint) is same  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("created_at", "deadline", "mark"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:30:07Z", 1807),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:30:07.2Z", 1807),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:30:07.999999Z", 1807),
        ("2026-01-01T00:00:00.000001Z", "2026-01-01T00:30:07Z", 1807),
        ("2026-01-01T00:00:00.9Z", "2026-01-01T00:30:07Z", 1807),
        ("2026-01-01T00:00:00.6Z", "2026-01-01T00:30:07.7Z", 1807),
        ("2026-01-01 01:00:00.6+0100", "2026-01-01t00:30:07.6z", 1807),
        ("2026-01-01T00:00:00Z", None, None),
        (None, "2026-01-01T00:30:07Z", None),
    ],
)
def test_a_mark_is_what_lies_between_a_creation_and_its_deadline(
    created_at: str | None, deadline: str | None, mark: int | None
) -> None:
    times = {"created_at": read(created_at), "deadline": read(deadline)}
    row = ListRow(ListedPrediction(id="x", status="starting", **times))  # type: ignore[arg-type]
    assert row.mark == mark


@pytest.mark.parametrize(
    ("shown", "sent", "same"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"b": 2}, {"a": 1}, False),
        ("a", {"a": 1}, False),
        (None, {"a": 1}, False),
        ([1, 2], (1, 2), True),
        ([1], [1, 2], False),
        ("ab", ["a", "b"], False),
        (None, [1], False),
        (0.30000001, 0.3, True),
        (0.31, 0.3, False),
        ("https://example.com/x.png", "data:image/png;base64,AA==", True),
        ("x.png", "data:image/png;base64,AA==", False),
    ],
)
def test_an_input_may_be_shown_in_another_form(shown: Any, sent: Any, same: bool) -> None:
    assert echoes(shown, sent) is same


@pytest.mark.parametrize(("seconds", "same"), [(1800, True), (1801, False)])
def test_only_a_row_with_ones_mark_may_show_the_input_in_another_form(seconds: int, same: bool) -> None:
    created = read("2026-01-01T00:00:00Z")
    assert created is not None
    shown = ListedPrediction(
        id="x",
        status="starting",
        model="a/b",
        input=msgspec.Raw(b'{"a": 0.30000001}'),
        created_at=created,
        deadline=created + timedelta(seconds=1800),
    )
    mine: Any = SimpleNamespace(input={"a": 0.3}, mark=seconds, endpoint=ModelEndpoint("a", "b"))
    assert resembles(ListRow(shown), mine) is same
