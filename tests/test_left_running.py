"""What stays running is told where nobody set up a log: by a Python warning."""

from __future__ import annotations

import pytest

import areplicate
from areplicate import AsyncRouter
from areplicate.local import Faults, LocalModel, LocalReplicate
from tests.stage import HELLO, KEY

pytestmark = pytest.mark.anyio


async def test_a_prediction_that_cannot_be_cancelled_is_warned_of() -> None:
    slow = LocalModel(owner="meta", name="slow", boot_seconds=10_000)
    async with LocalReplicate([slow], faults=Faults(cancel_error=1.0)) as local:
        router = AsyncRouter(api_key=KEY, api_base=local.api_base)
        with pytest.raises(areplicate.Timeout):
            await router.acompletion("meta/slow", HELLO, timeout=10)
        with pytest.warns(areplicate.AreplicateWarning, match="(?i)may still be running") as caught:
            await router.aclose()
        assert next(iter(local.predictions)) in str(caught[0].message)
