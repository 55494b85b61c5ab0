"""Writes areplicate/chat/schemas/catalogue.json: what each known model takes, as facts and no prose.

    python scripts/build_catalogue.py                     from tests/data/models.jsonl
    python scripts/build_catalogue.py --api owner/name... adds models from the API, with REPLICATE_API_KEY

scripts/build_facts.py writes tests/data/models.jsonl and says what each line has. The models of
official_models.json, which Replicate publishes without a version, are added.
"""

from __future__ import annotations

import argparse
import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from areplicate.chat.formats.families import Shown
from areplicate.chat.schemas.schema import ModelSchema, from_openapi

ROOT = Path(__file__).parents[1]
CATALOGUE = ROOT / "areplicate" / "chat" / "schemas" / "catalogue.json"
MODELS = ROOT / "tests" / "data" / "models.jsonl"
OFFICIAL = Path(__file__).with_name("official_models.json")


def from_facts(path: Path) -> Iterator[ModelSchema]:
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        enums = {name: {"type": "string", "enum": values} for name, values in entry["enums"].items()}
        schema = from_openapi(
            {"Input": entry["input"], "Output": entry["output"], **enums},
            model=entry["model"],
            version=entry["version"],
        )
        shown = msgspec.convert(entry["format"], Shown)
        yield msgspec.structs.replace(schema, format=shown, prompt_is_messages=entry["prompt_is_messages"])


def from_api(names: list[str]) -> Iterator[ModelSchema]:
    key = os.environ["REPLICATE_API_KEY"]
    for name in names:
        request = urllib.request.Request(
            f"https://api.replicate.com/v1/models/{name}", headers={"Authorization": f"Bearer {key}"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            model: dict[str, Any] = json.load(answer)
        latest = model["latest_version"]
        schema = from_openapi(
            latest["openapi_schema"]["components"]["schemas"],
            model=name,
            version=latest["id"],
            example=(model.get("default_example") or {}).get("input"),
        )
        yield without_prose(schema)


def without_prose(schema: ModelSchema) -> ModelSchema:
    """Defaults of more than one word are somebody's prose."""
    fields = {
        name: msgspec.structs.replace(field, default=None)
        if isinstance(field.default, str) and len(field.default.split()) > 1
        else field
        for name, field in schema.fields.items()
    }
    return msgspec.structs.replace(schema, fields=fields)


def official() -> Iterator[ModelSchema]:
    output = {"type": "array", "items": {"type": "string"}, "x-cog-array-type": "iterator"}
    for name, properties in json.loads(OFFICIAL.read_text(encoding="utf-8")).items():
        yield from_openapi(
            {"Input": {"type": "object", "properties": properties}, "Output": output}, model=name
        )


def known(catalogue: Path) -> dict[str, bytes]:
    """The catalogue's lines as they are."""
    entries = msgspec.json.decode(catalogue.read_bytes(), type=dict[str, msgspec.Raw])
    return {name: bytes(entry) for name, entry in entries.items()}


def write(catalogue: Path, lines: dict[str, bytes]) -> None:
    body = b",\n".join(json.dumps(name).encode() + b":" + line for name, line in lines.items())
    catalogue.write_bytes(b"{\n" + body + b"\n}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--api", nargs="+", metavar="OWNER/NAME", help="add these models, asked of the API")
    parser.add_argument(
        "--to", type=Path, default=CATALOGUE, help="where to write; by default into the package"
    )
    args = parser.parse_args()
    lines = known(CATALOGUE) if args.api else {}
    schemas = from_api(args.api) if args.api else (*from_facts(MODELS), *official())
    for schema in schemas:
        assert schema.model is not None
        lines[schema.model] = msgspec.json.encode(schema)
    write(args.to, lines)
    print(f"{len(lines)} models, {args.to.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
