"""What scripts write into the documentation: the parts of a page between `<!-- NAME -->` and `<!-- end -->`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]


def filled(page: Path, **parts: str) -> str:
    """The page's text with these parts in it."""
    text = page.read_text(encoding="utf-8")
    for name, part in parts.items():
        before, begin, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        if not end:
            sys.exit(f"{page.name} has no part between <!-- {name} --> and <!-- end -->")
        text = f"{before}{begin}\n{part}\n\n{end}{after}"
    return text


def table(head: str, rows: Iterable[str]) -> str:
    return "\n".join([head, "| --- " * (head.count("|") - 1) + "|", *rows])


def write(files: Mapping[Path, str], description: str | None) -> None:
    """Writes the files; with `--check` on the command line it fails if one of them would change."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if a file would change")
    check = parser.parse_args().check
    for path, text in files.items():
        if not check:
            path.write_text(text, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path.relative_to(ROOT)} is not up to date: run python {sys.argv[0]}")
