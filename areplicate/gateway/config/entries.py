"""One entry of `model_list`: whose it is, what it calls, with which key, and at what price."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from ...balancer import Entry
from ...chat.formats.templates import inline_template
from ...chat.inputs import fields_of
from ...chat.schemas import catalogue
from ...model_names import model_meant
from ...options.declared import BY_NAME, CONNECTION, TEMPLATE
from ...options.given import read_keywords
from ...options.unknown_names import means_nothing
from ...options.values import checked_count, checked_headers, checked_names
from ...replicate.endpoints import strip_prefix
from ...replicate.transports.proxies import Proxies, tls_context
from ...schema_lookup.endpoint import endpoint_of
from .environment import Environment, refuse_placeholder_key, refuse_placeholders, stripped
from .place import Place
from .prices import Price, PriceList, published_price
from .pricing import given_price, warn_of_price
from .providers import (
    if_it_is_replicates,
    in_clear_text,
    is_prefixed,
    looks_foreign,
    other_provider,
    own_base,
    own_key,
)
from .reading import read_part
from .settings import EntryParts, GeneralSettings, LitellmParams, Prices


def _check_template(name: str, value: Any) -> None:
    inline_template(**{name: value})


_CHECKS: dict[str, Callable[[Any], object]] = {
    **{name: partial(_check_template, name) for name in TEMPLATE},
    "additional_drop_params": partial(checked_names, "additional_drop_params"),
    **{name: partial(checked_headers, name) for name in ("default_headers", "extra_headers")},
    "n": checked_count,
    "proxy": Proxies,
    "ssl": tls_context,
}
"""For each option, the check that raises an `APIError` for a value that cannot be used."""
_ADDRESSES = (*CONNECTION, "extra_headers")
"""Options that decide where requests go and with which secrets: no placeholder may be left in these."""
_CREDENTIAL = "litellm_credential_name"
_PRICES = frozenset(Prices.__struct_fields__)


class ModelEntry(msgspec.Struct, frozen=True):
    """One entry of `model_list`: `params` is what `AsyncRouter` takes as `litellm_params`."""

    name: str
    params: dict[str, Any]
    price: Price | None
    is_listed: bool = False
    """Whether the price is a published one, which is by the token and holds for official models only."""

    @property
    def model(self) -> str:
        model: str = self.params["model"]
        return model

    @property
    def shown(self) -> str:
        """The name of what answered, as the client sees it: the entry's, or the model that a wildcard stands for."""
        return self.model if "*" in self.name else self.name

    def naming(self, name: str, prices: PriceList) -> ModelEntry:
        """A wildcard's entry, for one name that clients ask for and that fits it."""
        model = model_meant(self, name) or self.model
        price = self.price or published_price(model, prices)
        return ModelEntry(self.name, {**self.params, "model": model}, price, is_listed=self.price is None)


