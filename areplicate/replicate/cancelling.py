"""Cancelling a prediction, however often that has to be tried."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import anyio

from ..errors import APIError, NotFoundError
from ..logs import logger
from .http import Http
from .protocol.decoding import decoded
from .protocol.predictions import Prediction, decoder_of
from .protocol.requests import Request
from .retry import AFTER_REFUSALS, RetryPolicy, is_transient, waits

Decode = Callable[[bytes], Prediction]

_SILENCE = 4.0
"""Seconds within which it is answered, or asked for again: who closes a router waits for it."""


async def cancel(http: Http, prediction_id: str) -> bool:
    """Cancels a prediction; False if that is refused again and again."""
    path, decode = f"/predictions/{quote(prediction_id, safe='')}", decoder_of(prediction_id)
    failures, refusals = waits(), iter(AFTER_REFUSALS)
    while (error := await _try(http, path, decode)) is not None:
        if is_transient(error):
            wait = next(failures)
        else:
            if await _has_ended(http, path, decode):
                break
            wait = next(refusals, 0.0)
            if not wait:
                logger.warning("Prediction %s was not cancelled: %s", prediction_id, error)
                return isinstance(error, NotFoundError)
        await anyio.sleep(wait)
    return True


async def _try(http: Http, path: str, decode: Decode) -> APIError | None:
    """Asks for it once; None if that was understood."""
    request = Request("POST", f"{http.base}{path}/cancel", http.credentials.headers, b"")
    await http.others.acquire()
    try:
        response = await http.send_short(request, http.others, _SILENCE)
        if response.status < 300:
            if response.body:
                decoded(decode, response.body)
            return None
    except APIError as error:
        return error
    except ValueError:  # a proxy's page or another's answer, not Replicate's
        pass
    return http.error(response, request)


async def _has_ended(http: Http, path: str, decode: Decode) -> bool:
    try:
        return (await http.read(path, RetryPolicy(0), decode)).terminal
    except APIError:
        return False
