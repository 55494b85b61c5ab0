"""Whatever stands before Replicate, each request goes by the configured base and carries what that wants."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

import areplicate
from areplicate import AsyncRouter, acompletion, completion
from areplicate.local import LocalModel, LocalReplicate
from areplicate.replicate.credentials import Credentials
from areplicate.replicate.transports.httpx import HttpxTransport
from tests.hostile import Asked, GoOn, HostileReplicate, Mishap, leads_to, problem, wants_header
from tests.proxy_servers import CREDENTIALS, http_proxy
from tests.stage import HELLO, KEY, LLAMA, llama, router_of

PREFIX = "/v1/account/gateway/replicate"
AIG = "Bearer aig-secret-token"
HEADERS = {"cf-aig-authorization": AIG}


def gateway(*models: LocalModel, **options: Any) -> HostileReplicate:
    """Replicate behind a gateway that authenticates, under a path of its own."""
    hostile = HostileReplicate(models or [llama()], prefix=PREFIX, **options)
    hostile.on("*", wants_header("cf-aig-authorization", AIG))
    return hostile


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where a proxy listens that wants a password."""
    with http_proxy(auth=True) as address:
        yield address


@pytest.fixture(autouse=True)
def usual_router() -> Iterator[None]:
    yield
    areplicate.configure()


class TestAGateway:
    pytestmark = pytest.mark.anyio

    async def test_sees_its_header_on_every_kind_of_request(self) -> None:
        picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 500_000}}
        seeing = LocalModel(
            owner="some",
            name="body",
            official=False,
            boot_seconds=100,
            schema={
                "Input": {
                    "properties": {"prompt": {"type": "string"}, "image": {"type": "string", "format": "uri"}}
                }
            },
        )
        slow = llama(boot_seconds=100)
        async with gateway(slow, seeing) as hostile, router_of(hostile, default_headers=HEADERS) as router:
            await router.acompletion(LLAMA, HELLO)
            await areplicate.stream_to_completion(await router.acompletion(LLAMA, HELLO, stream=True))
            await router.acompletion(
                "some/body", [{"role": "user", "content": [{"type": "text", "text": "hi"}, picture]}]
            )
            async with anyio.create_task_group() as group:
                for number in range(120):
                    group.start_soon(router.acompletion, LLAMA, [{"role": "user", "content": str(number)}])
            await anyio.sleep(400)  # both models are cold again
            with anyio.move_on_after(5):
                await router.acompletion("some/body", HELLO)
        kinds = {seen.kind for seen in hostile.asked}
        assert kinds >= {"create", "get", "list", "cancel", "stream", "upload", "model"}
        for seen in hostile.asked:
            assert (
                seen.headers["cf-aig-authorization"] == AIG
                and seen.headers["Authorization"] == f"Bearer {KEY}"
            )
            assert seen.path.startswith(PREFIX) or seen.kind == "stream"
        assert not hostile.running()

    async def test_that_gets_no_header_refuses_at_once_and_nothing_is_left(self) -> None:
        async with gateway() as hostile, router_of(hostile) as router:
            with pytest.raises(areplicate.AuthenticationError):
                await router.acompletion(LLAMA, HELLO)
            assert not hostile.predictions

    async def test_may_be_one_entry_of_several(self) -> None:
        async with gateway() as hostile, LocalReplicate([llama()]) as local:
            entries = [
                {"model": LLAMA, "api_base": hostile.api_base, "default_headers": HEADERS},
                {"model": LLAMA, "api_base": local.api_base},
            ]
            named = [{"model_name": "chat", "litellm_params": entry} for entry in entries]
            async with AsyncRouter(api_key=KEY, model_list=named) as router:
                for _ in range(30):
                    await router.acompletion("chat", HELLO)
            assert hostile.predictions and local.predictions
            assert not any("cf-aig-authorization" in seen.headers for seen in local.requests)

    async def test_may_be_named_by_a_call(self) -> None:
        async with gateway() as hostile, router_of(hostile, default_headers={"X-Team": "search"}) as router:
            await router.acompletion(LLAMA, HELLO, default_headers=HEADERS)
            assert hostile.asked[-1].headers["X-Team"] == "search", "beside the router's own"
            with pytest.raises(areplicate.AuthenticationError):
                await router.acompletion(LLAMA, HELLO)


