"""The output and the error file of a batch, made from its journal.

Source: "The request output object" under "Batch" in OpenAI's API reference.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from ...bulk.inputs import LineError, Row
from ...bulk.job import Job, outcomes
from ...bulk.journaled import error_of
from ...bulk.outputs import EndedRow, batch_line
from ...bulk.writing import replaced
from ..errors import from_upstream


class LineCounts(msgspec.Struct, frozen=True):
    """How many lines each file has."""

    answers: int
    errors: int


def write_results(
    job: Job, answers: Path, errors: Path, batch_id: str, unasked: dict[str, str]
) -> LineCounts:
    """Writes both, in the input's order.

    Args:
        unasked: the error of a request that has not been answered.
    """
    counts = [0, 0]
    with replaced(answers) as good, replaced(errors) as bad:
        for row, outcome in outcomes(job):
            if isinstance(row, LineError):
                continue
            line = _line(row, outcome, unasked)
            line["id"] = f"batch_req_{batch_id.removeprefix('batch_')}_{row.number}"
            answered = outcome is not None and outcome.response is not None
            counts[not answered] += 1
            file = good if answered else bad
            file.write(msgspec.json.encode(line).decode() + "\n")
    return LineCounts(*counts)


def _line(row: Row, outcome: EndedRow | None, unasked: dict[str, str]) -> dict[str, Any]:
    line = batch_line(EndedRow(row, None, unasked) if outcome is None else outcome)
    if outcome is not None and outcome.error is not None:
        told = from_upstream(error_of(outcome.error))
        body = msgspec.json.decode(told.envelope())
        line["error"] = None
        line["response"] = {
            "status_code": told.status,
            "request_id": outcome.error.get("prediction_id") or "",
            "body": body,
        }
    return line
