"""The gateway does what its own OpenAPI document says: every field of every request, right and wrong in each way."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gateway.test_fuzz import keeps_to_its_document

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def test_it_keeps_to_its_document_in_each_field(tmp_path: Path) -> None:
    keeps_to_its_document(tmp_path, "--phases", "coverage,fuzzing", "--max-examples", "25")
