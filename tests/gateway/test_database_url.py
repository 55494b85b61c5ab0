"""What may stand in `database_url`."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import pytest

from areplicate.gateway.accounts.dialects import SQLite
from areplicate.gateway.config.database_url import DatabaseURL, parse_database_url
from areplicate.gateway.config.settings import DatabaseSettings

HOST = "postgresql://user:p%40ss@db.example:5432/name"


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("sqlite:////var/lib/keys.db", DatabaseURL(file="/var/lib/keys.db")),
        ("sqlite+aiosqlite:///keys%20.db", DatabaseURL(file="keys .db")),
        (HOST, DatabaseURL(conninfo=HOST)),
        (HOST.replace("postgresql", "postgres"), DatabaseURL(conninfo=HOST)),
        (HOST.replace("postgresql", "postgresql+asyncpg"), DatabaseURL(conninfo=HOST)),
        (
            f"{HOST}?sslmode=require&application_name=x",
            DatabaseURL(conninfo=f"{HOST}?sslmode=require&application_name=x"),
        ),
        (f"{HOST}?ssl=true", DatabaseURL(conninfo=f"{HOST}?sslmode=require")),
        (f"{HOST}?ssl=verify-full", DatabaseURL(conninfo=f"{HOST}?sslmode=verify-full")),
        (f"{HOST}?sslaccept=strict", DatabaseURL(conninfo=f"{HOST}?sslmode=verify-full")),
        (
            f"{HOST}?schema=llm&pgbouncer=true&connection_limit=3&connect_timeout=7&pool_timeout=1&socket_timeout=9",
            DatabaseURL(conninfo=HOST, schema="llm", connections=3, connect_timeout=7, statement_timeout=9),
        ),
        (
            f"{HOST}?prepared_statement_cache_size=0&command_timeout=4",
            DatabaseURL(conninfo=HOST, statement_timeout=4),
        ),
        (
            f"{HOST}?sslaccept=accept_invalid_certs",
            DatabaseURL(conninfo=f"{HOST}?sslmode=require"),
        ),
        (f"{HOST}?application_name=a://b", DatabaseURL(conninfo=f"{HOST}?application_name=a%3A%2F%2Fb")),
        ("postgresql://a:5432,b:5433/name", DatabaseURL(conninfo="postgresql://a:5432,b:5433/name")),
        (f"{HOST}?timeout=6", DatabaseURL(conninfo=HOST, connect_timeout=6)),
        (
            f"{HOST}?options=-c%20a%3D1%20-c%20b%3D2&password=a+b",  # libpq takes a plus for a plus
            DatabaseURL(conninfo=f"{HOST}?options=-c%20a%3D1%20-c%20b%3D2&password=a%2Bb"),
        ),
        (f"{HOST}?options=", DatabaseURL(conninfo=f"{HOST}?options=")),
        (
            f"{HOST}?ssl_min_protocol_version=tlsv1.2&tcp_user_timeout=9",
            DatabaseURL(conninfo=f"{HOST}?ssl_min_protocol_version=tlsv1.2&tcp_user_timeout=9"),
        ),
        (f"{HOST}?connect_timeout=0", DatabaseURL(conninfo=HOST)),
        (
            "postgresql:///name?host=/run/postgresql",
            DatabaseURL(conninfo="postgresql:///name?host=%2Frun%2Fpostgresql"),
        ),
        (
            "postgresql://a,b:5433/name?target_session_attrs=read-write",
            DatabaseURL(conninfo="postgresql://a,b:5433/name?target_session_attrs=read-write"),
        ),
    ],
)
def test_it_is_read(url: str, read: DatabaseURL) -> None:
    assert parse_database_url(url) == read


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("mysql://x", "must look like postgresql://"),
        ("postgresql:", "must look like"),
        ("sqlite://", "must look like"),
        ("sqlite:///:memory:", "must have the name of a file"),
        ("sqlite:///keys.db?mode=ro", "takes none"),
        (f"{HOST}?colour=red", "not known here: colour"),
        (
            f"{HOST}?b=1&a=1",
            "not known here: a, b. Those of libpq and Prisma are known: leave out the others.",
        ),
        (f"{HOST}?timeout=soon", "timeout is 'soon'; it must be a whole number."),
        (f"{HOST}?connection_limit=many", "connection_limit is 'many'"),
        (f"{HOST}?sslaccept=maybe", "sslaccept is 'maybe'"),
        (f"{HOST}?sslmode=banana", "sslmode is 'banana'; it must be one of disable, allow,"),
        (f"{HOST}?ssl=banana", "sslmode is 'banana'"),
        (f"{HOST}?target_session_attrs=x", "target_session_attrs is 'x'; it must be one of any, read-write,"),
        (f"{HOST}?channel_binding=", "channel_binding is ''; it must be one of disable, prefer, require."),
        (f"{HOST}?ssl_min_protocol_version=1.2", "must be one of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3."),
        (f"{HOST}?keepalives_idle=long", "keepalives_idle is 'long'; it must be a whole number."),
        ("postgresql://me:p%40ss@a,b:many/name", "has a port that is not a number"),
        ("postgresql://a:65536", "has a port that is not a number"),
        ("postgresql://me:p%40ss@[::1]:70000/name", "has a port that is not a number"),
        ("postgresql://me:p%40ss@[::1:5432/name", "half of an address's brackets"),
        *(
            (f"postgresql://me:p%40ss{raw}@a/name", "each %, @, /, ? and space")
            for raw in ("%x", "@", "/", " ", "?b")
        ),
    ],
)
def test_what_is_wrong_is_told_without_the_password(url: str, why: str) -> None:
    with pytest.raises(ValueError) as wrong:
        parse_database_url(url)
    assert why in str(wrong.value) and "p%40ss" not in str(wrong.value)


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux which files are open")
def test_a_file_that_cannot_be_used_is_not_kept_open(tmp_path: Path) -> None:
    (tmp_path / "keys.db").write_bytes(b"something else entirely" * 100)
    with pytest.raises(sqlite3.DatabaseError):
        SQLite(str(tmp_path / "keys.db"), DatabaseSettings()).open()
    files = [file.readlink() for file in Path("/proc/self/fd").iterdir() if file.exists()]
    assert tmp_path / "keys.db" not in files
