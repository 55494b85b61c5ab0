"""OpenAI's APIs that a line of a batch file may call: requests as the router's arguments, and answers in
their form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..chat.apis.completions import completion, read_completions
from ..chat.apis.responses_input import read_request
from ..chat.apis.responses_output import ResponseBuilder
from ..chat.embeddings import params_of, read_encoding, read_texts
from ..chat.responses import ModelResponse
from ..errors import BadRequestError

CHAT = "/v1/chat/completions"
EMBEDDINGS = "/v1/embeddings"
Body = Mapping[str, Any]


class Arguments(NamedTuple):
    """A body as the router's arguments.

    Attributes:
        asks: `messages` for a completion; `input` and `encoding_format` for embeddings.
        params: the options of the call, and the model's own inputs.
    """

    asks: dict[str, Any]
    params: dict[str, Any]


class Api(NamedTuple):
    """One of OpenAI's APIs.

    Attributes:
        ask: the router's arguments for a request's body; raises a `BadRequestError` if the body is wrong.
        answer: the API's answer, from the router's and the request's body; None if it is the router's.
        instruct: a body that is right with a system message added; None if the API has none.
    """

    ask: Callable[[Body], Arguments]
    answer: Callable[[ModelResponse, Body], Any] | None = None
    instruct: Callable[[Body, str], dict[str, Any]] | None = None


def _ask_chat(body: Body) -> Arguments:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadRequestError("messages must be a list with at least one message", param="messages")
    params = {name: value for name, value in body.items() if name not in ("model", "messages", "stream")}
    return Arguments({"messages": messages}, params)


def _ask_completion(body: Body) -> Arguments:
    asked = read_completions(body)
    if len(asked) > 1:
        raise BadRequestError(
            f"prompt has {len(asked)} texts: give each of them a line of its own", param="prompt"
        )
    return Arguments({"messages": asked[0].messages}, asked[0].params)


def _ask_response(body: Body) -> Arguments:
    if body.get("previous_response_id"):
        raise BadRequestError(
            "previous_response_id cannot be used in a batch: send the earlier turns in input",
            param="previous_response_id",
        )
    asked = read_request(body)
    return Arguments({"messages": asked.messages}, {"drop_params": True, **asked.params})


def _ask_embeddings(body: Body) -> Arguments:
    encoding = read_encoding(body.get("encoding_format"))
    return Arguments({"input": read_texts(body.get("input")), "encoding_format": encoding}, params_of(body))


def _completion(response: ModelResponse, body: Body) -> Any:
    return completion([response], response.usage)


def _response(response: ModelResponse, body: Body) -> Any:
    id = f"resp_{response.id}"
    return ResponseBuilder(id, response.created, response.model, body, stored=False).build(response)


def _instruct_chat(body: Body, system: str) -> dict[str, Any]:
    return {**body, "messages": [{"role": "system", "content": system}, *body["messages"]]}


def _instruct_response(body: Body, system: str) -> dict[str, Any]:
    own = body.get("instructions")
    return {**body, "instructions": f"{system}\n\n{own}" if own else system}


APIS: Mapping[str, Api] = {
    CHAT: Api(_ask_chat, instruct=_instruct_chat),
    "/v1/completions": Api(_ask_completion, _completion),
    "/v1/responses": Api(_ask_response, _response, _instruct_response),
    EMBEDDINGS: Api(_ask_embeddings),
}
"""By the url of a batch file's line."""
