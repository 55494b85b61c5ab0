"""What README and docs list is all that there is: pages, extras, variables of the environment, errors; and what scripts
write into them is current."""

from __future__ import annotations

import re
from importlib.metadata import metadata
from pathlib import Path

import pytest

import areplicate
from areplicate.gateway.config.database_url import _NEEDLESS, parse_database_url
from tests import forked

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def test_each_page_is_in_the_menu_and_in_the_list_for_language_models() -> None:
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}
    assert set(re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)) == pages
    assert set(re.findall(r"\]\((\S+\.md)\)", (DOCS / "llms.txt").read_text())) == pages


def test_the_extras_for_users_are_listed() -> None:
    extras = set(metadata("areplicate").get_all("Provides-Extra") or ())
    listed = re.search(r"\(extras: ([\w, ]+)\)", (DOCS / "llms.txt").read_text())
    assert listed and set(listed[1].split(", ")) == extras - {"bench", "docs", "mutants", "test"}


def test_the_extras_that_pages_install_exist() -> None:
    pages = "".join(page.read_text() for page in (ROOT / "README.md", *DOCS.rglob("*.md")))
    named = {extra for each in re.findall(r"areplicate\[([\w,]+)\]", pages) for extra in each.split(",")}
    assert named and named <= set(metadata("areplicate").get_all("Provides-Extra") or ())


def test_each_variable_of_the_environment_has_a_line() -> None:
    code = "".join(path.read_text() for path in (ROOT / "areplicate").rglob("*.py"))
    variables = set(re.findall(r"\b(?:AREPLICATE|REPLICATE)_[A-Z_]+\b", code))
    assert (
        set(re.findall(r"`((?:AREPLICATE|REPLICATE)_[A-Z_]+)`", (DOCS / "environment.md").read_text()))
        == variables
    )


def test_the_statuses_of_errors_are_theirs() -> None:
    rows = re.findall(
        r"^\| (`\w+Error`|`Timeout`)(?:, `\w+Error`)? \| ([^|]*) \|",
        (DOCS / "errors.md").read_text(),
        re.MULTILINE,
    )
    assert len(rows) >= 12
    for name, statuses in rows:
        status = str(getattr(areplicate, name.strip("`")).default_status)
        assert any(re.fullmatch(each.replace("x", r"\d"), status) for each in statuses.split(", ")), name


def test_each_parameter_of_a_databases_url_is_understood_and_nothing_else_is() -> None:
    page = (DOCS / "gateway" / "postgresql.md").read_text()
    rows = [row.partition(" | ")[0] for row in page.partition("| any other")[0].splitlines() if "`" in row]
    named = set(re.findall(r"`(\w+)`", " ".join(row for row in rows if row.startswith("|"))))
    assert named > _NEEDLESS
    values = {"ssl": "true", "sslaccept": "strict", "sslmode": "prefer", "target_session_attrs": "any"}
    for name in named:
        parse_database_url(f"postgresql://host/name?{name}={values.get(name, 1)}")
    with pytest.raises(ValueError, match="not known here: other"):
        parse_database_url("postgresql://host/name?other=1")


@pytest.mark.parametrize(
    "script", ["build_options", "build_gateway_pages", "build_models_page", "poll_schedule"]
)
def test_what_a_script_writes_is_current(script: str) -> None:
    ran = forked.run(str(ROOT / "scripts" / f"{script}.py"), "--check")
    assert ran.returncode == 0, ran.stderr
