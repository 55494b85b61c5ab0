"""How limits are counted, in memory: the same rules as in the database, on a clock of the test's own."""

from __future__ import annotations

import math
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from areplicate.gateway.accounts.key_limits import LIMITS, WINDOW, Again, Hold, RoomTaken
from areplicate.gateway.accounts.keys import Key, KeyLimits, hash_token, new_key_id, new_token, renewal
from areplicate.gateway.accounts.ledger import Ledger
from areplicate.gateway.errors import GatewayError

NOW = 1_800_000_000.0


def key(**limits: object) -> Key:
    return msgspec.convert({"id": "k", "hash": "h", "hint": "hint", "created_at": NOW, **limits}, Key)


def hold(predictions: int = 1, tokens: int = 0, dollars: float = 0.0) -> Hold:
    return Hold(key_id="k", predictions=predictions, tokens=tokens, dollars=dollars)


def admitted(ledger: Ledger, of: Key, wanted: Hold, now: float = NOW) -> bool:
    try:
        ledger.admit(of, wanted, now)
    except GatewayError:
        return False
    return True


def test_every_limit_of_a_key_is_counted() -> None:
    assert [limit.field for limit in LIMITS] == list(KeyLimits.__struct_fields__)


@given(
    limit=st.integers(1, 20),
    steps=st.lists(st.tuples(st.floats(0, 30), st.integers(1, 4)), max_size=80),
)
def test_no_minute_has_more_predictions_than_allowed(limit: int, steps: list[tuple[float, int]]) -> None:
    """Whichever minute one looks at: no burst comes on top."""
    ledger, now, began = Ledger(), NOW, []
    for wait, predictions in steps:
        now += wait
        if admitted(ledger, key(rpm_limit=limit), hold(predictions), now):
            began += [now] * predictions
    for begin in began:
        assert sum(begin <= at < begin + 60 for at in began) <= limit


@given(limit=st.integers(1, 20), seed=st.integers())
def test_a_limit_of_a_minute_is_used_up_before_it_refuses(limit: int, seed: int) -> None:
    ledger, rng, now = Ledger(), random.Random(seed), NOW
    for _ in range(limit):
        assert admitted(ledger, key(rpm_limit=limit), hold(), now)
        now += rng.uniform(0, 60 / limit / 2)
    with pytest.raises(GatewayError) as refused:
        ledger.admit(key(rpm_limit=limit), hold(), now)
    wait = float(refused.value.headers["Retry-After"])
    assert admitted(ledger, key(rpm_limit=limit), hold(), now + wait), (
        "and it is right about when it is free again"
    )


def test_a_request_counts_for_all_its_predictions() -> None:
    ledger = Ledger()
    with pytest.raises(GatewayError) as refused:
        ledger.admit(key(rpm_limit=1), hold(predictions=512), NOW)
    assert "512 predictions" in refused.value.message
    assert refused.value.headers["x-should-retry"] == "false", "waiting would not help"
    with pytest.raises(GatewayError):
        ledger.admit(key(max_parallel_requests=3), hold(predictions=4), NOW)
    ledger.admit(key(max_parallel_requests=3), first := hold(predictions=2), NOW)
    with pytest.raises(RoomTaken):
        ledger.admit(key(max_parallel_requests=3), hold(predictions=2), NOW)
    ledger.settle(first, 0, 0.0, NOW)
    ledger.admit(key(max_parallel_requests=3), hold(predictions=2), NOW)


def test_what_is_asked_again_counts_from_when_it_is_asked() -> None:
    ledger, limited = Ledger(), key(rpm_limit=4, tpm_limit=100)
    ledger.admit(limited, first := hold(2, tokens=20), NOW)
    for _ in range(2):
        ledger.extend(limited, first, Again(tokens=40, before=0.0, dollars=0.0), NOW + 50)
    with pytest.raises(GatewayError, match="4 predictions a minute"):
        ledger.admit(limited, hold(), NOW + 50)
    with pytest.raises(GatewayError, match="100 tokens a minute"):
        ledger.admit(key(tpm_limit=100), hold(), NOW + 50)
    ledger.admit(key(max_parallel_requests=3), hold(), NOW + 50)  # in the place of what failed
    ledger.settle(first, 30, 0.0, NOW + 50)
    ledger.admit(limited, hold(), NOW + 61)
    with pytest.raises(GatewayError):
        ledger.admit(limited, hold(), NOW + 61)


