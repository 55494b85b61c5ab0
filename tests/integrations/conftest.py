"""The suites of other projects that run here."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """LangChain's standard tests take most of a second to import: where they are not run, they are not collected."""
    left_out = "not integration" in config.option.markexpr
    return True if left_out and collection_path.name == "test_langchain.py" else None


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
