from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what a module inherits from another project's suite and does not claim (`NOT_CLAIMED`)."""
    left_out = [
        item
        for item in items
        if isinstance(item, pytest.Function) and item.originalname in getattr(item.module, "NOT_CLAIMED", ())
    ]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
