"""Who is asked to pay for what: whatever a client is told of an answer, its key pays what ran, and no more.

By every API, whole and streamed: answers that do not fit, models that fail, deadlines, fallbacks.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from areplicate.local import LocalModel, LocalReplicate
from areplicate.local.components import component_schemas
from tests.gateway.process import DOLLAR_A_TOKEN, Gateway, config_for, entry, gateway
from tests.waiting import eventually

pytestmark = pytest.mark.filterwarnings("ignore")
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
FORMAT = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA}}
FLAT = {"type": "json_schema", "name": "person", "schema": SCHEMA}
WRONG_CALL = '<tool_call>{"name": "get_weather", "arguments": {"city": 1}}</tool_call>'
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"name": "get_weather", "parameters": PARAMETERS, "strict": True}
FIVE = ["a"] * 5


def embeds(name: str, reply: Any, **inputs: Any) -> LocalModel:
    output = {"type": "array", "items": {}}
    schema = component_schemas({"properties": inputs, "required": []}, output)
    return LocalModel(
        owner="acme", name=name, reply=reply, output_kind="object", schema=schema, token_metrics=False
    )


def corrects_itself(input: dict[str, Any]) -> list[str]:
    """Of five tokens; the first of two attempts does not fit."""
    return ['{"na', 'me": ', '"Ad', "a", '"}'] if "cannot be used" in input["prompt"] else FIVE


MODELS = (
    LocalModel(owner="acme", name="chat", reply=FIVE),
    LocalModel(owner="acme", name="talks", reply=["I ", "would ", "rather ", "talk."]),
    LocalModel(owner="acme", name="corrects-itself", reply=corrects_itself),
    LocalModel(owner="acme", name="calls-wrongly", reply=[WRONG_CALL, " "]),
    LocalModel(owner="acme", name="breaks", reply=FIVE, failure="CUDA out of memory", failure_after=2),
    LocalModel(owner="acme", name="falls-back", reply=FIVE, failure="CUDA out of memory", failure_after=2),
    LocalModel(
        owner="acme", name="interrupted", reply=FIVE, failure="Director (code: E8765)", failure_after=2
    ),
    LocalModel(owner="acme", name="slow", reply=["a"] * 400, run_seconds=20),
    embeds("embeds", lambda input: {"embedding": [1.0, 2.0]}, text={"type": "string"}),
    embeds("embeds-nothing", {"embedding": []}, text={"type": "string"}),
    embeds(
        "embeds-lists",
        lambda input: {"embeddings": [[1.0]] * len(input["texts"])},
        texts={"type": "array", "items": {"type": "string"}},
    ),
)
FALLBACKS = {"falls-back": ["chat"], "gone": ["chat"], "embeds-nothing": ["embeds"]}
APIS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}]}),
    "completions": ("/v1/completions", {"prompt": "Hi"}),
    "responses": ("/v1/responses", {"input": "Hi"}),
    "messages": ("/v1/messages", {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 100}),
}
AS_A_PERSON: dict[str, dict[str, Any]] = {
    "chat": {"response_format": FORMAT},
    "completions": {"response_format": FORMAT},
    "responses": {"text": {"format": FLAT}},
    "messages": {"output_format": {"type": "json_schema", "schema": SCHEMA}},
}
WITH_A_STRICT_TOOL: dict[str, dict[str, Any]] = {
    "chat": {"tools": [{"type": "function", "function": TOOL}]},
    "completions": {"tools": [{"type": "function", "function": TOOL}]},
    "responses": {"tools": [{"type": "function", **TOOL}]},
    "messages": {"tools": [{"name": "get_weather", "input_schema": PARAMETERS, "strict": True}]},
}
everywhere = pytest.mark.parametrize("api", APIS)
whole_and_streamed = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@pytest.fixture(scope="module")
def running(local: LocalReplicate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    fallbacks = [{name: others} for name, others in FALLBACKS.items()]
    config = config_for(local) | {"litellm_settings": {"request_timeout": 1, "fallbacks": fallbacks}}
    by_input = {"input_cost_per_token": 1.0}
    config["model_list"] = [
        *(
            entry(local, name, info=by_input if "embeds" in name else DOLLAR_A_TOKEN)
            for name in (*(model.name for model in MODELS), "gone")
        ),
        entry(local, "slow", info=DOLLAR_A_TOKEN, api_key="r8_the_key_of_another_account"),
        entry(local, "replicate/*", "*", info=DOLLAR_A_TOKEN),
        entry(local, "four", "acme/chat", info=DOLLAR_A_TOKEN, n=4),
        # The last entry of a model is not who answers for it, and its price is not theirs.
        entry(local, "dear", "acme/chat", info={"output_cost_per_token": 100.0}),
    ]
    with gateway(config, tmp_path_factory.mktemp("paid")) as running:
        yield running


class Asked:
    """A request of a key of its own, and what that key had to pay for it."""

    def __init__(self, running: Gateway, path: str, **body: Any) -> None:
        self._running = running
        self._key = running.new_key(max_budget=1000)
        with running.http(self._key) as http:
            self.answer = http.post(path, json=body)

    @property
    def cost_header(self) -> float | None:
        """What the answer's headers say of its cost."""
        cost_header = self.answer.headers.get("x-litellm-response-cost")
        return None if cost_header is None else float(cost_header)

    def paid(self) -> tuple[float, int]:
        """Dollars, and for how many predictions."""
        info = self._running.get(f"/key/info?key={self._key}")
        eventually(lambda: self._rows(info["key_id"]))
        [row] = self._rows(info["key_id"])
        assert self._running.get(f"/key/info?key={self._key}")["spend"] == pytest.approx(row["cost"])
        return row["cost"], row["predictions"]

    def _rows(self, key_id: str) -> Any:
        return self._running.get(f"/spend/logs?key_id={key_id}")["data"]


