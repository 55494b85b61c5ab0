"""Answers for the rows of a Ray data set (`pip install 'areplicate[ray]'`).

    from areplicate.integrations.ray import complete

    answered = complete(ray.data.read_csv("questions.csv"), model="meta/meta-llama-3-8b-instruct", prompt="question")
    answered.write_parquet("answers")

Each actor has a router of its own; all share the account's rate and one journal (see `ray_ledger.py`), so that
blocks which Ray runs again, because an actor or a machine was lost, do not pay again: neither for what was
answered, nor for what was in flight, which is known by its mark and taken over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ..errors import BadRequestError
from ..options.access import checked_base, chosen_base, chosen_key
from ..replicate.limits import CREATIONS_PER_MINUTE, OTHERS_PER_MINUTE
from .ray_ledger import JobLedger
from .ray_worker import RayJob, Row, Worker


def complete(
    dataset: Any,
    *,
    model: str,
    prompt: str | None = None,
    messages: str | Callable[[Row], Sequence[Any]] | None = None,
    output: str = "answer",
    error: str = "error",
    concurrency: int | tuple[int, int] = 2,
    in_flight: int = 200,
    creations_per_minute: float = CREATIONS_PER_MINUTE,
    on_error: Literal["column", "raise"] = "column",
    journal: str | PathLike[str] | None = None,
    retry_failed: bool = False,
    **options: Any,
) -> Any:
    """The data set with a column of answers; nothing is asked before the data set is read.

    Rows that ask the same are one question: once it has been answered, it is not asked again. Where each should be
    asked, let them differ, by a `seed` for example.

    Args:
        dataset: a `ray.data.Dataset`.
        prompt: the column that has the prompt.
        messages: instead of `prompt`: the column that has the messages, or a function that makes them of a row.
        output, error: the columns that are added: the answer's text, and what went wrong; one of them is null.
        concurrency: how many actors, or the fewest and the most.
        in_flight: how many rows each actor asks at the same time.
        creations_per_minute: the account's limit, which all actors share.
        on_error: "raise" ends the job with the first row that failed. An unknown key or an account without
            credit ends it in any case.
        journal: a file on the driver's machine: the same job with the same file goes on where it stopped.
        retry_failed: ask again for rows that failed in an earlier job of this journal.
        options: of `acompletion`.

    Raises:
        BadRequestError: an argument is wrong.
    """
    if (prompt is None) == (messages is None):
        raise BadRequestError("Give complete() either prompt= or messages=: which column holds the question.")
    if on_error not in ("column", "raise"):
        raise BadRequestError(f'on_error must be "column" or "raise", not {on_error!r}.')
    most = concurrency if isinstance(concurrency, int) else concurrency[1]
    ledger = _ledger(
        None if journal is None else Path(journal).resolve(), creations_per_minute, most * in_flight
    )
    router = {
        "api_key": chosen_key(options.pop("api_key", None)),
        "api_base": checked_base(chosen_base(options.pop("api_base", None))),
        "creations_per_minute": creations_per_minute,
        "others_per_minute": OTHERS_PER_MINUTE / most,
    }
    job = RayJob(
        ledger=ledger,
        router=router,
        asked={"model": model, **options},
        prompt=prompt,
        messages=messages,
        output=output,
        error=error,
        raises=on_error == "raise",
        retrying=uuid4().hex if retry_failed else None,
    )
    return dataset.map_batches(
        Worker,
        fn_constructor_args=(job,),
        concurrency=concurrency,
        batch_size=in_flight,
        batch_format="pyarrow",
        num_cpus=0.1,  # it waits
    )


def _ledger(journal: Path | None, creations_per_minute: float, rows_in_flight: int) -> Any:
    """The job's ledger, an actor on the driver's machine. Two jobs of one program may have one journal."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    named = {} if journal is None else {"name": f"areplicate {journal}", "get_if_exists": True}
    actor = ray.remote(JobLedger).options(
        num_cpus=0, scheduling_strategy=here, max_concurrency=2 * rows_in_flight + 10, **named
    )
    return actor.remote(None if journal is None else str(journal), creations_per_minute)
