"""Requests through real proxies, as they are given or as the environment names them, on both transports."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from areplicate import APIConnectionError, APIError, BadRequestError
from areplicate.local import LocalReplicate
from areplicate.replicate.http import exchange
from areplicate.replicate.protocol.requests import Request
from areplicate.replicate.transports.aiohttp import AiohttpTransport
from areplicate.replicate.transports.base import Transport
from areplicate.replicate.transports.proxies import Proxies, proxy_url, tls_context
from tests.proxy_servers import CREDENTIALS, PASSWORD, http_proxy, silent_server, socks_proxy, tls_in_front
from tests.replicate.transports.conftest import Make
from tests.stage import KEY, llama

# httpcore leaves the socket of a proxy that refuses to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def local() -> Iterator[LocalReplicate]:
    with LocalReplicate([llama()]) as local:
        yield local


@pytest.fixture(scope="module")
def http() -> Iterator[str]:
    with http_proxy() as address:
        yield address


@pytest.fixture(scope="module")
def http_auth() -> Iterator[str]:
    with http_proxy(auth=True) as address:
        yield address


@pytest.fixture(scope="module")
def socks() -> Iterator[str]:
    with socks_proxy() as address:
        yield address


@pytest.fixture(scope="module")
def socks_auth() -> Iterator[str]:
    with socks_proxy(auth=True) as address:
        yield address


def refused() -> str:
    """An address where nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{unused.getsockname()[1]}"


async def status(transport: Transport, base: str) -> int:
    request = Request("GET", f"{base}/account", {"Authorization": f"Bearer {KEY}"})
    try:
        with anyio.fail_after(30):
            return (await exchange(transport, request, silence=10)).status
    finally:
        await transport.aclose()


@pytest.mark.anyio
@pytest.mark.parametrize("spelled", ["http://{}", "{}", "http://{}/"])
async def test_a_proxy_that_is_given(make: Make, spelled: str, http: str, local: LocalReplicate) -> None:
    assert await status(make(20, proxy=spelled.format(http)), local.api_base) == 200


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
async def test_a_proxy_that_the_environment_names(
    make: Make, name: str, http: str, local: LocalReplicate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, http)
    assert await status(make(20), local.api_base) == 200
    monkeypatch.setenv(name, refused())
    with pytest.raises(APIConnectionError, match="through the proxy http://127"):
        await status(make(20), local.api_base)


@pytest.mark.anyio
@pytest.mark.parametrize("no_proxy", ["127.0.0.1", "localhost, 127.0.0.0/8", "*"])
async def test_no_proxy_keeps_a_host_from_the_proxy(
    make: Make, no_proxy: str, local: LocalReplicate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", refused())
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert await status(make(20), local.api_base) == 200


@pytest.mark.anyio
async def test_an_empty_proxy_is_none_whatever_the_environment_says(
    make: Make, local: LocalReplicate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", refused())
    assert await status(make(20, proxy=""), local.api_base) == 200


@pytest.mark.anyio
async def test_a_proxy_that_wants_a_password(make: Make, http_auth: str, local: LocalReplicate) -> None:
    assert await status(make(20, proxy=f"http://{CREDENTIALS}@{http_auth}"), local.api_base) == 200
    assert await status(make(20, proxy=http_auth), local.api_base) == 407


@pytest.mark.anyio
@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "socks"])
async def test_a_socks_proxy(make: Make, scheme: str, socks: str, local: LocalReplicate) -> None:
    assert await status(make(20, proxy=f"{scheme}://{socks}"), local.api_base) == 200


@pytest.mark.anyio
async def test_a_socks_proxy_that_wants_a_password(
    make: Make, socks_auth: str, local: LocalReplicate
) -> None:
    assert await status(make(20, proxy=f"socks5://{CREDENTIALS}@{socks_auth}"), local.api_base) == 200
    with pytest.raises(APIConnectionError, match="No connection through the proxy") as caught:
        await status(make(20, proxy=f"socks5://user:wrong-one@{socks_auth}"), local.api_base)
    assert caught.value.request_sent is False
    assert "wrong-one" not in str(caught.value)


@pytest.mark.anyio
async def test_socks4_works_where_it_can(kind: str, make: Make, socks: str, local: LocalReplicate) -> None:
    proxy = f"socks4://{socks}"
    if kind.endswith("httpx"):
        with pytest.raises(BadRequestError, match="SOCKS4, which httpx does not"):
            make(20, proxy=proxy)
    else:
        assert await status(make(20, proxy=proxy), local.api_base) == 200


@pytest.mark.anyio
@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_tls_goes_through_proxies_and_is_checked(
    make: Make, scheme: str, http: str, socks: str, local: LocalReplicate, tmp_path: Path
) -> None:
    proxy = f"{scheme}://{http if scheme == 'http' else socks}"
    # Python 3.10 waits for a handshake that has failed on a connection through SOCKS.
    message = "Name the certificates to trust" + (
        "|nothing came within" if sys.version_info < (3, 11) else ""
    )
    port = int(local.api_base.split(":")[2].partition("/")[0])
    with tls_in_front(port, tmp_path) as (origin, trusted):
        base = f"{origin}/v1"
        for given in (None, proxy):
            assert await status(make(20, proxy=given, ssl=str(trusted)), base) == 200
            assert await status(make(20, proxy=given, ssl=tls_context(trusted)), base) == 200
            assert await status(make(20, proxy=given, ssl=False), base) == 200
            with pytest.raises(APIConnectionError, match=message) as caught:
                await status(make(20, proxy=given), base)
            assert caught.value.request_sent is False


