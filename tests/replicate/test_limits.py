"""The limiter: slower after 429s and back again, nobody sent too early, in the order of asking."""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_left

import anyio
import pytest

from areplicate import RateLimitError
from areplicate.local import Faults
from areplicate.replicate.limits import RANK, Limiter, Rank, Slots, Turns, ratelimit
from tests.stage import HELLO, LLAMA, Clock, stage

pytestmark = pytest.mark.anyio


async def sent_in_a_minute(limiter: Limiter) -> int:
    """How many requests may leave within the next minute, each answered well but without figures."""
    until, count = anyio.current_time() + 60, 0
    while anyio.current_time() < until:
        await limiter.acquire()
        count += 1
    return count


async def used_up(per_minute: float) -> Limiter:
    """A limiter whose burst has been taken."""
    limiter = Limiter(per_minute)
    for _ in range(int(per_minute)):
        await limiter.acquire()
    return limiter


async def test_each_429_halves_the_rate_down_to_one_a_minute() -> None:
    limiter = await used_up(64)
    for halved in (32, 16, 8, 4, 2, 1, 1):
        limiter.throttled(1)
        assert limiter.per_minute == halved
        await anyio.sleep(1)
    limiter = Limiter(600)
    limiter.throttled(1)
    assert 285 <= await sent_in_a_minute(limiter) <= 300


async def test_429s_of_requests_that_were_out_together_count_once() -> None:
    limiter = Limiter(600)
    for _ in range(50):
        limiter.throttled(10)
    assert limiter.per_minute == 300


async def test_a_request_may_go_at_once_as_long_as_there_are_turns_and_nobody_waits() -> None:
    limiter = Limiter(2)
    for _ in range(2):
        assert limiter.ready()
        await limiter.acquire()
    assert not limiter.ready()
    await anyio.sleep(30.6)
    assert limiter.ready(), "half a minute later, for half of what a minute allows"
    limiter.observe(anyio.current_time(), 0, 0.5)
    assert not limiter.ready(), "half a second early"
    limiter.throttled(8)
    await anyio.sleep(8)
    assert limiter.ready()
    limiter.throttled(0.5)
    async with anyio.create_task_group() as group:
        group.start_soon(limiter.acquire)
        await anyio.sleep(0.5)
        assert not limiter.ready(), "somebody waits for this turn"
        clock = Clock()
        await limiter.acquire()
        assert clock() > 0, "which is theirs"


async def test_after_a_429_nobody_sends_until_it_said() -> None:
    limiter = Limiter(600)
    limiter.throttled(7)
    assert not limiter.ready()
    clock = Clock()
    await limiter.acquire()
    assert 7 <= clock() < 7.1
    await limiter.acquire()
    assert 7.2 <= clock() < 7.3, "and not in a burst"


@pytest.mark.parametrize(
    ("said", "waited"),
    [(math.inf, 0.0), (math.nan, 0.0), (-9.0, 0.0), (600.0, 600.0), (601.0, 0.0), (1795720710.0, 0.0)],
)
@pytest.mark.parametrize("way", ["by a 429", "as ratelimit-reset"])
async def test_no_server_holds_everybody_back_for_longer_than_ten_minutes(
    way: str, said: float, waited: float
) -> None:
    """What is more than that is something else, such as the reset's time of day in seconds since 1970."""
    limiter = Limiter(600)
    if way == "by a 429":
        limiter.throttled(said)
    else:
        limiter.observe(anyio.current_time(), 0, said)
    assert not limiter.ready() or not waited
    clock = Clock()
    await limiter.acquire()
    assert waited <= clock() <= waited + 0.5


async def test_200_good_answers_give_the_whole_rate_back() -> None:
    """Half a percent of it each."""
    limiter = Limiter(600)
    limiter.throttled(1)
    await anyio.sleep(1)
    for good in range(100):
        assert limiter.per_minute == pytest.approx(300 + 3 * good)
        limiter.observe(anyio.current_time(), None, None)
    assert limiter.per_minute == 600
    limiter.observe(anyio.current_time(), None, None)
    assert limiter.per_minute == 600


async def test_an_account_with_a_higher_limit_is_known_by_what_is_left() -> None:
    limiter = Limiter(600)
    limiter.observe(anyio.current_time(), 600, 1.0)
    assert limiter.per_minute == 600
    limiter.observe(anyio.current_time(), 2999, 1.0)
    assert limiter.per_minute == 3000
    limiter.throttled(1)
    assert limiter.per_minute == 1500


async def test_an_account_with_nothing_left_waits_for_its_reset() -> None:
    limiter = Limiter(600)
    limiter.observe(anyio.current_time(), 0, 12.0)
    clock = Clock()
    await limiter.acquire()
    assert 12 <= clock() < 12.5


