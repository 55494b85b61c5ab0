"""Writes tests/data/: facts of recorded models, runs and traffic, and of the API's contract, without prose.

    python scripts/build_facts.py ../shared/data

Names, types, bounds, choices, times and counts are facts, and so are an error's words, which the API fixes.
Descriptions, prompts and answers are prose: a text of that kind is left out, or reads "text" where a value
must stand. The source has `models.jsonl`, `traces.jsonl`, `replicate-openapi.json` and `recorded/*.json`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from areplicate.chat.schemas.schema import from_openapi
from areplicate.local import component_schemas

DATA = Path(__file__).parents[1] / "tests" / "data"

PROPERTY = ("type", "format", "items", "allOf", "minimum", "maximum", "minLength", "maxLength", "x-order")
"""What is kept of an input besides its default."""
WORDS = frozenset(
    (
        *("id", "version", "model", "owner", "name", "url", "username", "visibility", "status", "source"),
        *("detail", "title", "destination", "cog_version", "content_type", "etag", "sha256", "md5", "sku"),
        *("created_at", "started_at", "completed_at", "expires_at", "get", "cancel", "stream", "web"),
        *("next", "previous", "github_url", "paper_url", "license_url", "cover_image_url"),
    )
)
"""The fields of an answer whose texts are facts."""
HEADERS = frozenset(
    (
        *("accept", "content-type", "prefer", "preference-applied"),
        *("ratelimit-remaining", "ratelimit-reset", "retry-after"),
    )
)
PROSE = frozenset(("description", "summary", "example", "examples", "externalDocs", "bearerFormat"))
"""The keywords of an OpenAPI document that explain."""


def default(value: Any) -> Any:
    """A default, if it is a fact: a number, a name, a template of nothing but placeholders."""
    return None if isinstance(value, str) and value.split() not in ([], [value]) else value


def model(row: Mapping[str, Any]) -> dict[str, Any]:
    """One line of models.jsonl; what its prose says about the chat format is worked out here."""
    ran_with = (row["example"] or {}).get("input") or {}
    schemas = component_schemas(row["input"], row["output"], row["enums"])
    schema = from_openapi(schemas, model=row["model"], example=ran_with)
    properties = row["input"]["properties"]
    return {
        "model": row["model"],
        "version": row["version"],
        "input": {
            "required": row["input"].get("required") or [],
            "properties": {name: input_facts(prop) for name, prop in properties.items()},
        },
        "enums": row["enums"],
        "output": {name: value for name, value in row["output"].items() if name not in PROSE},
        "format": msgspec.to_builtins(schema.format),
        "prompt_is_messages": schema.prompt_is_messages,
        "counts_the_prompt": [name for name, prop in properties.items() if counts_the_prompt(prop)],
        "ran_with": {name: run_value(value, name, row) for name, value in ran_with.items()},
    }


def input_facts(prop: Mapping[str, Any]) -> dict[str, Any]:
    facts = {name: prop[name] for name in PROPERTY if name in prop}
    if (value := default(prop.get("default"))) is not None:
        facts["default"] = value
    return facts


def counts_the_prompt(prop: Mapping[str, Any]) -> bool:
    """Whether a limit is one of all tokens, the prompt's among them, as only its description says."""
    said = str(prop.get("description", "")).lower().replace(".", " ").split()
    return prop.get("type") == "integer" and not {"all", "total"}.isdisjoint(said)


def run_value(value: Any, name: str, row: Mapping[str, Any]) -> Any:
    prop = row["input"]["properties"].get(name, {})
    if any(value in values for values in row["enums"].values()):
        return value
    return "https://example.com/file" if prop.get("format") == "uri" else without_prose(value)


def without_prose(value: Any, key: str = "") -> Any:
    """JSON of the same shape, in which only the texts of `WORDS` are left."""
    if isinstance(value, str):
        return value if key in WORDS or not value else "text"
    if isinstance(value, list):
        return [without_prose(item, key) for item in value]
    if isinstance(value, dict):
        return {
            name: contract(item)
            if name == "openapi_schema"
            else without_prose(item, "" if name in ("input", "output") else name)
            for name, item in value.items()
        }
    return value


def contract(part: Any, *, names: bool = False) -> Any:
    """An OpenAPI document without its prose. `names`: the keys are names of the API, not keywords."""
    if isinstance(part, list):
        return [contract(item) for item in part]
    if not isinstance(part, dict):
        return part
    kept: dict[str, Any] = {}
    for key, value in part.items():
        if names:
            kept[key] = contract(value)
        elif key == "default":
            if (fact := default(value)) is not None:
                kept[key] = fact
        elif key == "responses":  # whose description must be there
            kept[key] = {status: {"description": "", **contract(answer)} for status, answer in value.items()}
        elif key not in PROSE and key != "title":
            kept[key] = contract(value, names=key in ("properties", "schemas", "paths", "parameters"))
    return kept


def exchange(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """One request and its answer, as recorded."""
    request, response = recorded["request"], recorded["response"]
    body = request["body"]
    return {
        "request": {
            "method": request["method"],
            "url": request["url"],
            "headers": headers(request["headers"]),
            "body": body if isinstance(body, str) else without_prose(body),
        },
        "response": {
            "status": response["status"],
            "headers": headers(response["headers"]),
            "body": without_prose(response["body"]),
        },
    }


def headers(recorded: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in recorded.items() if name in HEADERS}


def lines(values: Iterable[Any]) -> str:
    return "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values)


def read_lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def facts(source: Path) -> dict[str, str]:
    """The files of tests/data and what they hold."""
    document = contract(json.loads((source / "replicate-openapi.json").read_text(encoding="utf-8")))
    document["info"]["title"] = "Replicate's HTTP API"
    files = {
        "models.jsonl": lines(map(model, read_lines(source / "models.jsonl"))),
        "traces.jsonl": lines(read_lines(source / "traces.jsonl")),
        "contract.json": json.dumps(document, indent=1) + "\n",
    }
    for recording in sorted((source / "recorded").glob("*.json")):
        exchanges = json.loads(recording.read_text(encoding="utf-8"))
        files[f"recorded/{recording.stem}.jsonl"] = lines(map(exchange, exchanges))
    return files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("source", type=Path, help="the folder with the recorded material")
    parser.add_argument("--to", type=Path, default=DATA, help="where to write; by default tests/data")
    args = parser.parse_args()
    for name, text in facts(args.source).items():
        path = args.to / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"{path}  {len(text):,} characters")


if __name__ == "__main__":
    main()
