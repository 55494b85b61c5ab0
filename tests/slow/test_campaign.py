"""Thousands of completions while everything goes wrong: every answer right, nothing paid twice or left."""

from __future__ import annotations

import pytest

from tests.campaign import campaign

pytestmark = [pytest.mark.slow, pytest.mark.anyio]


@pytest.mark.parametrize("seed", range(1, 5))
async def test_a_long_campaign_ends_with_a_clean_ledger(seed: int) -> None:
    ledger = await campaign(2500, seed)
    assert ledger.clean, ledger
