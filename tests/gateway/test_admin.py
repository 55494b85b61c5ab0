"""Changing keys, who did it, what each role may, and the account of what was spent; restarts, and older databases."""

from __future__ import annotations

import datetime
import gc
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from areplicate.gateway.accounts.dialects import SQLite
from areplicate.gateway.accounts.tables import create_tables
from areplicate.gateway.accounts.transaction import Transaction
from areplicate.gateway.config.settings import DatabaseSettings
from areplicate.local import LocalModel, LocalReplicate
from areplicate.local.components import component_schemas
from tests.gateway.postgres import Postgres
from tests.gateway.process import ENVIRONMENT, ROOT, Gateway, config_for, entry, gateway, priced
from tests.waiting import eventually

pytestmark = pytest.mark.filterwarnings("ignore")


def post(running: Gateway, path: str, status: int = 200, **body: Any) -> Any:
    with running.http() as http:
        answer = http.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_a_budget_is_raised_without_a_new_key(running: Gateway) -> None:
    key = running.new_key(max_budget=5)
    assert [running.ask(key).status_code for _ in range(2)] == [200, 429]
    changed = post(running, "/key/update", key=key, max_budget=8, metadata={"team": "a"}, key_alias="raised")
    assert (changed["max_budget"], changed["metadata"], changed["key_alias"]) == (8, {"team": "a"}, "raised")
    assert [running.ask(key).status_code for _ in range(2)] == [200, 429]
    assert post(running, "/key/update", key=key, max_budget=None)["max_budget"] is None
    assert running.ask(key).status_code == 200
    assert running.get(f"/key/info?key={key}")["spend"] == pytest.approx(15)
    post(running, "/key/update", key=key, max_budget=12)
    assert running.ask(key).status_code == 429, "what it spent without a budget counts"
    post(running, "/key/update", key=key, max_budget=None)
    for wrong in ({"max_budget": -1}, {"models": ["nothing"]}, {"models": None}, {"colour": "red"}):
        post(running, "/key/update", 400, key=key, **wrong)
    post(running, "/key/update", 404, key="key-none", max_budget=1)
    assert post(running, "/key/update", key=key)["max_budget"] is None, "nothing is changed"
    assert running.get("/health/readiness", None) == {"status": "ready"}


def test_a_budget_renews(running: Gateway) -> None:
    key = running.new_key(max_budget=5, budget_duration="3s")
    assert [running.ask(key).status_code for _ in range(2)] == [200, 429]
    eventually(lambda: running.ask(key).status_code == 200, 6)
    info = running.get(f"/key/info?key={key}")
    assert (info["budget_duration"], info["spend"]) == ("3s", pytest.approx(5))
    assert info["budget_resets_at"] > time.time() - 1


def test_tokens_a_minute(running: Gateway) -> None:
    running.ask()  # five tokens are usual
    key = running.new_key(tpm_limit=10)
    statuses = [running.ask(key).status_code for _ in range(4)]
    assert statuses[0] == 200 and statuses[-1] == 429
    refused = running.ask(key)
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert "tpm_limit of this key allows 10 tokens a minute" in refused.json()["error"]["message"]


def test_predictions_are_counted_and_not_requests(running: Gateway, local: LocalReplicate) -> None:
    """One request of many prompts with many answers each is as many predictions as it pays for."""
    before = local.counts["create"]
    for limits in ({"rpm_limit": 4}, {"max_parallel_requests": 4}, {"max_budget": 20}):
        key = running.new_key(**limits)
        body = {"model": "chat", "prompt": ["Hi"] * 4, "n": 8, "max_tokens": 5}
        with running.http(key) as http:
            refused = http.post("/v1/completions", json=body)
            assert (refused.status_code, refused.headers["x-should-retry"]) == (429, "false"), refused.text
            assert (
                http.post("/v1/completions", json={**body, "prompt": ["Hi"] * 2, "n": 2}).status_code == 200
            )
    assert local.counts["create"] - before == 3 * 4
    assert running.get(f"/spend/logs?api_key={key}&status=200")["data"][0]["predictions"] == 4


def test_several_predictions_are_held_to_the_limit_that_is_sent(running: Gateway) -> None:
    key = running.new_key(max_budget=40)
    several: Any = {"n": 8, "max_tokens": 4}
    refused = running.ask(key, **several, additional_drop_params=["max_tokens"])
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "insufficient_quota")
    assert running.ask(key, **several).status_code == 200


