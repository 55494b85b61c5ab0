"""A gateway whose completions cost a dollar a token, on SQLite and on PostgreSQL; modules with needs of their own
have their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from areplicate.local import LocalReplicate
from tests.gateway.postgres import Postgres, server, share_a_cluster
from tests.gateway.process import MODELS, Gateway, gateway, priced


def pytest_collection_finish() -> None:
    share_a_cluster()  # before the processes that run the tests are forked


@pytest.fixture(scope="session")
def local() -> Iterator[LocalReplicate]:
    with LocalReplicate(models=MODELS) as local:
        yield local


@pytest.fixture(scope="session")
def database() -> Iterator[Postgres]:
    with server() as database:
        yield database


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def running(
    request: pytest.FixtureRequest, local: LocalReplicate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    config = priced(local)
    if request.param == "postgresql":
        config["general_settings"]["database_url"] = request.getfixturevalue("database").url
    with gateway(config, tmp_path_factory.mktemp("gateway")) as running:
        yield running