def test_tokens_are_reserved_and_then_settled() -> None:
    ledger, limited = Ledger(), key(tpm_limit=100)
    ledger.admit(limited, first := hold(tokens=99), NOW)
    ledger.admit(limited, second := hold(tokens=50), NOW)
    assert not admitted(ledger, limited, hold(tokens=1))
    ledger.settle(first, 10, 0.0, NOW + 1)
    ledger.settle(second, 10, 0.0, NOW + 1)
    ledger.admit(limited, third := hold(tokens=500), NOW + 2)
    ledger.settle(third, 80, 0.0, NOW + 200)  # a long answer: its tokens count when they are known
    assert admitted(ledger, limited, hold(tokens=1), NOW + 201)
    with pytest.raises(GatewayError):
        ledger.admit(limited, hold(predictions=3, tokens=60), NOW + 201)
    ledger.admit(limited, hold(predictions=3, tokens=60), NOW + 200 + WINDOW)


def test_several_predictions_are_told_to_wait_until_all_fit() -> None:
    ledger, limited = Ledger(), key(tpm_limit=100)
    ledger.admit(limited, first := hold(), NOW)
    ledger.settle(first, 90, 0.0, NOW)
    with pytest.raises(GatewayError) as refused:
        ledger.admit(limited, hold(predictions=3, tokens=60), NOW + 1)
    assert int(refused.value.headers["Retry-After"]) == math.ceil(WINDOW - 1)


@given(
    budget=st.floats(0.01, 10),
    requests=st.lists(st.tuples(st.integers(1, 40), st.floats(0, 2), st.booleans()), max_size=60),
)
def test_a_budget_is_passed_by_one_prediction_at_most(
    budget: float, requests: list[tuple[int, float, bool]]
) -> None:
    """Where predictions cost what was expected of them, however many run at once."""
    ledger, limited = Ledger(), key(max_budget=budget)
    spent, dearest, running = 0.0, 0.0, []
    for predictions, each, waits in requests:
        wanted = hold(predictions, dollars=predictions * each)
        if admitted(ledger, limited, wanted):
            spent += wanted.dollars
            dearest = max(dearest, each)
            running.append(wanted)
        if waits:
            for done in running:
                ledger.settle(done, 0, done.dollars, NOW)
            running.clear()
    assert spent < budget + dearest + 1e-6


def test_what_ends_after_a_budget_has_renewed_is_of_its_new_time() -> None:
    ledger, limited = Ledger(), key(max_budget=5.0, budget_duration=100.0, budget_resets_at=NOW + 100)
    ledger.admit(limited, long := hold(dollars=1.0), NOW)
    ledger.settle(long, 0, 5.0, NOW + 150)
    assert not admitted(ledger, limited, hold(), NOW + 151), "the database has not said so yet"
    assert admitted(ledger, limited, hold(), NOW + 201)


def test_what_was_refused_on_its_way_is_given_back() -> None:
    ledger, limited = Ledger(), key(rpm_limit=1, max_budget=1)
    ledger.admit(limited, refused := hold(dollars=5), NOW)
    ledger.give_back(refused)
    assert admitted(ledger, limited, hold(), NOW)


def test_a_budget_renews() -> None:
    ledger = Ledger()
    limited = key(max_budget=1, spend=0.5, budget_duration=3600.0, budget_resets_at=NOW + 10)
    ledger.admit(limited, first := hold(dollars=0.5), NOW)
    ledger.settle(first, 0, 0.5, NOW)
    assert not admitted(ledger, limited, hold())
    assert admitted(ledger, limited, hold(), NOW + 11)


