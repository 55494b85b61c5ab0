"""`stream=True` over HTTP: each text whole and once, through boots, time-outs and broken connections."""

from __future__ import annotations

import gc
import itertools
import random
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import areplicate
from areplicate import CompletionStream, Status, stream_to_completion
from areplicate.local import Faults, LocalModel
from areplicate.replicate.http import HOLD_LARGE
from areplicate.replicate.streaming import PredictionStream
from tests.fast_forward import FastForwardLoop
from tests.hostile import HostileReplicate, changes, leads_to
from tests.stage import HELLO, LLAMA, Clock, chunks_of, llama, nothing_runs, router_of, stage, streamed_text

pytestmark = pytest.mark.anyio

POEM = ["Roses", " are\n", "\n", "red 🌹", "", ' data: {"a": 1}\n', "data:", " über", "\n\n", "end"]


async def test_chunks_have_openais_shape() -> None:
    async with stage(llama(reply=["Hi", " there"])) as (local, router):
        chunks = await chunks_of(router, stream_options={"include_usage": True})
    first, *texts, last, usage = chunks
    assert first.choices[0].delta.to_dict() == {"role": "assistant", "content": ""}
    assert [chunk.choices[0].delta.to_dict() for chunk in texts] == [
        {"content": "Hi"},
        {"content": " there"},
    ]
    assert all(chunk.choices[0].finish_reason is None for chunk in (first, *texts))
    assert (last.choices[0].delta.to_dict(), last.choices[0].finish_reason) == ({}, "stop")
    assert usage.choices == [] and usage.usage is not None and usage.usage.completion_tokens == 2
    assert len({(chunk.id, chunk.created, chunk.model, chunk.object) for chunk in chunks}) == 1
    assert first.id in local.predictions


async def test_the_tokens_of_a_thought_are_told_whole_and_streamed() -> None:
    thinker = LocalModel(
        owner="deepseek-ai", name="deepseek-r1", reply=["<think>", "Hm, hm, hm.", "</think>", "No."]
    )
    async with stage(thinker) as (_, router):
        whole = await router.acompletion("deepseek-ai/deepseek-r1", HELLO)
        stream = await router.acompletion(
            "deepseek-ai/deepseek-r1", HELLO, stream=True, stream_options={"include_usage": True}
        )
        streamed = await stream_to_completion(stream)
    assert whole.usage == streamed.usage
    details = whole.usage.completion_tokens_details
    assert details is not None and details.reasoning_tokens == details["reasoning_tokens"] == round(
        4 * 11 / 29
    )


async def test_without_include_usage_no_chunk_has_usage() -> None:
    async with stage() as (_, router):
        chunks = await chunks_of(router)
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


async def test_a_model_that_writes_without_end_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("areplicate.replicate.streaming.MAX_BODY", 1 << 20)
    async with stage(llama(reply=["x" * (1 << 18)] * 100, run_seconds=60)) as (local, router):
        written = 0
        with pytest.raises(areplicate.PredictionFailedError, match="more than 1 MiB"):
            async for chunk in await router.acompletion(LLAMA, HELLO, stream=True):
                written += len(chunk.choices[0].delta.content or "")
        assert written <= 1 << 20
        assert await nothing_runs(local)


async def test_a_large_text_counts_among_large_answers_as_it_grows() -> None:
    held: list[tuple[str, int, bool]] = []

    def hold(source: str, size: int, anew: bool) -> None:
        held.append((source, size, anew))
        if sum(size for _, size, _ in held) > 3 << 19:
            raise areplicate.PredictionCanceledError("There is no room.")

    HOLD_LARGE.set(hold)
    async with stage(llama(reply=["x" * (1 << 18)] * 100, run_seconds=60)) as (local, router):
        written = 0
        with pytest.raises(areplicate.PredictionCanceledError, match="no room"):
            async for chunk in await router.acompletion(LLAMA, HELLO, stream=True):
                written += len(chunk.choices[0].delta.content or "")
        [id] = local.predictions
        assert held == [(id, 5 << 18, False), (id, 1 << 18, False), (id, 1 << 18, False)]
        assert written == 6 << 18
        assert await nothing_runs(local)


async def test_each_token_comes_when_the_model_writes_it() -> None:
    async with stage(llama(reply=list("abcde"), run_seconds=5, time_to_first_token=1)) as (_, router):
        clock = Clock()
        times = []
        async for chunk in await router.acompletion(LLAMA, HELLO, stream=True):
            if chunk.choices[0].delta.content:
                times.append(clock())
    assert times[0] == pytest.approx(1, abs=0.05)
    assert all(0.5 < later - earlier < 1.5 for earlier, later in itertools.pairwise(times))