async def test_what_others_have_used_of_the_account_is_not_sent() -> None:
    limiter = Limiter(600)
    limiter.observe(anyio.current_time(), 5, 1.0)
    clock = Clock()
    for _ in range(6):
        await limiter.acquire()
    assert clock() < 0.11
    for _ in range(10):
        await limiter.acquire()
    assert 0.9 < clock() < 1.2


async def test_nobody_waits_for_a_turn_that_comes_too_late() -> None:
    limiter = await used_up(60)
    limiter.throttled(30)
    with pytest.raises(RateLimitError, match="in 3[01] s, which is after its deadline") as caught:
        await limiter.acquire(anyio.current_time() + 29)
    assert caught.value.retry_after == pytest.approx(31, abs=1.1) and caught.value.request_sent is False
    await limiter.acquire(anyio.current_time() + 32)
    await (await used_up(600)).acquire(anyio.current_time() + 0.2)


@pytest.mark.parametrize(("rank", "seconds"), [(Rank.CANCEL, 2.5), (Rank.CALL, 2.5), (Rank.YIELDING, 0.5)])
async def test_those_that_go_before_count_in_when_a_turn_comes(rank: Rank, seconds: float) -> None:
    limiter = await used_up(120)
    async with anyio.create_task_group() as group:
        RANK.set(rank)
        for _ in range(4):
            group.start_soon(limiter.acquire)
        RANK.set(Rank.CALL)
        await anyio.sleep(0.01)
        with pytest.raises(RateLimitError) as caught:
            await limiter.acquire(anyio.current_time() + seconds - 0.2)
        assert caught.value.retry_after == pytest.approx(seconds, abs=0.2)
        await limiter.acquire(anyio.current_time() + seconds + 0.2)


async def test_what_goes_first_goes_first_and_keeps_its_order() -> None:
    limiter, order = Limiter(60), []
    limiter.observe(anyio.current_time(), 0, 0.0)

    async def one(name: str, rank: Rank, at: float) -> None:
        RANK.set(rank)
        await anyio.sleep(at)
        await limiter.acquire()
        order.append(name)

    async with anyio.create_task_group() as group:
        for n in range(4):
            group.start_soon(one, f"later {n}", Rank.YIELDING, 0.01 * n)
        for n in range(3):  # they come while one that yields sleeps until its turn
            group.start_soon(one, f"first {n}", Rank.CALL, 0.5 + 0.01 * n)
        group.start_soon(one, "cancel", Rank.CANCEL, 1.5)
        group.start_soon(one, "list", Rank.LIST, 1.6)
        group.start_soon(one, "between", Rank.CALL, 6.5)
    assert order[:6] == ["later 0", "first 0", "list", "cancel", "first 1", "first 2"]
    assert order[6:] == ["later 1", "between", "later 2", "later 3"]


async def test_what_comes_while_another_is_being_woken_may_still_go_first() -> None:
    limiter, order = await used_up(60), []

    async def one(name: str, *ranks: Rank) -> None:
        for rank in ranks:
            RANK.set(rank)
            await limiter.acquire()
            order.append(f"{name} {rank.name}")

    async with anyio.create_task_group() as group:
        group.start_soon(one, "first", Rank.CALL, Rank.CANCEL)
        group.start_soon(one, "second", Rank.CALL)
        group.start_soon(one, "third", Rank.CALL)
    assert order == ["first CALL", "first CANCEL", "second CALL", "third CALL"]


async def test_turns_come_in_the_order_of_asking_also_through_a_429() -> None:
    limiter = await used_up(60)
    order: list[int] = []

    async def one(number: int) -> None:
        await limiter.acquire()
        order.append(number)
        if number == 3:
            limiter.throttled(20)

    async with anyio.create_task_group() as group:
        for number in range(10):
            group.start_soon(one, number)
    assert order == list(range(10))


@pytest.mark.parametrize("per_minute", [60.0, 600.0])
async def test_never_more_than_the_rate_in_any_minute_once_the_burst_is_gone(per_minute: float) -> None:
    limiter = await used_up(per_minute)
    times = [await limiter.acquire() for _ in range(int(per_minute * 3))]
    most = max(bisect_left(times, time + 60) - index for index, time in enumerate(times))
    assert 0.95 * per_minute <= most <= per_minute


