"""Which proxy a request goes through, and how certificates are checked."""

from __future__ import annotations

import os
import ssl
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, NoReturn, TypeAlias
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, getproxies_environment, proxy_bypass

from ...errors import BadRequestError

if TYPE_CHECKING:
    from typing_extensions import Self

TLS: TypeAlias = ssl.SSLContext | bool | str | os.PathLike[str]
"""How a server's certificate is checked: a context of one's own, the path of a file or folder of
certificates to trust, or False for not at all."""

_DEFAULT_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks4": 1080}
_SCHEMES = {"http": "http", "https": "https", "socks": "socks5", "socks5": "socks5", "socks5h": "socks5"} | {
    "socks4": "socks4",
    "socks4a": "socks4",
}
"""What a proxy's URL may begin with, and the protocol that it means. Names are looked up by the proxy."""


class Proxies:
    """The proxy of each URL, if it has one.

    Args:
        proxy: the proxy for every URL, such as `http://user:password@host:3128`, `host:3128` or
            `socks5://host:1080`; empty for none. Left out, the environment decides (`HTTPS_PROXY`,
            `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`, in capitals or not), and the system's own settings on
            Windows and macOS.

    Raises:
        BadRequestError: `proxy` is not the URL of a proxy.
    """

    def __init__(self, proxy: str | None = None) -> None:
        self._from_environment = proxy is None
        if proxy is None:
            self._by_scheme = getproxies()
        else:
            self._by_scheme = {"all": proxy_url(proxy, "proxy")} if proxy else {}
        self._found: dict[str, str | None] = {}
        self.any = bool(self._by_scheme.keys() - {"no"})
        """Whether there is a proxy for any URL."""

    def proxy_for(self, url: str) -> str | None:
        """The URL of the proxy; `BadRequestError` if the one in the environment is not a URL."""
        origin = "/".join(url.split("/", 3)[:3])
        if origin not in self._found:
            self._found[origin] = self._choose(urlsplit(origin))
        return self._found[origin]

    def _choose(self, origin: SplitResult) -> str | None:
        name = origin.scheme if origin.scheme in self._by_scheme else "all"
        proxy = self._by_scheme.get(name)
        host = origin.hostname or ""
        port = origin.port or _DEFAULT_PORTS.get(origin.scheme, 0)
        if not proxy or (self._from_environment and _is_direct(host, port)):
            return None
        return proxy_url(proxy, f"{name.upper()}_PROXY")


class ProxiedTransport:
    """What the transports have in common: the size of their pool, their proxies and certificates."""

    def __init__(self, pool_size: int, proxy: str | None, ssl: TLS | None) -> None:
        self.pool_size = pool_size
        self._given = proxy, ssl
        self._proxies = Proxies(proxy)
        self._ssl = tls_context(ssl)

    def through(self, *, proxy: str | None, ssl: TLS | None) -> Self:
        """Another transport, with the same settings except those that are given."""
        own_proxy, own_ssl = self._given
        proxy, ssl = own_proxy if proxy is None else proxy, own_ssl if ssl is None else ssl
        return type(self)(self.pool_size, proxy=proxy, ssl=ssl)


def proxy_url(given: str, name: str) -> str:
    """A proxy's URL with its scheme and port; `name` is where it was given.

    >>> proxy_url("proxy.corp:3128", "HTTPS_PROXY"), proxy_url("socks5h://localhost", "ALL_PROXY")
    ('http://proxy.corp:3128', 'socks5://localhost:1080')
    """
    try:
        parts = urlsplit(given if "://" in given else f"http://{given}")
        scheme = _SCHEMES[parts.scheme]
        port = parts.port or _DEFAULT_PORTS[scheme]
    except (ValueError, KeyError, AttributeError, TypeError):
        _refuse(given, name)
    if not parts.hostname or parts.path.strip("/"):
        _refuse(given, name)
    credentials, at, _ = parts.netloc.rpartition("@")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{scheme}://{credentials}{at}{host}:{port}"


def shown(proxy: str) -> str:
    """A proxy's URL without user and password, for messages."""
    scheme, separator, rest = proxy.rpartition("://")
    return scheme + separator + rest.rpartition("@")[2]


def socks_missing() -> BadRequestError:
    """The error for a proxy that speaks SOCKS if nothing here does."""
    return BadRequestError(
        "The proxy speaks SOCKS, which needs pip install 'areplicate[socks]'. Nothing was sent.",
        param="proxy",
        request_sent=False,
    )


def tls_context(given: TLS | None) -> ssl.SSLContext | bool:
    """What `ssl=` means; True for the platform's own certificates.

    Raises:
        BadRequestError: it is not of a type that `TLS` allows, or it cannot be read as certificates.
    """
    if given is None or isinstance(given, (bool, ssl.SSLContext)):
        return True if given is None else given
    if not isinstance(given, (str, os.PathLike)):
        raise BadRequestError(
            f"ssl must be an SSLContext, the path of certificates, True or False, not {given!r}.", param="ssl"
        )
    try:
        folder = os.path.isdir(given)
        return ssl.create_default_context(cafile=None if folder else given, capath=given if folder else None)
    except (OSError, ValueError) as error:
        raise BadRequestError(
            f"ssl={given!r} cannot be read as certificates: {error}.", param="ssl"
        ) from None


def _refuse(given: object, name: str) -> NoReturn:
    example = "http://user:password@host:3128, host:3128 or socks5://host:1080"
    value = repr(shown(given)) if isinstance(given, str) else type(given).__name__
    raise BadRequestError(
        f"{name} must be the URL of a proxy, such as {example}, not {value}.",
        param="proxy",
        request_sent=False,
    ) from None


def _is_direct(host: str, port: int) -> bool:
    """Whether the environment's `NO_PROXY` or the system's settings keep a host from the proxy."""
    names = getproxies_environment().get("no", "").lower().replace(",", " ").split()
    host = host.lower().rstrip(".")
    return proxy_bypass(f"{host}:{port}") or any(_names(name, host, port) for name in names)


def _names(entry: str, host: str, port: int) -> bool:
    """Whether an entry of `NO_PROXY` means a host: `*`, a name, a domain, an address or a network."""
    try:
        return ip_address(host) in ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        name = entry.removeprefix("*").strip(".")
        meant = (host, f"{host}:{port}", f"[{host}]:{port}")
        return not name or any(each == name or each.endswith(f".{name}") for each in meant)
