"""What is tried again, how long everybody waits before it, and how a storm of retries is kept small."""

from __future__ import annotations

from itertools import islice

import anyio
import pytest

import areplicate
from areplicate.errors import APIConnectionError, APIError
from areplicate.replicate.first_contact import FirstContact
from areplicate.replicate.retry import (
    Retries,
    RetryBudget,
    RetryPolicy,
    growing,
    is_transient,
    throttle_seconds,
    waits,
)

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("steps", "seconds"),
    [
        ({"base": 2, "factor": 0.5, "longest": 30}, [0.5, 1, 2, 4, 8, 16, 30, 30]),
        ({"base": 3, "factor": 1, "longest": 10}, [1, 3, 9, 10]),
    ],
)
def test_waits_grow_up_to_the_longest(steps: dict[str, float], seconds: list[float]) -> None:
    assert list(islice(growing(**steps), len(seconds))) == seconds


def test_a_retry_waits_for_up_to_half_a_second_then_twice_as_long_each_time_up_to_thirty() -> None:
    """Anything from nothing to the ceiling, so that what failed together does not come back together."""
    rows = [list(islice(waits(), 9)) for _ in range(300)]
    for nth, ceiling in enumerate([0.5, 1, 2, 4, 8, 16, 30, 30, 30]):
        drawn = [row[nth] for row in rows]
        assert 0 <= min(drawn) < ceiling / 10
        assert ceiling * 9 / 10 < max(drawn) <= ceiling


@pytest.mark.parametrize(
    ("said", "seconds"), [(None, 5.0), (0.0, 0.0), (17.0, 17.0), (600.0, 600.0), (1e9, 5.0)]
)
def test_after_a_429_everybody_holds_back_for_as_long_as_it_says_or_five_seconds(
    said: float | None, seconds: float
) -> None:
    assert throttle_seconds(areplicate.RateLimitError("Slower.", retry_after=said)) == seconds


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (areplicate.APIConnectionError("The connection broke."), True),
        (areplicate.Timeout("A proxy waited in vain for the request."), True),
        (areplicate.BadRequestError("Too early.", status_code=425), True),
        (areplicate.InternalServerError("The server failed.", status_code=502), True),
        (areplicate.RateLimitError("Slower."), True),
        (areplicate.BadRequestError("No such input."), False),
        (areplicate.AuthenticationError("No such token."), False),
        (areplicate.NotFoundError("No such model."), False),
    ],
)
def test_what_may_pass_is_tried_again_and_a_refusal_is_not(error: APIError, passes: bool) -> None:
    assert is_transient(error) is passes


async def test_a_hundred_retries_go_at_once_and_then_two_a_second() -> None:
    budget = RetryBudget()
    assert [budget.spend() for _ in range(100)] == [0.0] * 100
    assert [budget.spend() for _ in range(4)] == pytest.approx([0.5, 1.0, 1.5, 2.0])
    await anyio.sleep(60)
    assert [budget.spend() for _ in range(2)] == pytest.approx([0.5, 1.0]), "idle time gathers no turns"


async def test_five_successes_earn_a_retry_up_to_the_reserve() -> None:
    budget = RetryBudget(reserve=2, earned=0.26, per_second=1)
    assert [budget.spend() for _ in range(3)] == [0.0, 0.0, 1.0]
    for _ in range(4):
        assert budget.left < 1
        budget.succeeded()
    assert budget.spend() == 0.0
    for _ in range(100):
        budget.succeeded()
    assert budget.left == 2
    assert [budget.spend() for _ in range(3)] == [0.0, 0.0, 2.0]


def test_a_success_earns_a_fifth_of_a_retry() -> None:
    budget = RetryBudget(reserve=1)
    budget.spend()
    budget.succeeded()
    assert budget.left == pytest.approx(0.2)


BASE = "https://api.example/v1"
REFUSED = APIConnectionError(
    "No connection: refused.", method="GET", url=f"{BASE}/predictions/p", request_sent=False
)


async def test_a_base_that_never_answered_is_tried_a_second_and_a_third_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    contact, sent = FirstContact(BASE), anyio.current_time()
    assert [contact.wait(REFUSED, tries, sent) for tries in (1, 2)] == [1.5, 2.0]
    assert [record.getMessage() for record in caplog.records] == [
        f"Cannot connect to {BASE}. Trying again. (refused)"
    ]
    with pytest.raises(APIConnectionError) as caught:
        contact.wait(REFUSED, 3, sent)
    error = caught.value
    assert error.message == (
        f"Cannot connect to {BASE}. Check api_base or REPLICATE_API_BASE, and that a server listens there. (refused)"
    )
    assert (error.method, error.url, error.request_sent) == (REFUSED.method, REFUSED.url, False)
    with pytest.raises(APIConnectionError, match="Check api_base"):
        contact.wait(REFUSED, 1, sent)
    await anyio.sleep(5)
    assert contact.wait(REFUSED, 1, anyio.current_time()) == 1.5, "it may have come up by then"


async def test_no_try_begins_five_seconds_after_the_first() -> None:
    contact, sent = FirstContact(BASE), anyio.current_time()
    await anyio.sleep(5)
    with pytest.raises(APIConnectionError, match="Check api_base"):
        contact.wait(REFUSED, 1, sent)


async def test_what_came_from_a_base_that_is_there_waits_as_any_other_failure() -> None:
    contact, sent = FirstContact(BASE), anyio.current_time()
    assert contact.wait(APIConnectionError("The connection broke."), 9, sent) is None
    assert contact.wait(areplicate.BadRequestError("It cannot be sent.", request_sent=False), 9, sent) is None
    with contact.trying():
        pass
    assert contact.wait(REFUSED, 9, sent) is None


async def test_a_request_that_is_out_for_longer_than_connecting_takes_has_reached_its_base() -> None:
    contact = FirstContact(BASE)
    with pytest.raises(APIConnectionError, match="broke"), contact.trying():
        await anyio.sleep(15.5)
        assert contact.wait(REFUSED, 9, anyio.current_time()) is None
        raise APIConnectionError("The connection broke.")
    assert contact.wait(REFUSED, 1, anyio.current_time()) == 1.5, "none is out any more"


async def test_a_retry_waits_for_as_long_as_the_server_wants_and_for_its_turn() -> None:
    contact, begun = FirstContact(BASE), anyio.current_time()
    contact.made = True
    budget = RetryBudget(reserve=0, per_second=0.1)
    busy = areplicate.RateLimitError("Slower.", retry_after=20.0)
    await Retries(contact, budget, RetryPolicy(1, begun + 30), begun).after(busy)
    assert anyio.current_time() - begun == pytest.approx(30)
    with pytest.raises(areplicate.RateLimitError):
        await Retries(contact, budget, RetryPolicy(1, begun + 59), begun).after(busy)
    assert anyio.current_time() - begun == pytest.approx(30), "its caller would not wait that long"
