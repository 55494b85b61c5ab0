"""A call before it is sent: which model it asks on which account, with which input, and for how long."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import areplicate

from ..chat.answers import Question
from ..chat.embeddings import Texts, inputs_for
from ..chat.formats import templates
from ..chat.inputs import ModelInput, build_input
from ..chat.params import CONTRACT_PARAMS
from ..chat.schemas.schema import ModelSchema
from ..clock import now
from ..errors import BadRequestError, UnsupportedParamsError
from ..options import Given
from ..options.own_inputs import own_inputs
from ..options.values import (
    checked_count,
    checked_headers,
    checked_mapping,
    checked_names,
    chosen,
    first_given,
    patience,
    wants_usage,
)
from ..replicate.client import Client
from ..replicate.clients import Clients
from ..replicate.endpoints import Endpoint
from ..replicate.limits import Slots
from ..replicate.live import Live
from ..replicate.progress import OnStatus
from ..replicate.retry import RetryPolicy
from ..schema_lookup import LOOK_UP_SECONDS, SchemaStore, Viewer, endpoint_of
from .attachments import attach
from .call import Answering, Call

if TYPE_CHECKING:
    from ..replicate.transports.proxies import TLS

T = TypeVar("T")

_LOOK_UP_RETRIES = 3
"""How often a request is tried again on the way to a model's schema."""
_NO_TEMPLATE = (None,) * 5
_TARGET_SECONDS = 60.0
"""For how long a `_Target` is good."""
_TARGETS_KEPT = 500
"""How many are kept: fewer than the accounts whose limits are remembered."""


class _Target(NamedTuple):
    """Which model a call asks on which account, and its schema; good `until` then, unless `versions` change."""

    account: Client
    endpoint: Endpoint
    schema: ModelSchema | None
    until: float
    versions: int


