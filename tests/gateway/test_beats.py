"""Streamed answers are woken by one timer, each at its own time, and a client that reads slowly costs nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from aiohttp import web

from areplicate.clock import now
from areplicate.gateway.http.beats import Beats
from areplicate.gateway.http.events import BEAT_SECONDS, EventWriter

pytestmark = pytest.mark.anyio


class Client(web.StreamResponse):
    """An answer that notes when its head and its comments go out; each takes its client so many seconds to read."""

    def __init__(self, *, reads_in: float = 0.0) -> None:
        super().__init__()
        self.reads_in = reads_in
        self.head: float | None = None
        self.got: list[tuple[float, bytes]] = []

    @property
    def prepared(self) -> bool:
        return self.head is not None

    async def prepare(self, request: Any) -> None:
        self.head = now()

    async def write(self, data: Any) -> None:
        self.got.append((now(), bytes(data)))
        await anyio.sleep(self.reads_in)


@pytest.fixture
def writer() -> Any:
    beats = Beats()

    def make(**client: Any) -> EventWriter:
        record = SimpleNamespace(seconds=lambda: 5.0)
        exchange: Any = SimpleNamespace(
            beats=beats, head=lambda kind: {}, request=None, account=SimpleNamespace(record=record)
        )
        return EventWriter(exchange, response=Client(**client))

    return make


async def test_each_of_many_answers_gets_its_head_and_its_comments_at_its_own_time(writer: Any) -> None:
    async def boots(begins: float) -> None:
        await anyio.sleep(begins)
        begun = now()
        with writer() as answer:
            await anyio.sleep(35)
        client = answer.response
        times = [client.head, *(time for time, _ in client.got)]
        assert len(times) == 4
        for time, due in zip(times, [2, 12, 22, 32], strict=True):
            assert -0.01 < time - begun - due < 0.6

    async with anyio.create_task_group() as group:
        for number in range(100):
            group.start_soon(boots, number * 0.3)


async def test_an_answer_that_is_written_gets_no_comments(writer: Any) -> None:
    with writer() as answer:
        for _ in range(20):
            await answer.send(b"piece")
            await anyio.sleep(BEAT_SECONDS * 0.9)
    assert [data for _, data in answer.response.got] == [b"piece"] * 20


async def test_a_client_that_reads_slowly_gets_no_comments_and_wakes_nobody(
    writer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken = 0
    wake = EventWriter.wake

    def count(answer: EventWriter) -> None:
        nonlocal woken
        woken += 1
        wake(answer)

    monkeypatch.setattr(EventWriter, "wake", count)
    with writer(reads_in=55.0) as answer:
        await answer.send(b"piece")
    assert [data for _, data in answer.response.got] == [b"piece"]
    assert woken <= 6
