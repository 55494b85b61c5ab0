"""Writes docs/models.md: how a conversation reaches a model, with the table of the families.

python scripts/build_models_page.py            writes it
python scripts/build_models_page.py --check    fails if it is not up to date
"""

from __future__ import annotations

import argparse
import datetime
import json
from pathlib import Path

from areplicate.chat.formats import arrangement
from areplicate.chat.formats.families import FAMILIES, Family
from areplicate.chat.formats.shapes import PLAIN
from areplicate.chat.formats.tools import BARE, READABLE

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "models.md"
FORMATS = ROOT / "tests" / "data" / "formats.jsonl"
LONGEST = 60
"""Characters of a default system text that the table shows."""

_TEXT = """\
# Models and their prompts

A language model reads one text. What that text looks like decides how well the model answers, and differs from family
to family. areplicate writes it as the model was trained on it:

| the model's inputs have | what is sent |
| --- | --- |
| `messages`, or a prompt that is a JSON array of messages | the messages, as OpenAI has them |
| `history` beside the prompt | earlier messages in `history`, the last one in the prompt |
| an input for system text, and no prompt template | the server writes the format: system text in its input, one turn as it is, several so that the whole is the model's own format |
| a prompt template that is a family's | the whole conversation in that format, and `{prompt}` as the template |
| a prompt template of no known family | the prompt as it is, with earlier turns in the template's own tags |
| a prompt alone | the whole conversation in the model's format; base models get plain text |

A conversation that ends with the assistant is left open there, for the model to go on. White space at the ends of
messages, default system texts and the days that some formats tell are as the published templates have them.

## How the format is decided

In this order; `areplicate models show OWNER/NAME` says which of them decided, and prints the prompt that the model
reads:

1. What is known of the model itself, from the published source of its server.
2. Its own prompt template and its default prompt. A family is named only if its rendering of one turn equals the
   template.
3. The prompt of its example.
4. Its name.
5. Plain text, with `User:` and `Assistant:` before the turns if there are several.

A template of your own comes before all of these: `register_prompt_template` for all calls, or `roles=` and its
companions in one call.

```python
from areplicate import register_prompt_template

register_prompt_template(
    "owner/name",
    tokenizer_config={
        "chat_template": "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{{ eos_token }}{% endfor %}",
        "eos_token": {"content": "</s>"},
    },
)
```

`tokenizer_config` is the model's `tokenizer_config.json`: its path, its folder's path, or its content. The template is
rendered as Transformers does, in Jinja's sandbox (`pip install 'areplicate[templates]'`). What it reads besides the
conversation (`tools`, `documents`, `enable_thinking`, ...) is taken from the call. A template alone works, too:

```python
register_prompt_template(
    "owner/other",
    chat_template="{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}{% endfor %}",
    bos_token="<s>",
)
```

## The token that opens a text

The token that opens a text (`<|begin_of_text|>`) is left out, since servers usually add it. To see whether a server
does, ask `meta/meta-llama-3-8b-instruct` just `Hi` with `max_tokens=1`: that prompt has ten tokens. If
`usage.prompt_tokens` is 11, the server adds the token. If it is 10, give `bos_token="<|begin_of_text|>"`, in the call
or to `register_prompt_template`.

## The families

Each line is one row of `areplicate/chat/formats/table.py`, rendered for a system text and a question. Texts of real
templates are in `tests/data/formats.jsonl`, each with its source; every change is held to them.

"""
_LEGEND = """
A tool's form is the family's own where its published template has one; in the others, tools, calls and answers are
written as readable text. A family that was not compared has no public template: its format is described on a model's page.
"""


def page() -> str:
    compared = _compared()
    rows = [_row(family, compared) for family in FAMILIES.values() if family.template is not PLAIN]
    head = "| family | `Be brief.` and `Hi` | tools | compared with |\n| --- | --- | --- | --- |\n"
    return _TEXT + head + "".join(rows) + _LEGEND


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
    return f"| {family.name} | `` {shown} `` | {tools} | {', '.join(names) or 'none'} |\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if it is not up to date")
    check = parser.parse_args().check
    arrangement.today = lambda: datetime.datetime(2024, 7, 26)
    made = page()
    if not check:
        PAGE.write_text(made, encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != made:
        raise SystemExit(f"{PAGE.name} is not up to date: run python scripts/build_models_page.py")


if __name__ == "__main__":
    main()
