"""The numbers that README and docs promise are those of the code: neither changes without the other.

That the code keeps to its numbers is for the tests of the rooms.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from areplicate import balancer, router
from areplicate.bulk import map as bulk_map
from areplicate.chat import embeddings, media, params
from areplicate.gateway import descriptors, logs
from areplicate.gateway.accounts import auth, batch_store, counting, database, key_limits, reports, usage
from areplicate.gateway.batches import work
from areplicate.gateway.config import looks
from areplicate.gateway.config.settings import GeneralSettings
from areplicate.gateway.http import bodies, connections, events, listener, uploads
from areplicate.options import values
from areplicate.replicate import event_stream, limits, live, progress
from areplicate.replicate.protocol import platform_failures
from tests.recorded import traces

ROOT = Path(__file__).parents[2]
PAGES = {
    path: " ".join(path.read_text().split())
    for path in (ROOT / "README.md", ROOT / "areplicate" / "router.py", *ROOT.glob("docs/**/*.md"))
}
QUEUED: list[float] = [run["queued_s"] for run in traces()]
"""Seconds for which each of the recorded runs waited for a machine."""
WORDS = {1: "one", 2: "twice", 4: "four", 5: "five", 10: "ten", 100: "a hundred"}


def longer_than(seconds: float) -> float:
    """The share of the recorded runs that waited longer for a machine."""
    return sum(each > seconds for each in QUEUED) / len(QUEUED)


PROMISED: list[tuple[str, str, Any]] = [
    ("README.md", "up to `timeout` ({:g} minutes unless you say otherwise)", values.TIMEOUT / 60),
    ("README.md", "are asked again, at most {word}.", platform_failures.MOST_RETRIES),
    ("README.md", "rates ({:g} creations a minute: a thousand prompts", limits.CREATIONS_PER_MINUTE),
    ("README.md", "fails {word} times in a row", balancer.ALLOWED_FAILS + 1),
    ("README.md", "is left alone for {:g} seconds", balancer.COOLDOWN_TIME),
    ("areplicate/router.py", "cold boot included; {:,.0f} by default", values.TIMEOUT),
    ("areplicate/router.py", "tried again if that is safe; {} by default", values.MAX_RETRIES),
    ("areplicate/router.py", "by default {:,}, or half the files", router._MOST_POOLED),
    ("areplicate/router.py", "at the same time; {:,} by default", bulk_map.MAX_IN_FLIGHT),
    ("docs/timeouts.md", "{:g} minutes unless you say otherwise", values.TIMEOUT / 60),
    (
        "docs/timeouts.md",
        "{:.0%} of the recorded runs of public language models waited over 36 s",
        longer_than(36),
    ),
    ("docs/timeouts.md", "waited over 36 s, and {:.0%} over 4 minutes", longer_than(4 * 60)),
    ("docs/timeouts.md", "has been `starting` for over {:g} s", progress.BOOTING_AFTER),
    ("docs/errors.md", "own failures, at most {word} |", platform_failures.MOST_RETRIES),
    ("docs/errors.md", "`num_retries` ({} by default)", values.MAX_RETRIES),
    ("docs/exactly-once.md", "asked for again, at most {word},", platform_failures.MOST_RETRIES),
    ("docs/exactly-once.md", "wait for these tasks, for {:g} s at most", live.CLOSING),
    ("docs/streaming.md", "opened again every {:g} s", event_stream.BOOT_RECONNECT),
    ("docs/files.md", "A `data:` URL of up to {:.0f} KB", media.INLINE_LIMIT / 1024),
    ("docs/poll-schedule.md", "{:.0%} had a machine within two seconds", 1 - longer_than(2)),
    ("docs/poll-schedule.md", "{:.0%} waited over 36 s", longer_than(36)),
    ("docs/poll-schedule.md", "and the longest {:.0f} s", max(QUEUED) // 100 * 100),
    ("docs/poll-schedule.md", "has {:,.0f} a minute of", limits.OTHERS_PER_MINUTE),
    ("docs/bulk.md", "At {:g} creations a minute", limits.CREATIONS_PER_MINUTE),
    ("docs/bulk.md", "where theirs has died: within {:g} seconds", batch_store.LEASE),
    ("docs/bulk.md", "waits up to {:g} seconds for what is in flight", work._LAST_ANSWERS),
    ("docs/agents.md", "for {:g} days unless you say", GeneralSettings().stored_responses_seconds / 86_400),
    ("docs/tools.md", "up to {} sequences; empty ones", params.MOST_STOPS),
    ("docs/embeddings.md", "take a text or up to {:,} for a model", embeddings.MOST_TEXTS),
    ("docs/security.md", "| {:.0f} MB; ", bodies.MAX_BODY / 2**20),
    ("docs/security.md", " MB; {} levels; ", bodies.MAX_DEPTH),
    ("docs/security.md", " levels; {:,} keys and list elements,", bodies.MAX_ITEMS),
    ("docs/security.md", "list elements, {} fields", bodies.MAX_FIELDS),
    ("docs/security.md", "refused ones too. {:g} s to arrive", bodies.BODY_SECONDS),
    ("docs/security.md", "makes room beyond {:.0f} MB", bodies._MOST_ARRIVING / 2**20),
    ("docs/gateway/operations.md", "comma of a body counts as {} bytes more", bodies._PART),
    ("docs/security.md", "goes on from has {:.0f} MB at most", bodies.MAX_BODY / 2**20),
    ("docs/security.md", "{:g} s for a first request", connections.HEAD_SECONDS),
    ("docs/security.md", "an upload brings {:.0f} KB a second", uploads._SLOWEST / 1000),
    ("docs/security.md", "do not read their answer for {:g} s", connections.FIRST_SILENCE_SECONDS),
    ("docs/security.md", "after {:g} s without reading", connections.STALLED_SECONDS),
    ("docs/security.md", "where {:.0f} MB wait to be read", connections._MOST_UNREAD / 2**20),
    ("docs/security.md", "{word} lines a request", logs.MAX_LINES),
    ("docs/security.md", "each model in {:g} s", looks.FRESH_SECONDS),
    ("docs/gateway/settings.md", "by default {:,}, or a third of", descriptors.MOST_POOLED),
    ("docs/gateway/operations.md", "at most {:g} s old", looks.FRESH_SECONDS),
    ("docs/gateway/operations.md", "writes {word} lines at most", logs.MAX_LINES),
    ("docs/gateway/operations.md", "send a comment every {:g} seconds", events.BEAT_SECONDS),
    ("docs/gateway/postgresql.md", "one transaction (reports may take {:g} s)", reports._SECONDS),
    ("docs/gateway/postgresql.md", "connections of each process; {} by default", database._CONNECTIONS),
    ("docs/gateway/limits.md", "lose the usage of the last second (up to {} requests;", usage._BATCH),
    ("docs/gateway/limits.md", "stop counting after {:g} seconds", counting.DEAD_AFTER),
]


@pytest.mark.parametrize(
    ("page", "text", "number"), PROMISED, ids=[f"{page}-{text}" for page, text, _ in PROMISED]
)
def test_a_number_is_the_codes(page: str, text: str, number: Any) -> None:
    word = WORDS.get(number, str(number)) if "{word}" in text else ""
    assert text.format(number, word=word).lower() in PAGES[ROOT / page].lower()


def test_what_is_told_to_take_at_most_so_long_does_with_room_to_spare() -> None:
    """A blocked key is known within five seconds; the usage of the last second may be lost; no call is kept from
    its answer by a silent stream."""
    assert auth._FRESH < 5
    assert usage._PERIOD <= 1 and usage._PATIENCE <= 60 and listener._TELL_EVERY == 1
    assert event_stream.BOOT_RECONNECT < 30 < event_stream.SILENCE, (
        "Replicate ends a silent stream after 30 s"
    )
    assert key_limits.WINDOW > 60, "any minute that one looks at"
    assert bulk_map.MAX_IN_FLIGHT == 1000


MEASURED = {
    "a warm call of 0.2 s: overhead": "warm call of 0.2 s: overhead, ms",
    "CPU time of such a call": "the same: CPU a call, ms",
    "300 calls of 0.5 s at once": "300 calls of 0.5 s at once: wall, s",
    "3,000 calls of 0.5 s at once": "3000 calls of 0.5 s at once: wall, s",
    "first streamed token (the model's comes at 50 ms)": "first streamed token (the model's comes at 50 ms), ms",
}
"""Rows of README's comparison, and those of the results that they tell."""


def rows_of(text: str) -> dict[str, list[str]]:
    """The cells of Markdown's tables by the first of their row; of equal ones, the first row's."""
    rows = (line.strip("| ").split("|") for line in reversed(text.splitlines()) if line.startswith("| "))
    return {first.strip(): [cell.strip() for cell in cells] for first, *cells in rows}


def test_readmes_comparison_is_the_last_results() -> None:
    table = rows_of((ROOT / "README.md").read_text())
    found = rows_of((ROOT / "benchmarks/results/results.md").read_text())
    for label, row in MEASURED.items():
        bare, ours, litellm, replicate, _ = found[row]
        for cell, measured in zip(table[label], (ours, litellm, replicate, bare), strict=True):
            number = cell.split()[0]
            places = len(number.partition(".")[2])
            assert number == f"{float(measured.split()[0]):.{places}f}", label
