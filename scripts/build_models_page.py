"""Writes the table of docs/models.md: how each family of models reads a conversation."""

from __future__ import annotations

import datetime
import json

import pages

from areplicate.chat.formats import arrangement
from areplicate.chat.formats.families import FAMILIES, Family
from areplicate.chat.formats.shapes import PLAIN
from areplicate.chat.formats.tool_format import BARE, READABLE

PAGE = pages.ROOT / "docs" / "models.md"
FORMATS = pages.ROOT / "tests" / "data" / "formats.jsonl"
LONGEST = 60
"""Characters of a default system text that the table shows."""


def table() -> str:
    compared = _compared()
    rows = [_row(family, compared) for family in FAMILIES.values() if family.template is not PLAIN]
    return pages.table("| family | `Be brief.` and `Hi` | tools | compared with |", rows)


def _compared() -> dict[str, list[str]]:
    """The sources of each family's expected texts."""
    sources: dict[str, list[str]] = {}
    for line in FORMATS.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        known = sources.setdefault(entry["family"], [])
        if "text" in entry and entry["source"] not in known:
            known.append(entry["source"])
    return sources


def _row(family: Family, compared: dict[str, list[str]]) -> str:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    text = family.template.render(messages)
    if len(text) > 4 * LONGEST:
        text = text[:LONGEST] + "..." + text[-2 * LONGEST :]
    shown = json.dumps(text, ensure_ascii=False)[1:-1].replace("\\" + '"', '"').replace("|", "\\|")
    tools = "readable" if family.template.tools in (BARE, READABLE) else "its own"
    names = [source.split()[-1].rpartition("/")[2] for source in compared.get(family.name, [])]
    return f"| {family.name} | `` {shown} `` | {tools} | {', '.join(names) or 'none'} |"


if __name__ == "__main__":
    arrangement.today = lambda: datetime.datetime(2024, 7, 26)
    pages.write({PAGE: pages.filled(PAGE, families=table())}, __doc__)