async def test_a_boot_of_many_timeouts_ends_in_the_whole_text() -> None:
    statuses: list[Status] = []
    async with stage(llama(boot_seconds=200, reply=POEM, run_seconds=10)) as (local, router):
        chunks = await chunks_of(router, on_status=statuses.append)
        streams = [seen for seen in local.requests if seen.kind == "stream"]
        opened = [seen.time for seen in streams]
    assert streamed_text(chunks) == "".join(POEM)
    assert 6 <= len(opened) <= 9
    assert {(seen.headers["Accept"], seen.headers["Cache-Control"]) for seen in streams} == {
        ("text/event-stream", "no-store")
    }, "as Replicate's documentation asks for a stream"
    assert all(later - earlier >= 25 for earlier, later in itertools.pairwise(opened))
    booting = [status.seconds for status in statuses if status.phase == "booting"]
    assert len(booting) >= 5 and booting[-1] > 150
    assert statuses[-1].phase == "done"


@pytest.mark.parametrize("forgets", [False, True])
@pytest.mark.parametrize("mid_event", [False, True])
async def test_cut_connections_lose_and_repeat_nothing(forgets: bool, mid_event: bool) -> None:
    faults = Faults(stream_cut=0.8, stream_forgets=forgets, stream_cut_mid_event=mid_event, seed=3)
    async with stage(llama(reply=POEM * 3, run_seconds=30), faults=faults) as (local, router):
        for _ in range(10):
            assert streamed_text(await chunks_of(router)) == "".join(POEM * 3)
        assert local.counts["stream"] > 15


@pytest.mark.parametrize(
    "faults",
    [Faults(stream_error=1.0), Faults(stream_cut=1.0, stream_cut_after=0), Faults(stream_stall=1.0)],
    ids=["5xx", "cut", "stall"],
)
async def test_where_streams_keep_failing_it_is_looked_at_instead(faults: Faults) -> None:
    async with stage(llama(reply=POEM, run_seconds=300), faults=faults) as (local, router):
        chunks = await chunks_of(router)
        assert local.counts["stream"] < 15
    assert streamed_text(chunks) == "".join(POEM)
    assert len(chunks) > 4, "the text is given as it is written, not all at the end"


async def test_a_model_without_a_stream_streams_all_the_same() -> None:
    async with stage(llama(reply=POEM, run_seconds=20, streams=False, boot_seconds=60)) as (local, router):
        chunks = await chunks_of(router)
        assert local.counts["stream"] == 0
    assert streamed_text(chunks) == "".join(POEM)
    assert chunks[0].choices[0].delta.role == "assistant" and chunks[-1].choices[0].finish_reason == "stop"


@pytest.mark.parametrize("streams", [True, False])
async def test_a_failure_carries_the_text_so_far(streams: bool) -> None:
    model = llama(
        reply=list("abcdef"), run_seconds=6, failure="GPU on fire", failure_after=3, streams=streams
    )
    async with stage(model) as (_, router):
        seen = ""
        with pytest.raises(areplicate.PredictionFailedError, match="GPU on fire") as caught:
            async for chunk in await router.acompletion(LLAMA, HELLO, stream=True):
                seen += chunk.choices[0].delta.content or ""
    assert caught.value.text == seen
    assert "abc".startswith(seen)
    assert caught.value.prediction_id


async def test_a_stream_cancelled_from_elsewhere_has_its_error() -> None:
    async with stage(llama(reply=list("abcdef"), run_seconds=60)) as (local, router):
        with pytest.raises(areplicate.PredictionCanceledError) as caught:
            async for chunk in await router.acompletion(LLAMA, HELLO, stream=True):
                if chunk.choices[0].delta.content:
                    [prediction] = local.predictions.values()
                    prediction.cancel(prediction.clock.now())
    assert caught.value.text.startswith("a")


async def test_the_deadline_ends_a_stream() -> None:
    async with stage(llama(boot_seconds=300)) as (local, router):
        clock = Clock()
        with pytest.raises(areplicate.Timeout, match="booting"):
            await chunks_of(router, timeout=100)
        assert clock() == pytest.approx(100, abs=1)
        assert await nothing_runs(local)


@pytest.mark.parametrize(
    "how", ["break", "aclose", "close", "async with", "cancel", "never read", "router closed"]
)
async def test_whatever_ends_a_stream_cancels_its_prediction(how: str) -> None:
    async with stage(llama(reply=["a"] * 50, run_seconds=100)) as (local, router):
        stream = await router.acompletion(LLAMA, HELLO, stream=True)
        if how == "break":
            async for chunk in stream:
                if chunk.choices[0].delta.content:
                    break
        elif how in ("aclose", "close"):
            await stream.__anext__()
            await getattr(stream, how)()
        elif how == "async with":
            async with stream:
                await stream.__anext__()
        elif how == "cancel":
            with anyio.move_on_after(10):
                async for _ in stream:
                    pass
        elif how == "router closed":
            await router.aclose()
        del stream
        await anyio.sleep(1)
        assert not local.running()
        read = [each for each in gc.get_objects() if type(each) is PredictionStream]
        assert not [each for each in read if each.prediction.id in local.predictions], "its text is not kept"


