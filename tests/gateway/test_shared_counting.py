"""How requests count against a key, and what was spent, in a database; on SQLite, in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from areplicate.gateway.accounts.accounts import Accounts
from areplicate.gateway.accounts.key_limits import WINDOW, Again, Hold, SettledHold
from areplicate.gateway.accounts.keys import Key
from areplicate.gateway.accounts.store import Store
from areplicate.gateway.accounts.tables import UsageRow
from areplicate.gateway.accounts.usage import Overflow, UsageWriter
from areplicate.gateway.config.account_settings import AccountSettings
from areplicate.gateway.config.database_url import DatabaseURL
from areplicate.gateway.errors import GatewayError
from tests.gateway.stores import MADE, execute, opened

pytestmark = [pytest.mark.anyio, pytest.mark.real_time]

DAY = 86400.0


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with opened(f"{tmp_path}/db") as store:
        yield store


@pytest.fixture
async def accounts(tmp_path: Path) -> AsyncIterator[Accounts]:
    """Those of one of several processes."""
    database = DatabaseURL(file=f"{tmp_path}/db")
    settings = AccountSettings(database=database, usage_folder=tmp_path, files_dir=tmp_path)
    accounts = Accounts("sk-master", settings, alone=False)
    accounts.start()
    yield accounts
    await accounts.aclose()


async def add_key(store: Store, **limits: Any) -> Key:
    key = Key(id="k", hash="h", hint="hint", created_at=0.0, **limits)
    await store.keys.add(key, MADE)
    return key


def hold(predictions: int = 1, tokens: int = 0, dollars: float = 0.0) -> Hold:
    return Hold(key_id="k", predictions=predictions, tokens=tokens, dollars=dollars)


def row(id: str, at: float = 0.0, cost: float | None = 0.0, **fields: Any) -> UsageRow:
    plain = {
        "request_id": id,
        "at": at,
        "key_id": "k",
        "endpoint": "/chat",
        "model": "a",
        "upstream_model": "a/b",
        "prediction_id": None,
        "streamed": False,
        "status": 200,
        "seconds": 1.0,
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "queue_s": 0.0,
        "boot_s": 0.0,
        "run_s": 2.0,
        "cost": cost,
    }
    return msgspec.convert(plain | fields, UsageRow)


async def refused(store: Store, wanted: Hold) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await store.admit(wanted)
    return caught.value


async def test_predictions_count_for_a_minute_from_when_they_begin(store: Store) -> None:
    await add_key(store, rpm_limit=3)
    await store.admit(first := hold(2))
    await store.write_usage([], [SettledHold(first.id, 0, 0.0)])  # it has ended, and counts all the same
    error = await refused(store, hold(2))
    assert "rpm_limit of this key allows 3 predictions a minute" in error.message
    assert WINDOW - 5 < float(error.headers["Retry-After"]) <= WINDOW + 1
    await store.admit(last := hold(1))
    await refused(store, hold(1))
    await store.give_back(last.id)
    await store.admit(hold(1))


async def test_what_is_asked_again_counts_from_when_it_is_asked(store: Store) -> None:
    await add_key(store, rpm_limit=3, tpm_limit=100, max_parallel_requests=3)
    await store.admit(first := hold(2, tokens=20))
    await execute(store, "UPDATE areplicate_holds SET at = at - :window", window=WINDOW)
    for _ in range(2):
        await store.extend(first, Again(tokens=40, before=0.0, dollars=0.0))
    assert "100 tokens a minute" in (await refused(store, hold())).message
    await store.write_usage([], [SettledHold(first.id, 30, 0.0)])
    await store.admit(hold())
    assert "3 predictions a minute" in (await refused(store, hold())).message


async def test_tokens_count_while_they_are_held_and_for_a_minute_once_they_are_known(store: Store) -> None:
    await add_key(store, tpm_limit=100)
    await store.admit(first := hold(tokens=100))
    in_flight = await refused(store, hold())  # which may end at any time
    assert in_flight.message == "tpm_limit of this key allows 100 tokens a minute. Try again in 1 s."
    await store.write_usage([], [SettledHold(first.id, 90, 0.0)])
    await refused(store, hold(3, tokens=60))
    await store.admit(hold(tokens=60))
    await refused(store, hold())


async def test_what_began_or_died_long_ago_no_longer_counts(store: Store) -> None:
    """Predictions count from when they began, tokens from when they ended, and nothing of a process that is gone."""
    await add_key(store, rpm_limit=1)
    await store.admit(first := hold(tokens=10))
    await execute(store, "UPDATE areplicate_holds SET at = at - 30")
    assert float((await refused(store, hold())).headers["Retry-After"]) <= WINDOW - 29
    await execute(store, "UPDATE areplicate_holds SET at = at - 31")
    await store.admit(second := hold())  # although the first is in flight
    await store.give_back(second.id)
    await execute(store, "UPDATE areplicate_keys SET rpm_limit = NULL, tpm_limit = 10")
    assert "tpm_limit" in (await refused(store, hold())).message
    await store.write_usage([], [SettledHold(first.id, 10, 0.0)])
    assert float((await refused(store, hold())).headers["Retry-After"]) > WINDOW - 5
    await execute(store, "UPDATE areplicate_keys SET tpm_limit = NULL, max_parallel_requests = 1")
    await store.admit(hold())
    silence = "UPDATE areplicate_processes SET seen_at = seen_at - 10"
    await execute(store, silence)
    await refused(store, hold())
    await execute(store, silence)
    await store.admit(hold())


async def test_what_was_counted_before_the_clock_was_set_back_is_past(
    store: Store,
) -> None:
    """An hour ahead is as long ago as an hour back."""
    await add_key(store, rpm_limit=2)
    await store.admit(first := hold())
    await store.admit(hold())  # of which nothing more is heard
    await store.write_usage([], [SettledHold(first.id, 10, 0.0)])
    await execute(store, "UPDATE areplicate_holds SET at = at + 3600, ended_at = ended_at + 3600")
    await execute(store, "UPDATE areplicate_processes SET seen_at = seen_at + 3600")
    await store.admit(again := hold())
    await store.give_back(again.id)
    limits = "tpm_limit = 10, max_parallel_requests = 1"
    await execute(store, f"UPDATE areplicate_keys SET rpm_limit = NULL, {limits}")
    await store.admit(again := hold())
    await store.heartbeat([again.id])
    left = await store.database.run(
        lambda transaction: transaction.rows(dict, "SELECT id FROM areplicate_holds")
    )
    assert left == [{"id": again.id}]


async def test_a_refusal_without_the_database_makes_no_room_for_the_next_request(accounts: Accounts) -> None:
    store = await accounts.store()
    poor = await add_key(store, max_budget=1.0, spend=1.0)
    store.database.trouble = "it is gone"
    for _ in range(3):
        with pytest.raises(GatewayError, match="used up its budget"):
            await accounts.admit(poor, hold(dollars=0.5))


async def test_what_is_let_in_after_a_refusal_stays_in(accounts: Accounts) -> None:
    """A request that turned out to need more than it may have goes on with what it was let in for."""
    store = await accounts.store()
    key = await add_key(store, max_parallel_requests=3)
    await store.admit(hold())  # of which the counting in memory knows nothing
    too_much = hold(3)
    with pytest.raises(GatewayError, match="in flight"):
        await accounts.admit(key, too_much)
    await accounts.admit(key, msgspec.structs.replace(too_much, predictions=2))
    await execute(store, "UPDATE areplicate_holds SET at = at - 31")
    await store.heartbeat(accounts._held)
    assert "in flight" in (await refused(store, hold(2))).message


async def test_rows_that_wait_in_files_go_to_the_database_of_their_own_configuration(
    store: Store, tmp_path: Path
) -> None:
    for name in ("prod", "prod-2", "2-prod", "pro?"):
        left = UsageWriter(Overflow(tmp_path, name), 10)
        left.add(row(name))
        await left.aclose()
    writer = UsageWriter(Overflow(tmp_path, "prod"), 10)
    writer.add(row("mine"), SettledHold("none", 0, 0.0))  # which is written at once
    writer.start(store)
    while len([file async for file in anyio.Path(tmp_path).glob("areplicate-usage-*")]) > 3:
        await anyio.sleep(0.01)
    await writer.aclose()
    assert {each.request_id for each in await store.reports.usage_rows(10, 0)} == {
        "mine",
        "prod",
    }


async def test_what_is_in_flight_ends_when_it_is_settled(store: Store) -> None:
    await add_key(store, max_parallel_requests=2, max_budget=1.0)
    await store.admit(first := hold(2, dollars=0.5))
    assert "max_parallel_requests" in (await refused(store, hold())).message
    await store.write_usage([row("1", cost=0.75)], [SettledHold(first.id, 0, 0.75)])
    await store.admit(second := hold(1, dollars=0.5))
    assert "$0.25 of its budget of $1 left" in (await refused(store, hold(dollars=0.1))).message
    await store.write_usage([row("2", cost=0.5)], [SettledHold(second.id, 0, 0.5)])
    assert "used up its budget of $1" in (await refused(store, hold())).message
    with pytest.raises(KeyError):
        await store.admit(Hold(key_id="nobody", predictions=1, tokens=0, dollars=0.0))


async def test_rows_are_written_once_and_paid_once_however_many_come_together(store: Store) -> None:
    await add_key(store)
    rows = [row(str(number), cost=0.25 if number % 2 else None) for number in range(150)]
    await store.write_usage(rows[:100], [])
    await store.write_usage(rows, [])
    key = await store.keys.by_id("k")
    assert key is not None and key.spend == 75 * 0.25
    written = [each.request_id for each in await store.reports.usage_rows(200, 0)]
    assert sorted(written) == sorted(each.request_id for each in rows)


async def test_what_has_a_row_that_cannot_be_stored_is_no_longer_in_flight(
    store: Store, tmp_path: Path
) -> None:
    await add_key(store, max_parallel_requests=1)
    await store.admit(held := hold())
    writer = UsageWriter(Overflow(tmp_path, "config"), 100)
    without_endpoint = msgspec.structs.replace(row("1"), endpoint=None)
    writer.add(without_endpoint, SettledHold(held.id, 0, 0.0))
    writer.add(row("2"))
    writer.start(store)
    await writer.aclose()
    assert [each.request_id for each in await store.reports.usage_rows(10, 0)] == ["2"]
    await store.admit(hold())


ROWS = [
    row("1", at=DAY * 10, cost=1.0),
    row("2", at=DAY * 11 - 1, cost=2.0, model="b", predictions=3),
    row("3", at=DAY * 11, cost=None, status=500),
    row("4", at=DAY * 12, cost=4.0, key_id="other"),
]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, "4321"),
        ({"start": DAY * 11}, "43"),
        ({"end": DAY * 11}, "21"),
        ({"start": DAY * 10, "end": DAY * 10 + 1}, "1"),
        ({"key_id": "other"}, "4"),
        ({"model": "b"}, "2"),
        ({"status": 500}, "3"),
        ({"request_id": "1"}, "1"),
        ({"key_id": "k", "model": "a", "status": 200}, "1"),
        ({"request_id": "5"}, ""),
    ],
)
async def test_usage_rows_are_found_newest_first(store: Store, wanted: dict[str, Any], found: str) -> None:
    await store.write_usage(ROWS, [])
    assert "".join(each.request_id for each in await store.reports.usage_rows(10, 0, **wanted)) == found
    assert "".join(each.request_id for each in await store.reports.usage_rows(2, 1, **wanted)) == found[1:3]
    assert sum(each["requests"] for each in await store.reports.spend_by("model", **wanted)) == len(found)


@pytest.mark.parametrize(("resets_at", "left"), [(5.0, 0.0), (3e9, 1.0), (None, 1.0)])
async def test_a_budget_that_is_due_renews_before_its_time_is_changed(
    store: Store, resets_at: float | None, left: float
) -> None:
    await add_key(store, spend=1.0, budget_duration=10.0, budget_resets_at=resets_at)
    changes = {"budget_duration": 20.0, "budget_resets_at": 4e9}
    changed = await store.keys.change("k", changes, msgspec.structs.replace(MADE, id="2"))
    assert changed is not None and changed.spend == left


async def test_spend_is_summed_with_the_dearest_first(store: Store) -> None:
    await store.write_usage(ROWS, [])
    sums = {"prompt_tokens": 30, "completion_tokens": 15, "run_s": 6.0}
    assert await store.reports.spend_by("model") == [
        {"model": "a", "requests": 3, "predictions": 3, **sums, "cost": 5.0, "without_price": 1},
        {
            "model": "b",
            "requests": 1,
            "predictions": 3,
            **{"prompt_tokens": 10, "completion_tokens": 5, "run_s": 2.0},
            "cost": 2.0,
            "without_price": 0,
        },
    ]
    by_day = await store.reports.spend_by("model", by_day=True)
    assert [(each["day"], each["model"], each["cost"]) for each in by_day] == [
        (10, "b", 2.0),
        (10, "a", 1.0),
        (11, "a", 0.0),
        (12, "a", 4.0),
    ]
    assert await store.reports.spend_by("model", model="c") == []


async def test_what_began_within_a_minute_is_told_to_who_counts_in_memory(store: Store) -> None:
    now = store.database.now()
    rows = [row("1", now - WINDOW - 5), row("2", now - 20, predictions=2), row("3", now - 30)]
    await store.write_usage([*rows, row("4", now - 10, key_id=None)], [])
    assert [tuple(use.values()) for use in await store.recent()] == [
        ("k", now - 30, 1, 15),
        ("k", now - 20, 2, 15),
    ]
