"""The output and the error file of a batch, made from its journal.

Source: "The request output object" under "Batch" in OpenAI's API reference.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from ...bulk.inputs import LineError, Row
from ...bulk.job import Job, outcomes
from ...bulk.journaled import error_of
from ...bulk.outputs import EndedRow, batch_line
from ...bulk.writing import replaced
from ..accounts.folder import Folder
from ..accounts.tables import BatchRow, FileRow
from ..errors import from_upstream


class Results(NamedTuple):
    """The files that are not empty, and the columns of the batch that tell what there is."""

    files: list[FileRow]
    columns: dict[str, Any]


def write_results(job: Job, folder: Folder, batch: BatchRow, now: float, unasked: dict[str, str]) -> Results:
    """Writes both files, in the input's order.

    Args:
        unasked: the error of a request that has not been answered.
    """
    name = batch.id.removeprefix("batch_")
    ids = {kind: f"file-{name}-{kind}" for kind in ("output", "error")}
    paths = {kind: folder.file(id) for kind, id in ids.items()}
    counts = dict.fromkeys(ids, 0)
    with replaced(paths["output"]) as answers, replaced(paths["error"]) as errors:
        for row, outcome in outcomes(job):
            if isinstance(row, LineError):
                continue
            answered = outcome is not None and outcome.response is not None
            line = {**_line(row, outcome, unasked), "id": f"batch_req_{name}_{row.number}"}
            (answers if answered else errors).write(msgspec.json.encode(line).decode() + "\n")
            counts["output" if answered else "error"] += 1
    completed, failed = counts.values()
    columns: dict[str, Any] = {"total": completed + failed, "completed": completed, "failed": failed}
    files = []
    for kind, count in counts.items():
        if not count:
            paths[kind].unlink()
            continue
        columns[f"{kind}_file_id"] = ids[kind]
        files.append(
            FileRow(
                id=ids[kind],
                key_id=batch.key_id,
                created_at=now,
                bytes=paths[kind].stat().st_size,
                filename=f"{batch.id}_{kind}.jsonl",
                purpose="batch_output",
            )
        )
    return Results(files, columns)


def _line(row: Row, outcome: EndedRow | None, unasked: dict[str, str]) -> dict[str, Any]:
    line = batch_line(EndedRow(row, None, unasked) if outcome is None else outcome)
    if outcome is not None and outcome.error is not None:
        failure = from_upstream(error_of(outcome.error))
        body = msgspec.json.decode(failure.envelope())
        line["error"] = None
        line["response"] = {
            "status_code": failure.status,
            "request_id": outcome.error.get("prediction_id") or "",
            "body": body,
        }
    return line
