"""Requests that are refused, and the problem+json (RFC 9457) that says why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from aiohttp import web


class InvalidField(msgspec.Struct, frozen=True):
    """One thing that is wrong with a request's JSON; `field` is its path, empty for the whole."""

    type: str
    field: str
    description: str


class Refusal(Exception):
    """An answer other than 2xx, raised from wherever the reason is found."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        title: str | None = None,
        invalid_fields: Sequence[InvalidField] = (),
        headers: Mapping[str, str] = {},
    ) -> None:
        super().__init__(detail)
        self.status = status
        self._headers = headers
        problem: dict[str, Any] = {"title": title} if title else {}
        problem |= {"detail": detail, "status": status}
        if invalid_fields:
            problem["invalid_fields"] = invalid_fields
        self.body = msgspec.json.encode(problem)

    def answer(self) -> web.Response:
        headers = {"Content-Type": "application/problem+json", **self._headers}
        return web.Response(status=self.status, body=self.body, headers=headers)


unauthenticated = partial(
    Refusal, 401, "You did not pass a valid authentication token", title="Unauthenticated"
)
out_of_credit = partial(
    Refusal,
    402,
    "You have insufficient credit to run this model. Go to https://replicate.com/account/billing#billing "
    "to purchase credit.",
    title="Insufficient credit",
)
forbidden = partial(Refusal, 403, "You do not have permission to perform this action.", title="Forbidden")
not_found = partial(Refusal, 404, "The requested resource could not be found.", title="Not found")
invalid_version = partial(
    Refusal,
    422,
    "The specified version does not exist (or perhaps you don't have permission to use it?)",
    title="Invalid version or not permitted",
)


def method_not_allowed(method: str) -> Refusal:
    return Refusal(405, f'Method "{method}" not allowed.', title="Method not allowed")


def invalid(fields: Sequence[InvalidField]) -> Refusal:
    """422 for a request that breaks a schema, as Replicate's validator words it."""
    return Refusal(
        422,
        "".join(f"- {at.field or '(root)'}: {at.description}\n" for at in fields),
        title="Input validation failed",
        invalid_fields=fields,
    )