class Preparer:
    """Makes calls ready to be sent. What a call does not set, its router does, else the process."""

    def __init__(
        self,
        clients: Clients,
        live: Live,
        slots: Slots,
        *,
        api_key: str | None,
        api_base: str | None,
        timeout: float | None,
        max_retries: int | None,
        allow_files: bool,
    ) -> None:
        self._clients = clients
        self._live = live
        self._slots = slots
        self._api_key = api_key
        self._api_base = api_base
        self._timeout = timeout
        self._max_retries = max_retries
        self._allow_files = allow_files
        self._schemas = SchemaStore()
        self._targets: dict[tuple[str, str, str], _Target] = {}
        """By model, base and key."""

    def prepare(self, model: str, messages: Sequence[Any], given: Given) -> Awaitable[Call | Answering]:
        """The call that was asked for, ready to be sent."""
        return self._call(model, messages, given.params, given.inputs, **given.options)

    async def _call(
        self,
        model: str,
        messages: Sequence[Any],
        params: Mapping[str, Any],
        inputs: Mapping[str, Any],
        *,
        stream: bool | None = None,
        stream_options: Mapping[str, Any] | None = None,
        n: int | None = None,
        timeout: float | None = None,
        num_retries: int | None = None,
        drop_params: bool | None = None,
        additional_drop_params: Sequence[str] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        api_key: str | None = None,
        api_base: str | None = None,
        default_headers: Mapping[str, str] | None = None,
        proxy: str | None = None,
        ssl: TLS | None = None,
        on_status: OnStatus | None = None,
        supports_system_prompt: bool | None = None,
        initial_prompt_value: str | None = None,
        roles: Mapping[str, Mapping[str, str]] | None = None,
        final_prompt_value: str | None = None,
        bos_token: str | None = None,
        eos_token: str | None = None,
        emulate: bool | None = None,
    ) -> Call | Answering:
        """The keywords are `options.OPTIONS` without OpenAI's."""
        if not isinstance(model, str):
            raise BadRequestError(f"model must be a string, not {type(model).__name__}.")
        count = checked_count(n)
        include_usage = wants_usage(stream_options)
        told = roles, initial_prompt_value, final_prompt_value, bos_token, eos_token
        template = (
            templates.template_of(model, *told) if templates.REGISTERED or told != _NO_TEMPLATE else None
        )
        seconds, retries = patience(timeout, self._timeout, num_retries, self._max_retries)
        base, key = chosen(api_base or self._api_base, api_key or self._api_key)
        drop = bool(first_given(drop_params, areplicate.drop_params))
        begun = now()
        policy = RetryPolicy(retries, begun + seconds)
        account, endpoint, schema, _, _ = await self._target(
            model, base, key, policy, begun, default_headers, proxy, ssl
        )
        values: Mapping[str, Any] = {}
        given = dict(params)
        if inputs:
            values, inputs = templates.for_template(template, inputs, schema)
            given.update(own_inputs(inputs, schema, model, drop))
        if extra_body is not None:
            given.update(checked_mapping("extra_body", extra_body))
        if additional_drop_params is not None:
            for name in checked_names("additional_drop_params", additional_drop_params):
                given.pop(name, None)

        tools: Sequence[Any] = ()

        def build(messages: Any) -> ModelInput:
            try:
                return build_input(
                    messages,
                    given,
                    model=model,
                    schema=schema,
                    template=template,
                    supports_system_prompt=supports_system_prompt,
                    drop_params=drop,
                    allow_files=self._allow_files,
                    tools=tools,
                    template_values=values,
                )
            except UnsupportedParamsError as error:
                # If there is no such model, that says more than which parameters it would take.
                raise self._schemas.missing(endpoint, _viewer(account)) or error from None

        async def ready(built: ModelInput) -> Call:
            return Call(
                account=account,
                endpoint=endpoint,
                question=Question(model, built, schema),
                input=await self.in_time(partial(_attached, built, account, policy), policy)
                if built.media
                else built.fields,
                timeout=seconds,
                begun=begun,
                policy=policy,
                headers={} if extra_headers is None else checked_headers("extra_headers", extra_headers),
                on_status=on_status,
                slots=self._slots,
                live=self._live,
                count=count,
                stream=bool(stream),
                include_usage=include_usage,
            )

        if isinstance(messages, Texts):
            from .embeddings import EmbeddingCall

            parts = inputs_for(messages.texts, given, schema, model)
            asked: Any = EmbeddingCall(await ready(ModelInput({})), messages, parts)
            answering: Answering = asked
            return answering
        if CONTRACT_PARAMS.isdisjoint(given):
            return await ready(build(messages))
        from ..chat.contract import settle  # only calls that need it pay for its import
        from .reasking import BoundCall

        settled = settle(
            messages, given, schema=schema, model=model, template=template, emulate=emulate is not False
        )
        given, tools = settled.params, settled.tools
        call = await ready(build(settled.turns))
        if settled.contract is None:
            return call
        return BoundCall(call, settled.contract, settled.turns, lambda turns: ready(build(turns)))

    def patience(self, timeout: float | None = None, retries: int | None = None) -> tuple[float, int]:
        """Seconds for a completion, and retries of one request, as `options.values.patience` has them."""
        return patience(timeout, self._timeout, retries, self._max_retries)

    async def _target(
        self,
        model: str,
        base: str,
        key: str,
        policy: RetryPolicy,
        time: float,
        default_headers: Mapping[str, str] | None,
        proxy: str | None,
        ssl: TLS | None,
    ) -> _Target:
        """The target of a call: the one found before, as long as it is good."""
        plain = default_headers is None and proxy is None and ssl is None
        target = self._targets.get((model, base, key)) if plain else None
        if target is not None and target.until > time and target.versions == target.account.versions.changes:
            return target
        endpoint = endpoint_of(model)
        headers = checked_headers("default_headers", default_headers)
        account = self._clients.of(base, key, headers, proxy, ssl)
        schema = self._schemas.known(endpoint, _viewer(account), _version(account, endpoint))
        if schema is None:
            schema = await self.in_time(partial(self._schema, endpoint, account), policy)
        target = _Target(account, endpoint, schema, time + _TARGET_SECONDS, account.versions.changes)
        if plain and schema is not None:
            if len(self._targets) >= _TARGETS_KEPT:
                self._targets.clear()
            self._targets[model, base, key] = target
        return target

    async def schema_of(self, model: str, account: Client, must_exist: bool = False) -> ModelSchema | None:
        """What the model takes, from the catalogue or looked up; None where that cannot be known.

        Raises:
            NotFoundError: it `must_exist`, and the account sees no such model.
        """
        policy, endpoint = RetryPolicy(self.patience()[1]), endpoint_of(model)
        schema = await self.in_time(partial(self._schema, endpoint, account), policy)
        if schema is None and must_exist and (missing := self._schemas.missing(endpoint, _viewer(account))):
            raise missing
        return schema

    async def _schema(self, endpoint: Endpoint, account: Client) -> ModelSchema | None:
        # Other callers wait for it, too, so its time and retries are not those of the first.
        policy = RetryPolicy(_LOOK_UP_RETRIES, now() + LOOK_UP_SECONDS)
        viewer, version = _viewer(account), _version(account, endpoint)
        return await self._schemas.of(endpoint, lambda path: account.http.get(path, policy), viewer, version)

    async def in_time(self, work: Callable[[], Awaitable[T]], policy: RetryPolicy) -> T:
        """Does what must be done before the prediction is created, within the deadline."""
        late = "The deadline passed before the prediction was asked for."
        return await self._live.wait_for(work, policy.deadline, late)

    def account(
        self,
        api_key: str | None = None,
        api_base: str | None = None,
        default_headers: Mapping[str, str] | None = None,
        proxy: str | None = None,
        ssl: TLS | None = None,
    ) -> Client:
        base, key = chosen(api_base or self._api_base, api_key or self._api_key)
        return self._clients.of(base, key, checked_headers("default_headers", default_headers), proxy, ssl)


def _viewer(account: Client) -> Viewer:
    return Viewer(account.http.base, account.http.credentials.fingerprint)


def _version(account: Client, endpoint: Endpoint) -> str | None:
    """A community model's latest version, where it was looked up."""
    known = account.versions.known(endpoint)
    return None if known is None else known.version


async def _attached(built: ModelInput, account: Client, policy: RetryPolicy) -> dict[str, Any]:
    api = account.http
    return await attach(built, lambda content, name, kind: api.upload(content, name, kind, policy))
