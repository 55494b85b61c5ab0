"""Stands in for pip on a reader's machine: checks that what is to be installed exists, and installs nothing."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def main() -> None:
    command, *requirements = sys.argv[1:]
    assert command == "install", command
    extras = set(re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE))
    for requirement in requirements:
        if match := re.fullmatch(r"areplicate(?:\[([\w,]+)\])?", requirement):
            unknown = set((match[1] or "").split(",")) - extras - {""}
            assert not unknown, f"there is no extra {unknown}"


if __name__ == "__main__":
    main()
