"""Nothing lost, nothing paid twice, limits kept: over HTTP, with faults switched on."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import anyio
import msgspec
import pytest

import areplicate
from areplicate import AsyncRouter
from areplicate.errors import AreplicateWarning
from areplicate.local import Faults, LocalModel, LocalReplicate
from areplicate.replicate.retry import RetryBudget
from tests.campaign import campaign
from tests.hostile import Asked, HostileReplicate, away_for, changes, trickles
from tests.stage import HELLO, KEY, LLAMA, Clock, llama, nothing_runs, stage, streamed_text

pytestmark = [pytest.mark.first(45), pytest.mark.anyio]


async def text_of(router: AsyncRouter, question: str = "hi", **options: Any) -> str | None:
    response: areplicate.ModelResponse = await router.acompletion(
        LLAMA, [{"role": "user", "content": question}], **options
    )
    return response.choices[0].message.content


async def many(router: AsyncRouter, count: int) -> None:
    async with anyio.create_task_group() as group:
        for number in range(count):
            group.start_soon(text_of, router, f"question {number}")


@pytest.mark.parametrize(
    ("fault", "times"),
    [("create_error", 1), ("create_reset", 1), ("create_lost", 2), ("create_throttled", 2)],
)
async def test_a_creation_that_goes_wrong_is_made_good_once(fault: str, times: int) -> None:
    faults = msgspec.structs.replace(Faults(limit=times), **{fault: 1.0})
    async with stage(llama(reply="fine"), faults=faults) as (local, router):
        assert await text_of(router) == "fine"
        assert len(local.predictions) == 1


@pytest.mark.parametrize("fault", ["get_error", "get_reset", "get_throttled"])
async def test_looks_that_go_wrong_are_repeated(fault: str) -> None:
    model = llama(reply="fine", boot_seconds=100)
    faults = msgspec.structs.replace(Faults(limit=5), **{fault: 1.0})
    async with stage(model, faults=faults) as (local, router):
        assert await text_of(router) == "fine"
        assert len(local.predictions) == 1


@pytest.mark.parametrize("kind", ["create", "get"])
async def test_an_answer_that_trickles_is_not_waited_for_to_its_end(kind: str) -> None:
    async with HostileReplicate([llama(reply="there", run_seconds=3)]) as hostile:
        hostile.on(kind, trickles(7), times=1)
        async with AsyncRouter(api_key=KEY, api_base=hostile.api_base) as router:
            clock = Clock()
            watching: dict[str, Any] = {"on_status": lambda _: None} if kind == "get" else {}
            assert await text_of(router, **watching) == "there"
            assert clock() < 150
        assert len(hostile.predictions) == 1


def ends_as_expired(asked: Asked, body: Any) -> None:
    """Statuses come without notice, as `aborted` did."""
    for prediction in body.get("results", [body]):
        if prediction["status"] == "succeeded":
            prediction |= {"status": "expired", "output": None, "error": "Nobody came"}


@pytest.mark.parametrize("callers", [1, 40])
async def test_a_status_that_nobody_knows_ends_a_call_once_the_prediction_has_ended(callers: int) -> None:
    async with HostileReplicate([llama(run_seconds=20)]) as hostile:
        hostile.on("*", changes(ends_as_expired))
        async with AsyncRouter(api_key=KEY, api_base=hostile.api_base) as router:
            clock = Clock()

            async def ask() -> None:
                with pytest.raises(areplicate.PredictionFailedError, match=r"'expired'.*: Nobody came\."):
                    await text_of(router, on_status=lambda _: None)

            async with anyio.create_task_group() as group:
                for _ in range(callers):
                    group.start_soon(ask)
            assert clock() < 50


async def test_a_stream_that_is_whole_succeeds_though_nobody_knows_the_status() -> None:
    async with HostileReplicate([llama(reply=["all", " of it"])]) as hostile:
        hostile.on("get", changes(ends_as_expired))
        async with AsyncRouter(api_key=KEY, api_base=hostile.api_base) as router:
            clock = Clock()
            stream = await router.acompletion(LLAMA, HELLO, stream=True)
            assert streamed_text([chunk async for chunk in stream]) == "all of it"
            assert clock() < 10


async def test_a_refused_connection_is_tried_again_until_somebody_listens() -> None:
    local = LocalReplicate([llama(reply="up")])
    async with local:
        base = local.api_base
    async with AsyncRouter(api_key="k", api_base=base) as router, anyio.create_task_group() as group:

        async def come_up() -> None:
            await anyio.sleep(3)
            await local.__aenter__()

        group.start_soon(come_up)
        assert await text_of(router) == "up"
    await local.__aexit__(None, None, None)


async def test_identical_prompts_stay_predictions_of_their_own_when_answers_are_lost() -> None:
    async with stage(llama(reply="x", run_seconds=5), faults=Faults(create_lost=0.5, seed=2)) as (
        local,
        router,
    ):
        async with anyio.create_task_group() as group:
            for _ in range(40):
                group.start_soon(text_of, router, "the same")
        assert len(local.predictions) == 40
        assert Counter(p.status for p in local.predictions.values()) == {"succeeded": 40}


async def test_what_cannot_be_told_is_not_paid_twice() -> None:
    faults = Faults(create_lost=1.0, get_error=1.0)
    async with LocalReplicate([llama()], faults=faults) as local:
        async with AsyncRouter(api_key="k", api_base=local.api_base, max_retries=2) as router:
            with pytest.raises(areplicate.APIConnectionError):
                await text_of(router)
        assert len(local.predictions) == 1


async def test_num_retries_is_how_often_it_is_tried_again() -> None:
    async with stage(faults=Faults(create_throttled=1.0)) as (local, router):
        for retries in (0, 3):
            before = local.counts["create"]
            with pytest.raises(areplicate.RateLimitError):
                await text_of(router, num_retries=retries)
            assert local.counts["create"] - before == 1 + retries


async def test_what_will_not_pass_is_not_tried_again() -> None:
    async with stage(tokens={"another"}) as (local, router):
        with pytest.raises(areplicate.AuthenticationError):
            await text_of(router)
        assert local.counts["create"] == 1


async def test_a_wait_beyond_the_deadline_is_not_begun() -> None:
    async with stage(create_per_minute=2, create_burst=1) as (_, router):
        await text_of(router)
        clock = Clock()
        with pytest.raises(areplicate.RateLimitError) as caught:
            await text_of(router, timeout=10)
        assert clock() < 1
        assert caught.value.retry_after == 30


@pytest.mark.parametrize("seconds", [601, 1e9, math.inf])
@pytest.mark.parametrize(("kind", "status"), [("get", 503), ("get", 429), ("create", 503), ("create", 429)])
async def test_a_service_that_says_it_is_away_for_longer_than_anybody_waits_is_asked_again_soon(
    kind: str, status: int, seconds: float
) -> None:
    async with HostileReplicate([llama(boot_seconds=90, reply="fine")]) as hostile:
        hostile.on(kind, away_for(seconds, status), times=1)
        async with AsyncRouter(api_key="k", api_base=hostile.api_base) as router:
            clock = Clock()
            assert await text_of(router) == "fine"
            assert clock() < 130


async def test_a_service_that_says_when_it_is_back_is_asked_then() -> None:
    async with HostileReplicate([llama(reply="fine")]) as hostile:
        hostile.on("create", away_for(300), times=1)
        async with AsyncRouter(api_key="k", api_base=hostile.api_base) as router:
            clock = Clock()
            assert await text_of(router) == "fine"
            assert 300 <= clock() < 310
            hostile.on("create", away_for(300), times=1)
            with pytest.raises(areplicate.ServiceUnavailableError) as caught:
                await text_of(router, timeout=200)
            assert caught.value.retry_after == 300 and clock() < 330, "which is after its deadline"


async def test_one_callers_429_holds_everybody_back_once() -> None:
    async with stage(create_per_minute=600, create_burst=100) as (local, router):
        clock = Clock()
        local.faults = Faults(create_throttled=1.0, limit=1)
        await many(router, 50)
        assert local.counts["create"] <= 100, "those that were on their way, and then one each"
        assert clock() < 12


async def test_an_outage_is_not_answered_by_a_storm() -> None:
    async with stage(faults=Faults(create_error=1.0)) as (local, router):
        async with anyio.create_task_group() as group:

            async def one() -> None:
                with pytest.raises(areplicate.InternalServerError):
                    await text_of(router, num_retries=2)

            for _ in range(200):
                group.start_soon(one)
        per_second = Counter(int(seen.time) for seen in local.requests)
        assert max(per_second.values()) <= 320
        # The reserve of retries comes at once, after looking for what may have been created; then they trickle.
        reserve, *later = sorted((per_second[second] for second in per_second if second > 0), reverse=True)
        assert reserve < 120 and max(later) < 60


async def test_a_spent_retry_budget_slows_retries_down_and_refuses_none() -> None:
    budget = RetryBudget(reserve=3, per_second=2)
    assert [budget.spend() for _ in range(5)] == [0.0, 0.0, 0.0, 0.5, 1.0]
    for _ in range(5):
        budget.succeeded()
    assert budget.spend() == 0.0


async def test_no_429_at_the_accounts_published_limits() -> None:
    limits: dict[str, Any] = {"create_per_minute": 600, "other_per_minute": 3000}
    async with stage(llama(run_seconds=1), **limits) as (local, router):
        clock = Clock()
        await many(router, 700)
        statuses = Counter(prediction.status for prediction in local.predictions.values())
        assert statuses == {"succeeded": 700}
        assert local.counts["create"] == 700, "a 429 would have meant another creation"
        assert 9 < clock() < 20


async def test_a_poor_accounts_limits_are_learnt() -> None:
    limits: dict[str, Any] = {"create_per_minute": 6, "create_burst": 1}
    async with stage(**limits) as (local, router):
        clock = Clock()
        await many(router, 12)
        assert clock() < 12 * 10 * 2.5
        assert local.counts["create"] < 12 * 2.5


async def test_a_rich_accounts_limits_are_used() -> None:
    low: dict[str, Any] = {"creations_per_minute": 60}
    async with stage(create_per_minute=60_000, other_per_minute=300_000, router=low) as (_, router):
        await text_of(router)
        clock = Clock()
        await many(router, 70)
        assert clock() < 5, "at the limit that it began with, the 10 beyond a minute's worth would take 10 s"


async def test_processes_that_begin_with_a_part_of_an_account_use_what_the_others_leave() -> None:
    """Replicate's answers tell each how much is left for all: one that is alone has it all, and two send no more."""
    half: dict[str, Any] = {"creations_per_minute": 100}
    async with stage(create_per_minute=200, router=half) as (local, one):
        await text_of(one)
        clock = Clock()
        await many(one, 190)
        assert clock() < 5, "by its own half, the other 90 would take a minute"
        async with AsyncRouter(api_key=KEY, api_base=local.api_base, **half) as other:
            clock = Clock()
            async with anyio.create_task_group() as group:
                group.start_soon(many, one, 50)
                group.start_soon(many, other, 50)
            assert 25 < clock() < 45, "100 at 200 a minute"
        refused = local.counts["create"] - 291
        assert refused <= 50, "those of the one that had yet to learn, once"


