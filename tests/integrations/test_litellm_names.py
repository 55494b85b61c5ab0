"""`import areplicate as litellm`: the usual names work, and any other says what to do."""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

import areplicate as litellm
from areplicate.chat.responses import Run
from areplicate.local import LocalModel, LocalReplicate
from areplicate.local.components import component_schemas
from tests.stage import HELLO, LLAMA, in_the_environment, llama, sent


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalReplicate]:
    models = [llama(reply=["I", " am", " fine."]), LocalModel(owner="meta", name="fails", failure="broken")]
    with LocalReplicate(models) as local:
        in_the_environment(local, monkeypatch)
        yield local


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in litellm._SETTINGS:
        monkeypatch.setattr(litellm, name, getattr(litellm, name))


USUAL = [
    *("completion", "acompletion", "batch_completion", "abatch_completion", "Router", "exceptions"),
    *("stream_chunk_builder", "completion_cost", "token_counter", "get_supported_openai_params"),
    *("validate_environment", "ModelResponse", "ModelResponseStream", "Message", "Choices", "Usage", "Delta"),
    *("StreamingChoices", "AuthenticationError", "BadRequestError", "NotFoundError", "RateLimitError"),
    *("ServiceUnavailableError", "InternalServerError", "APIError", "APIConnectionError", "Timeout"),
    *("PermissionDeniedError", "UnsupportedParamsError", "set_verbose", "drop_params", "api_key", "api_base"),
    *("num_retries", "request_timeout"),
]


@pytest.mark.parametrize("name", USUAL)
def test_the_usual_names_are_there(name: str) -> None:
    assert name in dir(litellm)
    getattr(litellm, name)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "image_generation",
            "transcription",
            "text_completion",
            "cache",
            "Cache",
        ),
        *("success_callback", "failure_callback", "callbacks", "fallbacks", "model_list", "telemetry"),
        *("suppress_debug_info", "modify_params", "max_budget", "register_model", "model_cost", "encode"),
        *(
            "headers",
            "nothing_of_the_kind",
            "run",
            "stream",
            "Client",
            "OpenAI",
            "responses",
            "supports_vision",
        ),
        *("AsyncReplicate", "Replicate", "utils", "token", "timeout", "verbose", "create_batch"),
    ],
)
def test_any_other_says_what_to_do_when_it_is_read_or_set(name: str) -> None:
    said = []
    with pytest.raises(AttributeError) as caught:
        getattr(litellm, name)
    said.append(str(caught.value))
    with pytest.raises(AttributeError) as caught:
        setattr(litellm, name, True)
    said.append(str(caught.value))
    assert said[0] == said[1] and said[0].startswith(f"areplicate has no {name!r}")
    assert said[0].count(". ") == 0, "one sentence"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("embeddings", "embedding"),
        ("drop_param", "drop_params"),
        ("CompletionError", None),
        ("acompletions", "acompletion"),
    ],
)
def test_a_name_that_is_nearly_right_is_told_with_the_nearest(name: str, meant: str | None) -> None:
    with pytest.raises(AttributeError) as caught:
        getattr(litellm, name)
    assert str(caught.value) == f"areplicate has no {name!r}." + (f" Did you mean {meant}?" if meant else "")


def test_the_errors_have_a_module() -> None:
    code = "from areplicate.exceptions import RateLimitError; import areplicate; assert RateLimitError is areplicate.RateLimitError"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert litellm.exceptions.Timeout is litellm.Timeout


# An `except` clause looks its names up when an error has come: one that is not there would be raised in its place.
SAME = [
    *(("OpenAIError", "APIError"), ("APIStatusError", "APIError"), ("ReplicateError", "APIError")),
    *(("InvalidRequestError", "BadRequestError"), ("UnprocessableEntityError", "BadRequestError")),
    *(("PaymentRequiredError", "InsufficientCreditError"), ("BadGatewayError", "InternalServerError")),
    *(("ModelError", "PredictionFailedError"), ("APITimeoutError", "Timeout")),
    *(("ReplicateException", "APIError"), ("JSONSchemaValidationError", "AnswerMisfitError")),
]
NEVER_RAISED = [
    *("ContentPolicyViolationError", "APIResponseValidationError"),
    *("BudgetExceededError", "RejectedRequestError", "MidStreamFallbackError"),
    *("GuardrailRaisedException", "BlockedPiiEntityError", "LiteLLMUnknownProvider"),
    *("ConflictError", "LengthFinishReasonError", "ImageFetchError", "MockException"),
]
MODULES = pytest.mark.parametrize("module", [litellm, litellm.exceptions])


@MODULES
@pytest.mark.parametrize(("theirs", "ours"), SAME)
def test_an_error_of_theirs_is_caught_by_its_name_there(module: Any, theirs: str, ours: str) -> None:
    assert getattr(module, theirs) is getattr(litellm, ours)


