"""A call before it is sent: which model it asks on which account, with which input, and for how long."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

import areplicate

from ..chat.answers import Question
from ..chat.conversation import Prompting
from ..chat.embeddings import Texts, inputs_for
from ..chat.formats import templates
from ..chat.inputs import ModelInput, build_input
from ..chat.params import CONTRACT_PARAMS
from ..chat.schemas.schema import ModelSchema
from ..clock import now
from ..errors import APIError, BadRequestError, UnsupportedParamsError
from ..options import Given, own_inputs
from ..options.declared import TEMPLATE
from ..options.values import (
    checked_count,
    checked_headers,
    checked_names,
    chosen,
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
    from ..chat.formats.format import PromptTemplate
    from ..replicate.transports.proxies import TLS

T = TypeVar("T")

_LOOK_UP_RETRIES = 3
"""How often a request is tried again on the way to a model's schema."""
_NO_INPUT = ModelInput({})
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


class CallOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How one call is made: `options.OPTIONS` without OpenAI's."""

    stream: bool | None = None
    stream_options: Mapping[str, Any] | None = None
    n: int | None = None
    timeout: float | None = None
    num_retries: int | None = None
    drop_params: bool | None = None
    additional_drop_params: Sequence[str] | None = None
    extra_headers: Mapping[str, str] | None = None
    extra_body: Mapping[str, Any] | None = None
    api_key: str | None = None
    api_base: str | None = None
    default_headers: Mapping[str, str] | None = None
    proxy: str | None = None
    ssl: TLS | None = None
    on_status: OnStatus | None = None
    supports_system_prompt: bool | None = None
    initial_prompt_value: str | None = None
    roles: Mapping[str, Mapping[str, str]] | None = None
    final_prompt_value: str | None = None
    bos_token: str | None = None
    eos_token: str | None = None
    emulate: bool | None = None


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
        self.live = live
        self.slots = slots
        self._api_key = api_key
        self._api_base = api_base
        self._timeout = timeout
        self._max_retries = max_retries
        self.allow_files = allow_files
        self._schemas = SchemaStore()
        self._targets: dict[tuple[str, str, str], _Target] = {}
        """By model, base and key."""

    async def prepare(self, model: str, messages: Sequence[Any], given: Given) -> Call | Answering:
        """The call that was asked for, ready to be sent."""
        options = CallOptions(**given.options)
        draft = await self._draft(model, given, options)
        if isinstance(messages, Texts):
            from .embeddings import EmbeddingCall

            parts = inputs_for(messages.texts, draft.params, draft.target.schema, model)
            asked: Any = EmbeddingCall(draft.blank, messages, parts)
            answering: Answering = asked
            return answering
        if CONTRACT_PARAMS.isdisjoint(draft.params):
            return await draft.call(messages)
        from ..chat.settling import settle  # only calls that need it pay for its import
        from .reasking import BoundCall

        settled = settle(
            messages,
            draft.params,
            schema=draft.target.schema,
            model=model,
            template=draft.prompting.template,
            emulate=options.emulate is not False,
        )
        draft.params = settled.params
        if settled.tools:
            draft.prompting = msgspec.structs.replace(draft.prompting, tools=settled.tools)
        call = await draft.call(settled.turns)
        if settled.contract is None:
            return call
        return BoundCall(call, settled.contract, settled.turns, draft.call)

    async def _draft(self, model: str, given: Given, options: CallOptions) -> _Draft:
        """What the call's options and the model's schema settle, whatever the conversation."""
        if not isinstance(model, str):
            raise BadRequestError(f"model must be a string, not {type(model).__name__}.")
        template = _template(model, given.options)
        count, include_usage = checked_count(options.n), wants_usage(options.stream_options)
        seconds, retries = patience(options.timeout, self._timeout, options.num_retries, self._max_retries)
        base, key = chosen(options.api_base or self._api_base, options.api_key or self._api_key)
        drop = bool(areplicate.drop_params if options.drop_params is None else options.drop_params)
        begun = now()
        policy = RetryPolicy(retries, begun + seconds)
        plain = options.default_headers is None and options.proxy is None and options.ssl is None
        target = self._known_target(model, base, key, begun) if plain else None
        if target is None:
            target = await self._look_up_target(model, base, key, policy, begun, options)
            if plain and target.schema is not None:
                if len(self._targets) >= _TARGETS_KEPT:
                    self._targets.clear()
                self._targets[model, base, key] = target
        params = dict(given.params)
        values: Mapping[str, Any] = {}
        if given.inputs:
            own = () if target.schema is None else target.schema.fields
            values, inputs = templates.for_template(template, given.inputs, own)
            params.update(own_inputs(inputs, target.schema, model, drop))
        if options.extra_body is not None:
            params.update(options.extra_body)
        if options.additional_drop_params is not None:
            for name in checked_names("additional_drop_params", options.additional_drop_params):
                params.pop(name, None)
        blank = Call(
            account=target.account,
            endpoint=target.endpoint,
            question=Question(model, _NO_INPUT, target.schema),
            input=_NO_INPUT.fields,
            timeout=seconds,
            begun=begun,
            policy=policy,
            headers={}
            if options.extra_headers is None
            else checked_headers("extra_headers", options.extra_headers),
            on_status=options.on_status,
            slots=self.slots,
            live=self.live,
            count=count,
            stream=bool(options.stream),
            include_usage=include_usage,
        )
        prompting = Prompting(template, options.supports_system_prompt, values=values)
        return _Draft(self, blank, target, params, prompting, drop)

    def patience(self, timeout: float | None = None, retries: int | None = None) -> tuple[float, int]:
        """Seconds for a completion, and retries of one request, as `options.values.patience` has them."""
        return patience(timeout, self._timeout, retries, self._max_retries)

    def _known_target(self, model: str, base: str, key: str, time: float) -> _Target | None:
        """The target of a call that was found before, as long as it is good."""
        target = self._targets.get((model, base, key))
        if target is None or target.until <= time or target.versions != target.account.versions.changes:
            return None
        return target

    async def _look_up_target(
        self,
        model: str,
        base: str,
        key: str,
        policy: RetryPolicy,
        time: float,
        options: CallOptions,
    ) -> _Target:
        endpoint = endpoint_of(model)
        headers = checked_headers("default_headers", options.default_headers)
        account = self._clients.of(base, key, headers, options.proxy, options.ssl)
        schema = self._schemas.known(endpoint, _viewer(account), _version(account, endpoint))
        if schema is None:
            schema = await self.in_time(partial(self._schema, endpoint, account), policy)
        return _Target(account, endpoint, schema, time + _TARGET_SECONDS, account.versions.changes)

    async def schema_of(self, model: str, account: Client, must_exist: bool = False) -> ModelSchema | None:
        """What the model takes, from the catalogue or looked up; None if that cannot be known.

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

    def missing(self, target: _Target) -> APIError | None:
        """The error for a model that does not exist, if the look-up of its schema has shown that."""
        return self._schemas.missing(target.endpoint, _viewer(target.account))

    async def in_time(self, work: Callable[[], Awaitable[T]], policy: RetryPolicy) -> T:
        """Does what must be done before the prediction is created, within the deadline."""
        late = "The deadline passed before the prediction was asked for."
        return await self.live.wait_for(work, policy.deadline, late)

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


class _Draft(msgspec.Struct):
    """A call but for its conversation: `call` makes it with one, again with another if an answer did not fit."""

    preparer: Preparer
    blank: Call
    target: _Target
    params: dict[str, Any]
    prompting: Prompting
    drop_params: bool

    async def call(self, messages: Any) -> Call:
        """The call that asks a conversation, its files read and uploaded."""
        built, blank = self._input(messages), self.blank
        input = built.fields
        if built.media:
            attached = partial(_attached, built, blank.account, blank.policy)
            input = await self.preparer.in_time(attached, blank.policy)
        question = Question(blank.question.model, built, blank.question.schema)
        return msgspec.structs.replace(blank, question=question, input=input)

    def _input(self, messages: Any) -> ModelInput:
        try:
            return build_input(
                messages,
                self.params,
                model=self.blank.question.model,
                schema=self.target.schema,
                prompting=self.prompting,
                drop_params=self.drop_params,
                allow_files=self.preparer.allow_files,
            )
        except UnsupportedParamsError as error:
            # If there is no such model, that says more than which parameters it would take.
            raise self.preparer.missing(self.target) or error from None


def _template(model: str, options: Mapping[str, Any]) -> PromptTemplate | None:
    """The prompt template of this call, else the one that was registered for its model."""
    if TEMPLATE.isdisjoint(options) and not templates.REGISTERED:
        return None
    own = {name: options[name] for name in TEMPLATE & options.keys()}
    return templates.inline_template(**own) or templates.registered_template(model)


def _viewer(account: Client) -> Viewer:
    return Viewer(account.http.base, account.http.credentials.fingerprint)


def _version(account: Client, endpoint: Endpoint) -> str | None:
    """A community model's latest version, if it was looked up."""
    known = account.versions.known(endpoint)
    return None if known is None else known.version


async def _attached(built: ModelInput, account: Client, policy: RetryPolicy) -> dict[str, Any]:
    api = account.http
    return await attach(built, lambda content, name, kind: api.upload(content, name, kind, policy))