@pytest.mark.parametrize("resets_at", [None, NOW + 5, NOW + 1000])
def test_a_budget_that_renews_at_another_time_is_still_spent(resets_at: float | None) -> None:
    ledger, limited = Ledger(), key(max_budget=1, budget_duration=10.0, budget_resets_at=NOW + 10)
    ledger.admit(limited, first := hold(), NOW)
    ledger.settle(first, 0, 1.0, NOW)
    # as the row says, without what is new:
    changed = msgspec.structs.replace(limited, budget_resets_at=resets_at)
    assert not admitted(ledger, changed, hold(), NOW + 1)
    assert admitted(ledger, changed, hold(), NOW + 6) == (resets_at == NOW + 5)


@given(resets_at=st.floats(1e9, 2e9), duration=st.floats(1, 1e7), late=st.floats(0, 1e8))
def test_a_budget_renews_after_whole_durations(resets_at: float, duration: float, late: float) -> None:
    now = resets_at + late
    then = renewal(resets_at, duration, now)
    assert then is not None and now < then <= now + duration * 1.001 + 1e-3


def test_a_clock_that_is_set_back_locks_no_key_out() -> None:
    ledger, limited = Ledger(), key(rpm_limit=1, tpm_limit=10)
    ledger.admit(limited, first := hold(), NOW)
    ledger.settle(first, 10, 0.0, NOW)
    assert not admitted(ledger, limited, hold(), NOW - 5), "clocks are not that exact"
    assert admitted(ledger, limited, hold(), NOW - 3600)
    assert not admitted(ledger, limited, hold(), NOW - 3600)


def test_what_began_before_the_process_did_counts() -> None:
    ledger, limited = Ledger(), key(rpm_limit=2, max_budget=1, spend=0.25)
    ledger.remember("k", NOW - 30, 2, 100)
    assert not admitted(ledger, limited, hold())
    assert admitted(ledger, limited, hold(), NOW - 30 + WINDOW)
    ledger.remember("k", NOW + 50, 0, 60)
    assert not admitted(ledger, key(tpm_limit=60), hold(), NOW + 50)
    assert admitted(ledger, key(tpm_limit=61), hold(), NOW + 50)
    ledger = Ledger()
    ledger.remember("k", NOW, 1, 100)
    assert not admitted(ledger, key(max_budget=1, spend=1), hold()), "it had spent all before"
    assert admitted(ledger, key(rpm_limit=2, spend=5), hold()), "dollars are no predictions"


def test_a_request_that_ends_leaves_the_others_in_flight() -> None:
    ledger, limited = Ledger(), key(max_parallel_requests=2)
    ledger.admit(limited, first := hold(), NOW)
    ledger.admit(limited, hold(), NOW)
    ledger.settle(first, 0, 0.0, NOW)
    assert admitted(ledger, limited, hold())
    assert not admitted(ledger, limited, hold())


WAITS = "x-should-retry", "Retry-After"