@MODULES
@pytest.mark.parametrize("name", NEVER_RAISED)
def test_an_error_that_is_never_raised_hides_none_and_says_what_is(
    local: LocalReplicate, module: Any, name: str
) -> None:
    with pytest.warns(litellm.AreplicateWarning, match=f"raises no {name}: .* ") as warned:
        try:
            litellm.completion("meta/fails", HELLO)
        except getattr(module, name):
            pytest.fail("it was raised")
        except litellm.APIError as error:
            assert isinstance(error, litellm.PredictionFailedError)
    assert [warning.filename for warning in warned] == [__file__]


def test_errors_have_openai_s_and_litellm_s_attributes() -> None:
    assert litellm.BadRequestError("Wrong.").type == "invalid_request_error"
    assert litellm.RateLimitError("Slower.").code == "rate_limit_exceeded"
    for error in map(partial(getattr, litellm), litellm._ERRORS):
        if issubclass(error, litellm.APIError):
            assert isinstance(error("x").type, str) and error("x").llm_provider == "replicate"
            assert isinstance(error("x").code, str | None)
            made = error(
                message="x", llm_provider="azure", model="y"
            )  # as tests of LiteLLM's users make them
            assert (pickle.loads(pickle.dumps(made)).llm_provider, made.model) == ("azure", "y")


class TestSettings:
    def test_drop_params(self, local: LocalReplicate) -> None:
        with pytest.raises(litellm.UnsupportedParamsError):
            litellm.completion(LLAMA, HELLO, logprobs=True)
        litellm.drop_params = True
        litellm.completion(LLAMA, HELLO, logprobs=True)
        with pytest.raises(litellm.UnsupportedParamsError):
            litellm.completion(LLAMA, HELLO, logprobs=True, drop_params=False)

    def test_key_and_base_count_more_than_the_environment_and_less_than_a_call(
        self, local: LocalReplicate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REPLICATE_API_BASE", "http://127.0.0.1:9/v1")
        litellm.api_base = local.api_base
        litellm.api_key = "r8_of_the_process"
        litellm.completion(LLAMA, HELLO)
        litellm.completion(LLAMA, HELLO, api_key="r8_of_the_call")
        keys = [seen.headers["Authorization"] for seen in local.requests if seen.kind == "create"]
        assert keys == ["Bearer r8_of_the_process", "Bearer r8_of_the_call"]

    def test_retries_and_time_out(self, local: LocalReplicate) -> None:
        litellm.num_retries = -1
        with pytest.raises(litellm.BadRequestError, match="num_retries must be"):
            litellm.completion(LLAMA, HELLO)
        litellm.num_retries = 0
        litellm.request_timeout = -5
        with pytest.raises(litellm.BadRequestError, match="timeout must be a positive number"):
            litellm.completion(LLAMA, HELLO)
        litellm.completion(LLAMA, HELLO, timeout=60)


def test_several_conversations(local: LocalReplicate) -> None:
    wrong: Any = [{"role": "wizard", "content": "x"}]
    first, second, third = litellm.batch_completion(model=LLAMA, messages=[HELLO, wrong, HELLO])
    assert isinstance(first, litellm.ModelResponse) and isinstance(third, litellm.ModelResponse)
    assert isinstance(second, litellm.BadRequestError)
    assert len(asyncio.run(litellm.abatch_completion(LLAMA, [HELLO] * 3))) == 3


def test_max_workers_bounds_how_many_conversations_are_asked_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def reply(_: Any) -> str:
        others.append(len(local.running()))
        return "Hi"

    others: list[int] = []
    with LocalReplicate([llama(reply=reply, run_seconds=0.05)]) as local:
        in_the_environment(local, monkeypatch)
        answers = litellm.batch_completion(LLAMA, [HELLO] * 4, max_workers=1)
        assert [type(answer).__name__ for answer in answers] == ["ModelResponse"] * 4
        assert others == [0] * 4
        with pytest.raises(litellm.BadRequestError, match="max_workers must be a whole number"):
            litellm.batch_completion(LLAMA, [HELLO], max_workers=0)


def test_a_stream_s_chunks_are_built_into_an_answer(local: LocalReplicate) -> None:
    chunks = list(litellm.completion(LLAMA, HELLO, stream=True))
    built = litellm.stream_chunk_builder(chunks, messages=HELLO)
    assert litellm.stream_chunk_builder([chunk.model_dump() for chunk in chunks]) == built
    assert built.choices[0].message.content == "I am fine."


def test_what_an_answer_cost() -> None:
    usage = litellm.Usage(prompt_tokens=1_000_000, completion_tokens=0, total_tokens=1_000_000)
    answer = litellm.completion("meta/meta-llama-3-8b-instruct", HELLO, mock_response="Hi")
    answer.replicate = [Run(prediction_id="p", usage=usage)]
    assert 0.01 < litellm.completion_cost(completion_response=answer) < 1
    with pytest.raises(litellm.BadRequestError, match="has not published a price per token for some/body"):
        litellm.completion_cost(answer, model="some/body")
    assert litellm.completion_cost(answer.model_dump()) == litellm.completion_cost(answer)


def test_what_texts_would_cost_is_estimated() -> None:
    asked = litellm.completion_cost(model=LLAMA, prompt="a" * 400)
    assert 0 < asked < litellm.completion_cost(model=LLAMA, prompt="a" * 400, completion="b" * 400)
    assert litellm.completion_cost(model=LLAMA, messages=HELLO) > 0
    with pytest.raises(litellm.BadRequestError, match="needs an answer, or model="):
        litellm.completion_cost()


def test_tokens_are_estimated_and_that_is_said() -> None:
    with pytest.warns(litellm.AreplicateWarning, match="token_counter estimates"):
        assert litellm.token_counter(model=LLAMA, text="a" * 40) == 10
    with pytest.warns(litellm.AreplicateWarning):
        assert litellm.token_counter(LLAMA, messages=[{"role": "user", "content": "a" * 8}]) == 2


def test_tools_and_calls_have_tokens_too() -> None:
    function = {"name": "f" * 4, "arguments": "a" * 8}
    calls = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "1", "type": "function", "function": function}],
    }
    with pytest.warns(litellm.AreplicateWarning):
        assert litellm.token_counter(LLAMA, messages=[calls]) == 3
        tool = {"type": "function", "function": {"name": "f", "description": "d" * 400}}
        assert 110 < litellm.token_counter(LLAMA, messages=[calls], tools=[tool]) < 130


