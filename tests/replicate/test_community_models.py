"""What is looked up of community models: a version that is replaced while a program runs, a schema that one key may not
see."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from aiohttp import web

import areplicate
from areplicate.local import LocalModel
from areplicate.replicate.live import ON_BEGUN, LivePrediction
from tests.hostile import Asked, GoOn, HostileReplicate, problem
from tests.stage import HELLO, router_of

pytestmark = pytest.mark.anyio

OLD, NEW = "a" * 64, "b" * 64


def body(version: str, *inputs: str) -> LocalModel:
    properties = {name: {"type": "string"} for name in ("prompt", *inputs)}
    return LocalModel(
        owner="some",
        name="body",
        official=False,
        version=version,
        schema={"Input": {"properties": properties}},
    )


def versions(hostile: HostileReplicate) -> list[str]:
    return [prediction.model.version[0] for prediction in hostile.predictions.values()]


async def test_a_version_that_is_replaced_is_resolved_again_with_its_schema() -> None:
    made: list[LivePrediction] = []
    ON_BEGUN.set(made.append)
    async with HostileReplicate([body(OLD)]) as hostile, router_of(hostile) as router:
        await router.acompletion("some/body", HELLO)
        hostile.publish(body(NEW, "style"))
        await router.acompletion("some/body", HELLO)
        await router.acompletion("some/body", HELLO, style="brief")
        assert versions(hostile) == ["a", "b", "b"]
        assert hostile.asked[-1].json()["input"]["style"] == "brief"
        assert all("Cancel-After" in seen.headers for seen in hostile.asked_for("create"))
        assert {each.endpoint.model for each in made} == {"some/body"}, "by which a gateway knows its price"


async def test_a_version_that_many_callers_find_replaced_is_looked_up_once() -> None:
    async with HostileReplicate([body(OLD)]) as hostile, router_of(hostile) as router:
        await router.acompletion("some/body", HELLO)
        hostile.publish(body(NEW))
        before = len(hostile.asked_for("model"))
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(router.acompletion, "some/body", HELLO)
        assert len(hostile.asked_for("model")) - before <= 2, "its version, and its schema"
        assert versions(hostile) == ["a"] + ["b"] * 20


async def test_a_version_is_looked_up_again_after_an_hour() -> None:
    async with HostileReplicate([body(OLD)]) as hostile, router_of(hostile) as router:
        await router.acompletion("some/body", HELLO)
        hostile._service.models["some/body"] = new = body(NEW)
        hostile._service.versions[NEW] = new
        await anyio.sleep(3500)
        await router.acompletion("some/body", HELLO)
        await anyio.sleep(150)
        await router.acompletion("some/body", HELLO)
        assert versions(hostile) == ["a", "a", "b"], "the old one still runs: nothing refused it"


async def test_a_version_that_was_asked_for_by_its_id_is_not_replaced_by_another() -> None:
    async with HostileReplicate([body(OLD)]) as hostile, router_of(hostile) as router:
        hostile.publish(body(NEW))
        with pytest.raises(areplicate.BadRequestError, match="Invalid version"):
            await router.acompletion(f"some/body:{OLD}", HELLO)
        assert not hostile.predictions


async def test_a_version_is_not_looked_up_where_something_else_is_wrong() -> None:
    async with HostileReplicate([body(OLD)]) as hostile, router_of(hostile) as router:
        await router.acompletion("some/body", HELLO)
        hostile.on("create", problem(422, "prompt is too long"))
        before = len(hostile.asked)
        with pytest.raises(areplicate.BadRequestError, match="prompt is too long"):
            await router.acompletion("some/body", HELLO)
        assert [seen.kind for seen in hostile.asked[before:]] == ["create"]


@pytest.mark.parametrize("answer", [{"latest_version": None}, {"latest_version": 7}, []])
async def test_a_version_that_is_not_found_leaves_the_refusal_as_it_is(answer: Any) -> None:
    async with HostileReplicate([body(OLD)]) as hostile, router_of(hostile) as router:

        async def no_version(asked: Asked, go_on: GoOn) -> Any:
            return web.json_response(answer)

        hostile.on("model", no_version)
        with pytest.raises(areplicate.NotFoundError) as caught:
            await router.acompletion("some/body", HELLO)
        assert caught.value.method == "POST" and not hostile.predictions


async def test_a_version_that_stays_refused_is_an_error_and_no_loop() -> None:
    async with HostileReplicate([body(OLD)]) as hostile, router_of(hostile) as router:
        await router.acompletion("some/body", HELLO)
        hostile.on("create", problem(422, "Invalid version or not permitted"))
        before = len(hostile.asked)
        with pytest.raises(areplicate.BadRequestError, match="Invalid version"):
            await router.acompletion("some/body", HELLO)
        assert len(hostile.asked) - before <= 3


async def test_a_key_that_may_not_see_a_model_spoils_it_for_no_other() -> None:
    seen = LocalModel(
        owner="some",
        name="own",
        schema={"Input": {"properties": {"prompt": {"type": "string"}, "stop": {"type": "string"}}}},
    )
    async with HostileReplicate([seen]) as hostile, router_of(hostile) as router:

        async def only_for_the_owner(asked: Asked, go_on: GoOn) -> Any:
            if asked.request.headers["Authorization"] != "Bearer owner":
                return await problem(403, "no")(asked, go_on)
            return await go_on()

        hostile.on("*", only_for_the_owner)
        with pytest.raises(areplicate.APIError):
            await router.acompletion("some/own", HELLO, stop=["x"], api_key="stranger")
        await router.acompletion("some/own", HELLO, stop=["x"], api_key="owner")
        assert hostile.asked_for("create")[-1].json()["input"]["stop"] == "x"