@pytest.mark.parametrize(
    ("limits", "before", "wanted", "message", "answer"),
    [
        (
            {"rpm_limit": 2},
            [hold(2)],
            hold(),
            "rpm_limit of this key allows 2 predictions a minute. Try again in 60 s.",
            (429, "rate_limit_exceeded", None, "60"),
        ),
        (
            {"rpm_limit": 2},
            [],
            hold(3),
            "rpm_limit of this key allows 2 predictions a minute, and this request asks for 3 predictions.",
            (429, "rate_limit_exceeded", "false", None),
        ),
        (
            {"tpm_limit": 100},
            [hold(tokens=100)],
            hold(),
            "tpm_limit of this key allows 100 tokens a minute. Try again in 1 s.",
            (429, "rate_limit_exceeded", None, "1"),
        ),
        (
            {"tpm_limit": 100},
            [],
            hold(2, tokens=200),
            "tpm_limit of this key allows 100 tokens a minute, and this request asks for more.",
            (429, "rate_limit_exceeded", "false", None),
        ),
        (
            {"max_parallel_requests": 2},
            [hold()],
            hold(2),
            "max_parallel_requests of this key allows 2 predictions at once, and they are in flight.",
            (429, "parallel_limit", None, "1"),
        ),
        (
            {"max_parallel_requests": 2},
            [],
            hold(3),
            "max_parallel_requests of this key allows 2 predictions at once, and this request asks for 3 "
            "predictions.",
            (429, "parallel_limit", "false", None),
        ),
        (
            {"max_budget": 0.5, "spend": 0.5},
            [],
            hold(),
            "This key has used up its budget of $0.5.",
            (429, "insufficient_quota", "false", None),
        ),
        (
            {"max_budget": 10, "spend": 11, "budget_duration": 60.0},
            [],
            hold(),
            "This key has used up its budget of $10 until it renews.",
            (429, "insufficient_quota", "false", None),
        ),
        (
            {"max_budget": 1},
            [],
            hold(3, dollars=1.5),
            "This request asks for 3 predictions, which may cost more than this key's budget of $1: ask for "
            "fewer at once.",
            (429, "insufficient_quota", "false", None),
        ),
        (
            {"max_budget": 1, "spend": 0.3},
            [hold(dollars=0.7)],
            hold(),
            "This key has $0.7 of its budget of $1 left, and this may need more.",
            (429, "insufficient_quota", "false", None),
        ),
    ],
)
def test_a_refusal_says_which_limit_and_what_to_do(
    limits: dict[str, Any], before: list[Hold], wanted: Hold, message: str, answer: tuple[Any, ...]
) -> None:
    ledger, limited = Ledger(), key(**limits)
    for each in before:
        ledger.admit(limited, each, NOW)
    with pytest.raises(GatewayError) as refused:
        ledger.admit(limited, wanted, NOW)
    error = refused.value
    assert error.message == message
    assert (error.status, error.code, *map(error.headers.get, WAITS)) == answer
    assert error.type == ("insufficient_quota" if error.code == "insufficient_quota" else "requests")
    in_flight = "in flight" in message or "may need more" in message
    assert isinstance(error, RoomTaken) is in_flight, "what the end of a request in flight may lift"


@pytest.mark.parametrize(
    ("limits", "last", "too_much"),
    [
        ({"rpm_limit": 3}, hold(3), hold(1)),
        ({"max_parallel_requests": 3}, hold(3), hold(1)),
        ({"tpm_limit": 100}, hold(tokens=100), hold(1)),
        ({"tpm_limit": 100}, hold(2, tokens=199), hold(2, tokens=200)),
        ({"max_budget": 1}, hold(dollars=1.0), hold(1)),
        ({"max_budget": 1}, hold(2, dollars=1.99), hold(2, dollars=2.0)),
        ({"max_budget": 1, "spend": 0.5}, hold(2, dollars=0.99), hold(1)),
    ],
)
def test_a_limit_is_used_to_its_end_and_not_beyond(
    limits: dict[str, Any], last: Hold, too_much: Hold
) -> None:
    ledger, limited = Ledger(), key(**limits)
    assert admitted(ledger, limited, last)
    assert not admitted(ledger, limited, too_much)


def test_a_key_without_limits_is_never_refused() -> None:
    ledger = Ledger()
    assert all(admitted(ledger, key(), hold(100, tokens=10**9, dollars=1e6)) for _ in range(100))
    assert not key().limited
    assert all(key(**{limit.field: 1}).limited for limit in LIMITS)


def test_what_others_have_spent_is_known_to_the_database_alone() -> None:
    ledger, limited = Ledger(), key(max_budget=1, spend=0.5)
    ledger.admit(limited, first := hold(dollars=0.25), NOW, alone=False)
    ledger.settle(first, 0, 5.0, NOW)
    ledger.admit(limited, hold(dollars=0.5), NOW, alone=False)  # it may have renewed the budget meanwhile
    # What is in flight here is in flight there.
    with pytest.raises(GatewayError, match=r"\$0\.5 of its budget"):
        ledger.admit(limited, hold(), NOW, alone=False)
    with pytest.raises(GatewayError, match="used up its budget"):
        ledger.admit(limited, hold(), NOW)


