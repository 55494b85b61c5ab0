"""The headers that authenticate an account's requests, and which hosts may see them.

The API's base may be Replicate itself, or something in front of it that wants a header of its own: a
company's reverse proxy, Cloudflare's AI Gateway. An answer names further URLs, such as a stream's. What is
sent there depends on whose they are:

- the base's own origin sees all that the base sees;
- a host in `trusted_hosts`, and Replicate's own hosts if the base is one of them, see the API key;
- Replicate's own hosts see nothing if the base is another: its key need not be Replicate's, and a
  stream's URL opens without one;
- no other host is asked anything.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from .. import __version__
from ..errors import APIConnectionError, AuthenticationError
from .protocol.requests import is_replicates, merged, origin, origin_if_any

_SHORTEST = 16
"""Characters of a secret that no text holds by chance."""


class Credentials:
    """One key for one base.

    Args:
        base: such as `https://api.replicate.com/v1`.
        key: the API token.
        default_headers: sent with every request to the base. One of them may take the place of
            `Authorization` or `User-Agent`.
        trusted_hosts: further hosts that may see the key.

    Attributes:
        headers: of each request to the base.
        fingerprint: equal for equal keys and headers, and reveals neither.
    """

    def __init__(
        self,
        base: str,
        key: str,
        default_headers: Mapping[str, str] | None = None,
        trusted_hosts: tuple[str, ...] = (),
    ) -> None:
        if not key.isascii() or not key.isprintable() or " " in key:
            raise AuthenticationError(
                "The API key has spaces, line breaks or other characters that keys never have: check how it was set."
            )
        agent = {"User-Agent": f"areplicate/{__version__}"}
        signed = {"Authorization": f"Bearer {key}", **agent}
        given = default_headers or {}
        self.headers = merged(merged(signed, given), {"Content-Type": "application/json"})
        self.fingerprint = hashlib.sha256(repr(sorted(self.headers.items())).encode()).hexdigest()[:16]
        self._origin = origin(base)
        self._elsewhere = signed if is_replicates(base) else agent
        self._trusted = dict.fromkeys(trusted_hosts, signed)
        self._echoes = [(_echo_of(key), "[key]")]
        self._echoes += [(_echo_of(value), f"[{name}]") for name, value in given.items() if value]

    def headers_for(self, url: str) -> Mapping[str, str]:
        """The headers for a URL that an answer names.

        Raises:
            APIConnectionError: the URL may see none, and must not be asked.
        """
        there = origin_if_any(url)
        if there == self._origin:
            return self.headers
        if there[1] in self._trusted:
            return self._trusted[there[1]]
        if is_replicates(url):
            return self._elsewhere
        raise APIConnectionError(
            f"The answer points to {self.masked(url)[:200]!r}, outside the API's own hosts, and is not followed: "
            "the key could leak. If you trust that host, name it in trusted_hosts=.",
            request_sent=False,
        )

    def masked(self, text: str) -> str:
        """A text without the key and the values of `default_headers`."""
        for echo, name in self._echoes:
            text = echo.sub(name, text)
        return text


def _echo_of(secret: str) -> re.Pattern[str]:
    """A pattern that finds a secret in a server's text. A short one is found as a word of its own only, since it
    may be part of any other."""
    text = re.escape(secret)
    return re.compile(text if len(secret) >= _SHORTEST else rf"(?<![\w\[]){text}(?![\w\]])")
