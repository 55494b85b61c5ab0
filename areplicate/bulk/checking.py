"""Checks a job before anything is asked: which lines are wrong, and how much it asks of which model."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import msgspec

from ..chat.adapting import adapt
from ..chat.conversation import Prompting
from ..chat.embeddings import inputs_for
from ..chat.formats.templates import registered_template
from ..chat.inputs import ModelInput, build_input
from ..chat.schemas.schema import ModelSchema
from ..chat.usage import characters, estimate
from ..errors import BadRequestError, NotFoundError
from ..options.given import read_keywords
from ..options.values import checked_count
from .inputs import LineError, Row
from .job import ASKS, Job, JobRouter, asks, journaled_rows, request_of
from .outputs import check_answer, check_columns
from .writing import check_output

MOST_ERRORS = 100
"""Wrong lines that are listed one by one."""


class Share(msgspec.Struct):
    """What one model is asked: rows, tokens of their prompts (estimated), and the most tokens of the answers.

    `most_tokens` is None if a row sets no `max_tokens`.
    """

    rows: int = 0
    prompt_tokens: int = 0
    most_tokens: int | None = 0


class CheckedJob(msgspec.Struct, frozen=True):
    """What a job asks, by model. `errors` are the first `MOST_ERRORS` of the `wrong` lines."""

    rows: int
    wrong: int
    errors: list[LineError]
    models: dict[str, Share]


async def check(job: Job, router: JobRouter) -> CheckedJob:
    """Reads all rows, and builds what each would send; nothing is asked of any model.

    Raises:
        BadRequestError: the input cannot be read, or has changed since the job began; or the output cannot be
            written.
        APIError: a model does not exist, or the key may not see it.
    """
    if job.input.exists() and job.output.exists() and job.output.samefile(job.input):
        raise BadRequestError(
            f"{job.output} is the input, which the answers would overwrite: give another output."
        )
    check_output(job.output)
    job.table()
    errors: list[LineError] = []
    shares: defaultdict[str, Share] = defaultdict(Share)
    rows = wrong = 0
    for row, _ in journaled_rows(job):
        rows += 1
        error = row if isinstance(row, LineError) else await _error_of(row, job, router, shares)
        if error is not None:
            wrong += 1
            if len(errors) < MOST_ERRORS:
                errors.append(error)
    if not rows:
        raise BadRequestError(f"{job.input} has no rows.")
    return CheckedJob(rows, wrong, errors, dict(shares))


async def _error_of(
    row: Row, job: Job, router: JobRouter, shares: defaultdict[str, Share]
) -> LineError | None:
    """What is wrong with a row; if nothing is, it is counted among its model's."""
    if job.append_to_rows:
        check_columns(row)
    model = row.body["model"]
    try:
        if job.append_to_rows:
            check_answer(row)
        schema = await router.schema_of(model, must_exist=True)
        count, built = _built(request_of(asks(row), schema), schema)
    except BadRequestError as error:
        return LineError(row.line, error.message.removesuffix("."), row.custom_id)
    except NotFoundError as error:
        return LineError(row.line, f"model {model}: {error.message.removesuffix('.')}", row.custom_id)
    share = shares[model]
    share.rows += 1
    for each in built:
        share.prompt_tokens += count * estimate(characters(each.fields))
        if share.most_tokens is not None:
            most = each.max_tokens
            share.most_tokens = None if most is None else share.most_tokens + count * most
    return None


def _built(request: dict[str, Any], schema: ModelSchema | None) -> tuple[int, list[ModelInput]]:
    """How many predictions of which inputs would be made; raises the `BadRequestError` that says what is wrong."""
    model = request["model"]
    given = read_keywords({name: value for name, value in request.items() if name not in ASKS})
    count = checked_count(given.options.get("n"))
    if "input" in request:
        parts = inputs_for(request["input"], given.inputs, schema, model)
        return count, [ModelInput(fields, max_tokens=0) for _, fields in parts]
    template = registered_template(model)
    adapted = adapt(
        request["messages"],
        {**given.params, **given.inputs},
        schema=schema,
        model=model,
        template=template,
        emulate=given.options.get("emulate") is not False,
    )
    return count, [
        build_input(
            adapted.turns,
            adapted.params,
            model=model,
            schema=schema,
            drop_params=bool(given.options.get("drop_params")),
            prompting=Prompting(template, tools=adapted.tools),
        )
    ]
