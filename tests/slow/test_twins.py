"""Two processes with two routers each on one account: nobody's prediction is cancelled for another, none is left."""

from __future__ import annotations

import pytest

from tests.twins import twins

pytestmark = pytest.mark.slow


def test_ten_thousand_equal_prompts_from_four_routers() -> None:
    ledger = twins(10_000, seed=1)
    print(f"\n{ledger}")
    assert ledger.clean, f"\n{ledger}"
