"""Responses that are kept: gone on from, looked at, referred to and deleted, by the key that asked for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from areplicate.local import LocalReplicate
from tests.gateway.agents.conftest import PARIS, SUNNY, configuration
from tests.gateway.agents.test_openai import ASK, FLAT
from tests.gateway.process import MASTER, Gateway, gateway

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def keeps(local: LocalReplicate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder: Path = tmp_path_factory.mktemp("keeps")
    with gateway(configuration(local, store_responses=True), folder) as running:
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
    [item] = client.responses.input_items.list(made.id)
    said: Any = item
    assert (said.role, said.content[0].text) == ("user", "Hi")
    client.responses.delete(made.id)
    for gone in (client.responses.retrieve, client.responses.delete):
        with pytest.raises(openai.NotFoundError):
            gone(made.id)


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


def test_where_none_are_kept_that_is_said(running: Gateway) -> None:
    with openai.OpenAI(base_url=f"{running.url}/v1", api_key=MASTER, max_retries=0) as client:
        with pytest.raises(openai.BadRequestError, match="store_responses"):
            client.responses.retrieve("resp_1")