@pytest.mark.anyio
async def test_predictions_are_watched_and_cancelled_by_the_base_whatever_their_urls_say() -> None:
    async with HostileReplicate([llama(boot_seconds=100)]) as hostile:
        hostile.on("create", leads_to("https://evil.example"))
        async with router_of(hostile) as router:
            await router.acompletion(LLAMA, HELLO)
            async with anyio.create_task_group() as group:
                group.start_soon(router.acompletion, LLAMA, HELLO)
                await anyio.sleep(1)
                group.cancel_scope.cancel()
        assert not hostile.running()


@pytest.mark.anyio
async def test_the_host_of_a_stream_sees_the_key_where_it_is_trusted_and_never_the_bases_headers() -> None:
    async with LocalReplicate([llama()]) as streams:
        async with HostileReplicate([llama()]) as local:
            local.on("create", leads_to(streams.api_base.removesuffix("/v1")))
            options = {"default_headers": HEADERS, "trusted_hosts": ["127.0.0.1"]}
            async with router_of(local, **options) as router:
                stream = await router.acompletion(LLAMA, HELLO, stream=True)
                await areplicate.stream_to_completion(stream)
        assert streams.requests, "where the stream is not, the prediction is looked at"
        for seen in streams.requests:
            assert "cf-aig-authorization" not in seen.headers
            assert seen.headers["Authorization"] == f"Bearer {KEY}"
        assert all("cf-aig-authorization" in seen.headers for seen in local.requests)


class TestWhoMaySeeWhat:
    REPLICATE = "https://api.replicate.com/v1"
    GATEWAY = "https://gateway.ai.cloudflare.com/v1/account/gateway/replicate"

    def seen(self, base: str, url: str, *trusted: str) -> set[str]:
        credentials = Credentials(base, KEY, HEADERS, tuple(trusted))
        return credentials.headers_for(url).keys() - {"User-Agent", "Content-Type"}

    def test_the_bases_own_origin_sees_all(self) -> None:
        for base in (self.REPLICATE, self.GATEWAY, "http://127.0.0.1:4100/v1"):
            assert self.seen(base, f"{base}/streams/x") == {"Authorization", "cf-aig-authorization"}

    @pytest.mark.parametrize(
        "url", ["https://stream.replicate.com/v1/x", "https://stream-b.svc.rno2.c.replicate.net/x"]
    )
    def test_replicates_hosts_see_the_key_where_the_base_is_replicates(self, url: str) -> None:
        assert self.seen(self.REPLICATE, url) == {"Authorization"}
        assert self.seen(self.GATEWAY, url) == set(), "a gateway's key need not be Replicate's"
        trusted = {"Authorization"} if "//stream.replicate.com/" in url else set()
        assert self.seen(self.GATEWAY, url, "stream.replicate.com") == trusted

    def test_a_trusted_host_sees_the_key_alone(self) -> None:
        assert self.seen(self.GATEWAY, "https://streams.corp/x", "streams.corp") == {"Authorization"}

    @pytest.mark.parametrize(
        "url",
        [
            "https://evil.example/x",
            "http://stream.replicate.com/x",
            "https://notreplicate.com/x",
            "https://replicate.com.evil.example/x",
            "https://api.replicate.com@evil.example/x",
            "https://gateway.ai.cloudflare.com:8443/v1/x",
            "https://evil.example:port/x",
            "file:///etc/passwd",
            "//evil.example",
            "",
        ],
    )
    def test_any_other_is_asked_nothing(self, url: str) -> None:
        for base in (self.REPLICATE, self.GATEWAY):
            with pytest.raises(areplicate.APIConnectionError, match="outside the API's own hosts"):
                self.seen(base, url)

    @pytest.mark.anyio
    async def test_a_header_is_never_sent_twice(self) -> None:
        given = {
            "authorization": "Token another",
            "content-type": "text/x",
            "user-agent": "x/1",
            "x-team": "a",
        }
        async with LocalReplicate([llama()]) as local, router_of(local, default_headers=given) as router:
            await router.acompletion(LLAMA, HELLO, extra_headers={"prefer": "wait=7", "X-team": "b"})
        [seen] = local.requests
        names = [name.lower() for name in seen.headers]
        assert len(names) == len(set(names)) and seen.headers["X-Team"] == "b"
        assert seen.headers["Authorization"] == "Token another"
        assert seen.headers["Content-Type"] == "application/json"
        assert seen.headers["User-Agent"] == "x/1"

    def test_a_fingerprint_tells_accounts_apart_and_nothing_else(self) -> None:
        one, same, other = (Credentials(self.GATEWAY, key, HEADERS) for key in ("r8_a", "r8_a", "r8_b"))
        assert one.fingerprint == same.fingerprint != other.fingerprint
        assert Credentials(self.GATEWAY, "r8_a", {}).fingerprint != one.fingerprint