async def test_n_choices_stream_one_after_the_other() -> None:
    async with stage(llama(reply=["x", "y"])) as (local, router):
        response = await stream_to_completion(await router.acompletion(LLAMA, HELLO, stream=True, n=2))
    assert [choice.message.content for choice in response.choices] == ["xy", "xy"]
    assert len(local.predictions) == 2


@pytest.mark.parametrize(
    ("kind", "reply", "text"),
    [
        ("list", ["https://a.b/1.png", "https://a.b/2.png"], "https://a.b/1.png\nhttps://a.b/2.png"),
        ("list", ["https://a.b/1.png"], "https://a.b/1.png"),
        ("object", {"note": "x"}, '{"note":"x"}'),
        ("object", {"text": "x"}, "x"),
        ("object", {"text": "", "json_output": {"a": 1}, "response_id": "r"}, '{"a":1}'),
        ("number", "3", "1.0"),
        ("string", "one text", "one text"),
        ("null", "x", ""),
    ],
)
async def test_whatever_a_model_gives_it_is_streamed_as_it_is_answered(
    kind: Any, reply: Any, text: str
) -> None:
    model = LocalModel(owner="some", name="body", output_kind=kind, reply=reply)
    async with stage(model) as (_, router):
        whole = await router.acompletion("some/body", HELLO)
        streamed = await stream_to_completion(await router.acompletion("some/body", HELLO, stream=True))
    assert whole.choices[0].message.content == streamed.choices[0].message.content == text


@pytest.mark.parametrize("options", [{}, {"max_tokens": 10}, {"n": 2}])
async def test_a_collected_stream_equals_the_call_without_stream(options: dict[str, Any]) -> None:
    async with stage(llama(reply=POEM)) as (_, router):
        whole = await router.acompletion(LLAMA, HELLO, **options)
        stream: CompletionStream = await router.acompletion(LLAMA, HELLO, stream=True, **options)
        collected = await stream_to_completion(stream)
    one, other = whole.model_dump(), collected.model_dump()
    for response in (one, other):
        del response["id"], response["created"]
        for run in response["replicate"]:
            del run["prediction_id"], run["predict_s"], run["queued_s"]
    assert one == other


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example", "http://replicate.com", "https://notreplicate.com"]
)
async def test_a_stream_elsewhere_is_refused_and_sees_no_key(elsewhere: str) -> None:
    async with HostileReplicate([llama()]) as hostile:
        hostile.on("create", leads_to(elsewhere))
        async with router_of(hostile) as router:
            with pytest.raises(areplicate.APIError, match="outside the API's own hosts"):
                await chunks_of(router)
        assert not hostile.running()


@pytest.mark.parametrize(
    "url",
    ["", " ", "/v1/stream/1", "streams", "http://", "ftp://replicate.com/1", "https://[::1", "http://a:b/"],
)
async def test_what_is_no_url_of_a_stream_is_looked_at(url: str) -> None:
    async with HostileReplicate([llama(reply="fine")]) as hostile, router_of(hostile) as router:
        hostile.on("create", changes(lambda asked, prediction: prediction["urls"].update(stream=url)))
        assert streamed_text(await chunks_of(router)) == "fine"


async def test_many_streams_at_once_are_all_whole() -> None:
    """More than there are connections to hold: the rest are looked at."""
    faults = Faults(stream_cut=0.2, seed=7)
    model = llama(boot_seconds=40, reply=POEM, run_seconds=5)
    options = {"creations_per_minute": 1e6, "pool_size": 80}
    async with stage(model, faults=faults, router=options) as (local, router):
        texts = []

        async def one() -> None:
            texts.append(streamed_text(await chunks_of(router)))

        async with anyio.create_task_group() as group:
            for _ in range(80):
                group.start_soon(one)
        assert len(local.predictions) == 80
    assert texts == ["".join(POEM)] * 80


