"""How a stream ends: never with an error after the model has succeeded, and each phase is told."""

from __future__ import annotations

import itertools
import logging
from typing import Any

import anyio
import pytest
from aiohttp import web

import areplicate
from areplicate import Status
from areplicate.local import Faults
from tests.hostile import Asked, GoOn, HostileReplicate, changes, hangs, problem
from tests.stage import HELLO, LLAMA, Clock, chunks_of, llama, nothing_runs, router_of, stage, streamed_text

pytestmark = pytest.mark.anyio


def shows(output: Any, **fields: Any) -> Any:
    """For `get`: a prediction that has succeeded shows another output than it has."""

    def change(asked: Asked, prediction: Any) -> None:
        if prediction["status"] == "succeeded":
            prediction.update(output=output, **fields)

    return changes(change)


CARRIAGE_RETURNS = [
    ["a\rb"],
    ["\r"],
    ["10%\r", "20%\r", "done"],
    ["a\r", "\nb", "\r\n", "\r", "c"],
    ["\r\r\n", " x ", "\n\r\n"],
]


@pytest.mark.parametrize("reply", CARRIAGE_RETURNS)
@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("cut", [0.0, 0.7])
async def test_line_breaks_of_any_kind_are_no_error(reply: list[str], streams: bool, cut: float) -> None:
    faults = Faults(stream_cut=cut, seed=3)
    model = llama(reply=reply, run_seconds=30, streams=streams)
    async with stage(model, faults=faults) as (_, router):
        for _ in range(3):
            text = streamed_text(await chunks_of(router))
            assert text.split() == "".join(reply).split()
            assert streams or text == "".join(reply)


