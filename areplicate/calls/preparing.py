"""A call before it is sent: which model it asks on which account, with which input, and for how long."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

import areplicate

from ..chat.answers import Question
from ..chat.conversation import Prompting
from ..chat.embeddings import Texts, inputs_for
from ..chat.formats import templates
from ..chat.frames import Frames
from ..chat.inputs import ModelInput, Settings, input_of, read_settings
from ..chat.params import CONTRACT_PARAMS
from ..chat.plan import plan_for
from ..chat.schemas.schema import ModelSchema
from ..chat.schemas.values import AskedModel
from ..clock import now
from ..errors import BadRequestError, UnsupportedParamsError
from ..options.access import chosen
from ..options.declared import TEMPLATE
from ..options.given import Given, key_of
from ..options.unknown_names import own_inputs
from ..options.values import (
    checked_count,
    checked_headers,
    checked_names,
    timeout_and_retries,
    wants_usage,
)
from ..replicate.client import Client
from ..replicate.clients import Clients
from ..replicate.endpoints import Endpoint
from ..replicate.limits import Slots
from ..replicate.live import Live
from ..replicate.retry import RetryPolicy
from ..schema_lookup.endpoint import endpoint_of
from ..schema_lookup.store import LOOK_UP_SECONDS, SchemaStore, Viewer
from .attachments import attach
from .call import Answering, Call

if TYPE_CHECKING:
    from ..chat.formats.format import PromptTemplate
    from ..replicate.transports.proxies import TLS

T = TypeVar("T")

_LOOK_UP_RETRIES = 3
"""How often a request is tried again on the way to a model's schema."""
_NO_INPUT = ModelInput({})
_NO_POLICY = RetryPolicy(0)
_TARGET_SECONDS = 60.0
"""For how long a `_Target` is good."""
_TARGETS_KEPT = 500
"""How many targets are kept: fewer than the accounts whose limits are remembered."""
_DRAFTS_KEPT = 1_000
"""How many drafts are kept: a program asks a model in few ways."""
_CONNECTION_OPTIONS = frozenset(("default_headers", "proxy", "ssl"))
"""Options with which a call has a connection of its own: nothing of it is kept for other calls."""


class _Target(msgspec.Struct):
    """Which model a call asks on which account, and its schema.

    It is good `until` then, as long as the account has looked up no version after the first `versions`.
    """

    account: Client
    endpoint: Endpoint
    schema: ModelSchema | None
    until: float
    versions: int

    def is_good(self, time: float) -> bool:
        return time < self.until and self.versions == self.account.versions.changes


class _Draft(msgspec.Struct):
    """What a call's keywords settle, whatever its conversation and its time.

    Attributes:
        access: the API's base and the key; `own_access` has those of the two that the keywords give.
        process: what the process had set.
        timeout_and_retries: seconds for the call, and retries of one request.
        settings: what goes into the model's inputs; None as long as no call has needed it.
        frames: what stands around the texts in the inputs; made by the second call that needs it.
    """

    target: _Target
    access: tuple[str, str]
    own_access: tuple[str | None, str | None]
    process: tuple[Any, ...]
    timeout_and_retries: tuple[float, int]
    blank: Call
    params: dict[str, Any]
    drop_params: bool
    prompting: Prompting
    settings: Settings | None = None
    frames: Frames | None = None

    def is_good(self, access: tuple[str, str], time: float) -> bool:
        return (
            self.access == access
            and self.process == _process_settings()
            and self.target.is_good(time)
            and not templates.REGISTERED
        )


