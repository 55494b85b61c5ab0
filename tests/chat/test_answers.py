"""What predictions make of a completion: its text, its tokens, its seconds, and why it ended."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pydantic
import pytest

from areplicate.chat.answers import Question, model_response, run_of, usage_of
from areplicate.chat.inputs import ModelInput
from areplicate.chat.mocked import mocked
from areplicate.chat.parsed import checked_class, parsed
from areplicate.chat.responses import Choice, FunctionCall, Message, ModelResponse, ToolCall, Usage
from areplicate.chat.schemas.schema import Field, ModelSchema
from areplicate.chat.usage import add, add_attempt, characters
from areplicate.errors import AnswerMisfitError, BadRequestError
from areplicate.replicate.protocol.predictions import Prediction, decode_any_prediction

USAGE = Usage(prompt_tokens=7, completion_tokens=3, total_tokens=10)


def prediction(id: str = "p", **fields: Any) -> Prediction:
    return decode_any_prediction(msgspec.json.encode({"id": id, "status": "succeeded", **fields}))


def counted(prompt: int, completion: int) -> dict[str, Any]:
    return {"input_token_count": prompt, "output_token_count": completion}


class TestUsage:
    @pytest.mark.parametrize(
        ("metrics", "output", "prompt", "completion", "estimated"),
        [
            (counted(7, 3), ["a"], 7, 3, False),
            (counted(0, 0), ["a"], 0, 0, False),
            ({"input_token_count": 7.0, "output_token_count": 3.0}, ["a"], 7, 3, False),
            ({"input_token_count": 7}, ["a", "", "b"], 7, 2, True),
            ({"output_token_count": 3}, ["a"], 5, 3, True),
            ({"input_token_count": -1, "output_token_count": 3}, ["a"], 5, 3, True),
            ({"input_token_count": 1e30, "output_token_count": 10**30}, ["a"], 5, 1, True),
            ({"input_token_count": "7", "output_token_count": 3}, ["a"], 5, 3, True),
            (None, "twelve chars", 5, 3, True),
            (None, [], 5, 3, True),
        ],
    )
    def test_is_the_model_s_or_an_estimate(
        self, metrics: Any, output: Any, prompt: int, completion: int, estimated: bool
    ) -> None:
        """An estimate has a token for each chunk, or for four characters, begun ones included."""
        usage = usage_of(prediction(metrics=metrics, output=output), {"prompt": "x" * 17}, "twelve chars")
        assert usage == Usage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            total_tokens=prompt + completion,
            estimated=estimated,
        )

    @pytest.mark.parametrize(
        ("value", "count"),
        [
            ("abc", 3),
            ("data:image/png;base64,AAAA", 0),
            ({"prompt": "abc", "images": ["data:,x", "https"], "top_k": 3, "seed": None}, 8),
            (["ab", ["c"], {"d": "e"}], 4),
            (7, 0),
            (None, 0),
        ],
    )
    def test_of_an_input_counts_its_text(self, value: Any, count: int) -> None:
        assert characters(value) == count

    @pytest.mark.parametrize(
        ("thought", "tokens"), [("x" * 50, 10), ("x" * 99, 20), (None, None), ("", None)]
    )
    def test_of_a_thought_is_its_share_of_the_text(self, thought: str | None, tokens: int | None) -> None:
        usage = usage_of(prediction(metrics=counted(7, 20)), {}, "x" * 100, thought)
        assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (7, 20, 27)
        details = usage.completion_tokens_details
        assert (details.reasoning_tokens if details else None) == tokens
        for sum in (add([usage, USAGE]), add_attempt(usage, USAGE), add_attempt(USAGE, usage)):
            assert sum.completion_tokens_details == usage.completion_tokens_details

    def test_of_several_answers_counts_the_prompt_once(self) -> None:
        other = Usage(prompt_tokens=7, completion_tokens=4, total_tokens=11, estimated=True)
        assert add([USAGE]) is USAGE
        assert add([USAGE, other]) == Usage(
            prompt_tokens=7, completion_tokens=7, total_tokens=14, estimated=True
        )
        assert not add([USAGE, USAGE]).estimated

    def test_of_an_attempt_more_counts_its_prompt_too(self) -> None:
        other = Usage(prompt_tokens=8, completion_tokens=4, total_tokens=12, estimated=True)
        for one, two in ((USAGE, other), (other, USAGE)):
            assert add_attempt(one, two) == Usage(
                prompt_tokens=15, completion_tokens=7, total_tokens=22, estimated=True
            )
        assert not add_attempt(USAGE, USAGE).estimated


class TestSeconds:
    @pytest.mark.parametrize(
        ("metrics", "predict", "queued"),
        [
            ([{"predict_time": 2.0, "total_time": 5.0}], 2.0, 3.0),
            ([{"predict_time": 5.0, "total_time": 2.0}], 5.0, 0.0),
            ([{"predict_time": 2}], 2, None),
            ([{"total_time": 2}], None, None),
            ([None], None, None),
            ([{"predict_time": "2"}], None, None),
            ([{"predict_time": -2.0, "total_time": 5.0}], None, None),
            ([{"predict_time": 2.0, "total_time": 1e30}], 2.0, None),
            ([{"predict_time": 1.0, "total_time": 2.0}, {"predict_time": 2.0, "total_time": 5.0}], 3.0, 4.0),
            ([None, {"predict_time": 2.0, "total_time": 5.0}], 2.0, 3.0),
            ([{"predict_time": 2.0, "total_time": 5.0}, None], None, None),
        ],
    )
    def test_are_those_of_all_attempts(self, metrics: list[Any], predict: Any, queued: Any) -> None:
        runs = [prediction(f"p{n}", metrics=each, version="v") for n, each in enumerate(metrics)]
        run = run_of(runs, USAGE)
        assert (run.predict_s, run.queued_s) == (predict, queued)
        assert (run.prediction_id, run.attempts) == (f"p{len(metrics) - 1}", len(metrics))
        assert (run.version, run.usage) == ("v", USAGE)


class TestACompletion:
    def asked(self, max_tokens: int | None = None) -> Question:
        return Question("deepseek-ai/deepseek-r1", ModelInput({"prompt": "Hello"}, max_tokens=max_tokens))

    def test_has_a_choice_for_each_answer(self) -> None:
        answers = [
            [prediction("a", output=["<think>Hm.</think>", "One"], metrics=counted(7, 3))],
            [prediction("failed"), prediction("b", output="Two", metrics=counted(7, 4))],
        ]
        made = model_response(self.asked(), answers)
        assert (made.id, made.model, made.object) == ("a", "deepseek-ai/deepseek-r1", "chat.completion")
        assert abs(made.created - time.time()) < 60
        assert [(each.index, each.message.role, each.message.content) for each in made.choices] == [
            (0, "assistant", "One"),
            (1, "assistant", "Two"),
        ]
        assert [each.message.reasoning_content for each in made.choices] == ["Hm.", None]
        assert made.usage == Usage(prompt_tokens=7, completion_tokens=7, total_tokens=14)
        assert [run.prediction_id for run in made.replicate] == ["a", "b"]
        assert [run.attempts for run in made.replicate] == [1, 2]
        assert made.replicate[1].usage == Usage(prompt_tokens=7, completion_tokens=4, total_tokens=11)

    def test_of_a_model_that_takes_tools_has_its_thoughts_apart(self) -> None:
        schema = ModelSchema({"tools": Field("array")})
        asked = Question("x/y", ModelInput({}), schema)
        [choice] = model_response(asked, [[prediction(output="<think>Hm.</think>Hi")]]).choices
        assert (choice.message.content, choice.message.reasoning_content) == ("Hi", "Hm.")

    def test_of_one_answer_has_its_usage(self) -> None:
        made = model_response(self.asked(), [[prediction(output="Hi there", metrics=None)]])
        assert made.usage == Usage(prompt_tokens=2, completion_tokens=2, total_tokens=4, estimated=True)

    @pytest.mark.parametrize(("limit", "reason"), [(None, "stop"), (4, "stop"), (3, "length"), (2, "length")])
    def test_that_reaches_the_limit_says_so(self, limit: int | None, reason: str) -> None:
        made = model_response(self.asked(limit), [[prediction(output="Hi", metrics=counted(7, 3))]])
        assert made.choices[0].finish_reason == reason


MESSAGES = [{"role": "user", "content": "Hello"}, {"role": "user", "content": "you"}]


class TestAMockedAnswer:
    def test_is_a_completion(self) -> None:
        made = mocked("a/b", MESSAGES, "Hi there", 2)
        assert made.model == "a/b" and made.id.startswith("mock-") and abs(made.created - time.time()) < 60
        assert [(each.index, each.message.content, each.finish_reason) for each in made.choices] == [
            (0, "Hi there", "stop"),
            (1, "Hi there", "stop"),
        ]
        assert made.choices[0].message.role == "assistant"
        assert made.usage == Usage(prompt_tokens=2, completion_tokens=4, total_tokens=6, estimated=True)
        assert made.id != mocked("a/b", MESSAGES, "Hi there", 2).id

    def test_may_be_a_whole_completion_or_an_error(self) -> None:
        whole = mocked("a/b", MESSAGES, "Hi", 1)
        assert mocked("c/d", MESSAGES, whole.model_dump(), 1) == whole
        with pytest.raises(ZeroDivisionError):
            mocked("a/b", MESSAGES, ZeroDivisionError(), 1)

    def test_is_nothing_else(self) -> None:
        message = "^mock_response must be a string, an exception or a ModelResponse, not int.$"
        with pytest.raises(BadRequestError, match=message) as caught:
            mocked("a/b", MESSAGES, 3, 1)
        assert caught.value.param == "mock_response"
        with pytest.raises(BadRequestError, match="messages is empty"):
            mocked("a/b", [], "Hi", 1)


class Count(pydantic.BaseModel):
    n: int


def response(content: str | None, *calls: ToolCall) -> ModelResponse:
    message = Message(role="assistant", content=content, tool_calls=list(calls) or None)
    choice = Choice(index=0, message=message, finish_reason="stop")
    return ModelResponse(id="x", created=1, model="a/b", choices=[choice], usage=USAGE)


class TestAnAnswerAsAnObject:
    def test_is_of_the_class(self) -> None:
        answer = response('{"n": 3}')
        assert parsed(answer, Count).parsed == Count(n=3)
        assert parsed(answer, Count).response is answer

    def test_is_none_where_tools_are_called(self) -> None:
        call = ToolCall(id="c", function=FunctionCall(name="f", arguments="{}"))
        answer = response(None, call)
        assert (parsed(answer, Count).parsed, parsed(answer, Count).response) == (None, answer)

    @pytest.mark.parametrize("content", ['{"n": "x"}', '{"n":', "", None])
    def test_that_the_class_refuses_is_an_error_with_its_text(self, content: str | None) -> None:
        with pytest.raises(AnswerMisfitError, match="^The answer is not a Count: ") as caught:
            parsed(response(content), Count)
        assert (caught.value.text, caught.value.model) == (content or "", "a/b")

    @pytest.mark.parametrize("kind", [dict, "Count", Count(n=3), None])
    def test_needs_a_pydantic_class(self, kind: Any) -> None:
        with pytest.raises(BadRequestError, match="^response_format must be a pydantic class") as caught:
            checked_class(kind)
        assert caught.value.param == "response_format"
        assert str(caught.value).endswith(f"(class Answer(BaseModel): ...), not {kind!r}.")
        checked_class(Count)
