"""Keys, their limits, and the account of what was spent, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from areplicate.local import LocalReplicate
from tests.gateway.postgres import Postgres
from tests.gateway.process import DOLLAR_A_TOKEN, HI, Gateway, config_for, entry, gateway, priced
from tests.waiting import eventually

pytestmark = pytest.mark.filterwarnings("ignore")


def logged(running: Gateway, answer: httpx.Response) -> Any:
    """What its log says of a request."""
    lines = map(json.loads, running.log().splitlines())
    return next(line for line in lines if line.get("request_id") == answer.headers["x-request-id"])


def info(running: Gateway, key: str) -> Any:
    return running.get(f"/key/info?key={key}")


def test_a_key_from_its_making_to_its_end(running: Gateway) -> None:
    with running.http() as http:
        made = http.post("/key/generate", json={"key_alias": "team", "metadata": {"a": 1}}).json()
        key, key_id = made["key"], made["key_id"]
        assert running.ask(key).status_code == 200
        listed = next(each for each in http.get("/key/list").json()["keys"] if each["key_id"] == key_id)
        assert "key" not in listed and listed["key_alias"] == "team" and listed["metadata"] == {"a": 1}
        assert listed["key_name"].endswith(key[-4:])
        assert http.post("/key/block", json={"key": key}).json()["blocked"] is True
        refused = running.ask(key)
        assert (refused.status_code, logged(running, refused)["key_id"]) == (403, key_id)
        http.post("/key/unblock", json={"key": key_id})
        assert running.ask(key).status_code == 200
        assert http.post("/key/delete", json={"keys": [key]}).json() == {"deleted_keys": [key_id]}
        assert running.ask(key).status_code == 401
        assert http.post("/key/delete", json={"keys": [key]}).status_code == 404


def test_only_its_models(running: Gateway) -> None:
    key = running.new_key(models=["chat"])
    assert running.ask(key).status_code == 200
    refused = running.ask(key, "boots")
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "model_not_found")
    assert [model["id"] for model in running.get("/v1/models", key)["data"]] == ["chat"]
    with running.http() as http:
        assert http.post("/key/generate", json={"models": ["nothing"]}).status_code == 400


def test_it_expires(running: Gateway) -> None:
    key = running.new_key(duration="2s")
    assert running.ask(key).status_code == 200
    eventually(lambda: running.ask(key).status_code == 401)
    refused = running.ask(key)
    assert "expired" in refused.text and logged(running, refused)["key_id"] is not None


def test_keys_see_themselves_and_no_others(running: Gateway) -> None:
    mine, other = running.new_key(), running.new_key()
    assert running.get("/key/info", mine)["key_name"].endswith(mine[-4:])
    with running.http(mine) as http:
        assert http.get(f"/key/info?key={other}").status_code == 403
        for method, path in (
            ("POST", "/key/generate"),
            ("GET", "/key/list"),
            ("POST", "/key/delete"),
            ("POST", "/key/block"),
            ("GET", "/spend/keys"),
            ("GET", "/spend/logs"),
            ("GET", "/metrics"),
        ):
            assert http.request(method, path, json={} if method == "POST" else None).status_code == 403


def test_requests_a_minute(running: Gateway) -> None:
    key = running.new_key(rpm_limit=3)
    answers = [running.ask(key) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert 50 <= int(answers[-1].headers["Retry-After"]) <= 60, "SDKs keep to no longer one"
    assert answers[-1].json()["error"]["code"] == "rate_limit_exceeded"


def test_requests_at_once(running: Gateway) -> None:
    key = running.new_key(max_parallel_requests=2)
    with ThreadPoolExecutor(5) as threads:
        statuses = [
            answer.status_code for answer in threads.map(lambda _: running.ask(key, "patient"), range(5))
        ]
    assert sorted(statuses) == [200, 200, 429, 429, 429]
    for _ in range(5):  # one after the other is no two at once
        assert running.ask(running_key := key).status_code == 200, running_key


def test_a_budget_is_not_passed(running: Gateway) -> None:
    key = running.new_key(max_budget=12)  # two completions, and a third while a little is left
    running.ask(key)
    eventually(lambda: info(running, key)["spend"] == pytest.approx(5))
    statuses = [running.ask(key).status_code for _ in range(4)]
    assert statuses == [200, 200, 429, 429]
    refused = running.ask(key)
    assert refused.json()["error"]["code"] == "insufficient_quota"
    assert refused.headers["x-should-retry"] == "false"
    assert info(running, key)["spend"] == pytest.approx(15)


def test_a_budget_holds_against_many_at_once(running: Gateway) -> None:
    running.ask()  # what a completion costs is known from here on
    key = running.new_key(max_budget=20)
    with ThreadPoolExecutor(16) as threads:
        statuses = list(threads.map(lambda _: running.ask(key).status_code, range(16)))
    assert 1 <= statuses.count(200) <= 5
    assert info(running, key)["spend"] <= 25


def test_leaving_early_is_paid(running: Gateway, local: LocalReplicate) -> None:
    key = running.new_key(max_budget=1000)
    with running.http(key) as http:
        body = {"model": "slow", "messages": HI, "stream": True}
        with http.stream("POST", "/v1/chat/completions", json=body) as answer:
            next(answer.iter_lines())
    eventually(lambda: info(running, key)["spend"] > 0)
    eventually(lambda: not local.running())
    poor = running.new_key(max_budget=20)
    with running.http(poor) as http, http.stream("POST", "/v1/chat/completions", json=body):
        assert running.ask(poor, "slow").status_code == 429, "who leaves early has shown nobody what is usual"


def test_every_request_is_in_the_account(running: Gateway) -> None:
    key = running.new_key()
    key_id = info(running, key)["key_id"]
    running.ask(key)
    running.ask(key, "fails")
    rows = running.get(f"/spend/logs?key_id={key_id}")["data"]
    assert [(row["model"], row["status"]) for row in rows] == [("fails", 500), ("chat", 200)]
    row = rows[1]
    assert row["upstream_model"] == "replicate/acme/chat" and row["prediction_id"]
    assert (row["completion_tokens"], row["cost"]) == (5, 5.0)
    assert row["run_s"] > 0 and row["queue_s"] >= 0 and row["boot_s"] == 0
    sums = {row["key_id"]: row for row in running.get("/spend/keys")["data"]}
    assert sums[key_id]["requests"] == 2 and sums[key_id]["cost"] >= 5
    assert any(row["model"] == "chat" for row in running.get("/spend/models")["data"])


def test_names_are_no_sql(running: Gateway) -> None:
    nasty = "x'; DROP TABLE areplicate_keys; --"
    key = running.new_key(key_alias=nasty, metadata={nasty: nasty})
    assert info(running, key)["key_alias"] == nasty
    with running.http() as http:
        assert http.get("/key/info", params={"key": nasty}).status_code == 404
        assert http.get("/spend/logs", params={"key_id": nasty}).json() == {"data": []}
        assert http.get("/spend/logs", params={"key_id": "a\0"}).status_code == 400
        assert http.get("/key/info", params={"key": "a\0"}).status_code == 400
        refused = http.post("/key/generate", json={"key_alias": "a\0", "duration": "30d"})
        assert refused.json()["error"]["message"] == "key_alias must be a string without NUL characters."
        refused = http.post("/key/generate", json={"duration": "soon"})
        assert "must be a duration such as 45s, 90m, 12h, 30d or 1mo." in refused.text
    assert running.ask(nasty).status_code == 401
    assert running.ask(key).status_code == 200


def test_tokens_are_kept_nowhere(local: LocalReplicate, tmp_path: Path) -> None:
    with gateway(config_for(local), tmp_path) as running:
        key = running.new_key()
        assert running.ask(key).status_code == 200
        assert running.stop() == 0
        assert key not in running.log()
    database = sqlite3.connect(tmp_path / "areplicate.db")
    dump = "\n".join(database.iterdump())
    database.close()
    assert key not in dump and "areplicate_usage" in dump


def test_gateways_that_share_a_database_share_the_limits(
    local: LocalReplicate, database: Postgres, tmp_path: Path
) -> None:
    config = priced(local, database_url=database.url)
    with gateway(config, tmp_path / "a") as a, gateway(config, tmp_path / "b") as b:
        both = [a, b] * 6
        a.ask(), b.ask()
        keys = [a.new_key(rpm_limit=5), b.new_key(max_parallel_requests=3), a.new_key(max_budget=20)]
        with ThreadPoolExecutor(12) as threads:

            def served(key: str, model: str) -> int:
                return list(threads.map(lambda one: one.ask(key, model).status_code, both)).count(200)

            assert served(keys[0], "chat") == 5
            assert served(keys[1], "patient") == 3
            assert 1 <= served(keys[2], "chat") <= 5
        shown = [
            (a if one is b else b).get(f"/key/info?key={key}")
            for one, key in zip((a, b, a), keys, strict=True)
        ]
        assert shown[2]["spend"] <= 25
        requests = {row["key_id"]: row["requests"] for row in a.get("/spend/keys")["data"]}
        assert [requests[key["key_id"]] for key in shown] == [12, 12, 12]


def test_who_answered_and_what_it_cost(local: LocalReplicate, tmp_path: Path) -> None:
    fallbacks: dict[str, list[str]] = {"fails": ["chat"], "gone": ["chat"], "replicate/*": ["gone", "chat"]}
    fallbacks["boots"] = ["replicate/acme/chat"]
    models = {
        "chat": "acme/chat",
        "fails": "acme/fails",
        "boots": "acme/gone",
        "gone": "acme/gone",
        "replicate/*": "*",
    }
    config = {
        **config_for(local),
        "model_list": [entry(local, *each, info=DOLLAR_A_TOKEN) for each in models.items()],
        "litellm_settings": {"fallbacks": [{name: others} for name, others in fallbacks.items()]},
    }
    with gateway(config, tmp_path) as running:
        assert json.dumps(list(models)).replace(" ", "") in running.log(), "its first line names all"
        key = running.new_key()
        whole = running.ask(key, "fails")
        assert (whole.status_code, whole.json()["model"]) == (200, "chat"), "it says who answered"
        assert whole.json()["usage"]["cost"] == 7.0, "the two tokens of the model that failed are billed, too"
        assert float(whole.headers["x-litellm-response-cost"]) == 7.0
        streamed = running.ask(key, "gone", stream=True, stream_options={"include_usage": True}).text
        assert '"cost":5.0' in streamed and '"model":"chat"' in streamed and '"model":"gone"' not in streamed
        rows = running.get("/spend/logs")["data"]
        assert [(row["model"], row["answered_by"]) for row in rows] == [("gone", "chat"), ("fails", "chat")]
        by_wildcard = running.ask(key, "replicate/acme/fails").json()
        assert (by_wildcard["model"], by_wildcard["usage"]["cost"]) == ("chat", 7.0)
        assert running.ask(key, "boots").json()["model"] == "replicate/acme/chat", (
            "which a wildcard stands for"
        )
        for only in ("replicate/*", "replicate/acme/fails"):
            refused = running.ask(running.new_key(models=[only]), "replicate/acme/fails")
            assert refused.status_code == 500, "and only a model that the key may use steps in"
        assert running.ask(running.new_key(models=["boots", "replicate/*"]), "boots").status_code == 200
        assert running.ask(running.new_key(models=["boots"]), "boots").status_code == 404
        cheap_only = running.new_key(models=["fails"])
        refused = running.ask(cheap_only, "fails")
        assert (refused.status_code, refused.json()["error"]["code"]) == (500, "prediction_failed")


def test_without_a_price(local: LocalReplicate, tmp_path: Path) -> None:
    config = config_for(local)
    del config["model_list"][0]["model_info"]
    with gateway(config, tmp_path) as running:
        assert "The price of replicate/acme/chat is not known" in running.log()
        answer = running.ask()
        assert answer.json()["usage"]["cost"] is None
        assert "x-litellm-response-cost" not in answer.headers
        assert running.get("/spend/logs")["data"][0]["cost"] is None
        assert running.get("/spend/models")["data"][0]["without_price"] == 1
        refused = running.ask(running.new_key(max_budget=1))
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "no_price")
        assert running.ask(running.new_key(rpm_limit=1)).status_code == 200


def test_a_key_with_a_budget_is_answered_by_nobody_without_a_price(
    local: LocalReplicate, tmp_path: Path
) -> None:
    """Neither by a fallback, nor by another model of the same name: what cannot be counted would be free."""
    config = config_for(local) | {"litellm_settings": {"fallbacks": [{"fails": ["chat"]}], "num_retries": 0}}
    del config["model_list"][0]["model_info"]
    config["model_list"].append(entry(local, "patient", "acme/other", info={}))
    with gateway(config, tmp_path) as running:
        budget = running.new_key(max_budget=1)
        failed = running.ask(budget, "fails")
        assert (failed.status_code, failed.json()["error"]["code"]) == (500, "prediction_failed")
        assert running.ask(running.new_key(rpm_limit=1), "fails").json()["model"] == "chat"
        refused = running.ask(budget, "patient")
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "no_price")


def test_models_that_must_be_looked_up_count(
    local: LocalReplicate, database: Postgres, tmp_path: Path
) -> None:
    """Whoever invents names of models would else ask Replicate as often as they like."""
    config = priced(local, database_url=database.url)
    config["model_list"].append(entry(local, "replicate/*", "*"))
    requests: dict[str, dict[str, Any]] = {
        "/v1/chat/completions": {"messages": HI, "an_input": 1},
        "/v1/completions": {"prompt": ["a", "b"], "an_input": 1},
        "/v1/messages": {"messages": HI, "max_tokens": 5, "an_input": 1},
        "/v1/embeddings": {"input": ["a", "b", "c"]},
    }
    with gateway(config, tmp_path) as running:
        for path, body in requests.items():
            with running.http(running.new_key(rpm_limit=2)) as http:
                looked_up = []
                for n in range(5):
                    before = len(local.requests)
                    asked = http.post(path, json={"model": f"replicate/acme/invented{path[4:8]}{n}", **body})
                    looked_up.append(len(local.requests) > before)
                assert 1 <= sum(looked_up) <= 2 and asked.status_code == 429, path
        # What is refused without a look-up does not count.
        assert running.ask(an_input=1).status_code == 400
        key = running.new_key(rpm_limit=1)
        extras: list[dict[str, Any]] = [{"an_input": 1}, {"an_input": 2}, {}, {}]
        statuses = [running.ask(key, **extra).status_code for extra in extras]
        assert statuses == [400, 400, 200, 429]