def test_what_the_database_says_was_spent_counts() -> None:
    ledger, limited = Ledger(), key(max_budget=1)
    ledger.admit(limited, first := hold(), NOW)
    ledger.saw(key(max_budget=1, spend=0.0))
    ledger.settle(first, 0, 0.75, NOW)
    ledger.saw(key(max_budget=1, spend=0.5))
    ledger.admit(limited, second := hold(), NOW)
    ledger.settle(second, 0, 0.25, NOW)
    ledger.saw(key(max_budget=1, spend=0.5))
    assert not admitted(ledger, limited, hold()), "not all of it is written yet"
    assert admitted(ledger, raised := key(max_budget=2), hold())
    ledger.saw(key(max_budget=2, spend=2.0))
    assert not admitted(ledger, raised, hold()), "others have spent the rest"


def test_what_was_spent_while_there_was_no_budget_counts_once_there_is_one_again() -> None:
    ledger, limited = Ledger(), key(max_budget=1, budget_duration=10.0, budget_resets_at=NOW + 10)
    ledger.admit(limited, first := hold(), NOW)
    ledger.settle(first, 0, 0.5, NOW)
    spent = msgspec.structs.replace(limited, spend=1.25)  # in the row, and never in the ledger
    assert not admitted(ledger, spent, hold(), NOW + 1)
    assert admitted(ledger, spent, hold(), NOW + 11), "the budget has renewed"


def test_only_the_turns_of_the_request_itself_are_given_back() -> None:
    ledger, limited = Ledger(), key(rpm_limit=5)
    ledger.admit(limited, hold(2), NOW)
    ledger.admit(limited, second := hold(3), NOW + 1)
    ledger.give_back(second)
    assert not admitted(ledger, limited, hold(4), NOW + 2)
    assert admitted(ledger, limited, hold(3), NOW + 2)


@pytest.mark.parametrize("field", ["rpm_limit", "tpm_limit"])
def test_the_wait_that_is_told_is_until_enough_of_a_minute_is_over(field: str) -> None:
    ledger, limited = Ledger(), key(**{field: 10})
    for second in range(10):
        ledger.admit(limited, each := hold(tokens=1), NOW + second)
        ledger.settle(each, 1, 0.0, NOW + second)
    with pytest.raises(GatewayError) as refused:
        ledger.admit(limited, hold(), NOW + 10)
    assert refused.value.headers["Retry-After"] == str(math.ceil(WINDOW - 10))
    assert not admitted(ledger, limited, hold(), NOW + WINDOW - 0.01)
    assert admitted(ledger, limited, hold(), NOW + WINDOW)


@pytest.mark.parametrize(
    ("resets_at", "duration", "now", "next"),
    [
        (None, 60.0, 100.0, None),
        (100.0, None, 200.0, 100.0),
        (100.0, 60.0, 99.0, 100.0),
        (100.0, 60.0, 100.0, 160.0),
        (100.0, 60.0, 159.0, 160.0),
        (100.0, 60.0, 160.0, 220.0),
        (100.0, 60.0, 300.0, 340.0),
    ],
)
def test_when_a_budget_renews_next(
    resets_at: float | None, duration: float | None, now: float, next: float | None
) -> None:
    assert renewal(resets_at, duration, now) == next
    spent = key(spend=1.0, budget_duration=duration, budget_resets_at=resets_at).renewed(now)
    assert (spent.spend, spent.budget_resets_at) == (1.0 if next == resets_at else 0.0, next)


def test_tokens_are_random_and_kept_as_hashes_alone() -> None:
    token = new_token()
    assert token.startswith("sk-") and len(token) == 46 and token != new_token()
    assert new_key_id().startswith("key-") and len(new_key_id()) == 20 and new_key_id() != new_key_id()
    assert hash_token("sk-a") == "a4a6d307ad00fa67176e1099fdbc4f4a09bb527a7f24718a5030f2f173d11f7f", (
        "what stored keys have"
    )
    assert len(hash_token("\ud800")) == 64, "whatever a client sends"
    ids = {hold().id for _ in range(100)}
    assert len(ids) == 100 and all(len(each) == 24 for each in ids)