def test_several_predictions_without_a_limit_are_held_to_the_configurations_or_the_models_own(
    tmp_path: Path,
) -> None:
    long = component_schemas(
        {
            "properties": {
                "prompt": {"type": "string"},
                "max_tokens": {"type": "integer", "default": 4000, "minimum": 1},
            },
            "required": ["prompt"],
        },
        {"type": "array", "items": {"type": "string"}, "x-cog-array-type": "iterator"},
    )
    models = (LocalModel(owner="acme", name="long", schema=long), LocalModel(owner="acme", name="usual"))
    with LocalReplicate(models) as local:
        config = priced(local, models)
        info = {"output_cost_per_token": 1.0}
        config["model_list"].append(entry(local, "generous", "acme/usual", info=info, max_tokens=4000))
        with gateway(config, tmp_path) as running:
            key = running.new_key(max_budget=3000)
            for model, status in (("long", 429), ("generous", 429), ("usual", 200)):
                assert running.ask(key, model=model, n=2).status_code == status, model
                assert running.ask(key, model=model, n=2, max_tokens=9).status_code == 200
            body = {"model": "long", "prompt": ["a", "b"]}
            with running.http(key) as http:
                assert http.post("/v1/completions", json=body).status_code == 429


def test_a_new_token_for_a_key(running: Gateway) -> None:
    old = running.new_key(rpm_limit=2, key_alias="kept")
    assert running.ask(old).status_code == 200
    new = post(running, "/key/regenerate", key=old)
    assert (new["key_alias"], new["key_name"][-4:]) == ("kept", new["key"][-4:])
    assert running.ask(old).status_code == 401
    assert [running.ask(new["key"]).status_code for _ in range(2)] == [200, 429], "its minute goes on"


@pytest.mark.parametrize("route, field", [("regenerate", "key"), ("delete", "keys")])
def test_of_several_who_take_a_token_at_once_one_does(running: Gateway, route: str, field: str) -> None:
    """The others are not told that they have a new token, which would be none by then; nor are they in the audit."""
    key = running.new_key()
    key_id = running.get(f"/key/info?key={key}")["key_id"]

    def ask(_: int) -> httpx.Response:
        with running.http() as http:
            return http.post(f"/key/{route}", json={field: [key] if field == "keys" else key})

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, range(8)))
    assert sorted(answer.status_code for answer in answers) == [200, *[404] * 7]
    assert [entry["action"] for entry in running.get(f"/key/audit?key={key_id}")["data"]] == [
        route,
        "generate",
    ]


def test_who_did_what(running: Gateway) -> None:
    key = running.new_key(max_budget=5)
    key_id = running.get(f"/key/info?key={key}")["key_id"]
    post(running, "/key/update", key=key, max_budget=7)
    post(running, "/key/block", key=key_id)
    post(running, "/key/regenerate", key=key_id)
    post(running, "/key/delete", keys=[key_id])
    rows = running.get(f"/key/audit?key={key_id}")["data"]
    assert [row["action"] for row in rows] == ["delete", "regenerate", "block", "update", "generate"]
    assert rows[3]["changed"] == {"max_budget": 7} and rows[2]["changed"] == {"blocked": True}
    assert {(row["actor"], row["address"]) for row in rows} == {("master key", "127.0.0.1")}
    assert all(row["request_id"] in running.log() for row in rows)
    audit = str(rows)
    assert key not in audit and "hash" not in audit


def test_roles(running: Gateway) -> None:
    metrics, health = running.new_key(role="metrics"), running.new_key(role="health")
    for key, path, other in ((metrics, "/metrics", "/health"), (health, "/health", "/metrics")):
        with running.http(key) as http:
            assert http.get(path).status_code == 200
            for refused in (other, "/key/list", "/spend/logs", "/v1/models"):
                assert http.get(refused).status_code == 403, refused
        assert running.ask(key).status_code == 403
    with running.http(running.new_key()) as http:
        assert http.get("/metrics").status_code == 403
    post(running, "/key/generate", 400, role="master")


def test_spend_by_day_and_filters(running: Gateway) -> None:
    key = running.new_key()
    key_id = running.get(f"/key/info?key={key}")["key_id"]
    for model in ("chat", "chat", "fails"):
        request_id = running.ask(key, model).headers["x-request-id"]
    today = datetime.datetime.now(datetime.timezone.utc).date()
    tomorrow = today + datetime.timedelta(1)

    def logs(query: str) -> list[Any]:
        found: list[Any] = running.get(f"/spend/logs?key_id={key_id}&{query}")["data"]
        return found

    assert len(logs("model=chat")) == 2
    assert len(logs("status=500")) == 1
    assert [row["model"] for row in logs(f"request_id={request_id}")] == ["fails"]
    assert len(logs(f"start_date={today}&end_date={today}")) == 3
    assert logs(f"start_date={tomorrow}") == [] and logs(f"end_date={today - datetime.timedelta(1)}") == []
    first = running.get(f"/spend/logs?api_key={key}&limit=2")
    second = running.get(f"/spend/logs?api_key={key}&limit=2&page={first['next_page']}")
    assert (len(first["data"]), len(second["data"]), "next_page" in second) == (2, 1, False)
    by_day = running.get(f"/spend/models?by=day&key_id={key_id}&start_date={today}")["data"]
    assert [(row["day"], row["model"], row["requests"]) for row in by_day] == [
        (str(today), "chat", 2),
        (str(today), "fails", 1),
    ]
    assert running.get(f"/spend/keys?start_date={tomorrow}")["data"] == []
    with running.http() as http:
        for wrong in ("start_date=soon", "colour=red", "limit=0", "status=9", "end_date=2026-13-01"):
            assert http.get(f"/spend/logs?{wrong}").status_code == 400, wrong