async def test_a_router_slows_down_after_429s_and_recovers() -> None:
    """600 a minute, a quarter of it after two 429s; good answers give it back bit by bit."""
    async with stage(faults=Faults(create_throttled=1.0, limit=2), router={"creations_per_minute": 600}) as (
        local,
        router,
    ):
        await router.acompletion(LLAMA, HELLO)
        assert local.counts["create"] == 3
        clock = Clock()
        for _ in range(60):
            await router.acompletion(LLAMA, HELLO)
        slow = clock()
        for _ in range(600):
            await router.acompletion(LLAMA, HELLO)
        clock = Clock()
        for _ in range(60):
            await router.acompletion(LLAMA, HELLO)
        assert slow > 1.5 * clock()


def test_slots_are_taken_from_both_pools_or_not_at_all() -> None:
    pool = Slots(3)
    mine, others = Slots(2, pool), Slots(2, pool)
    assert [mine.take(), mine.take(), mine.take()] == [True, True, False]
    assert [others.take(), others.take()] == [True, False]
    mine.give_back()
    assert others.take()
    assert not mine.take()
    for slots in (mine, others, others):
        slots.give_back()
    assert [mine.take(), mine.take(), mine.take(), others.take(), others.take()] == [
        True,
        True,
        False,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("headers", "read"),
    [
        ({"ratelimit-remaining": "599", "ratelimit-reset": "1.5"}, (599, 1.5)),
        ({"ratelimit-remaining": "0"}, (0, None)),
        ({"ratelimit-reset": "30"}, (None, 30.0)),
        ({}, (None, None)),
        ({"ratelimit-remaining": "", "ratelimit-reset": ""}, (None, None)),
        ({"ratelimit-remaining": "many", "ratelimit-reset": "30"}, (None, None)),
    ],
)
def test_what_an_answers_headers_say(headers: dict[str, str], read: tuple[int | None, float | None]) -> None:
    assert ratelimit(headers) == read


async def test_an_account_that_is_held_to_bursts_of_one_sends_one_every_ten_seconds() -> None:
    """As Replicate's 429 says it of an account without a payment method: 6 a minute, bursts of 1."""
    limiter = Limiter(600)
    limiter.throttled(5, per_minute=6, burst=1)
    clock, times = Clock(), []
    for _ in range(4):
        await limiter.acquire()
        times.append(clock())
    assert times == pytest.approx([5.0, 15.2, 25.4, 35.6], abs=0.05)
    await anyio.sleep(60)
    clock = Clock()
    for _ in range(2):
        await limiter.acquire()
    assert clock() == pytest.approx(10.2, abs=0.05), "idle time gathers no more than a burst"
    limiter.throttled(5, per_minute=6, burst=3)
    await anyio.sleep(600)
    clock = Clock()
    for _ in range(4):
        await limiter.acquire()
    assert clock() == pytest.approx(10.2, abs=0.05), "three go at once"


async def test_a_429_that_tells_only_half_of_what_an_account_is_held_to_halves_the_rate() -> None:
    limiter = Limiter(600)
    limiter.throttled(1, per_minute=6)
    assert limiter.per_minute == 300


class TestTurns:
    async def test_accounts_take_turns_however_many_requests_one_waits_with(self) -> None:
        turns, order = Turns(1), list[str]()
        await turns.acquire("first")

        async def one(account: str, number: int) -> None:
            await turns.acquire(account)
            order.append(f"{account} {number}")
            await anyio.sleep(1)
            turns.release()

        async with anyio.create_task_group() as group:
            for number in range(3):
                group.start_soon(one, "many", number)
            await anyio.sleep(0.1)
            group.start_soon(one, "few", 0)
            await anyio.sleep(0.1)
            assert order == []
            turns.release()
        assert order == ["many 0", "few 0", "many 1", "many 2"]

    async def test_as_many_go_at_once_as_there_are_connections(self) -> None:
        turns = Turns(3)
        for _ in range(3):
            await turns.acquire("a")
        with anyio.move_on_after(1) as late:
            await turns.acquire("a")
        assert late.cancelled_caught
        for _ in range(3):
            turns.release()
        for _ in range(3):
            await turns.acquire("b")
        with anyio.move_on_after(1) as late:
            await turns.acquire("b")
        assert late.cancelled_caught

    @pytest.mark.parametrize("given_a_turn", [False, True], ids=["waiting", "just given a turn"])
    async def test_who_leaves_takes_no_turn_with_it(self, given_a_turn: bool) -> None:
        turns = Turns(1)
        await turns.acquire("first")
        leaves = asyncio.create_task(turns.acquire("leaves"))
        await anyio.sleep(0.1)
        stays = asyncio.create_task(turns.acquire("stays"))
        await anyio.sleep(0.1)
        if given_a_turn:
            turns.release()
        leaves.cancel()
        await anyio.sleep(0.1)
        assert leaves.cancelled()
        if not given_a_turn:
            assert not stays.done()
            turns.release()
        with anyio.fail_after(1):
            await stays
            turns.release()
            await turns.acquire("next")