def echoes() -> Mishap:
    """An error that tells the request's headers, as a debugging proxy's does."""

    async def mishap(asked: Asked, go_on: GoOn) -> Any:
        return await problem(400, repr(dict(asked.request.headers)))(asked, go_on)

    return mishap


@pytest.mark.anyio
async def test_a_secret_header_is_in_no_error_and_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "areplicate")
    async with gateway() as hostile, router_of(hostile, default_headers=HEADERS) as router:
        await router.acompletion(LLAMA, HELLO)
        hostile.on("create", echoes())
        with pytest.raises(areplicate.BadRequestError, match=r"\[cf-aig-authorization\]") as caught:
            await router.acompletion(LLAMA, HELLO)
    for text in (str(caught.value), repr(caught.value), caplog.text):
        assert AIG not in text and KEY not in text
    assert "$CF_AIG_AUTHORIZATION" in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"default_headers": "X-Team: search"}, "default_headers must be a mapping"),
        ({"default_headers": {"X-Team": "two\nlines"}}, r"default_headers\['X-Team'\] must be a string"),
        ({"default_headers": {"X-Team": 7}}, r"default_headers\['X-Team'\] must be a string"),
        ({"default_headers": {"X Team": "x"}}, "HTTP header names"),
        ({"proxy": "ftp://host"}, "proxy must be the URL of a proxy"),
        ({"ssl": "/no/such/file"}, "cannot be read as certificates"),
        ({"ssl": 7}, "ssl must be an SSLContext"),
    ],
)
@pytest.mark.anyio
async def test_what_is_wrong_is_told_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(areplicate.BadRequestError, match=message):
        AsyncRouter(**options)
    with pytest.raises(areplicate.BadRequestError, match=message):
        areplicate.configure(**options)
    async with LocalReplicate([llama()]) as local, router_of(local) as router:
        with pytest.raises(areplicate.BadRequestError, match=message):
            await router.acompletion(LLAMA, HELLO, **options)
        assert not local.requests


@pytest.mark.anyio
async def test_a_base_with_a_password_in_it_is_explained() -> None:
    with pytest.raises(areplicate.BadRequestError, match="must not contain a user or a password") as caught:
        async with AsyncRouter(api_key=KEY, api_base="https://user:secret@corp/v1") as router:
            await router.acompletion(LLAMA, HELLO)
    assert "secret" not in str(caught.value)