@pytest.mark.parametrize(
    ("output", "given"),
    [
        (None, "one two"),
        (["one ", "two"], "one two"),
        ("one\r\n\ttwo", "one two"),
        ("one two and what the stream has lost", "one two and what the stream has lost"),
    ],
)
async def test_an_output_that_goes_on_from_the_stream_or_has_other_white_space_is_no_other(
    output: Any, given: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with HostileReplicate([llama(reply=["one ", "two"])]) as hostile, router_of(hostile) as router:
        hostile.on("get", shows(output))
        chunks = await chunks_of(router)
    assert streamed_text(chunks) == given and chunks[-1].choices[0].finish_reason == "stop"
    assert not caplog.records


@pytest.mark.parametrize(
    ("output", "length"), [("another text altogether", 23), ("one", 3), ({"said": "one two"}, 18)]
)
async def test_an_output_that_differs_from_the_stream_fails_nobody_and_is_told_with_both_lengths(
    output: Any, length: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with HostileReplicate([llama(reply=["one ", "two"])]) as hostile, router_of(hostile) as router:
        hostile.on("get", shows(output))
        chunks = await chunks_of(router)
    assert streamed_text(chunks).startswith("one two") and chunks[-1].choices[0].finish_reason == "stop"
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert f"was streamed as 7 characters, and its output is another text of {length}" in record.getMessage()


@pytest.mark.parametrize("wrong", [problem(500), problem(404), problem(401), hangs()])
async def test_a_whole_text_does_not_need_its_figures(wrong: Any) -> None:
    async with HostileReplicate([llama(reply=["one ", "two"])]) as hostile, router_of(hostile) as router:
        hostile.on("get", wrong)
        clock = Clock()
        chunks = await chunks_of(router, stream_options={"include_usage": True})
        assert clock() <= 5.1
    assert streamed_text(chunks) == "one two"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None and chunks[-1].usage.completion_tokens > 0


async def test_a_stream_that_is_done_before_any_text_came_proves_nothing() -> None:
    async def says_done(asked: Asked, go_on: GoOn) -> web.StreamResponse:
        return web.Response(text="event: done\ndata: {}\n\n", content_type="text/event-stream")

    async with HostileReplicate([llama(reply=["one ", "two"], run_seconds=30)]) as hostile:
        async with router_of(hostile) as router:
            hostile.on("stream", says_done)
            assert streamed_text(await chunks_of(router)) == "one two"


@pytest.mark.parametrize("timeout", [100, 20])
async def test_a_stream_that_is_done_before_its_prediction_loses_no_text(timeout: float) -> None:
    async def says_done(asked: Asked, go_on: GoOn) -> web.StreamResponse:
        text = "event: output\nid: 1:0\ndata: one \n\nevent: done\ndata: {}\n\n"
        return web.Response(text=text, content_type="text/event-stream")

    model = llama(reply=["one ", "two ", "three"], run_seconds=30)
    async with HostileReplicate([model]) as hostile, router_of(hostile) as router:
        hostile.on("stream", says_done)
        if timeout == 100:
            assert streamed_text(await chunks_of(router, timeout=timeout)) == "one two three"
        else:
            with pytest.raises(areplicate.Timeout):
                await chunks_of(router, timeout=timeout)
        assert await nothing_runs(hostile)
        assert hostile.statuses == {"succeeded" if timeout == 100 else "canceled": 1}


async def test_a_deadline_after_the_end_of_the_text_is_no_failure() -> None:
    async with HostileReplicate([llama(reply=["one ", "two"], run_seconds=9)]) as hostile:
        async with router_of(hostile) as router:
            hostile.on("get", hangs())
            clock = Clock()
            assert streamed_text(await chunks_of(router, timeout=10)) == "one two"
            assert clock() < 11


async def test_a_removed_output_is_missed_only_where_the_text_is_not_whole() -> None:
    model = llama(reply=["one ", "two"])
    async with HostileReplicate([model]) as hostile, router_of(hostile) as router:
        hostile.on("get", shows(None, data_removed=True))
        assert streamed_text(await chunks_of(router)) == "one two"
        hostile.faults = Faults(stream_cut=1.0, stream_cut_after=1)
        with pytest.raises(areplicate.APIError, match="has been removed"):
            await chunks_of(router)


@pytest.mark.parametrize("streams", [True, False])
async def test_a_reader_who_comes_late_gets_what_was_written_in_time(streams: bool) -> None:
    reply = [f"{number} " for number in range(20_000)]
    async with stage(llama(reply=reply, run_seconds=20, streams=streams)) as (_, router):
        text = ""
        async for chunk in await router.acompletion(LLAMA, HELLO, stream=True, timeout=30):
            text += chunk.choices[0].delta.content or ""
            if len(text) < 100:
                await anyio.sleep(20)
    assert text == "".join(reply)


async def test_a_late_reader_of_a_model_that_was_not_done_is_told_within_a_second() -> None:
    async with HostileReplicate([llama(reply=["a"] * 100, run_seconds=100)]) as hostile:
        async with router_of(hostile) as router:
            stream = await router.acompletion(LLAMA, HELLO, stream=True, timeout=30)
            await anyio.sleep(31)
            for wrong in (None, hangs()):
                if wrong is not None:
                    hostile.on("get", wrong)
                clock = Clock()
                with pytest.raises((areplicate.Timeout, areplicate.PredictionCanceledError)):
                    async for _ in stream:
                        pass
                assert clock() <= 1.1
                stream = await router.acompletion(LLAMA, HELLO, stream=True, timeout=30)
                await anyio.sleep(31)
            hostile.behave()


async def test_what_a_late_reader_asked_for_is_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    async with stage(llama(reply=["a"] * 100, run_seconds=100)) as (local, router):
        streams = [await router.acompletion(LLAMA, HELLO, stream=True, timeout=30) for _ in range(5)]
        await anyio.sleep(30.5)
        assert len(local.running()) == 5
        for stream in streams:
            with pytest.raises(areplicate.Timeout):
                async for _ in stream:
                    pass
        assert await nothing_runs(local, within=0.4)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("output", [None, "", "one\r\ntwo", "another"])
async def test_a_failure_keeps_the_text_whatever_the_output_is(output: str | None) -> None:
    def change(asked: Asked, prediction: Any) -> None:
        if prediction["status"] == "failed":
            prediction["output"] = output

    model = llama(reply=["one ", "two", "three"], failure="GPU on fire", failure_after=2, run_seconds=3)
    async with HostileReplicate([model]) as hostile, router_of(hostile) as router:
        hostile.on("get", changes(change))
        seen = ""
        with pytest.raises(areplicate.PredictionFailedError, match="GPU on fire") as caught:
            async for chunk in await router.acompletion(LLAMA, HELLO, stream=True):
                seen += chunk.choices[0].delta.content or ""
    assert seen == caught.value.text == "one two"


async def test_an_output_that_is_no_text_is_given_when_it_is_complete(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def change(asked: Asked, prediction: Any) -> None:
        prediction["output"] = [{"word": word} for word in prediction["output"] or []]

    model = llama(reply=list("abcdef"), run_seconds=60, streams=False)
    async with HostileReplicate([model]) as hostile, router_of(hostile) as router:
        hostile.on("get", changes(change))
        chunks = await chunks_of(router)
    assert (
        streamed_text(chunks)
        == '[{"word":"a"},{"word":"b"},{"word":"c"},{"word":"d"},{"word":"e"},{"word":"f"}]'
    )
    assert not caplog.records


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("boot", [0.0, 60.0])
async def test_a_streams_phases_are_all_told_with_their_prediction(streams: bool, boot: float) -> None:
    statuses: list[Status] = []
    model = llama(boot_seconds=boot, reply=list("abcdefgh"), run_seconds=40, streams=streams)
    async with stage(model) as (local, router):
        await chunks_of(router, on_status=statuses.append)
        [prediction_id] = local.predictions
    phases = [phase for phase, _ in itertools.groupby(status.phase for status in statuses)]
    assert phases == ["queued", *(["booting"] if boot else []), "processing", "done"]
    assert all(status.prediction_id == prediction_id for status in statuses[1:])
    processing = next(status for status in statuses if status.phase == "processing")
    assert processing.prediction_status == "processing"
    assert processing.seconds == pytest.approx(boot, abs=10)


@pytest.mark.parametrize(
    "faults",
    [Faults(stream_cut=1.0, stream_cut_after=0), Faults(stream_error=1.0), Faults(latency=0.1)],
    ids=["cut at once", "5xx", "ends in silence"],
)
async def test_while_a_model_boots_its_stream_is_opened_every_25_seconds_at_most(faults: Faults) -> None:
    model = llama(boot_seconds=240, reply=["up"], run_seconds=1)
    async with stage(model, faults=faults, stream_timeout=3.0) as (local, router):
        assert streamed_text(await chunks_of(router)) == "up"
        opened = [seen.time for seen in local.requests if seen.kind == "stream" and seen.time < 240]
    assert len(opened) <= 10
    assert all(later - earlier >= 25 for earlier, later in itertools.pairwise(opened[:-1]))


@pytest.mark.parametrize(
    "faults",
    [Faults(stream_error=1.0), Faults(stream_cut=1.0, stream_cut_after=0)],
    ids=["5xx", "cut at once"],
)
async def test_a_running_models_stream_is_given_up_after_four_that_brought_nothing(faults: Faults) -> None:
    async with stage(llama(reply=["a"] * 100, run_seconds=500), faults=faults) as (local, router):
        assert streamed_text(await chunks_of(router)) == "a" * 100
        assert local.counts["stream"] <= 4 + 1, "one may be opened before it runs"


async def test_a_stream_without_an_event_for_35_seconds_is_looked_at() -> None:
    async with stage(llama(reply=["a"], run_seconds=20), faults=Faults(stream_stall=1.0)) as (local, router):
        clock = Clock()
        assert streamed_text(await chunks_of(router)) == "a"
        assert 35 <= clock() < 40
        assert local.counts["stream"] == 1
