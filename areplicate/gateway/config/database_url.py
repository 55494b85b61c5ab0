"""What a database's URL says: SQLite or PostgreSQL, as libpq, Prisma, SQLAlchemy and asyncpg write it."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, unquote, urlencode

import msgspec

_SQLITE = ("sqlite", "sqlite+aiosqlite", "sqlite+pysqlite")
_POSTGRES = ("postgres", "postgresql")

_NEEDLESS = frozenset(
    (
        "pgbouncer",
        "statement_cache_size",
        "prepared_statement_cache_size",
        "prepared_statement_name_func",
        "prepare_threshold",
        "pool_timeout",
    )
)
"""What others need to get along with PgBouncer, which this gateway always does."""

_TLS_VERSIONS = "TLSv1 TLSv1.1 TLSv1.2 TLSv1.3"
_VALUES = {
    "sslmode": "disable allow prefer require verify-ca verify-full",
    "sslnegotiation": "postgres direct",
    "sslcertmode": "disable allow require",
    "ssl_min_protocol_version": _TLS_VERSIONS,
    "ssl_max_protocol_version": _TLS_VERSIONS,
    "gssencmode": "disable prefer require",
    "channel_binding": "disable prefer require",
    "target_session_attrs": "any read-write read-only primary standby prefer-standby",
    "load_balance_hosts": "disable random",
}
"""The values of libpq's parameters that have few of them."""
_NUMBERS = ("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout")
_SSL = {**dict.fromkeys(("true", "on", "1"), "require"), **dict.fromkeys(("false", "off", "0"), "disable")}
"""asyncpg's `ssl=` if it is not one of libpq's modes."""

_PART = r"(?:[^\s/@%]|%(?!00)[0-9A-Fa-f]{2})*"
_PLACE = re.compile(rf"(?:{_PART}@)?{_PART}(?:/{_PART})?")
"""User and password, hosts and name. libpq would repeat a password in its error about a character in it."""
_HOST = re.compile(r"(?:\[[^\[\]]+\]|[^\[\]:]*)(?::(\d*))?", re.ASCII)


class DatabaseURL(msgspec.Struct, frozen=True, kw_only=True):
    """Where keys and usage are kept. Times are in seconds; None means the gateway's own setting.

    Attributes:
        file: SQLite's file, if it is SQLite.
        conninfo: what libpq takes, if it is PostgreSQL.
        schema: where the tables are, in place of the user's own search path.
        connections: how many at most.
    """

    file: str | None = None
    conninfo: str = ""
    schema: str | None = None
    connections: int | None = None
    connect_timeout: float | None = None
    statement_timeout: float | None = None

    @property
    def quoted_schema(self) -> str | None:
        """The schema as SQL writes a name in which capitals and spaces count."""
        return None if self.schema is None else '"' + self.schema.replace('"', '""') + '"'


def parse_database_url(url: str) -> DatabaseURL:
    """Raises a `ValueError` that says what is wrong with it, without the password."""
    scheme, separator, rest = url.partition("://")
    if scheme in _SQLITE and rest.startswith("/"):
        return _sqlite(rest)
    if scheme.partition("+")[0] in _POSTGRES and separator and rest:
        return _postgres(rest)
    raise ValueError("must look like postgresql://user:password@host/name or sqlite:///file.db.")


def _sqlite(rest: str) -> DatabaseURL:
    path, _, query = rest.partition("?")
    if query:
        raise ValueError(f"has parameters ({query!r}), and a SQLite file takes none: leave them out.")
    file = unquote(path)[1:]
    if not file or file == ":memory:":
        raise ValueError("must have the name of a file: keys and usage must outlive the process.")
    return DatabaseURL(file=file)


def _postgres(rest: str) -> DatabaseURL:
    place, _, query = rest.partition("?")
    given = dict(parse_qsl(query.replace("+", "%2B"), keep_blank_values=True))  # to libpq a plus is a plus
    if not _PLACE.fullmatch(place) or any("@" in name for name in given):
        raise ValueError(
            "must have each %, @, /, ? and space of its user name and password as %25, %40, %2F, %3F and %20."
        )
    from psycopg.pq import Conninfo  # for SQLite it need not be imported

    libpq = {option.keyword.decode() for option in Conninfo.get_defaults()} - {"connect_timeout"}
    passed = {name: value for name, value in given.items() if name in libpq}
    own = {name: value for name, value in given.items() if name not in passed and name not in _NEEDLESS}
    _add_sslmode(passed, own)
    read = DatabaseURL(
        conninfo="?".join(filter(None, (f"postgresql://{place}", urlencode(passed, quote_via=quote)))),
        schema=own.pop("schema", None) or None,
        connections=_whole("connection_limit", own.pop("connection_limit", None)),
        connect_timeout=_seconds(own, "connect_timeout", "timeout"),
        statement_timeout=_seconds(own, "socket_timeout", "command_timeout"),
    )
    if own:
        unknown = ", ".join(sorted(own))
        raise ValueError(
            f"has parameters that are not known here: {unknown}. Those of libpq and Prisma are known: "
            "leave out the others."
        )
    _check(passed, place.rpartition("@")[2].partition("/")[0])
    return read


def _add_sslmode(passed: dict[str, str], own: dict[str, str]) -> None:
    """Takes asyncpg's and Prisma's words for libpq's `sslmode`."""
    if (ssl := own.pop("ssl", None)) is not None:
        passed.setdefault("sslmode", _SSL.get(ssl.lower(), ssl))
    if (accept := own.pop("sslaccept", None)) is not None:
        if accept not in ("strict", "accept_invalid_certs"):
            raise ValueError(f"sslaccept is {accept!r}; it must be strict or accept_invalid_certs.")
        passed["sslmode"] = "verify-full" if accept == "strict" else "require"


def _check(passed: dict[str, str], hosts: str) -> None:
    """Refuses at the start what libpq would refuse at each attempt to connect."""
    for name, value in passed.items():
        if name in _NUMBERS:
            _whole(name, value.strip())
        elif name in _VALUES and value.lower() not in (values := _VALUES[name]).lower().split():
            raise ValueError(f"{name} is {value!r}; it must be one of {values.replace(' ', ', ')}.")
    for host in hosts.split(","):
        found = _HOST.fullmatch(host)
        if found is None or int(found[1] or 0) >= 1 << 16:
            raise ValueError("has a port that is not a number up to 65535, or half of an address's brackets.")


def _seconds(own: dict[str, str], *names: str) -> float | None:
    """The first of them that is given; 0 means no limit, as for libpq and Prisma."""
    found = [_whole(name, own.pop(name)) for name in names if name in own]
    return float(found[0]) if found and found[0] else None


def _whole(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"{name} is {text!r}; it must be a whole number.")
    return int(text)