class TestAProxy:
    pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])

    @pytest.mark.anyio
    @pytest.mark.parametrize("transport", [None, HttpxTransport(20)], ids=["aiohttp", "httpx"])
    async def test_carries_whole_calls(self, address: str, transport: Any) -> None:
        with LocalReplicate([llama(reply=["one ", "two"], run_seconds=0.5)]) as local:
            proxy = f"http://{CREDENTIALS}@{address}"
            async with router_of(local, proxy=proxy, transport=transport) as router:
                answer = await router.acompletion(LLAMA, HELLO)
                assert answer.choices[0].message.content == "one two"
                stream = await router.acompletion(LLAMA, HELLO, stream=True)
                assert (await areplicate.stream_to_completion(stream)).choices[0].message.content == "one two"
                with pytest.raises(areplicate.APIError, match="407"):
                    await router.acompletion(LLAMA, HELLO, proxy=address)
                await router.acompletion(LLAMA, HELLO, proxy="")
            assert len(local.predictions) == 3

    @pytest.mark.anyio
    async def test_may_be_an_entrys_own(self, address: str) -> None:
        with LocalReplicate([llama()]) as local:
            entry = {"model": LLAMA, "api_base": local.api_base, "proxy": address}
            good = {**entry, "proxy": f"http://{CREDENTIALS}@{address}", "ssl_verify": False}
            named = [
                {"model_name": "bad", "litellm_params": entry},
                {"model_name": "good", "litellm_params": good},
            ]
            async with AsyncRouter(api_key=KEY, model_list=named, fallbacks=[{"bad": ["good"]}]) as router:
                await router.acompletion("bad", HELLO)
            assert len(local.predictions) == 1

    @pytest.mark.anyio
    async def test_needs_a_transport_that_can_take_it(self) -> None:
        class Own:
            async def open(self, request: Any) -> Any: ...

            async def aclose(self) -> None: ...

        with pytest.raises(areplicate.BadRequestError, match=r"Own has no method through\(proxy=, ssl=\)"):
            AsyncRouter(transport=Own(), proxy="host:3128")


class TestConfigure:
    def test_sets_up_what_completion_runs_on(self) -> None:
        with gateway() as hostile:
            areplicate.configure(api_key=KEY, api_base=hostile.api_base, default_headers=HEADERS)
            assert completion(LLAMA, HELLO).choices[0].message.content
            assert "".join(c.choices[0].delta.content or "" for c in completion(LLAMA, HELLO, stream=True))
            [result] = areplicate.map([{"model": LLAMA, "messages": HELLO}])
            assert result.response is not None
            areplicate.configure(api_key=KEY, api_base=hostile.api_base)
            with pytest.raises(areplicate.AuthenticationError):
                completion(LLAMA, HELLO)

    def test_gives_completion_a_transport(self) -> None:
        with LocalReplicate([llama()]) as local:
            areplicate.configure(api_key=KEY, api_base=local.api_base, transport=HttpxTransport(20))
            completion(LLAMA, HELLO)
            assert local.requests[-1].headers["Connection"] == "keep-alive", (
                "as httpx says and aiohttp does not"
            )

    @pytest.mark.anyio
    @pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
    async def test_sets_up_what_acompletion_runs_on(self, anyio_backend: str) -> None:
        with gateway() as hostile:
            areplicate.configure(api_key=KEY, api_base=hostile.api_base, default_headers=HEADERS)
            await acompletion(LLAMA, HELLO)
            await acompletion(LLAMA, HELLO)
            assert len(hostile.asked) == 2

    @pytest.mark.anyio
    async def test_leaves_calls_under_way_as_they_began(self) -> None:
        async with gateway(llama(boot_seconds=50)) as hostile:
            areplicate.configure(api_key=KEY, api_base=hostile.api_base, default_headers=HEADERS)
            async with anyio.create_task_group() as group:
                group.start_soon(acompletion, LLAMA, HELLO)
                await anyio.sleep(10)
                areplicate.configure(api_key="another", api_base="http://127.0.0.1:1")
            assert hostile.statuses == {"succeeded": 1}

    def test_is_shown_with_the_routers_arguments(self) -> None:
        assert "default_headers" in inspect.signature(areplicate.configure).parameters
        with pytest.raises(TypeError, match="no_such_argument"):
            areplicate.configure(no_such_argument=1)  # type: ignore[call-arg]
