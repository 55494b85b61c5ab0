"""OpenAI's objects: what its own have, and what people do with them."""

from __future__ import annotations

import copy
import json
import pickle
from functools import partial
from operator import attrgetter
from typing import Any

import pydantic
import pytest

from areplicate import BadRequestError, ModelResponse, ModelResponseChunk
from areplicate.chat.embeddings import Embedding, EmbeddingResponse, EmbeddingUsage
from areplicate.chat.responses import (
    Choice,
    ChunkChoice,
    CompletionTokensDetails,
    Delta,
    FunctionCall,
    Message,
    PromptTokensDetails,
    Run,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from tests.lazily import Lazily

openai_types: Any = Lazily("openai.types")

USAGE = Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3)
CALL = ToolCall(id="c", function=FunctionCall(name="f", arguments="{}"))
WHOLE = ModelResponse(
    id="p",
    created=1,
    model="a/b",
    choices=[
        Choice(
            index=0,
            message=Message(role="assistant", content="Hi", tool_calls=[CALL]),
            finish_reason="tool_calls",
        )
    ],
    usage=USAGE,
    replicate=[Run(prediction_id="p", usage=USAGE)],
)
CHUNK = ModelResponseChunk(
    id="p",
    object="chat.completion.chunk",
    created=1,
    model="a/b",
    choices=[
        ChunkChoice(
            index=0,
            delta=Delta(content="Hi", tool_calls=[ToolCallDelta(index=0, id="c", function=CALL.function)]),
        )
    ],
    usage=USAGE,
)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (WHOLE, "chat.ChatCompletion"),
        (WHOLE.choices[0], "chat.chat_completion.Choice"),
        (WHOLE.choices[0].message, "chat.ChatCompletionMessage"),
        (USAGE, "CompletionUsage"),
        (CompletionTokensDetails(), "completion_usage.CompletionTokensDetails"),
        (PromptTokensDetails(), "completion_usage.PromptTokensDetails"),
        (CHUNK, "chat.ChatCompletionChunk"),
        (CHUNK.choices[0], "chat.chat_completion_chunk.Choice"),
        (CHUNK.choices[0].delta, "chat.chat_completion_chunk.ChoiceDelta"),
    ],
)
def test_every_attribute_of_openai_s_is_there(ours: Any, theirs: str) -> None:
    elsewhere = {"moderation", "metadata", "obfuscation"}  # of what OpenAI checks, stores or pads
    dumped = ours.model_dump()
    for name in attrgetter(theirs)(openai_types).model_fields.keys() - elsewhere:
        getattr(ours, name)
        ours[name]
        dumped[name]


@pytest.mark.parametrize("made", [WHOLE, CHUNK], ids=["whole", "chunk"])
class TestMadeAnew:
    def test_from_what_it_dumps(self, made: Any) -> None:
        again = type(made)(**made.model_dump())
        assert again == made and again.choices[0].__class__ is made.choices[0].__class__
        assert again.usage.total_tokens == 3

    def test_with_its_choices_alone(self, made: Any) -> None:
        again = type(made)(**{**made.model_dump(), "usage": made.usage, "replicate": None})
        assert again.choices == made.choices

    def test_with_its_usage_alone(self, made: Any) -> None:
        again = type(made)(**{**made.model_dump(), "choices": [], "replicate": None})
        assert again.usage == made.usage

    def test_by_validation(self, made: Any) -> None:
        kind = type(made)
        assert kind.model_validate(made.model_dump()) == made
        assert kind.model_validate_json(made.model_dump_json()) == made
        assert kind.model_validate(made) is made

    def test_by_copying(self, made: Any) -> None:
        for again in (copy.deepcopy(made), pickle.loads(pickle.dumps(made)), made.model_copy(deep=True)):
            assert again == made and again.choices[0] is not made.choices[0]
        assert made.model_copy(update={"model": "c/d"}).model == "c/d" and made.model == "a/b"
        assert made.model_copy().choices is made.choices, "as pydantic's, it is a flat copy unless deep"

    def test_and_read_by_openai_s_own_types(self, made: Any) -> None:
        chat = openai_types.chat
        kind = chat.ChatCompletion if made is WHOLE else chat.ChatCompletionChunk
        theirs = kind.model_validate(made.model_dump())
        assert type(made).model_validate(theirs).choices == made.choices


EMBEDDED = EmbeddingResponse(
    data=[Embedding(embedding=[0.5], index=0)],
    model="a/b",
    usage=EmbeddingUsage(prompt_tokens=1, total_tokens=1),
    replicate=[Run(prediction_id="p", usage=USAGE)],
)


@pytest.mark.parametrize(
    "made",
    [
        EMBEDDED,
        WHOLE.choices[0],
        CALL,
        Message(role="assistant", content=None, function_call=CALL.function),
    ],
    ids=lambda made: type(made).__name__,
)
def test_every_whole_object_is_made_anew_from_its_dump(made: Any) -> None:
    assert type(made)(**made.model_dump()) == type(made)(**made.to_dict()) == made