class EntryReader(msgspec.Struct):
    _environment: Environment
    _general: GeneralSettings
    _prices: PriceList
    _credentials: dict[str, dict[str, Any]]
    """Parameters that entries refer to, by their names."""
    skipped: set[str] = set()
    """The names of entries that are other providers'."""

    def read_all(self, model_list: list[Any], at: Place) -> tuple[ModelEntry, ...]:
        """The entries of `model_list` that are Replicate's; raises `ConfigError`."""
        found = [self._read(item, at / i) for i, item in enumerate(model_list)]
        if entries := tuple(entry for entry in found if entry is not None):
            return entries
        raise at.wrong("has entries of other providers only: add one with model: replicate/owner/name.")

    def _read(self, item: Any, whole: Place) -> ModelEntry | None:
        """The entry; None if it is another provider's and may be skipped."""
        entry = read_part(item, EntryParts, whole)
        name, given, at = entry.model_name.strip(), entry.litellm_params, whole / "litellm_params"
        if not name.isprintable():
            raise (whole / "model_name").wrong("must have printable characters only.")
        first = {key: given.get(key) for key in ("model", _CREDENTIAL)}
        asked = read_part(first, LitellmParams, at, self._environment)
        model, credential = asked.model.strip(), asked.litellm_credential_name
        referred = {} if credential is None else self._credentials.get(credential)
        own = {key: value for key, value in given.items() if value is not None and key != _CREDENTIAL}
        named = set(map(_own_name, own))
        shared = {key: value for key, value in (referred or {}).items() if value is not None}
        given = {**{key: shared[key] for key in shared if _own_name(key) not in named}, **own}
        if self._is_anothers(name, model, given, at / "model"):
            return None
        if referred is None:
            raise (at / _CREDENTIAL).wrong(f"{credential!r} is not in credential_list.")
        beside = {key: given.pop(key) for key in _PRICES if key in given}
        shown = {key: value for key, value in entry.model_info.items() if key in _PRICES}
        params = self._params(given, model, at)
        if is_listed := not beside and not shown:
            price = published_price(model, self._prices)
        else:
            in_file = whole / "model_info" if shown else at
            prices = read_part({**beside, **shown}, Prices, in_file, self._environment)
            price = given_price(prices, self._prices, in_file)
        warn_of_price(model, price, at / "model")
        return ModelEntry(name, params, price, is_listed)

    def _is_anothers(self, name: str, model: str, given: dict[str, Any], at: Place) -> bool:
        named = given.get("custom_llm_provider")
        provider = other_provider(model, named)
        if provider is None and self._has_anothers_key(model, given, at):
            provider = "its api_key is not one of Replicate's"
        if provider is None:
            return False
        if self._general.unsupported_providers == "skip":
            self.skipped.add(name)
            at.warn(f"{model!r} is for another provider ({provider}) and is skipped.")
            return True
        raise at.wrong(
            f"{model!r} is for another provider ({provider}): {if_it_is_replicates(model, named)}, or leave out such "
            "entries by general_settings.unsupported_providers: skip."
        )

    def _has_anothers_key(self, model: str, given: dict[str, Any], at: Place) -> bool:
        """Whether the key shows that the entry is another provider's: the name alone, `owner/name`, does not."""
        key = given.get("api_key")
        if key is None or "api_base" in map(_own_name, given) or self._general.allow_any_api_key:
            return False
        if is_prefixed(model) or given.get("custom_llm_provider") == "replicate":
            return False
        unset = self._environment.is_unset(key)
        return unset or looks_foreign(str(self._environment.resolved(key, at)), own_base(self._environment))

    def _params(self, given: dict[str, Any], model: str, at: Place) -> dict[str, Any]:
        """The entry's `litellm_params` as `AsyncRouter` takes them, each name checked."""
        if model not in ("*", "replicate/*"):
            with (at / "model").checking():
                endpoint_of(model.replace("*", "x", 1))
        kept = _without_ignored(given, model, at)
        read: dict[str, Any] = {}
        for key, value in self._environment.resolved(kept, at).items():
            name = _own_name(key)
            if name in _ADDRESSES:
                value = stripped(value)
            if check := _CHECKS.get(name):
                with (at / key).checking():
                    check(value)
            if key == name or name not in kept:  # as in a call, its own name takes precedence
                read[name] = value
        read["model"] = model
        # The router knows the process's environment, and not the file's own.
        read.setdefault("api_base", own_base(self._environment))
        fields = LitellmParams.__struct_fields__
        known = read_part({key: read[key] for key in fields if key in read}, LitellmParams, at)
        read.update({key: value for key, value in msgspec.structs.asdict(known).items() if value is not None})
        for name in _ADDRESSES:
            refuse_placeholders(read.get(name), at / name)
        refuse_placeholder_key(known.api_key, at / "api_key")
        with at.checking():
            # What each request would be refused for is refused here, with its line.
            Entry("it", read)
            own = read_keywords({name: value for name, value in read.items() if name not in fields})
            schema = catalogue.find(strip_prefix(model))
            fields_of({**own.params, **own.inputs}, model=model, schema=schema)
        read["api_key"] = self._key(read, at)
        return read

    def _key(self, read: dict[str, Any], at: Place) -> str:
        """The key for the entry's base: its own, or the environment's if it belongs there."""
        base = read["api_base"]
        if in_clear_text(base):
            (at / "api_base").warn("the key would travel there in clear text: use https.")
        key: str | None = read.get("api_key")
        if key is None:
            with (at / "api_base").checking():
                key = own_key(base, self._environment)
            if key is None:
                raise at.wrong("has no api_key: give one, or set REPLICATE_API_KEY.")
        if looks_foreign(key, base) and not self._general.allow_any_api_key:
            raise (at / "api_key").wrong(
                "does not begin with r8_, as Replicate's keys do, and would be sent to Replicate. Check the key; "
                "general_settings.allow_any_api_key: true allows it."
            )
        return key


def _own_name(key: str) -> str:
    """What an option is called here, whichever client's name for it the file has."""
    option = BY_NAME.get(key)
    return key if option is None else option.name


def _without_ignored(given: dict[str, Any], model: str, at: Place) -> dict[str, Any]:
    """An entry's parameters that have an effect; a warning says of each other why it has none."""
    kept: dict[str, Any] = {}
    for key, value in given.items():
        with (at / key).checking():
            why = None if value is None else _why_ignored(key, value, model)
        if why is not None:
            (at / key).warn(f"is ignored: {why}.")
        elif value is not None:
            kept[key] = value
    return kept


def _why_ignored(key: str, value: Any, model: str) -> str | None:
    """Why a parameter is left out; None if it has an effect."""
    if key in LitellmParams.__struct_fields__:
        return None
    if (option := BY_NAME.get(key)) is not None:
        return None if "configuration" in option.by else "each request sets it for itself"
    if means_nothing(key, value):
        return "it has no effect on Replicate"
    schema = catalogue.find(strip_prefix(model))
    is_known = schema is None or key in schema.fields
    return None if is_known else f"it is neither a setting nor an input of {model}"
