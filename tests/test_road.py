"""How long the road of a warm call is, as `scripts/road.py` counts it."""

from __future__ import annotations

from tests.forked import ROOT, run


def test_a_warm_call_visits_few_files() -> None:
    counted = run(str(ROOT / "scripts" / "road.py"), "--library", "--list")
    assert counted.returncode == 0, counted.stdout + counted.stderr