def test_what_a_model_takes_and_what_the_environment_has(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"temperature", "max_tokens", "stream"} <= set(litellm.get_supported_openai_params(LLAMA))
    assert "reasoning_effort" not in litellm.get_supported_openai_params(LLAMA)
    monkeypatch.delenv("REPLICATE_API_KEY", raising=False)
    monkeypatch.delenv("REPLICATE_API_TOKEN", raising=False)
    assert litellm.validate_environment(LLAMA)["missing_keys"] == ["REPLICATE_API_KEY"]
    monkeypatch.setenv("REPLICATE_API_TOKEN", "x")
    assert litellm.validate_environment(LLAMA) == {"keys_in_environment": True, "missing_keys": []}


class TestRouter:
    LIST = (
        {"model_name": "chat", "litellm_params": {"model": "replicate/meta/fails"}},
        {"model_name": "other", "litellm_params": {"model": f"replicate/{LLAMA}"}},
    )

    def test_from_scripts_and_from_any_loop(self, local: LocalReplicate) -> None:
        router = litellm.Router(
            model_list=self.LIST,
            fallbacks=[{"chat": ["other"]}],
            num_retries=2,
            timeout=60,
            default_litellm_params={"max_tokens": 7},
        )
        for _ in range(2):
            answer = asyncio.run(router.acompletion(model="chat", messages=HELLO))
            assert isinstance(answer, litellm.ModelResponse)
            assert answer.choices[0].message.content == "I am fine."
        assert isinstance(router.completion(model="other", messages=HELLO), litellm.ModelResponse)
        chunks: Any = router.completion(model="other", messages=HELLO, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "I am fine."
        assert sent(local)[-1]["input"]["max_tokens"] == 7

    def test_embeddings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        schema = component_schemas({"properties": {"text": {"type": "string"}}, "required": []}, {})
        embeds = LocalModel(
            owner="a", name="embeds", reply={"embedding": [1.0]}, output_kind="object", schema=schema
        )
        with LocalReplicate([embeds]) as local:
            in_the_environment(local, monkeypatch)
            entry = {"model_name": "vectors", "litellm_params": {"model": "replicate/a/embeds"}}
            router = litellm.Router(model_list=[entry])
            assert router.embedding(model="vectors", input=["Hello"]).data[0].embedding == [1.0]
            answer = asyncio.run(router.aembedding(model="vectors", input="Hello"))
            assert answer.data[0].embedding == [1.0]

    def test_what_it_cannot_do_is_told_when_it_is_made(self) -> None:
        with pytest.raises(litellm.BadRequestError, match=r'default_fallbacks: fallbacks=\[{"name"'):
            litellm.Router(model_list=self.LIST, default_fallbacks=["other"])
        with pytest.raises(litellm.BadRequestError, match="no option max_retry"):
            litellm.Router(model_list=self.LIST, max_retry=2)
        with pytest.raises(litellm.BadRequestError, match="model_list must be a list"):
            litellm.Router(model_list=3)  # type: ignore[arg-type]
        litellm.Router(model_list=self.LIST, max_retries=2)

    def test_what_only_tunes_litellms_router_is_left_out_with_a_warning(self) -> None:
        with pytest.warns(litellm.AreplicateWarning) as warnings:
            litellm.Router(
                model_list=self.LIST, routing_strategy="simple-shuffle", redis_host=None, retry_after=1
            )
        assert [str(each.message).partition(" ")[0] for each in warnings] == [
            "retry_after",
            "routing_strategy",
        ]


def test_the_function_is_there_whoever_imported_its_module_first() -> None:
    code = "import areplicate.completion; import areplicate; assert callable(areplicate.completion)"
    subprocess.run([sys.executable, "-c", code], check=True)
