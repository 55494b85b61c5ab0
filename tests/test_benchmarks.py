"""The benchmarks run, and what they write is complete; how fast anything was is not looked at."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from areplicate.replicate.poller import poll_waits
from benchmarks import report, traces
from benchmarks.__main__ import warm_path
from benchmarks.environments import found
from benchmarks.hindsight import hindsight
from benchmarks.machine import machine
from benchmarks.models import ENDLESS, TEXT, all_models, booting, numbered_answer
from benchmarks.stand import Server, server
from benchmarks.suite import QUICK, Suite
from benchmarks.traces import POLICIES, Policy, Run, wait_for
from benchmarks.workers import begin, end, work

TINY = QUICK._replace(
    fanouts=((20, 1),), boot_seconds=1.0, stream_timeout=0.4, afterwards=0.2, asked_in_faults=5, cancelled=2
)
A_SHORT_RUN, A_LONG_BOOT, A_LONG_RUN = Run(0, 2), Run(90, 3), Run(10, 70)


@pytest.fixture(scope="module")
def local() -> Iterator[Server]:
    with server(
        all_models(TINY.boot_seconds), log_requests=True, stream_timeout=TINY.stream_timeout
    ) as local:
        yield local


def policy(name: str) -> Policy:
    return next(policy for policy in POLICIES if policy.name == name)


class TestTraces:
    def test_litellm_gives_up_after_25_seconds(self) -> None:
        assert wait_for(A_SHORT_RUN, policy("LiteLLM")) == (2, 3)  # it looks after 1 s and 4 s
        assert wait_for(A_LONG_BOOT, policy("LiteLLM")) == (None, 6)

    def test_the_official_client_polls_twice_a_second_after_a_minute(self) -> None:
        assert wait_for(A_SHORT_RUN, policy("replicate 1")) == (0, 1)
        assert wait_for(A_LONG_BOOT, policy("replicate 1")) == (0, 1 + 2 * 33)

    def test_the_official_client_takes_processing_for_the_end(self) -> None:
        assert wait_for(A_LONG_RUN, policy("replicate 2 beta")) == (None, 1)

    def test_areplicate_waits_through_everything(self) -> None:
        random.seed(1)
        for run in (A_SHORT_RUN, A_LONG_BOOT, A_LONG_RUN):
            late = wait_for(run, policy("areplicate")).late
            assert late is not None and late < 10

    def test_the_chosen_schedule_is_within_its_targets(self, shared_data: Path) -> None:
        runs = traces.read_runs(shared_data / "traces.jsonl")
        of = traces.summary(runs, Policy("", "", poll_waits, traces.HOLD), range(5))
        assert of["completed"] == 1
        assert of["late_percent"] < 4 and of["late_worst_s"] < 10 and of["requests"] < 25

    def test_nobody_waits_better_than_hindsight(self) -> None:
        runs = [Run(0, total) for total in (0.5, 1, 2, 5, 9)]
        assert hindsight(runs, price=0.0) == (0, 1 + 3)  # it looks when each run ends: 1 to 5 times
        late, requests = hindsight(runs, price=100.0)
        assert late > 100 and requests == 2

    def test_the_table_cites_every_source(self) -> None:
        table = "\n".join(traces.table(traces.compare([A_SHORT_RUN]), 1))
        assert all(policy.source in table for policy in POLICIES)


class TestWorkers:
    def test_the_fault_campaigns_model_answers_the_question_asked(self) -> None:
        assert "".join(numbered_answer({"prompt": "[INST] What is question 17? [/INST]"})) == "Answer 17."

    def test_a_worker_that_fails_tells_why(self) -> None:
        figures = work(
            "aiohttp", "warm", api_base="http://127.0.0.1:9/v1", loop="asyncio", model="a/b", calls=1
        )
        assert "ClientConnectorError" in figures["failed"]

    def test_a_worker_that_hangs_is_ended(self, local: Server) -> None:
        given: dict[str, Any] = {"model": ENDLESS.full_name, "text": "", "streamed": False}
        process = begin("aiohttp", "one", api_base=local.api_base, loop="asyncio", **given)
        assert end(process, timeout=1.0) == {"failed": "not done after 1 s"}

    def test_an_empty_answer_is_not_taken_for_the_right_one(self, local: Server) -> None:
        *_, cold = booting(TINY.boot_seconds)
        given: dict[str, Any] = {"model": cold.full_name, "text": TEXT, "streamed": True}
        figures = work("aiohttp", "one", api_base=local.api_base, loop="asyncio", **given)
        assert figures["outcome"] == "empty"

    def test_memory_of_open_streams(self, local: Server) -> None:
        before = local.counts()["running"]
        for client in ("aiohttp", "areplicate"):
            given: dict[str, Any] = {"api_base": local.api_base, "loop": "asyncio"}
            figures = work(client, "open_streams", model=ENDLESS.full_name, count=20, **given)
            assert "failed" not in figures
            assert local.counts()["running"] - before <= 21


@pytest.fixture(scope="module")
def results(local: Server) -> dict[str, Any]:
    """A whole run of the suite, with little of everything; `make bench-quick` runs it for other clients."""
    environments = found(["areplicate"])
    suite = Suite(environments, local, TINY, "asyncio")
    figures = {name: measure() for name, measure in suite.figures()}
    return {
        "machine": machine(),
        "loop": "asyncio",
        "size": TINY._asdict(),
        "clients": {client: of._asdict() for client, of in environments.items()},
        "figures": {**figures, "gateway": {}},
        "warm_path": warm_path(TINY, "asyncio"),
        "recorded_runs": None,
        "seconds": 1.0,
    }


class TestSuite:
    def test_nothing_is_missing(self, results: dict[str, Any]) -> None:
        assert report.gaps(results) == []
        page = "\n".join(report.page(results))
        assert "failed" not in page
        assert "exactly once" in page

    def test_the_bare_client_is_what_figures_are_compared_with(self, results: dict[str, Any]) -> None:
        ours = results["clients"]["areplicate"]
        figures = {
            name: dict.fromkeys(("aiohttp", "areplicate"), rounds["areplicate"])
            for name, rounds in results["figures"].items()
            if rounds
        }
        twins = {"clients": {"aiohttp": ours, "areplicate": ours}, "figures": {**figures, "gateway": {}}}
        assert "(1.0)" in "\n".join(report.page({**results, **twins}))

    def test_what_failed_is_told(self, results: dict[str, Any]) -> None:
        warm = {**results["figures"]["warm"], "areplicate": [{"failed": "it fell over"}]}
        broken = {**results, "figures": {**results["figures"], "warm": warm}}
        assert any("it fell over" in gap for gap in report.gaps(broken))
        assert "failed" in "\n".join(report.page(broken))

    def test_through_a_cold_boot(self, results: dict[str, Any]) -> None:
        ours = results["figures"]["boot"]["areplicate"][0]
        assert ours["whole"]["outcome"] == ours["streamed"]["outcome"] == "right"

    def test_nothing_is_left_or_lost(self, results: dict[str, Any]) -> None:
        figures = {name: rounds["areplicate"][0] for name, rounds in results["figures"].items() if rounds}
        assert figures["warm"]["requests_per_call"] == 1
        assert figures["cancel"]["left_running"] == 0
        assert figures["faults"]["right"] == figures["faults"]["created"] == TINY.asked_in_faults

    def test_plots(self, results: dict[str, Any], tmp_path: Path) -> None:
        pytest.importorskip("matplotlib", reason="needs areplicate[bench]")
        from benchmarks import charts

        charts.draw_all(results, tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {"overhead.svg", "cold_boot.svg", "cpu.svg"}