def asked(running: Gateway, api: str, model: str, stream: bool, **more: Any) -> Asked:
    path, body = APIS[api]
    return Asked(running, path, model=model, stream=stream, **body, **more)


@everywhere
@whole_and_streamed
def test_an_answer_that_never_fits(running: Gateway, api: str, stream: bool) -> None:
    """Both attempts are paid: who asks for what a model cannot give does not ask for free."""
    for model, how, dollars in (("talks", AS_A_PERSON, 8.0), ("calls-wrongly", WITH_A_STRICT_TOOL, 4.0)):
        misfit = asked(running, api, model, stream, **how[api])
        assert "does not fit" in misfit.answer.text
        assert misfit.answer.status_code == 422, "no client asks, and pays, again"
        if api != "messages":  # Anthropic's errors have no place for it
            assert '"failed_generation":"' in misfit.answer.text, "what is paid is not lost"
        assert misfit.paid() == (dollars, 2)
        assert misfit.cost_header == dollars


@everywhere
@whole_and_streamed
def test_a_model_that_fails(running: Gateway, api: str, stream: bool) -> None:
    failed = asked(running, api, "breaks", stream)
    assert "out of memory" in failed.answer.text
    assert failed.paid() == (2.0, 1)
    assert failed.cost_header == (None if stream else 2.0)


def test_a_deadline_that_passes(running: Gateway) -> None:
    """It is looked at on the account that made it: of each name's two entries either may have."""
    ways = [(api, stream) for api in APIS for stream in (False, True)]
    with ThreadPoolExecutor(len(ways)) as threads:
        for late in threads.map(lambda way: asked(running, way[0], "slow", way[1]), ways):
            assert "eadline" in late.answer.text or "No answer within" in late.answer.text
            dollars, predictions = late.paid()
            assert 1 <= dollars <= 200 and predictions == 1


@whole_and_streamed
def test_what_replicate_interrupts_is_asked_again(running: Gateway, stream: bool) -> None:
    interrupted = asked(running, "chat", "interrupted", stream)
    assert "E8765" in interrupted.answer.text
    dollars, predictions = interrupted.paid()
    assert dollars == 2.0 * predictions and predictions == (1 if stream else 3), (
        "what was streamed is not taken back"
    )