def test_a_blocked_key_is_blocked_elsewhere_within_five_seconds(
    local: LocalReplicate, database: Postgres, tmp_path: Path
) -> None:
    config = config_for(local, database_url=database.url)
    with gateway(config, tmp_path / "a") as a, gateway(config, tmp_path / "b") as b:
        key = a.new_key()
        assert b.ask(key).status_code == 200
        post(a, "/key/block", key=key)
        assert a.ask(key).status_code == 403
        eventually(lambda: b.ask(key).status_code == 403, 5)


def test_a_restart_forgets_no_minute_and_no_budget(local: LocalReplicate, tmp_path: Path) -> None:
    with gateway(priced(local), tmp_path) as running:
        key, poor = running.new_key(rpm_limit=3), running.new_key(max_budget=5)
        assert [running.ask(key).status_code for _ in range(3)] == [200] * 3
        assert running.ask(poor).status_code == 200
        assert running.stop() == 0
    with gateway(priced(local), tmp_path) as running:
        assert [running.ask(each).status_code for each in (key, poor)] == [429, 429]


def test_a_gateway_whose_clock_is_wrong_counts_by_the_databases(
    local: LocalReplicate, database: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = "import time\nright = time.time\ntime.time = lambda: right() - 3600\n"
    late += f"open({str(tmp_path / 'is late')!r}, 'w').close()\n"
    (tmp_path / "sitecustomize.py").write_text(late)
    monkeypatch.setitem(ENVIRONMENT, "PYTHONPATH", f"{tmp_path}:{ROOT}")
    config = config_for(local, database_url=database.url)
    # A forked one has begun before: who says `before` starts an interpreter, which reads the file.
    with gateway(config, tmp_path / "late", before=lambda: None) as running:
        assert (tmp_path / "is late").exists()
        key = running.new_key(duration="2s", rpm_limit=100)
        assert abs(running.get(f"/key/info?key={key}")["expires_at"] - time.time()) < 10
        assert running.ask(key).status_code == 200
        assert abs(running.get(f"/spend/logs?api_key={key}")["data"][0]["at"] - time.time()) < 10
        eventually(lambda: running.ask(key).status_code == 401, 6)


def test_a_database_of_another_version_is_left_alone(tmp_path: Path) -> None:
    transaction = Transaction(SQLite(f"{tmp_path}/db", DatabaseSettings()).open(), 0.0, is_sqlite=True)
    create_tables(transaction)
    create_tables(transaction)
    transaction.execute("INSERT INTO areplicate_schema VALUES (99)")
    with pytest.raises(RuntimeError, match="version 99.*database_url"):
        create_tables(transaction)


def test_no_statement_is_kept_with_its_values_until_garbage_is_looked_for(tmp_path: Path) -> None:
    """They may be stored conversations of megabytes."""
    transaction = Transaction(SQLite(f"{tmp_path}/db", DatabaseSettings()).open(), 0.0, is_sqlite=True)
    gc.collect()
    assert transaction.value("SELECT :text IN :texts", text="a", texts=["b", "a"]) == 1
    assert gc.collect() == 0


def test_tokens_or_seconds_is_for_replicate_to_say(tmp_path: Path) -> None:
    """A published price for tokens holds for official models; a price by the second of one is doubted."""
    models = [
        LocalModel(owner="meta", name="llama-2-7b-chat", reply=["a", "b"], run_seconds=0.05),
        LocalModel(owner="meta", name="llama-2-13b-chat", reply=["a", "b"], run_seconds=0.05, official=False),
    ]
    with LocalReplicate(models=models) as local:
        entries: dict[str, tuple[str, dict[str, str]]] = {
            "official": (models[0].full_name, {}),
            "community": (models[1].full_name, {}),
            "doubtful": (models[0].full_name, {"hardware": "gpu-t4"}),
        }
        config = config_for(local)
        config["model_list"] = [
            entry(local, name, model, info=info) for name, (model, info) in entries.items()
        ]
        with gateway(config, tmp_path) as running:
            eventually(lambda: "is not an official model (any more)" in running.log())
            assert "is an official model, billed by the token" in running.log()
            assert running.ask(model="official").json()["usage"]["cost"] > 0
            assert running.ask(model="community").json()["usage"]["cost"] is None
            assert running.ask(running.new_key(max_budget=1), "community").status_code == 403


def test_a_new_limit_is_added_in_three_places() -> None:
    """The struct, the way that it is counted: columns, API and command line follow."""
    from areplicate.gateway.accounts.keys import Key, KeyLimits
    from areplicate.gateway.accounts.transaction import definitions
    from areplicate.gateway.api.keys import KeyChanges, KeyShown, NewKey

    columns = [column.partition(" ")[0] for column in definitions(Key)]
    for field in KeyLimits.__struct_fields__:
        assert field in columns
        for struct in (NewKey, KeyChanges, KeyShown):
            assert field in struct.__struct_fields__