async def test_a_few_creations_are_held_and_the_others_are_watched() -> None:
    options = {"pool_size": 100, "held_creations": 3}
    async with stage(llama(boot_seconds=50, reply="seen"), router=options) as (local, router):
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(text_of, router)
        created = [seen for seen in local.requests if seen.kind == "create"]
        assert len(created) == 20
        assert sum("prefer" in {name.lower() for name in seen.headers} for seen in created) == 3
        await text_of(router)
        assert "Prefer" in local.requests[-1].headers, "what was held is free again"


async def test_thousands_of_short_requests_share_a_tenth_of_the_pool() -> None:
    class Most:
        """A transport that counts how many requests are open at once."""

        def __init__(self, real: Any) -> None:
            self.real, self.open_now, self.most, self.aclose = real, 0, 0, real.aclose

        async def open(self, request: Any) -> Any:
            self.open_now += 1
            self.most = max(self.most, self.open_now)
            try:
                return await self.real.open(request)
            finally:
                self.open_now -= 1

    options = {"pool_size": 50, "held_creations": 1, "creations_per_minute": 1e6}
    async with stage(llama(boot_seconds=25), faults=Faults(latency=0.2), router=options) as (local, router):
        counting = router._clients.transport = Most(router._clients.transport)
        async with anyio.create_task_group() as group:
            for _ in range(45):
                group.start_soon(text_of, router)
        assert len(local.predictions) == 45
        assert counting.most <= 1 + 5


