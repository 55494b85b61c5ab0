"""One conversation with each recorded model, over HTTP, its inputs validated as the service does."""

from __future__ import annotations

from typing import Any

import pytest

from areplicate import AsyncRouter, BadRequestError
from areplicate.local import LocalModel, LocalReplicate
from tests.recorded import components, models
from tests.stage import KEY

pytestmark = pytest.mark.anyio

CONVERSATION = [
    {"role": "system", "content": "Answer as a sailor."},
    {"role": "user", "content": "Who left Troy?"},
    {"role": "assistant", "content": "Odysseus did."},
    {"role": "user", "content": "And who waited at home?"},
]
PICTURE = "data:image/png;base64,iVBORw0KGgo="


def local_model(row: dict[str, Any]) -> LocalModel:
    owner, name = row["model"].split("/")
    kind = "string" if row["output"]["type"] == "string" else "list"
    schema = components(row)
    # nothing is sent that it does not name:
    schema["Input"] = {**schema["Input"], "additionalProperties": False}
    return LocalModel(
        owner=owner,
        name=name,
        version=row["version"] or "",
        output_kind=kind,  # type: ignore[arg-type]
        reply="Penelope waited.",
        schema=schema,
    )


async def test_every_recorded_model_answers() -> None:
    rows = models()
    options: dict[str, Any] = {
        "max_tokens": 1200,
        "temperature": 0.7,
        "top_p": 0.9,
        "stop": ["\n\n"],
        "drop_params": True,
    }
    answered = []
    async with LocalReplicate([local_model(row) for row in rows]) as local:
        async with AsyncRouter(api_key=KEY, api_base=local.api_base, creations_per_minute=1e6) as router:
            for row in rows:
                try:
                    response = await router.acompletion(row["model"], CONVERSATION, **options)
                except BadRequestError as error:
                    assert "needs the input" in str(error), f"{row['model']}: {error}"
                    response = await router.acompletion(
                        row["model"], CONVERSATION, **options, extra_body=required(row["input"])
                    )
                text = response.choices[0].message.content or ""
                assert text.split() == ["Penelope", "waited."], row["model"]
                answered.append(row["model"])
        assert local.counts["create"] == len(rows), "no look-up, no refusal, no second try"
    print(f"{len(answered)} of {len(rows)} recorded models answered over HTTP")
    assert len(answered) == len(rows) == 222


def required(schema: dict[str, Any]) -> dict[str, Any]:
    """Inputs that a conversation cannot hold, such as the picture that a model is to be asked about."""
    by_type = {"string": "x", "boolean": False, "integer": 1, "number": 1.0}
    values: dict[str, Any] = {}
    for name in schema.get("required", ()):
        field = schema["properties"].get(name, {})
        if name not in ("prompt", "messages"):
            values[name] = PICTURE if field.get("format") == "uri" else by_type[field.get("type", "string")]
    return values
