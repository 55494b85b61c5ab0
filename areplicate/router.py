"""`AsyncRouter`: calls that share one connection pool, their keys and the accounts' limits."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from math import inf
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast
from urllib.parse import urlencode

import anyio

from .balancer import ALLOWED_FAILS, COOLDOWN_TIME, Balancer
from .bulk.map import MapResult, journal_settings, map_calls
from .bulk.requests import Requests, is_embedding
from .calls.call import Answering, Call, answer
from .calls.candidates import Answer, first_answer
from .calls.preparing import Preparer
from .calls.streams import CompletionStream, replay
from .chat.embeddings import EmbeddingResponse, Encoding, Texts, read_encoding, read_texts
from .chat.mocked import mocked
from .chat.parsed import Parsed, checked_class, parsed
from .chat.plain import plain
from .chat.responses import ModelResponse
from .chat.schemas.schema import ModelSchema
from .clock import now
from .errors import APIError, BadRequestError, PredictionCanceledError
from .forks import no_fork
from .options.given import Given, checked_fallbacks, read_keywords
from .options.signature import signed
from .options.values import (
    checked_count,
    checked_headers,
    checked_names,
    checked_rate,
    checked_timeout,
    checked_whole,
    wants_usage,
)
from .replicate.clients import Clients
from .replicate.limits import CREATIONS_PER_MINUTE, OTHERS_PER_MINUTE, Slots, Turns
from .replicate.live import Live
from .replicate.protocol.decoding import decoded
from .replicate.protocol.models import FoundModel, decode_found
from .replicate.retry import RetryPolicy
from .replicate.transports.base import Transport, through

if TYPE_CHECKING:
    from .options.call_types import CompletionFunction
    from .options.values import Seconds
    from .replicate.transports.proxies import TLS

T = TypeVar("T")

_MOST_POOLED = 1024
"""Connections of a router that is given no `pool_size`."""

AsyncCompletion: TypeAlias = """CompletionFunction[
    Coroutine[Any, Any, ModelResponse],
    Coroutine[Any, Any, CompletionStream],
    Coroutine[Any, Any, ModelResponse | CompletionStream],
]"""


def typed(function: Callable[..., Any]) -> AsyncCompletion:
    """The function, with the options of a call in its signature."""
    return cast("AsyncCompletion", signed(function))


class AsyncRouter:
    """Calls language models on Replicate as if they were OpenAI's chat API.

    One router owns one connection pool and belongs to one event loop; use it as a context manager or
    close it with `aclose()`.

    Args:
        api_key: the Replicate API token; else `REPLICATE_API_KEY`, else `REPLICATE_API_TOKEN`.
        api_base: where the API is; else `REPLICATE_API_BASE`, else `REPLICATE_BASE_URL`, else
            Replicate itself.
        transport: what opens connections; aiohttp by default.
        default_headers: HTTP headers for every request to the API's base (creation, polls, list, cancel,
            upload, and a stream that is there), such as a gateway's own `cf-aig-authorization`. No other
            host sees them.
        proxy: the proxy to go through, such as `http://user:password@host:3128`, `host:3128` or
            `socks5://host:1080`; empty for none. By default what the environment names: `HTTPS_PROXY`,
            `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`.
        ssl: the certificates to trust: an `ssl.SSLContext`, the path of a file or folder, or False for any.
        timeout: seconds that one completion may take, queue and cold boot included; 1,800 by default.
        max_retries: how often one HTTP request is tried again if that is safe; 8 by default.
        pool_size: connections at most; by default 1,024, or half the files that the process may open.
            Nine tenths of them may be held open, by creations that wait for their answer and by
            streams; calls beyond that are watched instead, so that none queues behind a sleeper. The
            last tenth is for requests that are answered at once.
        held_creations: how many creations may hold a connection; as many as streams by default. Fewer
            take less memory, and are a little later with the answers above that.
        trusted_hosts: further hosts that may see the key, beside the API's own and Replicate's.
        creations_per_minute, others_per_minute: the account's limits to begin with.
        model_list, fallbacks, allowed_fails, cooldown_time: your own names for models that share the
            load, as `Balancer` takes them.
        allow_files: whether media may be paths on this machine, which are read; False where the calls are
            not your own.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        api_base: str | None = None,
        transport: Transport | None = None,
        default_headers: Mapping[str, str] | None = None,
        proxy: str | None = None,
        ssl: TLS | None = None,
        timeout: Seconds | None = None,
        max_retries: int | None = None,
        pool_size: int | None = None,
        held_creations: int | None = None,
        trusted_hosts: Sequence[str] = (),
        creations_per_minute: float = CREATIONS_PER_MINUTE,
        others_per_minute: float = OTHERS_PER_MINUTE,
        model_list: Iterable[Mapping[str, Any]] | None = None,
        fallbacks: Iterable[Mapping[str, Sequence[str]]] | None = None,
        allowed_fails: int = ALLOWED_FAILS,
        cooldown_time: float = COOLDOWN_TIME,
        allow_files: bool = True,
    ) -> None:
        given = read_keywords({"api_key": api_key, "api_base": api_base, "proxy": proxy, "ssl": ssl}).options
        pool_size = checked_whole(
            "pool_size", _default_pool_size() if pool_size is None else pool_size, least=1
        )
        transport = transport or _default_transport(pool_size)
        self._live = Live(at_end=self.aclose)
        self._balancer = Balancer(self._live, model_list, fallbacks, allowed_fails, cooldown_time)
        slots = Slots(pool_size * 9 // 10)
        self._clients = Clients(
            transport=transport if proxy is None and ssl is None else through(transport, proxy, ssl),
            live=self._live,
            held=slots
            if held_creations is None
            else Slots(checked_whole("held_creations", held_creations, least=0), of=slots),
            short=Turns(max(1, pool_size // 10)),
            creations_per_minute=checked_rate("creations_per_minute", creations_per_minute),
            others_per_minute=checked_rate("others_per_minute", others_per_minute),
            default_headers=checked_headers("default_headers", default_headers),
            trusted_hosts=tuple(checked_names("trusted_hosts", trusted_hosts)),
        )
        self._preparer = Preparer(
            clients=self._clients,
            live=self._live,
            slots=slots,
            api_key=given.get("api_key"),
            api_base=given.get("api_base"),
            timeout=None if timeout is None else checked_timeout(timeout),
            max_retries=None if max_retries is None else checked_whole("max_retries", max_retries, least=0),
            allow_files=allow_files,
        )

    @typed
    async def acompletion(
        self, /, model: str, messages: Sequence[Any], **params: Any
    ) -> ModelResponse | CompletionStream:
        """One chat completion: a `ModelResponse`, or with `stream=True` a `CompletionStream` of chunks."""
        if type(model) is not str or not model.isascii():
            model = plain(model, "model")
        if not self._balancer.has_names and (call := self._preparer.prepare_again(model, messages, params)):
            return await answer(call)
        given = read_keywords(params)
        if "mock_response" in given.options:
            return _mock(model, messages, given)
        return await self._answered(model, messages, given)

    def map(
        self,
        requests: Requests,
        max_in_flight: int | None = None,
        progress: bool = False,
        journal: str | PathLike[str] | None = None,
        retry_failed: bool = False,
    ) -> AsyncGenerator[MapResult, None]:
        """Many completions at once: each result as soon as it comes, failures among them.

        Leaving the loop early cancels the rest.

        Args:
            requests: mappings of `acompletion`'s arguments, in any iterable or async iterable. Each is
                taken when there is room for it, so there may be millions.
            max_in_flight: how many are under way, or wait to be read, at the same time; 1,000 by default.
            progress: shows a bar on stderr, on a terminal or in a notebook (`pip install 'areplicate[cli]'`).
            journal: a file that keeps what has been asked and answered: the same requests with the same
                journal go on where they stopped, whatever ended them. Results come from it, too. The
                network or the service may be away for an hour before the job gives up.
            retry_failed: ask again for the requests that failed in an earlier run.

        Yields:
            MapResult: with `index` (the request's place), and `response` or `error`.

        Raises:
            BadRequestError: an argument is wrong. What is wrong with one request is its result's `error`.
        """
        return map_calls(
            self._answer, requests, max_in_flight, progress, journal_settings(journal, retry_failed)
        )

    def _answer(self, /, **request: Any) -> Awaitable[Any]:
        return self.aembedding(**request) if is_embedding(request) else self.acompletion(**request)

    async def aparse(
        self, model: str, messages: Sequence[Any], response_format: type[T], **params: Any
    ) -> Parsed[T]:
        """One chat completion whose answer is an object of a pydantic class.

        Args:
            response_format: the class: its JSON Schema is what the answer is held to.
            params: what `acompletion` takes besides, but `stream`.

        Raises:
            BadRequestError: `response_format` is not a pydantic class, or a stream is asked for.
            APIError: another of its subclasses; `AnswerMisfitError` if the answer is not such an
                object, with its `text`.
        """
        checked_class(response_format)
        if params.pop("stream", None):
            raise BadRequestError(
                "stream=True gives chunks, from which no object can be read: leave stream out, or call "
                "acompletion(..., stream=True).",
                param="stream",
            )
        response: ModelResponse = await self.acompletion(
            model, messages, response_format=response_format, **params
        )
        return parsed(response, response_format)

    async def aembedding(
        self, model: str, input: str | Sequence[str], *, encoding_format: Encoding = "float", **params: Any
    ) -> EmbeddingResponse:
        """The vectors of a text or of several, as OpenAI's embeddings API gives them.

        A model that takes a list of texts gets them in one prediction; for another, each text is a prediction of
        its own, all at once within the account's limits.

        Args:
            model: as `acompletion` takes it.
            input: a text, or up to 2,048.
            encoding_format: `base64` gives each vector as the base64 of 32-bit floats.
            params: options of the call, such as `timeout` and `api_key`, and the model's own inputs.

        Raises:
            APIError: one of its subclasses. Where one prediction fails, the others are cancelled.
        """
        in_base64 = read_encoding(encoding_format) == "base64"
        given = read_keywords(params)
        if "mock_response" in given.options:
            raise BadRequestError("mock_response is for completions.", param="mock_response")
        texts: Any = Texts(read_texts(plain(input, "input")), in_base64)
        asked = Given(given.options, {}, given.inputs)
        response: Any = await self._answered(plain(model, "model"), texts, asked)
        answered: EmbeddingResponse = response
        return answered

    async def schema_of(
        self,
        model: str,
        *,
        must_exist: bool = False,
        api_key: str | None = None,
        api_base: str | None = None,
        default_headers: Mapping[str, str] | None = None,
        proxy: str | None = None,
        ssl: TLS | None = None,
    ) -> ModelSchema | None:
        """The model's inputs and output, from the catalogue or looked up; None if they are not known.

        Raises:
            NotFoundError: it `must_exist`, and the key sees no such model.
        """
        account = self._preparer.account(api_key, api_base, default_headers, proxy, ssl)
        return await self._preparer.schema_of(model, account, must_exist)

    async def search_models(self, query: str, limit: int = 20) -> list[FoundModel]:
        """The models that Replicate's own search finds, the best first; up to 50.

        Source: "Search models, collections, and docs" in Replicate's HTTP API.
        """
        account, policy = self._preparer.account(), RetryPolicy(self._preparer.timeout_and_retries()[1])
        path = "/search?" + urlencode({"query": query, "limit": checked_whole("limit", limit, least=1)})
        body = await self._preparer.in_time(partial(account.http.get, path, policy), policy)
        try:
            return [hit.model for hit in decoded(decode_found, body).models]
        except ValueError as error:
            raise APIError(f"The answer is not a list of models: {error}.") from error

    @property
    def closed(self) -> bool:
        """Whether it takes no more calls."""
        return self._live.closed

    async def aclose(self) -> None:
        """Ends the calls in flight and the streams that are still open, which cancels their predictions, and
        closes all connections. From now on every call is an `APIConnectionError`.

        In a forked child it does nothing: what is under way belongs to the parent.

        Raises:
            BadRequestError: it is in use on another event loop. Nothing is closed.
        """
        if self._live.background.inherited:
            return
        self._live.check_loop()
        try:
            await self._live.aclose()
        finally:
            with anyio.CancelScope(shield=True):
                await self._clients.aclose()

    async def __aenter__(self) -> AsyncRouter:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _answered(
        self, model: str, messages: Sequence[Any], given: Given
    ) -> Awaitable[ModelResponse | CompletionStream]:
        """The answer of the model, or of the first of the call's own fallbacks that has one."""
        fallbacks = given.options.pop("fallbacks", None)
        if fallbacks is None or self._balancer.knows(model, fallbacks):
            return self._ask(model, messages, given, fallbacks)
        return self._first_to_answer([(model, given), *checked_fallbacks(fallbacks)], messages)

    async def _ask(
        self,
        model: str,
        messages: Sequence[Any],
        given: Given,
        fallbacks: Sequence[str] | None = None,
        deadline: float = inf,
    ) -> ModelResponse | CompletionStream:
        if not self._balancer.has_names or model not in self._balancer:
            if self._balancer.has_names:
                self._balancer.check_other(model)
            return await answer(await self._preparer.prepare(model, messages, given, deadline))
        deadline = min(deadline, self._deadline(given))  # of all entries and fallbacks together

        def prepare(model: str, defaults: Given) -> Awaitable[Call | Answering]:
            return self._preparer.prepare(model, messages, defaults.updated(given), deadline)

        return await self._balancer.call(model, prepare, deadline, fallbacks)

    def _deadline(self, given: Given) -> float:
        return now() + self._preparer.timeout_and_retries(given.options.get("timeout"))[0]

    async def _first_to_answer(
        self, asked: list[tuple[str, Given]], messages: Sequence[Any]
    ) -> ModelResponse | CompletionStream:
        """The answer of the first of these models that gives one. Each gets the first one's options and its own.

        `timeout` is for all of them together.
        """
        given = asked[0][1]
        deadline = self._deadline(given)

        def passes(error: APIError) -> bool:
            return not (isinstance(error, PredictionCanceledError) or now() >= deadline or self._live.closed)

        async def ask(model: str, own: Given) -> Answer:
            try:
                return await self._ask(model, messages, given.updated(own), deadline=deadline)
            except APIError as error:
                error.about(model, None)
                raise

        return await first_answer((partial(ask, model, own) for model, own in asked), passes)


def _mock(model: str, messages: Sequence[Any], given: Given) -> ModelResponse | CompletionStream:
    options, stop = given.options, given.params.get("stop")
    response = mocked(model, messages, options["mock_response"], checked_count(options.get("n")), stop)
    if options.get("stream"):
        return replay(response, wants_usage(options.get("stream_options")))
    return response


def _default_transport(pool_size: int) -> Transport:
    with no_fork:
        from .replicate.transports.aiohttp import AiohttpTransport

    return AiohttpTransport(pool_size)


def _default_pool_size() -> int:
    try:
        import resource
    except ModuleNotFoundError:  # not on Windows
        return 256
    return max(16, min(_MOST_POOLED, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2))
