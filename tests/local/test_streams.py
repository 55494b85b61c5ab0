"""The stand-in's server-sent events."""

from __future__ import annotations

import asyncio
import json
from typing import Any, NamedTuple

import aiohttp
import pytest

from areplicate.local import Faults, LocalReplicate
from tests.local.client import Client, connect, llama, serving

pytestmark = pytest.mark.anyio


class Event(NamedTuple):
    kind: str
    data: str
    id: str


def parse(text: str) -> tuple[list[str], list[Event]]:
    """Comments and whole events, by the letter of the specification."""
    comments, events = [], []
    for block in text.split("\n\n"):
        lines = block.split("\n")
        comments += [line for line in lines if line.startswith(":")]
        fields = [line.split(": ", 1) for line in lines if line and not line.startswith(":")]
        if fields:
            named = dict(fields)
            data = "\n".join(value for name, value in fields if name == "data")
            events.append(Event(named["event"], data, named["id"]))
    return comments, events


async def read(client: Client, url: str, **headers: str) -> tuple[list[str], list[Event]]:
    return parse((await client.get(url, Accept="text/event-stream", **headers)).body.decode())


async def stream_url(client: Client) -> str:
    url: str = (await client.create()).json["urls"]["stream"]
    return url


def text(events: list[Event]) -> str:
    return "".join(event.data for event in events if event.kind == "output")


async def test_a_stream_from_its_opening_to_done() -> None:
    model = llama(reply=["Hi", "", " there\nyou", "\n\n"], boot_seconds=3, run_seconds=4, logs="loading")
    async with serving(model) as (_, client):
        answer = await client.get(await stream_url(client))
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.body.startswith(b": hi\n\n")
        assert b"data:  there\ndata: you\n\n" in answer.body
        comments, events = parse(answer.body.decode())
        assert comments == [": hi"]
        assert [event.kind for event in events] == ["logs", *["output"] * 4, "done"]
        assert text(events) == "Hi there\nyou\n\n"
        assert (events[0].data, events[-1].data) == ("loading", "{}")
        assert len({event.id for event in events}) == len(events)
        assert all(part.isdigit() for event in events for part in event.id.split(":"))


async def test_events_arrive_when_they_are_due() -> None:
    model = llama(reply=["a", "b", "c"], boot_seconds=10, time_to_first_token=5, run_seconds=8)
    async with serving(model) as (_, client):
        url = await stream_url(client)
        start = asyncio.get_running_loop().time()
        seen = []
        async with client.session.get(url) as answer:
            async for line in answer.content:
                if line.startswith(b"event"):
                    seen.append(round(asyncio.get_running_loop().time() - start, 2))
        assert seen == [15, 16, 17, 18]


async def test_a_finished_prediction_is_replayed() -> None:
    async with serving(llama()) as (_, client):
        created = await client.create(Prefer="wait")
        for _ in range(2):
            _, events = await read(client, created.json["urls"]["stream"])
            assert text(events) == "one two three"


async def test_silence_times_out_again_and_again_through_a_cold_boot() -> None:
    async with serving(llama(boot_seconds=100)) as (_, client):
        url = await stream_url(client)
        for _ in range(3):
            start = asyncio.get_running_loop().time()
            comments, events = await read(client, url)
            assert (comments, events) == ([": hi", ":408: 408 Request Timeout"], [])
            assert asyncio.get_running_loop().time() - start == pytest.approx(30, abs=0.1)
        comments, events = await read(client, url)
        assert comments == [": hi"]
        assert text(events) == "one two three"


async def test_silence_counts_from_the_last_event() -> None:
    model = llama(reply=["a", "b", "c"], run_seconds=60)
    async with serving(model, stream_timeout=15) as (_, client):
        url = await stream_url(client)
        start = asyncio.get_running_loop().time()
        comments, events = await read(client, url)
        assert (comments[-1], text(events)) == (":408: 408 Request Timeout", "a")
        comments, events = await read(client, url, Last_Event_ID=events[-1].id)
        assert (comments, text(events)) == ([": hi", ":408: 408 Request Timeout"], "b")
        assert asyncio.get_running_loop().time() - start == pytest.approx(15 + 5 + 15, abs=0.1)
        _, events = await read(client, url)
        assert text(events) == "abc"[: len(events)], "without an id it replays from the start"


@pytest.mark.parametrize("last", range(5))
async def test_a_stream_goes_on_after_the_last_event_id(last: int) -> None:
    async with serving(llama(logs="loading")) as (_, client):
        url = await stream_url(client)
        _, every = await read(client, url)
        _, rest = await read(client, url, Last_Event_ID=every[last].id)
        assert rest == every[last + 1 :]


@pytest.mark.parametrize("id", ["nonsense", "1690212292:x", "", "1:\u00b2"])
async def test_an_unknown_last_event_id_replays_from_the_start(id: str) -> None:
    async with serving(llama()) as (_, client):
        _, events = await read(client, await stream_url(client), Last_Event_ID=id)
        assert text(events) == "one two three"


async def test_a_failure_ends_the_stream_with_its_reason() -> None:
    async with serving(llama(failure="out of memory", failure_after=2)) as (_, client):
        _, events = await read(client, await stream_url(client))
    assert [event.kind for event in events] == ["output", "output", "error", "done"]
    assert json.loads(events[-2].data) == {"detail": "out of memory"}
    assert json.loads(events[-1].data) == {"reason": "error"}


