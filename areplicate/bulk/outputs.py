"""What a job writes of each row: a line of OpenAI's batch output format, or the input's row with columns added.

Source of the format: "The request output object" under "Batch" in OpenAI's API reference.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from ..chat.responses import ModelResponse
from ..errors import BadRequestError
from .apis import APIS, EMBEDDINGS
from .inputs import Row
from .writing import Table, write_rows

ADDED = {
    "answer": str,
    "error": str,
    "finish_reason": str,
    "prompt_tokens": int,
    "completion_tokens": int,
    "prediction_id": str,
}
"""The columns that `--append-to-rows` adds, in this order."""


class EndedRow(msgspec.Struct, frozen=True):
    """A row that has ended: its answer as a chat completion's, or what was wrong, as plain JSON values."""

    row: Row
    response: dict[str, Any] | None
    error: dict[str, Any] | None


def batch_line(outcome: EndedRow) -> dict[str, Any]:
    """A line of OpenAI's output format."""
    row, response, error = outcome.row, outcome.response, outcome.error
    custom_id = row.custom_id or f"request-{row.number}"
    line: dict[str, Any] = {
        "id": f"batch_req_{row.number}",
        "custom_id": custom_id,
        "response": None,
        "error": None,
    }
    if response is not None:
        body, answer = response, APIS[row.url].answer
        if answer is not None:
            body = msgspec.to_builtins(answer(msgspec.convert(response, ModelResponse), row.body))
        line["response"] = {"status_code": 200, "request_id": response.get("id") or "", "body": body}
    elif error is not None:
        line["error"] = {"code": error.get("code") or "error", "message": error.get("message") or ""}
        if error.get("status_code"):
            line["response"] = {
                "status_code": error["status_code"],
                "request_id": error.get("prediction_id") or "",
                "body": {"error": error},
            }
    return line


def check_columns(row: Row) -> None:
    """Raises `BadRequestError` if the input has a column of a name that is added."""
    if taken := [name for name in ADDED if name in row.columns]:
        raise BadRequestError(
            f"The input has a column {taken[0]!r} already, and the output adds one of that name: rename it first."
        )


def check_answer(row: Row) -> None:
    """Raises `BadRequestError` if a row asks for anything but one text: `_appended` has one column for it."""
    if row.url == EMBEDDINGS or row.body.get("tools") or row.body.get("n") not in (None, 1):
        raise BadRequestError(
            "beside a row there is room for one text: for embeddings, tool calls and several answers (n) write .jsonl "
            "without --append-to-rows"
        )


def _appended(outcome: EndedRow) -> dict[str, Any]:
    """The input's row with the columns of `ADDED`."""
    response, error = outcome.response or {}, outcome.error or {}
    choice = (response.get("choices") or [{}])[0]
    usage = response.get("usage") or {}
    message = choice.get("message") or {}
    values = {
        "answer": message.get("content"),
        "error": error.get("message"),
        "finish_reason": choice.get("finish_reason"),
        "prompt_tokens": usage.get("prompt_tokens"),
        "completion_tokens": usage.get("completion_tokens"),
        "prediction_id": response.get("id") or error.get("prediction_id"),
    }
    return {**outcome.row.columns, **values}


def write_output(path: Path, outcomes: Iterable[EndedRow], table: Table | None) -> int:
    """Writes a job's output, in OpenAI's format without a table; gives how many rows it has."""
    return write_rows(path, map(batch_line if table is None else _appended, outcomes), table)
