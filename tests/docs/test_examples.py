"""Each program of examples/ runs as it stands, against the stand-in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from areplicate.local import LocalReplicate
from tests import forked

ROOT = Path(__file__).parents[2]
PROGRAMS = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_it_runs(program: Path, tmp_path: Path) -> None:
    with LocalReplicate(create_per_minute=60_000) as replicate:
        ran = forked.run(
            str(program),
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "REPLICATE_API_KEY": "r8_example",
                "REPLICATE_API_BASE": replicate.api_base,
                "AREPLICATE_CACHE_DIR": "off",
            },
            timeout=120,
        )
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout and "Traceback" not in ran.stderr
        assert replicate.predictions and not replicate.running()


def test_readme_lists_them_all() -> None:
    listed = (ROOT / "examples" / "README.md").read_text()
    assert len(PROGRAMS) >= 10
    for program in PROGRAMS:
        assert f"`{program.name}`" in listed