async def test_no_call_queues_behind_a_sleeper() -> None:
    async with stage(llama(boot_seconds=20), router={"pool_size": 20}) as (local, router):
        clock = Clock()
        async with anyio.create_task_group() as group:
            for _ in range(40):
                group.start_soon(text_of, router)
            await anyio.sleep(1)
            assert len(local.predictions) == 40
        assert clock() < 30
        held = [seen for seen in local.requests if "Prefer" in seen.headers]
        assert len(held) == 18


async def test_many_are_watched_through_the_list() -> None:
    limits: dict[str, Any] = {"create_per_minute": 6000, "other_per_minute": 3000}
    model = llama(boot_seconds=20, run_seconds=3)
    async with stage(model, router={"pool_size": 50}, **limits) as (local, router):
        clock = Clock()
        ends: list[float] = []

        async def one(number: int) -> None:
            await text_of(router, f"question {number}")
            ends.append(clock())

        async with anyio.create_task_group() as group:
            for number in range(150):
                group.start_soon(one, number)
        assert local.counts["create"] == 150
        watching = [seen.time for seen in local.requests if seen.kind != "create"]
        assert len(watching) < 150 * 4, "and so never 3,000 a minute"
        assert sorted(ends)[len(ends) // 2] < 23 + 2
        assert max(ends) < 23 + 10


async def test_predictions_that_the_list_does_not_show_are_asked_for_singly() -> None:
    async with stage(llama(boot_seconds=20, reply="seen"), router={"pool_size": 16}) as (local, router):
        async with anyio.create_task_group() as group:
            for _ in range(60):
                group.start_soon(text_of, router)
            await anyio.sleep(5)
            local._service.in_order.clear()
        assert local.counts["get"] > 50


async def test_whoever_leads_the_watching_may_leave() -> None:
    async with stage(llama(boot_seconds=25, reply="seen"), router={"pool_size": 16}) as (_, router):
        texts = []

        async def patient() -> None:
            texts.append(await text_of(router))

        async with anyio.create_task_group() as group:
            for _ in range(30):
                group.start_soon(text_of, router, "first")
            for leaving_after in range(3, 23):
                with_scope = anyio.CancelScope(deadline=anyio.current_time() + leaving_after)

                async def leaver(scope: anyio.CancelScope = with_scope) -> None:
                    with scope:
                        await text_of(router, "leaver")

                group.start_soon(leaver)
            for _ in range(30):
                group.start_soon(patient)
        assert texts == ["seen"] * 30


async def test_an_exception_elsewhere_in_the_group_leaves_nothing_running() -> None:
    async with stage(llama(boot_seconds=100)) as (local, router):
        with pytest.raises(Exception, match="unhandled errors"):
            async with anyio.create_task_group() as group:
                for _ in range(50):
                    group.start_soon(text_of, router)
                await anyio.sleep(5)
                raise RuntimeError("a bug elsewhere")
        assert len(local.predictions) == 50 and await nothing_runs(local)


async def test_a_short_campaign_ends_with_a_clean_ledger() -> None:
    ledger = await campaign(200, seed=5)
    print(ledger)
    assert ledger.clean, ledger


def balanced(*entries: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {
        "model_list": [{"model_name": "chat", "litellm_params": entry} for entry in entries],
        **options,
    }


async def test_the_entries_of_a_name_share_the_load() -> None:
    other = LocalModel(owner="b", name="b", reply="b", run_seconds=5)
    router_options = balanced({"model": LLAMA}, {"model": "replicate/b/b"})
    async with stage(llama(reply="a", run_seconds=5), other, router=router_options) as (local, router):
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(router.acompletion, "chat", HELLO)
        assert Counter(p.model.name for p in local.predictions.values()) == {
            "meta-llama-3-8b-instruct": 10,
            "b": 10,
        }


async def test_an_entry_that_fails_is_left_for_another_and_cools_down() -> None:
    router_options = balanced(
        {"model": "no/such-model"}, {"model": LLAMA, "max_tokens": 7}, allowed_fails=1, cooldown_time=30
    )
    async with stage(router=router_options) as (local, router):
        for _ in range(30):
            await router.acompletion("chat", HELLO)
        assert local.counts["create"] - 30 == 2, "two failures, then it is left alone"
        await anyio.sleep(31)
        for _ in range(10):
            await router.acompletion("chat", HELLO)
        assert local.counts["create"] - 40 > 2
        assert local.requests[-1].json()["input"]["max_tokens"] == 7


async def test_fallbacks_answer_where_all_entries_fail() -> None:
    options = {
        "model_list": [
            {"model_name": "llama-3", "litellm_params": {"model": "meta/broken"}},
            {"model_name": "mistral", "litellm_params": {"model": LLAMA}},
        ],
        "fallbacks": [{"llama-3": ["mistral"]}],
    }
    broken = LocalModel(owner="meta", name="broken", failure="always")
    async with stage(llama(reply="from mistral"), broken, router=options) as (_, router):
        response = await router.acompletion("llama-3", HELLO)
        assert response.choices[0].message.content == "from mistral"
        with pytest.raises(areplicate.BadRequestError):
            await router.acompletion("llama-3", [])


async def test_no_more_than_max_parallel_requests_run_at_once() -> None:
    options = balanced({"model": LLAMA, "max_parallel_requests": 5})
    async with stage(llama(run_seconds=2), router=options) as (local, router):
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(router.acompletion, "chat", HELLO)
        starts = [prediction.created for prediction in local.predictions.values()]
        assert max(sum(begun <= start < begun + 2 for start in starts) for begun in starts) == 5


async def test_what_goes_beyond_a_minutes_rpm_waits_for_its_turn() -> None:
    async with stage(router=balanced({"model": LLAMA, "rpm": 60})) as (local, router):
        clock = Clock()
        async with anyio.create_task_group() as group:
            for _ in range(80):
                group.start_soon(router.acompletion, "chat", HELLO)
        assert clock() == pytest.approx(20, abs=1)
        starts = [prediction.created for prediction in local.predictions.values()]
        assert sum(start < starts[0] + 0.5 for start in starts) == 60


async def test_a_streams_entry_is_busy_until_it_ends() -> None:
    options = balanced({"model": LLAMA, "max_parallel_requests": 1})
    async with stage(llama(reply=["a"] * 5, run_seconds=10), router=options) as (_, router):
        clock = Clock()
        stream = await router.acompletion("chat", HELLO, stream=True)
        async with anyio.create_task_group() as group:
            group.start_soon(router.acompletion, "chat", HELLO)
            await areplicate.stream_to_completion(stream)
        assert clock() >= 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"model_list": [{"model_name": "x"}]},
            r"model_list\[0\] needs a model_name, which is a string, and litellm_params",
        ),
        (balanced({}), "needs a model"),
        (balanced({"model": LLAMA, "rpm": "many"}), "rpm of 'chat' must be a positive number"),
        (balanced({"model": LLAMA}, fallbacks=[{"chat": ["ghost"]}]), "names 'ghost'"),
        (
            balanced({"model": LLAMA, "roles": {"user": {"pre_message": "os.environ/NOWHERE"}}}),
            "roles.user.pre_message of 'chat': the environment variable 'NOWHERE' is not set or empty: set it",
        ),
    ],
)
async def test_a_wrong_model_list_is_explained(options: dict[str, Any], message: str) -> None:
    with pytest.raises(areplicate.BadRequestError, match=message):
        AsyncRouter(**options)