async def test_cancelling_ends_the_stream() -> None:
    async with serving(llama(run_seconds=30)) as (_, client):
        created = await client.create()
        reading = asyncio.ensure_future(read(client, created.json["urls"]["stream"]))
        await asyncio.sleep(15)
        await client.post(created.json["urls"]["cancel"])
        start = asyncio.get_running_loop().time()
        _, events = await reading
        assert asyncio.get_running_loop().time() - start < 0.1
        assert text(events) == "one two"
        assert json.loads(events[-1].data) == {"reason": "canceled"}


async def test_an_aborted_prediction_has_only_an_end_to_stream() -> None:
    async with serving(llama(boot_seconds=100, logs="loading")) as (_, client):
        created = await client.create(Cancel_After="10s")
        _, events = await read(client, created.json["urls"]["stream"])
        assert [(event.kind, event.data) for event in events] == [("done", '{"reason": "canceled"}')]


@pytest.mark.parametrize(
    ("kind", "reply", "expected"),
    [("string", "one two", ["one two"]), ("object", {"a": 1}, ['{"a":1}']), ("null", "one", [])],
)
async def test_other_outputs_are_streamed_whole(kind: Any, reply: Any, expected: list[str]) -> None:
    async with serving(llama(output_kind=kind, reply=reply)) as (_, client):
        _, events = await read(client, await stream_url(client))
        assert [event.data for event in events if event.kind == "output"] == expected


async def test_not_every_model_streams() -> None:
    async with serving(llama(streams=False)) as (_, client):
        created = (await client.create()).json
        assert "stream" not in created["urls"]
        assert (await client.get(f"/streams/{created['id']}")).status == 404


async def test_a_reader_that_leaves_is_forgotten() -> None:
    async with serving(llama(boot_seconds=1000)) as (local, client):
        created = await client.create()
        reading = asyncio.ensure_future(client.get(created.json["urls"]["stream"]))
        await asyncio.sleep(1)
        (prediction,) = local.running()
        assert len(prediction.waiters) == 1
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await asyncio.sleep(0.1)
        assert not prediction.waiters
        assert prediction.status == "starting", "and the prediction goes on"


async def broken_off(client: Client, url: str, **headers: str) -> bytes:
    """What arrives before the connection is reset."""
    received = b""
    with pytest.raises(aiohttp.ClientError):
        async with client.session.get(url, headers=headers) as answer:
            async for part in answer.content.iter_any():
                received += part
    return received


@pytest.mark.parametrize("after", range(4))
@pytest.mark.parametrize("mid_event", [False, True])
@pytest.mark.parametrize("run_seconds", [0, 6])
async def test_a_stream_can_be_cut_at_any_event(after: int, mid_event: bool, run_seconds: float) -> None:
    faults = Faults(stream_cut=1, stream_cut_after=after, stream_cut_mid_event=mid_event, limit=1)
    async with serving(llama(run_seconds=run_seconds), faults=faults) as (_, client):
        url = await stream_url(client)
        received = (await broken_off(client, url)).decode()
        whole, _, rest = received.rpartition("\n\n")
        assert bool(rest) is mid_event
        _, events = parse(whole)
        assert [event.data for event in events] == ["one", " two", " three"][:after]
        resume = {"Last_Event_ID": events[-1].id} if events else {}
        _, others = await read(client, url, **resume)
        assert text(events + others) == "one two three"


async def test_a_stream_can_be_cut_at_random_but_repeatably() -> None:
    lengths = []
    for _ in range(2):
        faults = Faults(stream_cut=1, seed=7)
        async with serving(llama(reply=["x"] * 50), faults=faults) as (_, client):
            url = await stream_url(client)
            lengths.append([len(await broken_off(client, url)) for _ in range(5)])
    assert lengths[0] == lengths[1]
    assert len(set(lengths[0])) > 1


async def test_a_stream_can_ignore_the_last_event_id() -> None:
    async with serving(llama(), faults=Faults(stream_forgets=True)) as (_, client):
        url = await stream_url(client)
        _, events = await read(client, url)
        assert (await read(client, url, Last_Event_ID=events[1].id))[1] == events


async def test_a_stream_can_say_nothing_at_all() -> None:
    async with serving(llama(), faults=Faults(stream_stall=1)) as (_, client):
        url = await stream_url(client)
        async with client.session.get(url) as answer:
            assert answer.status == 200
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(answer.content.read(1), 1000)


async def test_a_stream_can_fail_to_open() -> None:
    faults = Faults(stream_error=1, limit=1, error_status=503)
    async with serving(llama(), faults=faults) as (_, client):
        url = await stream_url(client)
        assert (await client.get(url)).status == 503
        assert (await client.get(url)).status == 200


async def test_the_url_alone_opens_a_stream_as_a_browser_does() -> None:
    model = llama(reply=["a", "b"])
    async with LocalReplicate([model], tokens=["r8_test"]) as local, connect(local) as client:
        url = (await client.create()).json["urls"]["stream"]
        async with connect(local, None) as browser, connect(local, "r8_other") as other:
            streamed = [(await one.get(url)).body for one in (client, browser, other)]
        assert streamed[0].count(b"event: output") == 2
        assert streamed[1] == streamed[2] == streamed[0]
