"""A gateway whose completions cost a dollar a token, on SQLite and on PostgreSQL, before a stand-in that has a module's
own `MODELS`; modules with needs of their own have their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from areplicate.local import LocalReplicate
from tests.gateway.postgres import Postgres, shared_server
from tests.gateway.process import MODELS, Gateway, gateway, priced


@pytest.fixture(scope="module")
def local(request: pytest.FixtureRequest) -> Iterator[LocalReplicate]:
    with LocalReplicate(models=getattr(request.module, "MODELS", MODELS)) as local:
        yield local


@pytest.fixture(scope="session")
def database() -> Iterator[Postgres]:
    with shared_server() as database:
        yield database


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def running(
    request: pytest.FixtureRequest, local: LocalReplicate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    general = {} if request.param == "sqlite" else {"database_url": request.getfixturevalue("database").url}
    with gateway(priced(local, **general), tmp_path_factory.mktemp("gateway")) as running:
        yield running