class Preparer(msgspec.Struct, kw_only=True, eq=False):
    """Makes calls ready to be sent. What a call does not set, its router does, else the process."""

    clients: Clients
    live: Live
    slots: Slots
    api_key: str | None
    api_base: str | None
    timeout: float | None
    max_retries: int | None
    allow_files: bool
    _schemas: SchemaStore = msgspec.field(default_factory=SchemaStore)
    _targets: dict[tuple[str, tuple[str, str]], _Target] = {}
    """By model, base and key."""
    _drafts: dict[tuple[str, Any], _Draft] = {}
    """By model and the keywords' key."""

    def prepare_again(self, model: str, messages: Sequence[Any], keywords: Mapping[str, Any]) -> Call | None:
        """The call, ready to be sent, if the model was just asked with the same keywords; else None."""
        try:
            draft = self._drafts.get((model, key_of(keywords)))
        except TypeError:  # a model that is not a string but a list, say: `prepare` refuses it
            return None
        if draft is None or draft.frames is None:
            return None
        base, key = draft.own_access
        begun = now()
        if not draft.is_good(chosen(base or self.api_base, key or self.api_key), begun):
            return None
        built = draft.frames.input_of(messages)
        if built.media:
            return None
        seconds, retries = draft.timeout_and_retries
        return _call(
            draft.blank, built, begun=begun, timeout=seconds, policy=RetryPolicy(retries, begun + seconds)
        )

    async def prepare(
        self, model: str, messages: Sequence[Any], given: Given, deadline: float = inf
    ) -> Call | Answering:
        """The call that was asked for, ready to be sent; it ends by `deadline` even if its `timeout` is longer."""
        if not isinstance(model, str):
            raise BadRequestError(f"model must be a string, not {type(model).__name__}.")
        options, begun = given.options, now()
        seconds, retries = self.timeout_and_retries(options.pop("timeout", None), options.get("num_retries"))
        if begun + seconds > deadline:
            seconds = max(0.001, deadline - begun)
        policy = RetryPolicy(retries, begun + seconds)
        access = chosen(options.get("api_base") or self.api_base, options.get("api_key") or self.api_key)
        draft = self._drafts.get((model, given.key))
        if draft is None or not draft.is_good(access, begun):
            target = await self._target(model, access, options, policy, begun)
            draft = self._new_draft(model, given, target, access, (seconds, retries))
        if isinstance(messages, Texts):
            return _embedding(
                messages,
                _call(draft.blank, _NO_INPUT, begun=begun, timeout=seconds, policy=policy),
                draft.params,
            )
        if draft.settings is not None:
            draft.frames = draft.frames or Frames(draft.settings, draft.prompting)
            built = draft.frames.input_of(messages)
        elif CONTRACT_PARAMS.isdisjoint(draft.params):
            draft.settings = self._settings(draft.blank, draft.params, draft.drop_params)
            built = input_of(messages, draft.settings, draft.prompting)
        else:
            blank = _call(draft.blank, _NO_INPUT, begun=begun, timeout=seconds, policy=policy)
            return await self._held_to_contract(messages, blank, draft, options.get("emulate") is not False)
        call = _call(draft.blank, built, begun=begun, timeout=seconds, policy=policy)
        return await self._with_files(call) if built.media else call

    def _new_draft(
        self,
        model: str,
        given: Given,
        target: _Target,
        access: tuple[str, str],
        timeout_and_retries: tuple[float, int],
    ) -> _Draft:
        """What the call's keywords settle, kept for the next call with the same ones."""
        options = given.options
        template = _template(model, options)
        drop = bool(options.get("drop_params", areplicate.drop_params))
        params = dict(given.params)
        values: Mapping[str, Any] = {}
        if given.inputs:
            own = () if target.schema is None else target.schema.fields
            values, inputs = templates.for_template(template, given.inputs, own)
            params.update(own_inputs(inputs, target.schema, model, drop))
        params.update(options.get("extra_body", {}))
        for name in checked_names("additional_drop_params", options.get("additional_drop_params")):
            params.pop(name, None)
        prompting = Prompting(template, options.get("supports_system_prompt"), values=values)
        own_access = options.get("api_base"), options.get("api_key")
        draft = _Draft(
            target=target,
            access=access,
            own_access=own_access,
            process=_process_settings(),
            timeout_and_retries=timeout_and_retries,
            blank=self._blank_call(model, options, target),
            params=params,
            drop_params=drop,
            prompting=prompting,
        )
        if given.key is not None and target.schema is not None and _CONNECTION_OPTIONS.isdisjoint(options):
            _put(self._drafts, (model, given.key), draft, _DRAFTS_KEPT)
        return draft

    def _blank_call(self, model: str, options: Mapping[str, Any], target: _Target) -> Call:
        """A call without its input and its times, which `_call` adds."""
        return Call(
            account=target.account,
            endpoint=target.endpoint,
            question=Question(model, _NO_INPUT, target.schema),
            input=_NO_INPUT.fields,
            timeout=0.0,
            begun=0.0,
            policy=_NO_POLICY,
            headers=checked_headers("extra_headers", options.get("extra_headers")),
            on_status=options.get("on_status"),
            slots=self.slots,
            live=self.live,
            count=checked_count(options.get("n")),
            stream=bool(options.get("stream")),
            include_usage=wants_usage(options.get("stream_options")),
        )

    async def _held_to_contract(
        self, messages: Sequence[Any], blank: Call, draft: _Draft, emulate: bool
    ) -> Call | Answering:
        """The call whose answer is held to tools, a format or stop sequences."""
        from ..chat.adapting import adapt  # only calls that need it pay for its import
        from .reasking import ContractCall

        adapted = adapt(
            messages,
            draft.params,
            schema=blank.question.schema,
            model=blank.question.model,
            template=draft.prompting.template,
            emulate=emulate,
        )
        settings = self._settings(blank, adapted.params, draft.drop_params)
        prompting = msgspec.structs.replace(draft.prompting, tools=adapted.tools)

        async def prepare(turns: Any) -> Call:
            built = input_of(turns, settings, prompting)
            call = _call(blank, built)
            return await self._with_files(call) if built.media else call

        call = await prepare(adapted.turns)
        if adapted.contract is None:
            return call
        return ContractCall(call, adapted.contract, adapted.turns, prepare).answer

    async def _with_files(self, call: Call) -> Call:
        """The call with its files read and uploaded."""
        attached = partial(_attached, call.question.input, call.account, call.policy)
        return msgspec.structs.replace(call, input=await self.in_time(attached, call.policy))

    def _settings(self, blank: Call, params: dict[str, Any], drop_params: bool) -> Settings:
        model, schema = blank.question.model, blank.question.schema
        try:
            asked = AskedModel(model, drop_params)
            return read_settings(params, plan_for(schema, model), asked, self.allow_files)
        except UnsupportedParamsError as error:
            # If there is no such model, that says more than which parameters it would take.
            viewer = _viewer(blank.account)
            raise self._schemas.missing(blank.endpoint, viewer) or error from None

    def timeout_and_retries(
        self, timeout: float | None = None, retries: int | None = None
    ) -> tuple[float, int]:
        """Seconds for a completion, and retries of one request: the call's, else the router's or the process's."""
        return timeout_and_retries(timeout, self.timeout, retries, self.max_retries)

    async def _target(
        self,
        model: str,
        access: tuple[str, str],
        options: Mapping[str, Any],
        policy: RetryPolicy,
        time: float,
    ) -> _Target:
        """The model and account of a call, which may be known from another call's."""
        kept = _CONNECTION_OPTIONS.isdisjoint(options)
        target = self._targets.get((model, access)) if kept else None
        if target is not None and target.is_good(time):
            return target
        endpoint = endpoint_of(model)
        headers = checked_headers("default_headers", options.get("default_headers"))
        account = self.clients.of(*access, headers, options.get("proxy"), options.get("ssl"))
        schema = self._schemas.known(endpoint, _viewer(account), _version(account, endpoint))
        if schema is None:
            schema = await self.in_time(partial(self._schema, endpoint, account), policy)
        target = _Target(account, endpoint, schema, time + _TARGET_SECONDS, account.versions.changes)
        if kept and schema is not None:
            _put(self._targets, (model, access), target, _TARGETS_KEPT)
        return target

    async def schema_of(self, model: str, account: Client, must_exist: bool = False) -> ModelSchema | None:
        """What the model takes, from the catalogue or looked up; None if that cannot be known.

        Raises:
            NotFoundError: it `must_exist`, and the account sees no such model.
        """
        policy, endpoint = RetryPolicy(self.timeout_and_retries()[1]), endpoint_of(model)
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
        return await self.live.wait_for(work, policy.deadline, late)

    def account(
        self,
        api_key: str | None = None,
        api_base: str | None = None,
        default_headers: Mapping[str, str] | None = None,
        proxy: str | None = None,
        ssl: TLS | None = None,
    ) -> Client:
        base, key = chosen(api_base or self.api_base, api_key or self.api_key)
        return self.clients.of(base, key, checked_headers("default_headers", default_headers), proxy, ssl)


def _embedding(texts: Texts, blank: Call, params: dict[str, Any]) -> Answering:
    from .embeddings import embed

    parts = inputs_for(texts.texts, params, blank.question.schema, blank.question.model)
    return cast(Answering, partial(embed, blank, texts, parts))


def _process_settings() -> tuple[Any, ...]:
    """What the process has set, which may change."""
    return areplicate.drop_params, areplicate.request_timeout, areplicate.num_retries


def _put(kept: dict[Any, T], key: Any, value: T, most: int) -> None:
    if len(kept) >= most:
        kept.clear()
    kept[key] = value


def _call(blank: Call, built: ModelInput, **times: Any) -> Call:
    """The call with this input; `times` are its `begun`, `timeout` and `policy`, if it has none yet."""
    question = Question(blank.question.model, built, blank.question.schema)
    return msgspec.structs.replace(blank, question=question, input=built.fields, **times)


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