@everywhere
@whole_and_streamed
def test_who_answered_and_what_all_of_it_cost(running: Gateway, api: str, stream: bool) -> None:
    # Replicate has no model "gone", and makes no prediction of it.
    model, dollars, predictions = ("gone", 5.0, 1) if stream else ("falls-back", 7.0, 2)
    more = {"stream_options": {"include_usage": True}} if api in ("chat", "completions") and stream else {}
    answered = asked(running, api, model, stream, **more)
    assert answered.answer.status_code == 200, answered.answer.text
    assert f'"model":"{model}"' not in answered.answer.text and '"model":"chat"' in answered.answer.text
    assert f'"cost":{dollars}' in answered.answer.text
    assert answered.paid() == (dollars, predictions)
    assert answered.cost_header == (None if stream else dollars)


def test_what_is_asked_again_counts_against_the_limit_of_a_minute(running: Gateway) -> None:
    key = running.new_key(rpm_limit=4)
    asked = [running.ask(key, model="talks", response_format=FORMAT).status_code for _ in range(3)]
    assert asked == [422, 422, 429]


@pytest.mark.parametrize("api", ["chat", "completions"])
def test_several_answers_that_are_asked_again_stay_within_a_budget(running: Gateway, api: str) -> None:
    """Each of three costs five dollars twice: together they exceed a budget by one of them at most."""
    path, body = APIS[api]
    body = {**body, **AS_A_PERSON[api], "model": "corrects-itself", "n": 3, "max_tokens": 6}
    for budget, allowed in ((20, False), (30, True)):
        key = running.new_key(max_budget=budget)
        with running.http(key) as http:
            answer = http.post(path, json=body)
        assert (answer.status_code == 200) is allowed, answer.text
        spent = running.get(f"/key/info?key={key}")["spend"]
        assert spent == (30 if allowed else 0)


def test_answers_that_the_configuration_asks_for_count_as_the_clients_own(running: Gateway) -> None:
    body: dict[str, Any] = {"model": "four", "messages": [{"role": "user", "content": "Hi"}]}
    with running.http(running.new_key(rpm_limit=3)) as http:
        assert http.post("/v1/chat/completions", json=body).status_code == 429
        assert http.post("/v1/chat/completions", json={**body, "n": 2}).status_code == 200
    with running.http(running.new_key(rpm_limit=4)) as http:
        assert len(http.post("/v1/chat/completions", json=body).json()["choices"]) == 4


def test_a_key_may_be_limited_to_a_wildcard(running: Gateway) -> None:
    key = running.new_key(models=["replicate/*"], max_budget=3)
    assert running.ask(key, "chat").status_code == 404
    paid = running.ask(key, "replicate/acme/chat")
    assert (paid.status_code, paid.headers["x-litellm-response-cost"]) == (200, "5")
    eventually(lambda: running.ask(key, "replicate/acme/chat").status_code == 429)


def test_embeddings(running: Gateway) -> None:
    """As many predictions as the model needs for the texts are reserved, and paid."""
    texts = ["abcd"] * 3
    path = "/v1/embeddings"
    fanned_out = Asked(running, path, model="embeds", input=texts)
    assert (
        fanned_out.answer.status_code == 200
        and fanned_out.cost_header == 3.0
        and fanned_out.paid() == (3.0, 3)
    )
    at_once = Asked(running, path, model="embeds-lists", input=texts)
    assert at_once.answer.status_code == 200, at_once.answer.text
    assert at_once.cost_header == 3.0 and at_once.paid() == (3.0, 1)
    assert at_once.answer.json()["usage"] == {"prompt_tokens": 3, "total_tokens": 3, "cost": 3.0}
    fallen_back = Asked(running, path, model="embeds-nothing", input="abcd")
    assert fallen_back.answer.json()["model"] == "embeds" and fallen_back.paid() == (2.0, 2)
    one = {"max_parallel_requests": 1, "tpm_limit": 1000}
    with running.http(running.new_key(**one)) as http:
        assert http.post(path, json={"model": "embeds-lists", "input": texts}).status_code == 200
        refused = http.post(path, json={"model": "embeds", "input": texts})
        assert refused.status_code == 429 and "3 predictions" in refused.text