pieces = st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"]), max_size=12)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    reply=st.lists(
        st.one_of(pieces, st.sampled_from(["data: x\n", "\n\n", ":", "event: done\n", '{"a":[1]}', "😀"]))
    ),
    seed=st.integers(0, 10**6),
    cut=st.sampled_from([0.0, 0.3, 0.9]),
    cut_after=st.one_of(st.none(), st.integers(0, 5)),
    mid_event=st.booleans(),
    forgets=st.booleans(),
    run_seconds=st.sampled_from([0.0, 1.0, 100.0]),
)
def test_any_text_and_any_cut_give_the_predictions_output(
    reply: list[str],
    seed: int,
    cut: float,
    cut_after: int | None,
    mid_event: bool,
    forgets: bool,
    run_seconds: float,
) -> None:
    faults = Faults(
        seed=seed,
        stream_cut=cut,
        stream_cut_after=cut_after,
        stream_cut_mid_event=mid_event,
        stream_forgets=forgets,
    )

    async def run() -> None:
        async with stage(llama(reply=reply, run_seconds=run_seconds), faults=faults) as (_, router):
            assert streamed_text(await chunks_of(router)) == "".join(reply)

    random.seed(seed)
    anyio.run(run, backend_options={"loop_factory": FastForwardLoop})


@pytest.mark.parametrize("reply", [["1", "1", "01"], ["ha", "ha", "ha", "ha", "!"], [" ", " ", "x", " "]])
async def test_a_model_that_repeats_itself_over_several_connections_is_no_server_that_does(
    reply: list[str],
) -> None:
    async with stage(llama(reply=reply, run_seconds=40.0 * len(reply))) as (local, router):
        assert streamed_text(await chunks_of(router)) == "".join(reply)
        assert sum(seen.kind == "stream" for seen in local.requests) > 1


async def test_closing_a_router_ends_the_streams_that_others_read() -> None:
    async with stage(llama(reply=["a"] * 50, run_seconds=500)) as (_, router):
        ended: list[str] = []

        async def read() -> None:
            stream = await router.acompletion(LLAMA, HELLO, stream=True)
            with pytest.raises(areplicate.APIError, match="closed"):
                async for _ in stream:
                    pass
            ended.append("ended")

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(read)
            await anyio.sleep(30)
            clock = Clock()
            await router.aclose()
            assert clock() < 5
        assert len(ended) == 20


class SaysOnly:
    """A transport whose streams bring what a function gives, and do not end by themselves."""

    status, headers = 200, {"content-type": "text/event-stream"}

    def __init__(self, real: Any, receive: Callable[[], Awaitable[bytes]]) -> None:
        self._real, self.receive = real, receive

    async def open(self, request: Any) -> Any:
        if "/streams/" in request.url:
            return _OtherBody(self, self.receive, _nothing)
        return await self._real.open(request)

    async def aclose(self) -> None:
        await self._real.aclose()


async def _nothing() -> None:
    """A stream's end, of which it does not hear."""


class _OtherBody:
    """An answer whose body is another."""

    def __init__(self, answer: Any, receive: Any, aclose: Any = None) -> None:
        self.status, self.headers, self.receive = answer.status, answer.headers, receive
        self.aclose = aclose or answer.aclose


async def _pings() -> bytes:
    await anyio.sleep(5)
    return b": ping\n\n"


async def _silence() -> bytes:
    await anyio.sleep_forever()
    raise AssertionError


@pytest.mark.parametrize("says", [_pings, _silence])
async def test_a_stream_without_events_is_looked_at_though_no_transport_tells_of_silence(
    says: Callable[[], Awaitable[bytes]],
) -> None:
    async with stage(llama(reply=POEM, run_seconds=20)) as (_, router):
        router._clients.transport = SaysOnly(router._clients.transport, says)
        clock = Clock()
        assert streamed_text(await chunks_of(router)) == "".join(POEM)
        assert clock() < 60


async def test_the_deadline_holds_though_no_transport_tells_of_silence() -> None:
    async with stage(llama(reply=POEM, run_seconds=5000)) as (_, router):
        router._clients.transport = SaysOnly(router._clients.transport, _silence)
        clock = Clock()
        with pytest.raises(areplicate.Timeout):
            await chunks_of(router, timeout=300)
        assert 300 <= clock() < 301


async def test_a_replay_under_new_ids_repeats_nothing() -> None:
    class NewIds:
        """A transport on whose streams each connection names its events anew."""

        def __init__(self, real: Any) -> None:
            self.real, self.opened = real, 0

        async def open(self, request: Any) -> Any:
            answer = await self.real.open(request)
            if "/streams/" in request.url:
                self.opened += 1
                real_receive, mark = answer.receive, b"id: %d-" % self.opened

                async def receive() -> bytes:
                    return (await real_receive()).replace(b"id: ", mark)  # type: ignore[no-any-return]

                return _OtherBody(answer, receive)
            return answer

        async def aclose(self) -> None:
            await self.real.aclose()

    faults = Faults(stream_cut=0.7, stream_forgets=True, seed=4)
    async with stage(llama(reply=POEM * 2, run_seconds=30), faults=faults) as (local, router):
        router._clients.transport = NewIds(router._clients.transport)
        for _ in range(5):
            assert streamed_text(await chunks_of(router)) == "".join(POEM * 2)
        assert local.counts["stream"] > 7
