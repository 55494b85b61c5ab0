"""The `areplicate` command as tests run it: in a process of its own, against a stand-in."""

from __future__ import annotations

import os
import subprocess
from typing import Any

from areplicate.local import LocalReplicate
from tests import forked
from tests.stage import KEY


def run(
    *arguments: str, local: LocalReplicate | None = None, piped: str | bytes = b"", **variables: Any
) -> subprocess.CompletedProcess[str]:
    given = piped.encode() if isinstance(piped, str) else piped
    return forked.run("areplicate", *arguments, env=environment(local, **variables), piped=given)


def environment(local: LocalReplicate | None, **variables: str) -> dict[str, str]:
    """This machine's, with the server and its key, if one is given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REPLICATE_")}
    there = {"REPLICATE_API_KEY": KEY, "REPLICATE_API_BASE": local.api_base} if local else {}
    return {**kept, **there, **variables}