@pytest.mark.parametrize("after", [1.2, 1.5, 1.9, 2.5])
async def test_leaving_while_a_lost_creation_is_looked_for_leaves_nothing_running(after: float) -> None:
    faults = Faults(create_lost=1.0, limit=1, latency=1.0)
    async with stage(llama(boot_seconds=100), faults=faults) as (_, router):
        with anyio.move_on_after(after):
            await text_of(router)
    async with stage(llama(boot_seconds=100), faults=faults) as (_, router):
        with pytest.raises(areplicate.APIError):
            await text_of(router, timeout=after)


async def test_one_callers_small_patience_fails_nobody_else() -> None:
    async with stage(llama(boot_seconds=25, reply="seen"), router={"pool_size": 16}) as (local, router):
        texts = []

        async def one(retries: int) -> None:
            texts.append(await text_of(router, num_retries=retries))

        async with anyio.create_task_group() as group:
            for number in range(60):
                group.start_soon(one, 8 if number != 40 else 0)
            await anyio.sleep(20)
            local.faults = Faults(get_error=1.0, limit=3)
        assert texts == ["seen"] * 60


async def test_the_limits_recover_when_all_goes_well_again() -> None:
    async with stage(faults=Faults(create_throttled=1.0, limit=6)) as (_, router):
        await text_of(router, num_retries=20)
        for _ in range(250):
            await text_of(router)
        clock = Clock()
        for _ in range(20):
            await text_of(router)
        assert clock() < 5


async def test_no_exception_on_the_way_holds_the_key() -> None:
    async with stage(faults=Faults(create_reset=1.0, get_reset=1.0)) as (_, router):
        with pytest.raises(areplicate.APIConnectionError) as caught:
            await text_of(router, num_retries=0)
    error: BaseException | None = caught.value
    while error is not None:
        assert KEY not in repr(error) + repr(getattr(error, "__dict__", "")) + repr(error.args)
        error = error.__cause__ or error.__context__


async def test_options_of_other_clients_do_not_reach_the_model() -> None:
    async with stage() as (local, router):
        with pytest.warns(AreplicateWarning):
            await router.acompletion(LLAMA, HELLO, max_retries=2, request_timeout=30, caching=True, tpm=5)
        body = local.requests[0].json()
    assert set(body["input"]) == {"prompt"}
    assert local.requests[0].headers["Cancel-After"].removesuffix("s") in map(str, range(30, 90))
