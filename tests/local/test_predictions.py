"""Predictions on the stand-in: made in every way, waited for, cancelled, listed, forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from areplicate.local import LocalDeployment, LocalModel, LocalReplicate
from tests.local.client import LLAMA, connect, llama, serving

pytestmark = pytest.mark.anyio


COMMUNITY = LocalModel(owner="someone", name="chat", official=False, reply=["a", "", "b"])


def seconds(prediction: dict[str, Any], start: str, end: str) -> float:
    moments = [datetime.fromisoformat(prediction[name].replace("Z", "+00:00")) for name in (start, end)]
    return (moments[1] - moments[0]).total_seconds()


async def test_an_official_model_runs_by_name() -> None:
    async with serving(llama(run_seconds=3)) as (local, client):
        created = await client.create("Hello")
        assert created.status == 201
        assert created.json["status"] == "starting"
        assert created.json["output"] is None
        assert created.json["input"] == {"prompt": "Hello"}
        assert (created.json["model"], created.json["version"]) == ("meta/llama", "hidden")
        assert "metrics" not in created.json
        await asyncio.sleep(2.5)
        halfway = (await client.get(created.json["urls"]["get"])).json
        assert (halfway["status"], halfway["output"]) == ("processing", ["one", " two", " three"])
        await asyncio.sleep(1)
        done = (await client.get(created.json["urls"]["get"])).json
        assert done["status"] == "succeeded"
        assert done["metrics"]["predict_time"] == 3
        assert done["metrics"]["output_token_count"] == 3
        assert seconds(done, "started_at", "completed_at") == pytest.approx(3)
        assert local.running() == []


async def test_a_community_model_runs_by_its_version_only() -> None:
    async with serving(COMMUNITY) as (_, client):
        by_name = await client.create(path="/models/someone/chat/predictions")
        assert by_name.status == 404
        by_name = await client.post("/predictions", {"version": "someone/chat", "input": {}})
        assert by_name.status == 422
        assert by_name.json["title"] == "Invalid version or not permitted"
        version = (await client.get("/models/someone/chat")).json["latest_version"]["id"]
        for spelled in (version, f"someone/chat:{version}"):
            body = {"version": spelled, "input": {"prompt": "Hi"}}
            created = await client.post("/predictions", body, Prefer="wait")
            assert created.json["output"] == ["a", "", "b"]
            assert (created.json["model"], created.json["version"]) == ("someone/chat", version)
        wrong = await client.post("/predictions", {"version": f"someone/other:{version}", "input": {}})
        assert wrong.status == 422


async def test_an_official_model_runs_by_its_name_as_version() -> None:
    async with serving(llama()) as (_, client):
        created = await client.post("/predictions", {"version": "meta/llama", "input": {}}, Prefer="wait")
        assert created.json["output"] == ["one", " two", " three"]


async def test_a_deployment_runs_and_names_itself() -> None:
    deployment = LocalDeployment(owner="acme", name="chat", model="someone/chat")
    async with serving(COMMUNITY, deployments=[deployment]) as (_, client):
        created = await client.create(path="/deployments/acme/chat/predictions", Prefer="wait")
        assert created.json["deployment"] == "acme/chat"
        assert created.json["output"] == ["a", "", "b"]
        assert (await client.create(path="/deployments/acme/none/predictions")).status == 404
        release = (await client.get("/deployments/acme/chat")).json["current_release"]
        assert (release["model"], release["version"]) == ("someone/chat", COMMUNITY.version)


def test_a_deployment_needs_its_model() -> None:
    with pytest.raises(ValueError, match="no model meta/llama"):
        LocalReplicate([], [LocalDeployment(owner="acme", name="chat", model="meta/llama")])


async def test_wait_holds_the_creation_open_until_the_end() -> None:
    async with serving(llama(boot_seconds=20, run_seconds=10)) as (_, client):
        created = await client.create(Prefer="wait")
        assert created.status == 201
        assert created.headers["Preference-Applied"] == "wait"
        assert created.json["status"] == "succeeded"
        assert seconds(created.json, "created_at", "completed_at") == pytest.approx(30)
        assert created.json["metrics"]["total_time"] == pytest.approx(30)
        assert created.json["metrics"]["predict_time"] == pytest.approx(10)


async def test_wait_runs_out() -> None:
    model = llama(boot_seconds=300)
    async with serving(model) as (_, client):
        start = asyncio.get_running_loop().time()
        created = await client.create(Prefer="wait=5")
        assert asyncio.get_running_loop().time() - start == pytest.approx(5, abs=0.1)
        assert created.status == 202
        assert created.headers["Preference-Applied"] == "wait=5"
        assert (created.json["status"], created.json["output"]) == ("starting", None)


async def test_wait_never_lasts_longer_than_a_minute() -> None:
    async with serving(llama(boot_seconds=300)) as (_, client):
        for prefer in ("wait", "wait=60", "wait=99"):
            start = asyncio.get_running_loop().time()
            await client.create(Prefer=prefer)
            assert asyncio.get_running_loop().time() - start == pytest.approx(60, abs=0.1)


@pytest.mark.parametrize(
    "prefer", ["wait=0", "wait=100", "wait=5.5", "wait=", "respond-async", "wait, x", ""]
)
async def test_a_bad_preference_is_refused(prefer: str) -> None:
    async with serving(llama()) as (local, client):
        assert (await client.create(Prefer=prefer)).status == 422
        assert not local.predictions


async def test_an_early_answer_is_processing_with_the_whole_output() -> None:
    async with serving(llama(answers_early=True, run_seconds=3)) as (_, client):
        created = await client.create(Prefer="wait=10")
        assert (created.status, created.json["status"]) == (201, "processing")
        assert created.json["output"] == ["one", " two", " three"]
        assert "metrics" not in created.json
        await asyncio.sleep(1)
        assert (await client.get(created.json["urls"]["get"])).json["status"] == "succeeded"


async def test_leaving_does_not_stop_a_prediction() -> None:
    async with serving(llama(run_seconds=10)) as (local, client):
        waiting = asyncio.ensure_future(client.create(Prefer="wait"))
        await asyncio.sleep(1)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        (prediction,) = local.running()
        await asyncio.sleep(0.1)
        assert not prediction.waiters, "the handler outlived its client"
        await asyncio.sleep(10)
        assert prediction.status == "succeeded"


async def test_everyone_waits_for_one_boot_and_then_the_model_is_warm() -> None:
    model = llama(boot_seconds=300, run_seconds=1, idle_seconds=60)
    async with serving(model) as (_, client):
        urls = []
        for _ in range(2):
            urls.append((await client.create()).json["urls"]["get"])
            await asyncio.sleep(100)
        assert (await client.get(urls[0])).json["status"] == "starting"
        await asyncio.sleep(102)
        first, second = [(await client.get(url)).json for url in urls]
        assert first["started_at"] == second["started_at"]
        assert seconds(second, "created_at", "started_at") == pytest.approx(200, abs=1)
        assert (await client.create(Prefer="wait=2")).json["status"] == "succeeded"
        await asyncio.sleep(62)
        assert (await client.create(Prefer="wait=2")).json["status"] == "starting"


async def test_cancelling() -> None:
    async with serving(llama(boot_seconds=10, run_seconds=10)) as (local, client):
        waiting = asyncio.ensure_future(client.create(Prefer="wait"))
        await asyncio.sleep(14)
        (prediction,) = local.running()
        canceled = await client.post(f"/predictions/{prediction.id}/cancel")
        assert (canceled.status, canceled.json["status"]) == (200, "canceled")
        assert canceled.json["output"] == ["one", " two"], "what was written until then"
        assert canceled.json["metrics"]["predict_time"] == pytest.approx(4)
        assert (await waiting).json["status"] == "canceled", "cancelling answers who waits"
        again = await client.post(f"/predictions/{prediction.id}/cancel")
        assert again.json == canceled.json


async def test_cancelling_before_the_start_costs_nothing() -> None:
    async with serving(llama(boot_seconds=10, logs="loading")) as (_, client):
        created = await client.create()
        canceled = (await client.post(created.json["urls"]["cancel"])).json
        assert canceled["status"] == "canceled"
        assert canceled["metrics"]["predict_time"] == 0
        assert "started_at" not in canceled
        assert canceled["logs"] == ""


async def test_what_has_ended_is_not_cancelled() -> None:
    async with serving(llama()) as (_, client):
        created = await client.create(Prefer="wait")
        assert (await client.post(created.json["urls"]["cancel"])).json["status"] == "succeeded"


@pytest.mark.parametrize(
    ("boot", "header", "status", "after"),
    [
        (300, "90s", "aborted", 90),
        (1, "5s", "canceled", 5),
        (300, "1h30m45s", "succeeded", 310),
        (1, "5", "canceled", 5),
    ],
)
async def test_the_server_gives_up_at_the_deadline(
    boot: float, header: str, status: str, after: float
) -> None:
    async with serving(llama(boot_seconds=boot, run_seconds=10)) as (_, client):
        created = await client.create(Cancel_After=header)
        assert seconds(created.json, "created_at", "deadline") == pytest.approx(
            {"90s": 90, "5s": 5, "5": 5, "1h30m45s": 5445}[header]
        )
        await asyncio.sleep(after - 0.5)
        assert (await client.get(created.json["urls"]["get"])).json["status"] in ("starting", "processing")
        await asyncio.sleep(1)
        assert (await client.get(created.json["urls"]["get"])).json["status"] == status


async def test_the_deadline_is_told_to_the_microsecond_also_in_the_list() -> None:
    """`deadline - created_at` is what a caller knows its own prediction by."""
    async with serving(llama()) as (_, client):
        for lifetime in range(5, 60):
            await asyncio.sleep(0.123457)
            created = (await client.create(Cancel_After=f"{lifetime}s")).json
            assert seconds(created, "created_at", "deadline") == lifetime
        listed = (await client.get("/predictions")).json["results"]
        assert [seconds(one, "created_at", "deadline") for one in listed] == list(range(59, 4, -1))


@pytest.mark.parametrize("header", ["4s", "0", "", "5x", "1m1h", "-9s", "1.5m", "s"])
async def test_a_bad_deadline_is_refused(header: str) -> None:
    async with serving(llama()) as (_, client):
        refused = await client.create(Cancel_After=header)
        assert refused.status == 422
        assert "Cancel-After" in refused.json["detail"]


async def test_no_prediction_runs_longer_than_half_an_hour() -> None:
    async with serving(llama(run_seconds=4000)) as (_, client):
        created = await client.create()
        await asyncio.sleep(1799)
        assert (await client.get(created.json["urls"]["get"])).json["status"] == "processing"
        await asyncio.sleep(2)
        ended = (await client.get(created.json["urls"]["get"])).json
        assert (ended["status"], ended["error"]) == ("failed", "Prediction timed out after 30 minutes")


async def test_data_is_removed_after_an_hour() -> None:
    async with serving(llama(logs="loading")) as (_, client):
        created = await client.create(Prefer="wait")
        assert created.json["data_removed"] is False
        await asyncio.sleep(3599)
        kept = (await client.get(created.json["urls"]["get"])).json
        assert (kept["output"], kept["logs"]) == (["one", " two", " three"], "loading")
        await asyncio.sleep(2)
        gone = (await client.get(created.json["urls"]["get"])).json
        assert (gone["data_removed"], gone["input"], gone["output"], gone["logs"]) == (True, None, None, "")
        assert gone["status"] == "succeeded"
        assert (await client.get(created.json["urls"]["stream"])).status == 404


@pytest.mark.parametrize(
    ("kind", "reply", "output"),
    [
        ("list", "one two", ["one", " two"]),
        ("list", ["on", "", "e"], ["on", "", "e"]),
        ("list", [], []),
        ("string", "one two", "one two"),
        ("string", ["one", " two"], "one two"),
        ("object", {"text": "one"}, {"text": "one"}),
        ("object", "one", {"text": "one"}),
        ("number", 42.5, 42.5),
        ("null", "one", None),
        ("list", lambda input: f"{input['prompt']}!", ["Hi!"]),
    ],
)
async def test_kinds_of_output(kind: Any, reply: Any, output: Any) -> None:
    model = llama(reply=reply, output_kind=kind, run_seconds=1)
    async with serving(model) as (_, client):
        created = await client.create()
        await asyncio.sleep(0.5)
        halfway = (await client.get(created.json["urls"]["get"])).json
        assert kind == "list" or halfway["output"] is None, "but for a list, output comes at the end"
        await asyncio.sleep(1)
        done = (await client.get(created.json["urls"]["get"])).json
        assert (done["status"], done["output"]) == ("succeeded", output)


async def test_left_to_itself_a_model_greets_and_repeats_the_prompt() -> None:
    async with serving(llama(reply=None)) as (_, client):
        for input in (
            {"prompt": "What is new?"},
            {"messages": [{"role": "user", "content": "What is new?"}]},
            {"prompt": "x" * 10_000 + "What is new?"},
        ):
            created = await client.post(LLAMA, {"input": input}, Prefer="wait")
            text = "".join(created.json["output"])
            assert text.startswith("Hello!")
            assert text.endswith("What is new?")
            assert len(text) < 400


@pytest.mark.parametrize(("after", "output"), [(0, None), (2, ["one", " two"])])
async def test_a_failing_model(after: int, output: Any) -> None:
    model = llama(failure="CUDA out of memory", failure_after=after)
    async with serving(model) as (_, client):
        failed = await client.create(Prefer="wait")
        assert (failed.status, failed.json["status"]) == (201, "failed")
        assert (failed.json["error"], failed.json["output"]) == ("CUDA out of memory", output)
        assert "started_at" in failed.json
        assert "output_token_count" not in failed.json["metrics"]


async def test_an_error_is_told_when_it_happens() -> None:
    async with serving(llama(failure="CUDA out of memory", run_seconds=5)) as (_, client):
        created = (await client.create()).json
        await asyncio.sleep(3)
        assert (await client.get(created["urls"]["get"])).json["error"] is None
        await asyncio.sleep(3)
        assert (await client.get(created["urls"]["get"])).json["error"] == "CUDA out of memory"


async def test_a_model_whose_own_code_raises() -> None:
    def reply(input: dict[str, Any]) -> str:
        raise KeyError(input["prompt"])

    async with serving(llama(reply=reply)) as (_, client):
        failed = (await client.create("no such thing", Prefer="wait")).json
        assert (failed["status"], failed["error"]) == ("failed", "'no such thing'")


async def test_token_metrics_can_be_left_out() -> None:
    async with serving(llama(token_metrics=False)) as (_, client):
        done = (await client.create(Prefer="wait")).json
        assert done["metrics"].keys() == {"predict_time", "total_time"}


async def test_the_model_in_an_answer_need_not_be_the_one_asked_for() -> None:
    shown = ("replicate-internal/llama-3-8b-instruct-int8-triton", "dp-a557b7387b4940df25b23f779dc534c4")
    async with serving(llama(shown_as=shown)) as (_, client):
        created = (await client.create()).json
        assert (created["model"], created["version"]) == shown


async def test_tokens_a_second_set_the_pace() -> None:
    model = llama(reply=["x"] * 100, tokens_per_second=20, time_to_first_token=1)
    async with serving(model) as (_, client):
        created = (await client.create(Prefer="wait")).json
        assert created["metrics"]["predict_time"] == pytest.approx(6)
        assert created["metrics"]["time_to_first_token"] == 1


async def test_lists_are_paged_newest_first() -> None:
    async with LocalReplicate([llama()]) as local, connect(local) as client, connect(local, "r8_b") as other:
        for _ in range(250):
            await client.create()
        await other.create()
        ids: list[str] = []
        sizes = []
        url = "/predictions"
        while url:
            page = (await client.get(url)).json
            sizes.append(len(page["results"]))
            ids += [result["id"] for result in page["results"]]
            url = page["next"]
            assert url is None or url.startswith(local.api_base)
        assert sizes == [100, 100, 50]
        mine = [prediction.id for prediction in local.predictions.values() if prediction.token == "r8_test"]
        assert ids == mine[::-1]
        assert len((await other.get("/predictions")).json["results"]) == 1


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (lambda t: {"created_after": t[1]}, [2, 1]),
        (lambda t: {"created_before": t[1]}, [0]),
        (lambda t: {"created_after": t[1], "created_before": t[2]}, [1]),
        (lambda t: {}, [2, 1, 0]),
    ],
)
async def test_lists_by_time(query: Callable[[list[str]], dict[str, str]], expected: list[int]) -> None:
    async with serving(llama()) as (local, client):
        created = []
        for _ in range(3):
            created.append((await client.create()).json)
            await asyncio.sleep(10)
        url = local.api_base + "/predictions"
        params = query([prediction["created_at"] for prediction in created])
        async with client.session.get(url, params=params) as answer:
            page = await answer.json()
        assert [p["id"] for p in page["results"]] == [created[index]["id"] for index in expected]
        assert {p["status"] for p in page["results"]} == {"succeeded"}
        assert all(p["output"] and p["metrics"] and p["input"] for p in page["results"])


async def test_a_list_keeps_its_bounds_from_page_to_page() -> None:
    async with serving(llama()) as (_, client):
        first = (await client.create()).json
        await asyncio.sleep(1)
        for _ in range(101):
            last = (await client.create()).json
        bound = f"created_after={last['created_at']}"
        page = (await client.get(f"/predictions?{bound}")).json
        page = (await client.get(page["next"])).json
        assert len(page["results"]) == 1
        assert page["results"][0]["id"] != first["id"]
        assert page["next"] is None


async def test_bad_pages_are_refused() -> None:
    async with serving(llama()) as (_, client):
        assert (await client.get("/predictions?created_after=yesterday")).status == 422
        assert (await client.get("/predictions?cursor=%C3%A4")).status == 404


async def test_predictions_belong_to_their_token() -> None:
    async with LocalReplicate([llama()]) as local, connect(local) as mine, connect(local, "r8_b") as theirs:
        urls = (await mine.create()).json["urls"]
        assert (await mine.get(urls["get"])).status == 200
        assert (await theirs.get(urls["get"])).status == 404
        assert (await theirs.post(urls["cancel"])).status == 404


async def test_the_log_of_requests() -> None:
    async with serving(llama()) as (local, client):
        created = await client.create("Hello", Prefer="wait=3")
        await client.get("/predictions?cursor=x")
        first, second = local.requests
        assert (first.method, first.path, first.kind) == ("POST", f"/v1{LLAMA}", "create")
        assert first.headers["prefer"] == "wait=3"
        assert first.json() == {"input": {"prompt": "Hello"}}
        assert second.query == {"cursor": "x"}
        assert second.time >= first.time
        assert local.counts == {"create": 1, "list": 1}
        assert local.predictions[created.json["id"]].status == "succeeded"


async def test_urls_lead_back_to_where_the_caller_found_the_server() -> None:
    async with serving(llama()) as (_, client):
        created = await client.create(Host="stand-in.example:81")
        assert created.json["urls"]["get"].startswith("http://stand-in.example:81/v1/predictions/")


def test_a_version_is_64_hex_digits() -> None:
    assert llama().version == llama().version != COMMUNITY.version
    with pytest.raises(ValueError, match="64 hex digits"):
        llama(version="latest")
