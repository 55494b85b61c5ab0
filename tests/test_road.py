"""How long the road of a warm call is, as `scripts/road.py` counts it."""

from __future__ import annotations

import asyncio
import runpy
from pathlib import Path

import areplicate
from areplicate.local import LocalModel, LocalReplicate

PACKAGE = Path(areplicate.__file__).parent
ROAD = runpy.run_path(str(PACKAGE.parent / "scripts" / "road.py"))


def test_a_warm_call_visits_few_files() -> None:
    owner, name = ROAD["MODEL"].split("/")
    with LocalReplicate([LocalModel(owner=owner, name=name, reply=["One", " word."])]) as local:
        road, _ = asyncio.run(ROAD["library_roads"](PACKAGE, local.api_base))
    files, changes = ROAD["LIMITS"]["completion"]
    assert len(road.files) <= files, road.files
    assert road.changes <= changes
