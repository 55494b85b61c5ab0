"""Every one of the recorded public models gets an input that its own schema allows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from areplicate.chat.inputs import ModelInput, build_input
from areplicate.chat.params import TOKEN_LIMIT
from areplicate.chat.plan import plan_for
from areplicate.chat.schemas import catalogue
from areplicate.chat.schemas.schema import ModelSchema
from tests.lazily import Lazily
from tests.recorded import components, models, schema_of

jsonschema: Any = Lazily("jsonschema")

TEXTS = ("Speak like Homer.", "Who left Troy?", "Odysseus did.", "And who waited?")
ASKED: dict[str, Any] = {"max_tokens": 20, "temperature": 0.5, "top_p": 0.9, "stop": ["STOP", "END"]}
IMAGE = "https://example.com/penelope.png"


def conversation(*media: str) -> list[dict[str, Any]]:
    system, first, reply, last = TEXTS
    parts: list[dict[str, Any]] = [{"type": "text", "text": last}]
    parts += [{"type": f"{kind}_url", f"{kind}_url": {"url": IMAGE}} for kind in media]
    return [
        {"role": "system", "content": system},
        {"role": "user", "content": first},
        {"role": "assistant", "content": reply},
        {"role": "user", "content": parts},
    ]


def ask(model: dict[str, Any], schema: ModelSchema, **params: Any) -> ModelInput:
    """The conversation, with what else the model insists on: a medium as a part, the rest by name."""
    plan = plan_for(schema, model["model"])
    media = [kind for kind, names in plan.media.single.items() if names[0] in schema.required][:1]
    required = {
        name: example_of(schema, name)
        for name in schema.required
        if name not in (plan.prompt, plan.messages) and not schema.fields[name].media
    }
    return build_input(
        conversation(*media),
        {**required, **params},
        model=model["model"],
        schema=schema,
        drop_params=True,
    )


def example_of(schema: ModelSchema, name: str) -> Any:
    field = schema.fields[name]
    return {"boolean": True, "integer": 1, "number": 1.0}.get(field.type, "text")


def validate(model: dict[str, Any], fields: dict[str, Any]) -> None:
    document = {"components": {"schemas": components(model)}}
    schema = {**document, "$ref": "#/components/schemas/Input"}
    jsonschema.Draft202012Validator(schema).validate(fields)
    unknown = set(fields) - set(model["input"]["properties"])
    assert not unknown, f"the model has no input {unknown}"


def all_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def test_every_model_gets_an_input_that_its_schema_allows(capsys: pytest.CaptureFixture[str]) -> None:
    everyone = models()
    for model in everyone:
        schema = schema_of(model)
        fields = ask(model, schema, **ASKED).fields
        validate(model, fields)
        for text in TEXTS:
            assert text in all_text(fields), f"{model['model']} loses {text!r}"
    with capsys.disabled():
        print(f"\ninputs that the model's own schema allows: {len(everyone)} of {len(everyone)}")
    assert len(everyone) == 222


def test_the_token_limit_goes_where_the_model_reads_it() -> None:
    for model in models():
        properties = model["input"]["properties"]
        built = ask(model, schema_of(model), **ASKED)
        names = [name for name in TOKEN_LIMIT if name in properties]
        if not names:
            assert built.max_tokens is None
            continue
        # Where a model has two, one of them counts the prompt too, as its description says.
        limit = next(name for name in names if name not in model["counts_the_prompt"])
        expected = max(20, properties[limit].get("minimum", 20))
        assert built.fields[limit] == built.max_tokens == expected, model["model"]
        assert [name for name in names if name in built.fields] == [limit]


def test_the_catalogue_knows_every_model_as_its_schema_is() -> None:
    for model in models():
        known = catalogue.find(model["model"])
        assert known is not None
        validate(model, ask(model, known, **ASKED).fields)
        assert set(known.fields) == set(model["input"]["properties"])


def test_templates_are_never_applied_twice() -> None:
    for model in models():
        properties = model["input"]["properties"]
        if "prompt_template" not in properties:
            continue
        fields = ask(model, schema_of(model)).fields
        if (schema := schema_of(model)).format.turns is not None:
            assert "prompt_template" not in ask(model, schema).fields  # no family's: it is kept
            continue
        default = properties["prompt_template"].get("default")
        assert fields.get("prompt_template", default) == "{prompt}", model["model"]
        assert ("prompt_template" in fields) == (default != "{prompt}")


def test_models_that_wrap_the_prompt_get_a_single_turn_as_it_is() -> None:
    for model in models():
        properties = model["input"]["properties"]
        if "system_prompt" not in properties or "prompt_template" in properties:
            continue
        fields = build_input(
            [{"role": "system", "content": TEXTS[0]}, {"role": "user", "content": TEXTS[1]}],
            {},
            model=model["model"],
            schema=schema_of(model),
        ).fields
        assert fields == {"prompt": TEXTS[1], "system_prompt": TEXTS[0]}


def test_what_the_recorded_runs_sent_is_allowed() -> None:
    """The recorded inputs of the models, given by name, arrive as they were recorded."""
    checked = 0
    for model in models():
        properties = model["input"]["properties"]
        given = {n: v for n, v in model["ran_with"].items() if n in properties and v is not None}
        try:
            validate(model, given)
        except jsonschema.ValidationError:
            continue  # recorded under an older schema
        built = build_input(
            [{"role": "user", "content": "ignored"}], given, model=model["model"], schema=schema_of(model)
        )
        limited = {n for n in TOKEN_LIMIT if n in given}
        for name in set(given) - limited:
            assert built.fields[name] == given[name], (model["model"], name)
        checked += 1
    assert checked > 150