@pytest.mark.anyio
async def test_a_proxy_that_refuses_a_tunnel_has_sent_nothing(make: Make, http_auth: str) -> None:
    with pytest.raises(APIConnectionError, match="407") as caught:
        await status(make(20, proxy=f"http://user:wrong-one@{http_auth}"), "https://localhost:1/v1")
    assert caught.value.request_sent is False
    assert "wrong-one" not in str(caught.value)


@pytest.mark.anyio
async def test_a_proxy_that_says_nothing_is_given_up(
    make: Make, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "aiohttp" if kind.endswith("aiohttp") else "httpx"
    transports = sys.modules[f"areplicate.replicate.transports.{module}"]
    monkeypatch.setattr(transports, "CONNECT_TIMEOUT", 0.3)

    with silent_server() as address:
        transport = make(20, proxy=address)
        with pytest.raises(APIConnectionError):
            await exchange(transport, Request("GET", "https://localhost:1/v1", {}), silence=0.31)
        await transport.aclose()


@pytest.mark.anyio
async def test_socks_without_its_library_is_said_before_anything_is_sent(
    make: Make, local: LocalReplicate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp_socks", None)
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setattr("areplicate.replicate.transports.httpx.find_spec", lambda name: None, raising=False)
    before = len(local.requests)
    with pytest.raises(BadRequestError, match=r"pip install 'areplicate\[socks\]'"):
        make(20, proxy="socks5://127.0.0.1:1080")
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    transport = make(20)
    with pytest.raises(BadRequestError, match="Nothing was sent"):
        await status(transport, local.api_base)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert await status(make(20), local.api_base) == 200
    assert len(local.requests) == before + 1


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("proxy.corp:3128", "http://proxy.corp:3128"),
        ("http://proxy.corp", "http://proxy.corp:80"),
        ("HTTPS://proxy.corp/", "https://proxy.corp:443"),
        ("user:pa%40ss@proxy.corp:3128", "http://user:pa%40ss@proxy.corp:3128"),
        ("socks5h://localhost", "socks5://localhost:1080"),
        ("socks://localhost:1081/", "socks5://localhost:1081"),
        ("socks4a://localhost", "socks4://localhost:1080"),
        ("[::1]:3128", "http://[::1]:3128"),
    ],
)
def test_how_a_proxy_may_be_spelled(given: str, meant: str) -> None:
    assert proxy_url(given, "proxy") == meant


@pytest.mark.parametrize(
    "given",
    ["ftp://host", "http://", "http://host:port", "host:99999", "http://u:secret@host/path", 7, b"host"],
)
def test_what_is_no_proxy_is_told_without_its_password(given: Any) -> None:
    with pytest.raises(BadRequestError, match="proxy must be the URL of a proxy") as caught:
        Proxies(given)
    assert "secret" not in str(caught.value) and caught.value.param == "proxy"


def test_what_the_environment_names_is_looked_at_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "ftp://nothing")
    proxies = Proxies()
    assert proxies and proxies.proxy_for("http://a.example/x") is None
    with pytest.raises(BadRequestError, match="HTTPS_PROXY must be"):
        proxies.proxy_for("https://a.example/x")


def test_the_environments_proxies_are_chosen_by_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Proxies().any
    monkeypatch.setenv("NO_PROXY", "localhost")
    assert not Proxies().any, "there is no proxy to be kept from"
    monkeypatch.setenv("https_proxy", "https-proxy:1")
    monkeypatch.setenv("HTTPS_PROXY", "capitals:1")
    monkeypatch.setenv("ALL_PROXY", "all:1")
    proxies = Proxies()
    assert proxies.proxy_for("https://a.example/v1/x?y#z") == "http://https-proxy:1"
    assert proxies.proxy_for("http://a.example") == "http://all:1"
    assert proxies.proxy_for("http://localhost:4100/v1") is None


@pytest.mark.parametrize(
    ("entry", "url", "direct"),
    [
        ("a.example", "https://a.example", True),
        (".example", "https://a.example", True),
        ("*.example", "https://a.example", True),
        ("A.EXAMPLE", "https://a.example", True),
        ("example", "https://an-example", False),
        ("a.example:443", "https://a.example", True),
        ("a.example:444", "https://a.example", False),
        ("x, ,a.example", "https://a.example", True),
        ("10.0.0.0/8", "http://10.1.2.3:4100", True),
        ("10.0.0.0/8", "http://11.1.2.3:4100", False),
        ("::1", "http://[::1]:4100", True),
        ("[::1]", "http://[::1]:4100", True),
        ("[::1]:4100", "http://[::1]:4100", True),
        ("[::1]:4101", "http://[::1]:4100", False),
        ("x a.example", "https://a.example", True),
        ("a.example.", "https://a.example", True),
        ("a.example", "https://a.example.", True),
        ("fd00::/8", "http://[fd12::1]", True),
        ("*", "https://anything", True),
        ("", "https://anything", False),
    ],
)
def test_what_no_proxy_means(entry: str, url: str, direct: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "proxy:3128")
    monkeypatch.setenv("NO_PROXY", entry)
    assert (Proxies().proxy_for(f"{url}/v1/predictions") is None) is direct


@pytest.mark.parametrize("given", ["/no/such/file", __file__, 7, b"bytes"])
def test_certificates_that_cannot_be_read(given: Any) -> None:
    with pytest.raises(BadRequestError, match="ssl") as caught:
        AiohttpTransport(20, ssl=given)
    assert caught.value.param == "ssl"


def test_an_error_of_a_proxy_never_holds_its_password() -> None:
    for proxy in (f"http://{CREDENTIALS}@host/path", f"ftp://{CREDENTIALS}@host"):
        with pytest.raises(APIError) as caught:
            Proxies(proxy)
        assert PASSWORD not in str(caught.value) and CREDENTIALS not in str(caught.value)
