"""Responses that are kept: gone on from, looked at, referred to and deleted, by the key that asked for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic
import pytest

from areplicate.local import LocalReplicate
from tests.gateway.agents.conftest import PARIS, SUNNY, configuration
from tests.gateway.agents.test_openai import ASK, FLAT
from tests.gateway.process import MASTER, Gateway, gateway
from tests.lazily import openai

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def keeps(
    request: pytest.FixtureRequest, local: LocalReplicate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    database = {}
    if request.param == "postgresql":
        database["database_url"] = request.getfixturevalue("database").new_database()
    folder: Path = tmp_path_factory.mktemp("keeps")
    with gateway(configuration(local, store_responses=True, max_stored_mb=30, **database), folder) as running:
        yield running


@pytest.fixture
def client(keeps: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{keeps.url}/v1", api_key=MASTER, max_retries=0) as client:
        yield client


@pytest.mark.parametrize("streamed", [False, True])
def test_a_conversation_goes_on_from_a_response(client: openai.OpenAI, streamed: bool) -> None:
    def ask(input: Any, **more: Any) -> Any:
        if not streamed:
            return client.responses.create(model="weather", input=input, tools=[FLAT], **more)
        events = client.responses.create(model="weather", input=input, tools=[FLAT], stream=True, **more)
        return list(events)[-1].response

    first = ask(ASK)
    [call] = [item for item in first.output if item.type == "function_call"]
    assert call.name == PARIS[0]
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    second = ask([result], previous_response_id=first.id)
    assert second.output_text == SUNNY and second.previous_response_id == first.id
    third = ask("And now?", previous_response_id=second.id)
    assert third.output_text == SUNNY


def test_items_are_referred_to(client: openai.OpenAI) -> None:
    first = client.responses.create(model="weather", input=ASK, tools=[FLAT])
    [call] = [item for item in first.output if item.type == "function_call"]
    references: Any = [{"type": "item_reference", "id": item.id} for item in first.output]
    result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    second = client.responses.create(model="weather", input=[*ASK, *references, result], tools=[FLAT])
    assert second.output_text == SUNNY


def test_looking_at_and_deleting_one(client: openai.OpenAI) -> None:
    made = client.responses.create(model="chat", input="Hi")
    assert client.responses.retrieve(made.id).output_text == made.output_text
    with pytest.raises(openai.BadRequestError, match="not its events"):
        client.responses.retrieve(made.id, stream=True)
    [item] = client.responses.input_items.list(made.id)
    said: Any = item
    assert (said.role, said.content[0].text) == ("user", "Hi")
    client.responses.delete(made.id)
    for gone in (client.responses.retrieve, client.responses.delete):
        with pytest.raises(openai.NotFoundError):
            gone(made.id)


def test_a_long_input_is_listed_page_by_page(client: openai.OpenAI) -> None:
    said: Any = [{"role": "user", "content": f"{number}"} for number in range(45)]
    made = client.responses.create(model="chat", input=said)

    def numbers(**asked: Any) -> list[int]:
        items: Any = client.responses.input_items.list(made.id, **asked)
        return [int(item.content[0].text) for item in items]

    assert numbers() == list(range(45))[::-1]
    assert numbers(order="asc", limit=7) == list(range(45))
    page = client.responses.input_items.list(made.id, limit=7)
    assert (len(page.data), page.has_more, page.last_id) == (7, True, page.data[-1].id)
    with pytest.raises(openai.NotFoundError, match="item .msg_of_another. does not exist"):
        client.responses.input_items.list(made.id, after="msg_of_another")


ITEMS: list[Any] = [
    {"role": "user", "content": "Hi"},
    {"id": "msg_with_an_id", "role": "developer", "content": "Be kind."},
    {"role": "assistant", "content": "Hello."},
    {"role": "assistant", "content": [{"type": "output_text", "text": "Hello."}]},
    {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c1", "output": "sunny"},
    {"id": "fco_with_an_id", "type": "function_call_output", "call_id": "c1", "output": "sunny"},
    {"type": "custom_tool_call", "call_id": "c2", "name": "shell", "input": "ls"},
    {"type": "custom_tool_call_output", "call_id": "c2", "output": "one.txt"},
    {"type": "reasoning", "summary": []},
]


def test_items_are_given_back_in_the_published_types(keeps: Gateway, client: openai.OpenAI) -> None:
    made = client.responses.create(model="chat", input=ITEMS)
    listed = keeps.get(f"/v1/responses/{made.id}/input_items?order=asc&limit=50")["data"]
    published = pydantic.TypeAdapter(openai.types.responses.ResponseItem)
    for item in listed:
        published.validate_python(item, strict=True)
    given = [(item.get("role"), item.get("type", "message"), item.get("id")) for item in ITEMS]
    assert [
        (item.get("role"), item["type"], item["id"] if "with_an_id" in item["id"] else None)
        for item in listed
    ] == given


def test_what_is_not_to_be_stored_is_not(client: openai.OpenAI) -> None:
    made = client.responses.create(model="chat", input="Hi", store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model="chat", input="Hi", previous_response_id=made.id)


def test_another_key_finds_nothing(keeps: Gateway, client: openai.OpenAI) -> None:
    made = client.responses.create(model="chat", input="Hi")
    other = client.with_options(api_key=keeps.new_key())
    with pytest.raises(openai.NotFoundError):
        other.responses.retrieve(made.id)
    with pytest.raises(openai.NotFoundError):
        other.responses.create(model="chat", input="Hi", previous_response_id=made.id)


def test_a_keys_oldest_make_room(keeps: Gateway, client: openai.OpenAI) -> None:
    masters = client.responses.create(model="chat", input="Hi")
    mine = client.with_options(api_key=keeps.new_key())
    half = "y" * 7_600_000  # which is kept twice: as a whole, and as an item
    small, _, large = (mine.responses.create(model="chat", input=text) for text in ("Hi", half, half))
    with pytest.raises(openai.NotFoundError):
        mine.responses.retrieve(small.id)
    with pytest.raises(openai.BadRequestError, match="not stored"):
        mine.responses.create(
            model="chat", input=[{"type": "item_reference", "id": small.output[0].id or ""}]
        )
    for kept, asks in ((large, mine), (masters, client)):
        assert asks.responses.retrieve(kept.id).id == kept.id


def test_where_none_are_kept_that_is_said(running: Gateway) -> None:
    with openai.OpenAI(base_url=f"{running.url}/v1", api_key=MASTER, max_retries=0) as client:
        with pytest.raises(openai.BadRequestError, match="store_responses"):
            client.responses.retrieve("resp_1")


def asked(running: Gateway, input: Any, **more: Any) -> Any:
    with running.http() as http:
        return http.post("/v1/responses", json={"model": "chat", "input": input, **more})


def said(**more: Any) -> dict[str, Any]:
    return {"role": "user", "content": "Hi", **more}


def test_ids_are_the_clients_own(keeps: Gateway) -> None:
    """An answer that is paid is not lost by an id that comes twice; one that cannot be kept is refused before."""
    for wrong in ({"a": 1}, [1], 3, "\0", "a" * 100_000):
        refused = asked(keeps, [said(id=wrong)])
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "input[0].id"), refused.text
    reference = {"type": "item_reference", "id": "mine"}
    assert asked(keeps, [said(id="mine"), said(id="mine")]).status_code == 200
    assert asked(keeps, [said(), reference, reference]).status_code == 200
    with keeps.http() as http:
        for none in ("%00", "%ff", "a" * 3000):
            assert http.get(f"/v1/responses/{none}").status_code == 404
            assert http.delete(f"/v1/responses/{none}").status_code == 404
    assert asked(keeps, "Hi", previous_response_id="\0").status_code == 400


def test_stored_items_do_not_make_a_small_body_a_large_one(keeps: Gateway, local: LocalReplicate) -> None:
    first = asked(keeps, [said(id="large", content="y" * 4_000_000)])
    created = local.counts["create"]
    refused = asked(keeps, [said(), *[{"type": "item_reference", "id": "large"}] * 2000])
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "request_too_large")
    response = first.json()["id"]
    more = said(content="y" * 7_000_000)
    second = asked(keeps, [more], previous_response_id=response)
    refused = asked(keeps, "And now?", previous_response_id=second.json()["id"])
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "request_too_large")
    many = asked(keeps, [said(), *[{"type": "item_reference", "id": "none"}] * 30_000])
    assert (many.status_code, many.json()["error"]["param"]) == (400, "input")
    assert local.counts["create"] == created + 1
