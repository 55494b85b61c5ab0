"""The first table of docs/agents.md tells of the clients that are tested, and of no other."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from tests.gateway.agents.clients import CLIENTS, Client, table

PAGE = Path(__file__).parents[3] / "docs" / "agents.md"


def test_the_table_is_current() -> None:
    assert table() in PAGE.read_text(), "python -m tests.gateway.agents.clients prints it"


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_each_client_has_its_test(client: Client) -> None:
    module, _, name = client.test.partition("::")
    assert callable(getattr(importlib.import_module(f"tests.gateway.agents.{module}"), name))
