"""Texts into the inputs that a model has for them, vectors out of what it gives."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest

from areplicate.chat.embeddings import in_base64, inputs_for, read_texts, read_vectors, tokens_of
from areplicate.chat.schemas.schema import Field, ModelSchema
from areplicate.errors import BadRequestError, PredictionFailedError

TEXT, ANY, NUMBER = Field("string"), Field(), Field("number")
LIST = Field("array", "string")


@pytest.mark.parametrize(("given", "texts"), [("ab", ["ab"]), (["a", "b"], ["a", "b"]), (("a",), ["a"])])
def test_one_text_or_several(given: Any, texts: list[str]) -> None:
    assert read_texts(given) == texts


@pytest.mark.parametrize("given", [None, "", [], ["a", ""], ["a", 1.5], 3, {"a": 1}, [["a"]]])
def test_anything_else_is_refused(given: Any) -> None:
    message = "^input must be a string or a list of strings, none of them empty.$"
    with pytest.raises(BadRequestError, match=message) as caught:
        read_texts(given)
    assert caught.value.param == "input"


@pytest.mark.parametrize("given", [[1, 2], [[1, 2], [3]], [[]]])
def test_ids_of_tokens_are_refused_with_what_to_do(given: Any) -> None:
    with pytest.raises(BadRequestError, match="^input must be .* ids of tokens mean nothing") as caught:
        read_texts(given)
    assert caught.value.param == "input" and "check_embedding_ctx_length=False" in str(caught.value)


def test_at_most_2048_texts_at_once() -> None:
    assert len(read_texts(["a"] * 2048)) == 2048
    with pytest.raises(BadRequestError, match="^There are 2049 texts; 2048 are allowed.$") as caught:
        read_texts(["a"] * 2049)
    assert caught.value.param == "input"


@pytest.mark.parametrize(
    ("fields", "inputs"),
    [
        (None, [(1, {"text": "a", "x": 1}), (1, {"text": "b", "x": 1})]),
        ({"x": NUMBER, "lines": LIST}, [(2, {"lines": ["a", "b"], "x": 1})]),
        ({"lines": Field("array", "any")}, [(2, {"lines": ["a", "b"], "x": 1})]),
        *(
            ({name: TEXT}, [(2, {name: '["a","b"]', "x": 1})])
            for name in ("texts", "sentences", "documents", "text_batch", "query_texts", "passages")
        ),
        *(
            ({"x": NUMBER, name: kind}, [(1, {name: "a", "x": 1}), (1, {name: "b", "x": 1})])
            for kind in (TEXT, ANY)
            for name in (
                *("text", "input", "prompt", "query", "sentence", "text_input", "inputs", "query_text"),
                "passage",
            )
        ),
        (
            {"images": Field("array", "string", True), "weights": Field("array", "number"), "text": TEXT},
            [(1, {"text": "a", "x": 1}), (1, {"text": "b", "x": 1})],
        ),
        ({"labels": LIST, "text": TEXT}, [(1, {"text": "a", "x": 1}), (1, {"text": "b", "x": 1})]),
        ({"text": TEXT, "input": LIST}, [(2, {"input": ["a", "b"], "x": 1})]),
        ({"labels": LIST, "texts": TEXT}, [(2, {"texts": '["a","b"]', "x": 1})]),
        ({"prompt": TEXT, "text": TEXT}, [(1, {"text": "a", "x": 1}), (1, {"text": "b", "x": 1})]),
        ({"text": NUMBER, "query": TEXT}, [(1, {"query": "a", "x": 1}), (1, {"query": "b", "x": 1})]),
    ],
)
def test_texts_go_into_the_input_for_them(fields: Any, inputs: Any) -> None:
    schema = None if fields is None else ModelSchema(fields, output="list")
    assert inputs_for(["a", "b"], {"x": 1}, schema, "a/b") == inputs


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (
            ModelSchema({"text": TEXT}, output="stream"),
            "a/b writes text and gives no vectors: choose a model",
        ),
        (
            ModelSchema({"x": TEXT, "text": NUMBER, "texts": NUMBER}, output="list"),
            "a/b has no input for text to embed. Its inputs are x, text, texts.",
        ),
    ],
)
def test_a_model_that_does_not_embed_is_refused(schema: ModelSchema, message: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        inputs_for(["a"], {}, schema, "a/b")
    assert str(caught.value).startswith(message) and caught.value.model == "a/b"


@pytest.mark.parametrize(
    "output",
    [
        [[1, 2], [3, 4.5]],
        "[[1, 2], [3, 4.5]]",
        {"embeddings": [[1, 2], [3, 4.5]]},
        {"data": [{"embedding": [1, 2]}, {"embedding": [3, 4.5]}], "usage": [1]},
        [{"vector": [1, 2], "text": "a"}, {"vector": "[3, 4.5]"}],
        {"embedding": {"values": [[1, 2], [3, 4.5]]}},
        {"result": {"vectors": [[1, 2], [3, 4.5]]}},
        {"output": [[1, 2], [3, 4.5]], "model": "x"},
    ],
)
def test_vectors_are_found_wherever_they_are(output: Any) -> None:
    vectors = read_vectors(output, 2, "a/b")
    assert vectors == [[1.0, 2.0], [3.0, 4.5]]
    assert all(type(number) is float for vector in vectors for number in vector)


@pytest.mark.parametrize(
    ("output", "count"),
    [
        ("Hello", 0),
        ("[1, 2", 0),
        ([], 0),
        ([[]], 0),
        (["a"], 0),
        ([True, False], 0),
        ({"x": [1]}, 0),
        (None, 0),
        ([[1], [2]], 2),
    ],
)
def test_another_number_of_vectors_is_an_error(output: Any, count: int) -> None:
    with pytest.raises(
        PredictionFailedError, match=f"^The model gave {count} vectors for 1 texts: it"
    ) as caught:
        read_vectors(output, 1, "a/b")
    assert caught.value.model == "a/b"


def test_in_base64_they_are_floats_of_32_bits_the_lowest_byte_first() -> None:
    assert struct.unpack("<3f", base64.b64decode(in_base64([1.0, -0.5, 2.0]))) == (1.0, -0.5, 2.0)


def test_a_token_is_four_characters_of_each_text() -> None:
    assert tokens_of(["abcde", "a", ""]) == 3
