"""Writes areplicate/chat/catalogue.json: what each known model takes, as facts and no prose.

    python scripts/build_catalogue.py models.jsonl        from a file, one model a line
    python scripts/build_catalogue.py --api owner/name... from the API, with REPLICATE_API_KEY

A line of the file has `model`, `version`, `input` (`properties`, `required`), `enums`, `output` and
`example`. The models of official_models.json, which Replicate publishes without a version, are added.
The catalogue is written anew; `--add` keeps its models that are not in the source.
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

from areplicate.chat.schemas.schema import ModelSchema, from_openapi

CATALOGUE = Path(__file__).parents[1] / "areplicate" / "chat" / "schemas" / "catalogue.json"
OFFICIAL = Path(__file__).with_name("official_models.json")


def from_file(path: Path) -> Iterator[ModelSchema]:
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        enums = {name: {"type": "string", "enum": values} for name, values in entry["enums"].items()}
        yield from_openapi(
            {"Input": entry["input"], "Output": entry["output"], **enums},
            model=entry["model"],
            version=entry["version"],
            example=(entry.get("example") or {}).get("input"),
        )


def from_api(names: list[str]) -> Iterator[ModelSchema]:
    key = os.environ["REPLICATE_API_KEY"]
    for name in names:
        request = urllib.request.Request(
            f"https://api.replicate.com/v1/models/{name}", headers={"Authorization": f"Bearer {key}"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            model: dict[str, Any] = json.load(answer)
        latest = model["latest_version"]
        yield from_openapi(
            latest["openapi_schema"]["components"]["schemas"],
            model=name,
            version=latest["id"],
            example=(model.get("default_example") or {}).get("input"),
        )


def official() -> Iterator[ModelSchema]:
    output = {"type": "array", "items": {"type": "string"}, "x-cog-array-type": "iterator"}
    for name, properties in json.loads(OFFICIAL.read_text(encoding="utf-8")).items():
        yield from_openapi(
            {"Input": {"type": "object", "properties": properties}, "Output": output}, model=name
        )


def write(catalogue: Path, schemas: Iterator[ModelSchema], add: bool) -> int:
    lines: dict[str, bytes] = {}
    if add:
        known = msgspec.json.decode(catalogue.read_bytes(), type=dict[str, msgspec.Raw])
        lines = {name: bytes(entry) for name, entry in known.items()}
    for schema in (*schemas, *official()):
        assert schema.model is not None
        lines[schema.model] = msgspec.json.encode(schema)
    body = b",\n".join(json.dumps(name).encode() + b":" + line for name, line in lines.items())
    catalogue.write_bytes(b"{\n" + body + b"\n}\n")
    return len(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("source", nargs="*", help="a file of models, or names of models with --api")
    parser.add_argument("--api", action="store_true", help="ask the API for the models")
    parser.add_argument("--add", action="store_true", help="keep the catalogue's other models")
    parser.add_argument(
        "--to", type=Path, default=CATALOGUE, help="where to write; by default into the package"
    )
    args = parser.parse_args()
    schemas = from_api(args.source) if args.api else (s for p in args.source for s in from_file(Path(p)))
    count = write(args.to, schemas, args.add)
    print(f"{count} models, {args.to.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
