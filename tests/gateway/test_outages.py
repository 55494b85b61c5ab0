"""A database that is hung, gone, locked or full, and back again: who is served meanwhile, and that nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from areplicate.gateway.accounts.key_limits import Hold
from areplicate.gateway.accounts.keys import Key
from areplicate.gateway.errors import DatabaseUnavailable
from areplicate.local import LocalReplicate
from tests.gateway.postgres import Postgres, pgbouncer, server
from tests.gateway.process import Gateway, config_for, gateway
from tests.gateway.stores import MADE, opened
from tests.waiting import eventually

pytestmark = [pytest.mark.first(75), pytest.mark.filterwarnings("ignore")]
SECONDS = 8
"""Within which everybody is told, with the time-outs below."""
TIMEOUTS: dict[str, Any] = {
    "database_connect_timeout": 2,
    "database_statement_timeout": 2,
    "database_lock_timeout": 1,
}


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    with server() as database:
        yield database


@pytest.fixture(scope="module")
def running(
    local: LocalReplicate, database: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    config = config_for(local, **TIMEOUTS, database_url=database.url, store_responses=True)
    with gateway(config, tmp_path_factory.mktemp("outages")) as running:
        yield running


@contextmanager
def gone(database: Postgres) -> Iterator[None]:
    database.stop()
    try:
        yield
    finally:
        database.start()


@contextmanager
def locked(database: Postgres) -> Iterator[None]:
    with database.connect() as connection, connection.transaction():
        connection.execute("LOCK TABLE areplicate_keys IN ACCESS EXCLUSIVE MODE")
        yield


@contextmanager
def full(database: Postgres) -> Iterator[None]:
    """The table of usage cannot grow."""
    copies = (
        "SELECT md5(random()::text) || n, 0, null, 'x', null, null, null, null, 1, false, 200, 0,0,0,0,0,0, 0"
    )
    with database.connect() as connection:
        connection.execute(f"INSERT INTO areplicate_usage {copies} FROM generate_series(1, 10000) n".encode())
    size = database.rows("SELECT pg_relation_size('areplicate_usage')")[0][0]
    assert size > 1 << 20, "a file of the write-ahead log must still fit"
    database.limit_files(size)
    try:
        yield
    finally:
        database.limit_files(None)


Outage = Callable[[Postgres], AbstractContextManager[None]]


@pytest.mark.parametrize("outage", [Postgres.hanging, gone, locked, full])
def test_an_outage(running: Gateway, database: Postgres, outage: Outage) -> None:
    key, limited = (
        running.new_key(),
        running.new_key(rpm_limit=1000, max_parallel_requests=50, max_budget=100),
    )
    for each in (key, limited):
        assert running.ask(each).status_code == 200
    key_id = running.get(f"/key/info?key={key}")["key_id"]
    limited_id = running.get(f"/key/info?key={limited}")["key_id"]
    with outage(database):
        asked = 1
        eventually(lambda: running.ask(key).status_code == 200 and readiness(running) == 503, SECONDS)
        for _ in range(20 if outage is full else 5):
            began = time.monotonic()
            assert running.ask(limited).status_code == 200, "a key that was seen goes on"
            assert time.monotonic() - began < SECONDS
            asked += 1
        if outage is not full:
            began = time.monotonic()
            refused = running.ask("sk-never-seen-before")
            assert time.monotonic() - began < SECONDS
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "database_unavailable")
            with running.http() as http:
                assert http.post("/key/block", json={"key": key}).status_code == 503
        assert readiness(running) == 503
    eventually(lambda: readiness(running) == 200)
    assert running.ask(limited).status_code == 200
    rows = running.get(f"/spend/logs?key_id={limited_id}&limit=1000")["data"]
    assert [row["status"] for row in rows] == [200] * (asked + 1)
    assert running.get("/spend/logs?limit=1&key_id=" + key_id)["data"]
    info = running.get(f"/key/info?key={limited}")
    assert info["spend"] == pytest.approx(sum(row["cost"] for row in rows))
    in_flight = "SELECT count(*) FROM areplicate_holds WHERE ended_at IS NULL"
    eventually(lambda: database.rows(in_flight) == [(0,)], 40)


def test_a_table_that_is_missing_is_an_outage(running: Gateway, database: Postgres) -> None:
    """As one that this user may not see."""
    eventually(lambda: readiness(running) == 200)
    key = running.new_key(rpm_limit=1000)
    assert running.ask(key).status_code == 200
    noticed = running.log().count("the database does not answer")
    with database.connect() as connection:
        connection.execute("ALTER TABLE areplicate_usage RENAME TO elsewhere")
        try:
            eventually(lambda: readiness(running) == 503, SECONDS)
            # A usage row that cannot be written is enough for that; the keys' table is read until the next look.
            eventually(lambda: running.log().count("the database does not answer") > noticed, SECONDS)
            assert running.ask(key).status_code == 200
            strangers = (running.ask(f"sk-never-seen-{n}") for n in count())
            eventually(lambda: next(strangers).status_code == 503, SECONDS)
        finally:
            connection.execute("ALTER TABLE elsewhere RENAME TO areplicate_usage")
    eventually(lambda: readiness(running) == 200)
    key_id = running.get(f"/key/info?key={key}")["key_id"]
    assert [row["status"] for row in running.get(f"/spend/logs?key_id={key_id}")["data"]] == [200] * 2


@pytest.mark.parametrize("outage", [Postgres.hanging, gone])
def test_an_answer_that_cannot_be_kept_is_given_all_the_same(
    running: Gateway, database: Postgres, local: LocalReplicate, outage: Outage
) -> None:
    """It is paid: what is lost with the database is only that it can be gone on from."""
    eventually(lambda: readiness(running) == 200)
    key = running.new_key()

    def ask(stream: bool = False, **more: Any) -> Any:
        with running.http(key) as http:
            body = {"model": "chat", "input": "Hi", "stream": stream, **more}
            answer = http.post("/v1/responses", json=body)
        if answer.status_code != 200:
            return answer.status_code
        if not stream:
            return answer.json()
        return json.loads(answer.text.strip().rpartition("data: ")[2])["response"]

    kept = ask()
    assert kept["store"] is True
    with outage(database):
        for stream in (False, True):  # the first while the gateway does not know yet
            began = time.monotonic()
            unkept = ask(stream)
            assert time.monotonic() - began < SECONDS
            assert (unkept["status"], unkept["store"]) == ("completed", False)
            assert unkept["output"][0]["content"][0]["text"] == "Hello, dear world!"
            assert f"{unkept['id']} is not stored" in running.log()
        created = local.counts["create"]
        assert ask(previous_response_id=kept["id"]) == 503
        assert local.counts["create"] == created, "nothing is paid for what cannot be gone on from"
    eventually(lambda: readiness(running) == 200)
    assert ask(previous_response_id=kept["id"])["status"] == "completed"
    assert ask(previous_response_id=unkept["id"]) == 404


def readiness(running: Gateway) -> int:
    return running.status("/health/readiness")


def test_through_pgbouncer_in_transaction_mode(
    local: LocalReplicate, database: Postgres, tmp_path: Path
) -> None:
    with pgbouncer(database) as url:
        as_prismas_users = f"{url}?pgbouncer=true&connect_timeout=5&schema=gateway&connection_limit=4"
        config = config_for(local, database_url=as_prismas_users)
        with gateway(config, tmp_path) as running:
            keys = [running.new_key(rpm_limit=1000, max_budget=10) for _ in range(4)]
            for _ in range(10):
                for key in keys:
                    assert running.ask(key).status_code == 200
            assert [running.get(f"/key/info?key={key}")["rpm_limit"] for key in keys] == [1000] * 4
            sums = {row["key_id"]: row["requests"] for row in running.get("/spend/keys")["data"]}
            assert sorted(sums.values()) == [10] * 4
        assert database.rows("SELECT count(*) FROM gateway.areplicate_usage") == [(40,)]
        assert "Traceback" not in running.log()


def test_a_user_with_few_rights_few_connections_and_strange_defaults(database: Postgres) -> None:
    with database.connect() as connection:
        connection.execute("CREATE ROLE few LOGIN CONNECTION LIMIT 3")
        connection.execute('CREATE SCHEMA "Its own" AUTHORIZATION few')
        connection.execute("ALTER ROLE few SET client_encoding = SQL_ASCII")
        connection.execute("ALTER ROLE few SET default_transaction_isolation = serializable")
    url = f"{database.url.replace('tester', 'few')}?schema=Its%20own"

    async def use() -> None:
        async with opened(url) as store:
            await store.keys.add(Key(id="k", hash="h", hint="hint", created_at=0.0, rpm_limit=100), MADE)
            holds = [Hold(key_id="k", predictions=1, tokens=0, dollars=0.0) for _ in range(40)]
            await asyncio.gather(*map(store.admit, holds))

    asyncio.run(use())


def test_a_failover_leaves_no_connection_to_a_server_that_only_reads(database: Postgres) -> None:
    with database.connect() as connection:
        connection.execute("CREATE ROLE moved LOGIN")
        connection.execute("CREATE SCHEMA moved AUTHORIZATION moved")
    url = f"{database.url.replace('tester', 'moved')}?schema=moved"

    async def use() -> None:
        async with opened(url) as store:
            with database.connect() as connection:
                connection.execute("ALTER ROLE moved SET default_transaction_read_only = on")
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'moved'"
                )
                with pytest.raises(DatabaseUnavailable, match="read-only"):
                    await store.heartbeat(())
                connection.execute("ALTER ROLE moved RESET default_transaction_read_only")
            await store.heartbeat(())

    asyncio.run(use())


def test_a_sqlite_file_that_was_moved_away_is_an_outage(tmp_path: Path) -> None:
    """What is written to it from then on would be lost at the next start."""
    file = tmp_path / "its own.db"
    file.touch()

    async def use() -> None:
        async with opened(str(file), alone=True) as store:
            away = file.rename(tmp_path / "away.db")
            with pytest.raises(DatabaseUnavailable, match="was removed or replaced"):
                await store.heartbeat(())
            assert store.database.trouble is not None
            away.rename(file)
            await store.heartbeat(())
            assert store.database.trouble is None

    asyncio.run(use())


@pytest.mark.parametrize("busy", ["locked", "full"])
def test_sqlite(local: LocalReplicate, tmp_path: Path, busy: str) -> None:
    config = config_for(local, **TIMEOUTS, usage_rows_in_memory=20)
    file = tmp_path / "areplicate.db"
    with gateway(config, tmp_path) as running:
        key = running.new_key(rpm_limit=10_000, max_budget=100)
        assert running.ask(key).status_code == 200
        with _busy_sqlite(busy, file, running):
            eventually(lambda: running.ask(key).status_code == 200 and readiness(running) == 503)
            for _ in range(40):
                assert running.ask(key).status_code == 200
            eventually(lambda: bool(list(tmp_path.glob("areplicate-usage-*.jsonl"))))
        eventually(lambda: readiness(running) == 200)
        eventually(lambda: not list(tmp_path.glob("areplicate-usage-*.jsonl")))
        asked = running.log().count('"POST /v1/chat/completions 200"')
        assert len(running.get("/spend/logs?limit=1000")["data"]) == asked
        assert oct(file.stat().st_mode & 0o777) == "0o600"


@contextmanager
def _busy_sqlite(how: str, file: Path, running: Gateway) -> Iterator[None]:
    if how == "locked":
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        yield
        other.rollback()
        other.close()
        return
    most = 200_000
    pid = running.process.pid
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        other.execute("CREATE TABLE filler (content)")
        other.execute("INSERT INTO filler VALUES (zeroblob(?))", [most - 40_000])
    yield
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def test_rows_that_are_left_at_the_end_are_read_in_by_the_next_gateway(
    local: LocalReplicate, database: Postgres, tmp_path: Path
) -> None:
    config = config_for(local, **TIMEOUTS, database_url="postgresql://nobody@127.0.0.1:1/none")
    with gateway(config, tmp_path, ready=False) as running:
        for _ in range(3):
            assert running.ask().status_code == 200
        assert running.stop() == 0
    files = list(tmp_path.glob("areplicate-usage-*.jsonl"))
    assert len(files) == 1 and files[0].stat().st_mode & 0o777 == 0o600
    config["general_settings"]["database_url"] = f"{database.url}?schema=later"
    with gateway(config, tmp_path) as running:
        eventually(lambda: not list(tmp_path.glob("areplicate-usage-*.jsonl")))
        assert [row["status"] for row in running.get("/spend/logs")["data"]] == [200] * 3
        with database.hanging():
            assert running.ask().status_code == 200
            assert running.stop(timeout=60) == 0, "the end does not wait for what hangs"
        [left] = tmp_path.glob("areplicate-usage-*.jsonl")
        assert len(left.read_bytes().splitlines()) == 1


def test_two_gateways_on_one_sqlite_file_are_noticed(local: LocalReplicate, tmp_path: Path) -> None:
    config = config_for(local, database_url=f"sqlite:///{tmp_path}/shared.db")
    link = tmp_path / "link.db"
    link.symlink_to("shared.db")
    with gateway(config, tmp_path / "a") as first:
        config["general_settings"]["database_url"] = f"sqlite:///{link}"
        with gateway(config, tmp_path / "b", ready=False) as second:
            eventually(lambda: "another gateway uses" in second.log())
            assert readiness(second) == 503
            assert second.ask("sk-any").status_code == 503
            first.stop()
            eventually(lambda: readiness(second) == 200)
    for file in tmp_path.glob("shared.db*"):
        assert file.stat().st_mode & 0o077 == 0, file
