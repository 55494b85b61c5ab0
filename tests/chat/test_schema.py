"""What is read from a model's OpenAPI schema."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from areplicate.chat.schemas.media_inputs import media_fields
from areplicate.chat.schemas.schema import Field, ModelSchema, from_openapi


def field(prop: Any, **schemas: Any) -> Field:
    return from_openapi({"Input": {"properties": {"x": prop}}, **schemas}).fields["x"]


URI = {"type": "string", "format": "uri"}


@pytest.mark.parametrize(
    ("prop", "read"),
    [
        (
            {"type": "integer", "minimum": 1, "maximum": 9, "default": 3},
            Field("integer", None, False, 1, 9, default=3),
        ),
        ({"type": "string", "maxLength": 5, "minLength": 1}, Field("string", min_length=1, max_length=5)),
        (URI, Field("string", media=True)),
        ({"type": "array", "items": URI}, Field("array", "string", True)),
        ({"type": "array", "items": {"anyOf": [URI, {"type": "null"}]}}, Field("array", "string", True)),
        ({"type": "array"}, Field("array", "any")),
        ({"type": "string", "nullable": True}, Field("string")),
        ({"type": ["string", "null"]}, Field("string")),
        ({"type": ["string", "integer"]}, Field("any")),
        ({"anyOf": [{"type": "number", "minimum": 0}, {"type": "null"}]}, Field("number", minimum=0)),
        ({"anyOf": [{"type": "string"}, {"type": "array"}]}, Field("any")),
        ({"oneOf": [{"type": "number", "minimum": 0}, {"type": "null"}]}, Field("number", minimum=0)),
        ({"type": "integer", "minimum": "1", "maximum": True}, Field("integer")),
        ({"type": "string", "maxLength": "5", "minLength": True}, Field("string")),
        ({"type": "string", "enum": "ab"}, Field("string")),
        ({"type": "string", "enum": ["a", "b"]}, Field("string", enum=("a", "b"))),
        (
            {"allOf": [{"$ref": "#/components/schemas/mode"}], "default": "a"},
            Field("string", enum=("a", "b"), default="a"),
        ),
        ({"$ref": "#/components/schemas/mode"}, Field("string", enum=("a", "b"))),
        (
            {"type": "array", "items": {"$ref": "#/components/schemas/mode"}},
            Field("array", "string"),
        ),
        ({"$ref": "#/components/schemas/loop"}, Field("any")),
        ({"$ref": "#/components/schemas/missing"}, Field("any")),
        ({}, Field("any")),
        ({"type": "string", "default": "x" * 100}, Field("string")),
    ],
)
def test_inputs(prop: Any, read: Field) -> None:
    mode = {"type": "string", "enum": ["a", "b"], "title": "mode"}
    assert field(prop, mode=mode, loop={"$ref": "#/components/schemas/loop"}) == read


@pytest.mark.parametrize(
    ("output", "kind"),
    [
        ({"type": "array", "items": {"type": "string"}, "x-cog-array-type": "iterator"}, "stream"),
        ({"type": "array", "items": {"type": "string"}}, "list"),
        ({"type": "array", "items": {"type": "object"}}, "list"),
        ({"type": "array", "items": URI}, "media"),
        ({"type": "string"}, "text"),
        (URI, "media"),
        ({"type": "number"}, "number"),
        ({"type": "integer"}, "number"),
        ({"type": "object"}, "object"),
        ({"$ref": "#/components/schemas/Answer"}, "object"),
        ({"type": "array", "items": {"$ref": "#/components/schemas/Image"}}, "media"),
        ({}, "any"),
    ],
)
def test_outputs(output: Any, kind: str) -> None:
    assert from_openapi({"Output": output, "Answer": {"type": "object"}, "Image": URI}).output == kind


def test_the_input_itself_may_be_a_reference_and_a_version_is_kept() -> None:
    schemas = {"Input": {"$ref": "#/components/schemas/Asked"}, "Asked": {"properties": {"prompt": {}}}}
    known = from_openapi(schemas, model="owner/name", version="f" * 64)
    assert list(known.fields) == ["prompt"]
    assert (known.model, known.version) == ("owner/name", "f" * 64)


def test_inputs_are_in_the_order_of_the_model_s_page() -> None:
    properties = {"b": {"x-order": 1}, "c": {}, "a": {"x-order": 0}}
    assert list(from_openapi({"Input": {"properties": properties}}).fields) == ["a", "b", "c"]


CHATML_END = "<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize(
    ("properties", "example", "shown"),
    [
        ({"prompt_template": {"default": f"<|im_start|>user\n{{prompt}}{CHATML_END}"}}, {}, "chatml"),
        ({"template": {"default": f"<|im_start|>user\n{{prompt}}{CHATML_END}"}}, {}, "chatml"),
        ({"prompt_template": {"default": "<|im_start|>user\n{prompt}<|im_end|>"}}, {}, None),
        ({"prompt_template": {"default": "{prompt}"}}, {}, None),
        ({"prompt": {"default": "USER: Hi ASSISTANT:"}}, {}, "vicuna"),
        ({"prompt": {"default": "USER: Hi\nASSISTANT:"}}, {}, "airoboros"),
        ({"prompt": {}}, {"prompt": "<|im_start|>user\nHi<|im_end|>"}, "chatml"),
        ({"prompt": {}}, {"prompt": "Hi"}, None),
        ({"prompt": {}, "replicate_weights": {}}, {}, None),
    ],
)
def test_the_chat_format_that_a_schema_shows(properties: Any, example: Any, shown: str | None) -> None:
    assert (
        from_openapi({"Input": {"properties": properties}}, model="x/y", example=example).format.family
        == shown
    )


@pytest.mark.parametrize(
    ("fields", "single", "lists"),
    [
        ({"image": Field("string", media=True)}, {"image": ("image",)}, {}),
        ({"image_url": Field("string")}, {"image": ("image_url",)}, {}),
        ({"input_image": Field("string", media=True)}, {"image": ("input_image",)}, {}),
        ({"image_file": Field("string", media=True)}, {"image": ("image_file",)}, {}),
        ({"images": Field("array", "string", True)}, {}, {"image": "images"}),
        ({"image_input": Field("array", "string", True)}, {}, {"image": "image_input"}),
        ({"image_url": Field("array", "string")}, {}, {"image": "image_url"}),
        (
            {f"image{i}": Field("string", media=True) for i in (1, 2, 3)},
            {"image": ("image1", "image2", "image3")},
            {},
        ),
        ({"video": Field("string", media=True)}, {"video": ("video",)}, {}),
        ({"videos": Field("array", "string", True)}, {}, {"video": "videos"}),
        ({"audio": Field("string", media=True)}, {"audio": ("audio",)}, {}),
        ({"reference_photo": Field("string", media=True)}, {"image": ("reference_photo",)}, {}),
        (
            {"media": Field("string", media=True)},
            dict.fromkeys(("image", "audio", "video", "file"), ("media",)),
            {},
        ),
        (
            {"image": Field("string", media=True), "video": Field("string", media=True)},
            {"image": ("image",), "video": ("video",)},
            {},
        ),
        (
            {
                "image_size": Field("string"),
                "max_image_resolution": Field("number"),
                "num_images": Field("integer"),
            },
            {},
            {},
        ),
        ({"image": Field("string", enum=("small", "large"))}, {}, {}),
        ({"replicate_weights": Field("string"), "prompt": Field("string")}, {}, {}),
    ],
)
def test_the_inputs_that_take_media(fields: dict[str, Field], single: Any, lists: Any) -> None:
    found = media_fields(fields)
    assert found.single == single and found.lists == lists


def test_a_schema_is_the_same_after_a_journey_through_json() -> None:
    schema = from_openapi(
        {"Input": {"properties": {"a": {"type": "integer", "minimum": 1}, "b": URI}, "required": ["a"]}},
        model="x/y",
        version="v",
    )
    again = msgspec.json.decode(msgspec.json.encode(schema), type=ModelSchema)
    assert msgspec.structs.asdict(again) == msgspec.structs.asdict(schema)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "anyOf", "allOf", "$ref", "items", "enum", "default", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["prompt", "image", "stop", "tools"]), json_like), json_like)
def test_a_schema_of_any_shape_is_read(properties: Any, output: Any) -> None:
    from_openapi({"Input": {"properties": properties}, "Output": output})
