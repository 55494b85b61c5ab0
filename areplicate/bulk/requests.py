"""The requests of a job: any series of mappings, each checked as it comes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from ..errors import APIError, BadRequestError

Ask = Callable[..., Awaitable[Any]]
"""`AsyncRouter.acompletion`."""
AskOne = Callable[[int, Mapping[str, Any]], Awaitable[Any]]
"""Asks the request with this index."""
Requests = Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]]


class JobEnded(Exception):
    """No further request can be asked; `error` says why."""

    def __init__(self, error: APIError) -> None:
        self.error = error


def checked_requests(requests: Any) -> Any:
    if isinstance(requests, (str, bytes, Mapping)) or not isinstance(requests, (Iterable, AsyncIterable)):
        raise BadRequestError(
            "requests must be a series of mappings such as "
            '[{"model": "owner/name", "messages": [{"role": "user", "content": "Hello"}]}], '
            f"not {type(requests).__name__}.",
            param="requests",
        )
    return requests


def is_embedding(request: Mapping[str, Any]) -> bool:
    """Whether a request asks for embeddings, as the lines of a batch file may; else it is a chat completion's."""
    return "input" in request and "messages" not in request


async def each_of(requests: Requests) -> AsyncGenerator[Any, None]:
    if isinstance(requests, AsyncIterable):
        async for request in requests:
            yield request
    else:
        for request in requests:
            yield request


_DEEPEST = 8
"""Levels of a request that a generator may use again: the parts of a message's content are on the fifth."""


def as_it_is_now(request: Any, depth: int = _DEEPEST) -> Any:
    """A request that stays as it is, also if its generator makes the next one of the same dictionaries and lists."""
    if depth and type(request) is dict:
        return {name: as_it_is_now(value, depth - 1) for name, value in request.items()}
    if depth and type(request) is list:
        return [as_it_is_now(value, depth - 1) for value in request]
    return request


def arguments_of(index: int, request: Any) -> Mapping[str, Any]:
    where = f"requests[{index}]"
    if not isinstance(request, Mapping) or not all(isinstance(name, str) for name in request):
        raise BadRequestError(
            f"{where} must be a mapping of acompletion's arguments, not {type(request).__name__}.",
            param="requests",
        )
    for name in ("model", "input" if is_embedding(request) else "messages"):
        if name not in request:
            near = get_close_matches(name, request, 1)
            hint = f" Is it {near[0]}?" if near else ""
            raise BadRequestError(f"{where} has no {name}.{hint}", param=name)
    if request.get("stream"):
        raise BadRequestError(
            f"{where} asks for a stream, and a result is a whole answer: leave stream out.", param="stream"
        )
    return request
