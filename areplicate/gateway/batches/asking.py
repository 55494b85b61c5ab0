"""Asks one request of a batch: on its key's account, and after all live requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ...bulk.journaled import is_the_rows_own
from ...bulk.requests import is_embedding
from ...errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    InsufficientCreditError,
    NotFoundError,
    RateLimitError,
    ServiceUnavailableError,
    Timeout,
)
from ...replicate.limits import RANK, Rank
from ..accounts.account import Account
from ..accounts.auth import Caller
from ..accounts.key_limits import RoomTaken
from ..api.embeddings import embed
from ..api.model_call import admitted_call
from ..app import Gateway
from ..errors import CLIENT_GONE, NO_RETRY, GatewayError
from ..upstream import NoRoomForAnswer, NotAskedAgain

_A_MOMENT = 1.0
"""Seconds until a request is tried again whose key has no room for it."""
_KINDS = {401: AuthenticationError, 404: NotFoundError, 503: ServiceUnavailableError}
"""Refusals by their status; 503 passes: the database does not answer, or there is no room for now."""


async def ask(
    gateway: Gateway, caller: Callable[[], Caller], room: asyncio.Semaphore, /, **request: Any
) -> Any:
    """The answer to one request, by the name that the client knows the answering model by.

    Args:
        caller: gives whose batch it is; raises an `AuthenticationError` if that key may not ask any more.
        room: bounds how many such requests the process has in flight.

    Raises:
        APIError: of a class by which `bulk` tells whether it passes, ends the job, or is the request's own.
    """
    async with room:
        RANK.set(Rank.YIELDING)
        backend = gateway.backend
        account = Account(gateway.accounts, gateway.metrics, backend)
        account.caller = caller()
        account.record.endpoint = "/v1/batches"
        backend.requests_in_flight += 1
        try:
            async with account:
                try:
                    return await _answer(account, request)
                except asyncio.CancelledError:  # the batch has ended, or another process goes on with it
                    account.record.status = CLIENT_GONE
                    account.put_off()
                    raise
                except APIError as error:
                    if not is_the_rows_own(error):
                        account.put_off()
                    raise
        finally:
            account.log("POST")
            backend.leave()


async def _answer(account: Account, request: dict[str, Any]) -> Any:
    params = {name: value for name, value in request.items() if name not in ("model", "messages")}
    try:
        if is_embedding(request):
            return await embed(account, request)
        call = await admitted_call(account, request, request["messages"], params)
        return await call.ask(account)
    except GatewayError as error:
        raise refused(account.failed(error)) from None
    except (NotAskedAgain, NoRoomForAnswer) as error:
        raise refused(account.failed(error)) from None
    except Timeout as error:
        account.failed(error)
        if error.prediction_id is None:  # it never had its turn: all others go first
            raise ServiceUnavailableError(error.message) from error
        raise
    except APIError as error:
        failure = account.failed(error)
        if isinstance(error, (AuthenticationError, InsufficientCreditError)):
            raise type(error)(failure.message) from None
        raise


def refused(error: GatewayError) -> APIError:
    """A refusal of the gateway's own as bulk's jobs understand it."""
    if isinstance(error, RoomTaken):
        return RateLimitError(error.message, retry_after=_A_MOMENT)
    if error.code == "insufficient_quota":
        return InsufficientCreditError(error.message)
    if error.status == 429 and error.headers != NO_RETRY:
        return RateLimitError(error.message, retry_after=float(error.headers.get("Retry-After", _A_MOMENT)))
    if kind := _KINDS.get(error.status):
        return kind(error.message)
    return BadRequestError(error.message, status_code=error.status, param=error.param)
