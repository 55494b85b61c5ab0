"""Where the API is, and with which key: as a call or a router gives them, else the process or its environment."""

from __future__ import annotations

import os
from functools import lru_cache
from urllib.parse import urlsplit

import areplicate

from ..errors import AuthenticationError, BadRequestError
from ..replicate.protocol.requests import origin
from .values import wrong

API_BASE = "https://api.replicate.com/v1"
KEY_VARIABLES = ("REPLICATE_API_KEY", "REPLICATE_API_TOKEN")
BASE_VARIABLES = ("REPLICATE_API_BASE", "REPLICATE_BASE_URL")
"""Where the environment may have the API token and the base; the first that is set counts."""


def chosen(base: str | None, key: str | None) -> tuple[str, str]:
    """Where the API is and the API token: as given, else as the process or its environment has them."""
    return checked_base(base or chosen_base(None)), key or chosen_key(None)


def chosen_key(given: str | None) -> str:
    """The API token: as given, else from the environment."""
    key = given or areplicate.api_key or from_environment(*KEY_VARIABLES)
    if not key:
        raise AuthenticationError("There is no API key: set REPLICATE_API_KEY or pass api_key=.")
    if not isinstance(key, str):  # it is not shown: it may be a secret
        raise BadRequestError(f"api_key must be a string, not {type(key).__name__}.", param="api_key")
    return key


def chosen_base(given: str | None) -> str:
    """Where the API is: as given, else from the environment, else Replicate itself."""
    return given or areplicate.api_base or from_environment(*BASE_VARIABLES) or API_BASE


@lru_cache(maxsize=256)
def checked_base(base: str) -> str:
    """The base without a slash at its end, and with `/v1` if it has no path, as Replicate's has."""
    if "@" in str(base):  # not shown, whatever else is wrong with it
        raise BadRequestError(
            "api_base must not contain a user or a password: give default_headers= for what the server needs.",
            param="api_base",
        )
    if not isinstance(base, str) or not base.startswith(("https://", "http://")):
        raise wrong("api_base", base, "a URL that begins with https:// or http://")
    try:
        origin(base)[1].encode("idna")
    except ValueError as error:
        raise wrong("api_base", base, f"a URL ({error})") from None
    host = urlsplit(base).hostname
    if not host or not base.isprintable() or set(base) & set(" ?#"):  # not shown: what follows may be a key
        raise BadRequestError(
            f"api_base must be the URL of a host and a path, such as {API_BASE}, without spaces, ? and #.",
            param="api_base",
        )
    base = base.rstrip("/")
    return base if base.count("/") > 2 else f"{base}/v1"


def from_environment(*names: str) -> str | None:
    """The value of the first of these variables that is set."""
    return next((value for name in names if (value := os.environ.get(name))), None)