def test_what_has_not_the_form_is_refused_with_the_place() -> None:
    dumped = WHOLE.model_dump()
    dumped["choices"][0]["message"]["content"] = 3
    for make in (partial(ModelResponse, **dumped), partial(ModelResponse.model_validate, dumped)):
        with pytest.raises(BadRequestError, match=r"Expected `str \| null`, got `int`.*message.content"):
            make()
    with pytest.raises(BadRequestError, match="This is not a ModelResponse"):
        ModelResponse.model_validate(3)
    with pytest.raises(BadRequestError, match="This is not a ModelResponse"):
        ModelResponse.model_validate_json("{")


def test_they_may_be_changed() -> None:
    response = WHOLE.model_copy(deep=True)
    response.choices[0].message.content = "changed"
    response["model"] = "mine"
    response.choices[0]["finish_reason"] = "stop"
    assert json.loads(response.model_dump_json())["choices"][0]["message"]["content"] == "changed"
    assert response.model == "mine" and response.choices[0].finish_reason == "stop"
    with pytest.raises(KeyError, match="no such field"):
        response["no such field"] = 1


def test_json_gives_the_values_and_to_json_the_text() -> None:
    assert WHOLE.json() == WHOLE.model_dump() == WHOLE.dict()
    assert WHOLE.to_dict() == WHOLE.model_dump(exclude_unset=True) == json.loads(WHOLE.to_json())
    assert list(WHOLE.to_dict()["choices"][0]["message"]) == ["role", "content", "tool_calls"]
    assert WHOLE.copy(update={"model": "mine"}).model == "mine" != WHOLE.model
    assert list(WHOLE.model_dump(include={"model", "id"})) == ["id", "model"]
    assert "replicate" not in json.loads(WHOLE.model_dump_json(exclude=["replicate"], indent=None))
    assert json.loads(WHOLE.model_dump_json()) == WHOLE.json()


def test_a_dump_has_nothing_of_ours_that_says_nothing() -> None:
    """A message goes back to any server, and OpenAI's refuses fields that it does not know."""
    message = WHOLE.choices[0].message
    assert "reasoning_content" not in message.model_dump() and "estimated" not in USAGE.model_dump()
    thought = message.model_copy(update={"reasoning_content": "Hm"})
    assert thought.model_dump()["reasoning_content"] == "Hm"
    details = CompletionTokensDetails(reasoning_tokens=2)
    usage = USAGE.model_copy(update={"completion_tokens_details": details})
    assert usage.model_dump()["completion_tokens_details"]["reasoning_tokens"] == 2
    assert Usage.model_validate(usage.model_dump()) == usage == Usage.model_validate(usage.to_dict())
    whole = WHOLE.model_copy(update={"usage": usage})
    assert ModelResponse(**whole.model_dump()) == whole


def test_a_dump_is_a_copy() -> None:
    annotated = WHOLE.choices[0].message.model_copy(update={"annotations": [{"type": "url_citation"}]})
    annotated.model_dump()["annotations"][0]["type"] = "changed"
    assert annotated.annotations == [{"type": "url_citation"}]


def test_they_are_mappings_too() -> None:
    assert {**USAGE} == dict(USAGE.items()) == {name: USAGE[name] for name in USAGE}
    assert list(USAGE.keys()) == list(USAGE) == [name for name, _ in USAGE.items()]
    assert USAGE.values() == [value for _, value in USAGE.items()]
    assert "total_tokens" in USAGE and "no such field" not in USAGE
    assert USAGE.get("total_tokens") == 3 and USAGE.get("no such field") is None
    assert USAGE.get("no such field", 7) == 7
    with pytest.raises(KeyError, match="no such field"):
        USAGE["no such field"]


def test_json_may_be_indented_and_what_is_null_left_out() -> None:
    run = Run(prediction_id="p", usage=USAGE)
    compact, full = run.model_dump_json(exclude_none=True), run.model_dump_json()
    assert "\n" not in full and json.loads(full) == run.model_dump() and json.loads(full)["version"] is None
    assert (
        json.loads(compact)
        == run.model_dump(exclude_none=True)
        == {name: value for name, value in run.to_dict().items() if value is not None}
    )
    indented = run.model_dump_json(indent=3)
    assert indented.startswith('{\n   "prediction_id": "p",') and json.loads(indented) == json.loads(full)
    dumped = WHOLE.model_dump(exclude_none=True)
    assert "version" not in dumped["replicate"][0] and dumped["choices"][0]["message"]["content"] == "Hi"


def test_a_field_of_a_pydantic_class_may_be_an_answer() -> None:
    class Record(pydantic.BaseModel):
        answer: ModelResponse
        message: Message | None = None

    record = Record(answer=WHOLE, message=WHOLE.choices[0].message)
    assert record.answer is WHOLE
    again = Record.model_validate_json(record.model_dump_json())
    assert again == record and again.answer == WHOLE
    assert Record.model_json_schema()["properties"]["answer"] == {"title": "ModelResponse", "type": "object"}
    with pytest.raises(pydantic.ValidationError, match="missing required field `id`"):
        Record.model_validate({"answer": {"choices": []}})
