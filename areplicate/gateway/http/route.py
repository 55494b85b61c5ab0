"""A route, declared once: method, path, who may call it, and the structs that it reads and answers.

The dispatcher takes requests to it, and the OpenAPI document is derived from it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from ..accounts.auth import Access
from .bodies import read_body, read_query
from .exchange import Exchange

Handler = Callable[..., Coroutine[Any, Any, Any]]
"""Takes the exchange and, if the route reads a struct, what was sent."""


class Route(NamedTuple):
    """A route.

    Attributes:
        handler: the first line of its docstring is what the OpenAPI document says of the route.
        path: as OpenAI and LiteLLM write it; what its figures are counted under. `{id}` in it stands for
            any text that can be printed, which is then `exchange.rest`. `/v1` in front of it is optional for
            callers.
        takes: the struct of a POST's body, or of a GET's query. If it allows unknown fields, they are the
            model's own inputs: the handler then gets the checked object as a dictionary, without nulls.
        answer: the struct of the answer, or the content type of one that is none.
        form: whether a POST's body is a form with a file, which the handler reads as it comes.
        changes: whether it changes what is stored: then it runs to its end even if its client leaves.
        streams: whether `stream: true` makes the answer server-sent events.
    """

    method: str
    path: str
    access: Access
    handler: Handler
    takes: type | None = None
    answer: type | str = "application/json"
    form: bool = False
    changes: bool = False
    streams: bool = False

    async def read(self, exchange: Exchange) -> tuple[Any, ...]:
        """What the handler takes after the exchange: what was sent, if it reads a struct."""
        if self.takes is None or self.form:
            return ()
        if self.method == "GET":
            return (await read_query(exchange.request, self.takes),)
        return (await read_body(exchange, self.takes),)


def route(method: str, path: str, access: Access, **declared: Any) -> Callable[[Handler], Route]:
    """Makes a handler a `Route`, which has the further arguments as attributes."""
    return lambda handler: Route(method, path, access, handler, **declared)
