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
from ...options import means_nothing
from ...options import read as read_options
from ...options.declared import BY_NAME, ROAD, TEMPLATE
from ...options.values import checked_count, checked_headers, checked_names
from ...replicate.endpoints import strip_prefix
from ...replicate.transports.proxies import Proxies, tls_context
from ...schema_lookup import endpoint_of
from .environment import Environment, stripped
from .prices import Price, PriceList, published_price
from .pricing import given_price, warn_of_price
from .providers import in_clear_text, is_prefixed, looks_foreign, other_provider, own_base, own_key
from .reading import Reader
from .settings import EntryParts, GeneralSettings, LitellmParams, Prices
from .yaml_file import Steps


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
_ADDRESSES = (*ROAD, "extra_headers")
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
    _reader: Reader
    _general: GeneralSettings
    _prices: PriceList
    _credentials: dict[str, dict[str, Any]]
    """Parameters that entries refer to, by their names."""
    skipped: set[str] = set()
    """The names of entries that are other providers'."""

    @property
    def _environment(self) -> Environment:
        return self._reader.environment

    def read_all(self, model_list: list[Any]) -> tuple[ModelEntry, ...]:
        """Those that are Replicate's; raises `ConfigError`."""
        found = [self._read(item, ["model_list", i]) for i, item in enumerate(model_list)]
        if entries := tuple(entry for entry in found if entry is not None):
            return entries
        raise self._reader.document.wrong(
            ["model_list"], "has entries of other providers only: add one with model: replicate/owner/name."
        )

    def _read(self, item: Any, steps: Steps) -> ModelEntry | None:
        """The entry; None if it is another provider's and may be skipped."""
        entry = self._reader.part(item, EntryParts, steps)
        name, given, at = entry.model_name.strip(), entry.litellm_params, [*steps, "litellm_params"]
        if not name.isprintable():
            raise self._reader.document.wrong([*steps, "model_name"], "must have printable characters only.")
        model = self._reader.resolved({"model": given.get("model")}, LitellmParams, at).model.strip()
        credential = given.get(_CREDENTIAL)
        referred = {} if credential is None else self._credentials.get(str(credential))
        own = {key: value for key, value in given.items() if value is not None and key != _CREDENTIAL}
        given = {**(referred or {}), **own}
        if self._is_anothers(name, model, given, [*at, "model"]):
            return None
        if referred is None:
            why = f"{credential!r} is not in credential_list."
            raise self._reader.document.wrong([*at, _CREDENTIAL], why)
        params = self._params(given, model, at)
        beside = {key: value for key, value in given.items() if key in _PRICES}
        shown = {key: value for key, value in entry.model_info.items() if key in _PRICES}
        price = self._price(model, {**beside, **shown}, [*steps, "model_info"] if shown else at)
        warn_of_price(model, price, partial(self._reader.warn, [*at, "model"]))
        return ModelEntry(name, params, price, is_listed=not beside and not shown)

    def _is_anothers(self, name: str, model: str, given: dict[str, Any], at: Steps) -> bool:
        provider = other_provider(model, given.get("custom_llm_provider"))
        if provider is None and self._has_anothers_key(model, given):
            provider = "its api_key is not one of Replicate's"
        if provider is None:
            return False
        if self._general.unsupported_providers == "skip":
            self.skipped.add(name)
            self._reader.warn(at, f"{model!r} is for another provider ({provider}) and is skipped.")
            return True
        hint = "Replicate's models are called owner/name"
        if "/" in model:
            hint = f"write replicate/{model} if it is Replicate's model of that name"
        raise self._reader.document.wrong(
            at,
            f"{model!r} is for another provider ({provider}): {hint}, or leave out such entries by "
            "general_settings.unsupported_providers: skip.",
        )

    def _has_anothers_key(self, model: str, given: dict[str, Any]) -> bool:
        """Whether the key shows that the entry is another provider's: the name alone, `owner/name`, does not."""
        key = given.get("api_key")
        if key is None or given.get("api_base") or given.get("base_url") or self._general.allow_any_api_key:
            return False
        if is_prefixed(model) or given.get("custom_llm_provider") == "replicate":
            return False
        unset = self._environment.is_unset(key)
        return unset or looks_foreign(str(self._environment.resolved(key, ())), own_base(self._environment))

    def _params(self, given: dict[str, Any], model: str, at: Steps) -> dict[str, Any]:
        """The entry's `litellm_params` as `AsyncRouter` takes them, each name checked."""
        if model not in ("*", "replicate/*"):
            with self._reader.checking([*at, "model"]):
                endpoint_of(model.replace("*", "x", 1))
        kept = {
            key: value
            for key, value in given.items()
            if value is not None and self._keeps(key, value, model, at)
        }
        read: dict[str, Any] = {}
        for key, value in self._environment.resolved(kept, at).items():
            option = BY_NAME.get(key)
            name = option.name if option is not None else key
            if name in _ADDRESSES:
                value = stripped(value)
            if check := _CHECKS.get(name):
                with self._reader.checking([*at, key]):
                    check(value)
            read.setdefault(name, value)
        read["model"] = model
        fields = LitellmParams.__struct_fields__
        known = self._reader.part({key: read[key] for key in fields if key in read}, LitellmParams, at)
        read.update({key: value for key, value in msgspec.structs.asdict(known).items() if value is not None})
        for name in _ADDRESSES:
            self._environment.refuse_placeholder(read.get(name), [*at, name])
        with self._reader.checking(at):
            # What each request would be refused for is refused here, with its line.
            Entry("it", read)
            own = read_options({name: value for name, value in read.items() if name not in fields})
            schema = catalogue.find(strip_prefix(model))
            fields_of({**own.params, **own.inputs}, model=model, schema=schema)
        read["api_key"] = self._key(read, at)
        return read

    def _keeps(self, key: str, value: Any, model: str, at: Steps) -> bool:
        """Whether a parameter is kept; there is a warning for one that is not."""
        if key in LitellmParams.__struct_fields__:
            return True
        if key in _PRICES:
            return False
        option = BY_NAME.get(key)
        if option is not None:
            if "configuration" not in option.by:
                self._reader.warn([*at, key], "is ignored: each request sets it for itself.")
                return False
            return True
        with self._reader.checking([*at, key]):
            if means_nothing(key, value):
                self._reader.warn([*at, key], "is ignored: it has no effect on Replicate.")
                return False
        schema = catalogue.find(strip_prefix(model))
        if schema is not None and key not in schema.fields:
            self._reader.warn([*at, key], f"is ignored: it is neither a setting nor an input of {model}.")
            return False
        return True

    def _key(self, read: dict[str, Any], at: Steps) -> str:
        """The key for the entry's base: its own, or the environment's if it belongs there."""
        base = read.get("api_base") or own_base(self._environment)
        if in_clear_text(base):
            self._reader.warn([*at, "api_base"], "the key would travel there in clear text: use https.")
        key: str | None = read.get("api_key")
        if key is None:
            with self._reader.checking([*at, "api_base"]):
                key = own_key(base, self._environment)
            if key is None:
                raise self._reader.document.wrong(at, "has no api_key: give one, or set REPLICATE_API_KEY.")
        if looks_foreign(key, base) and not self._general.allow_any_api_key:
            raise self._reader.document.wrong(
                [*at, "api_key"],
                "does not begin with r8_, as Replicate's keys do, and would be sent to Replicate. Check the key; "
                "general_settings.allow_any_api_key: true allows it.",
            )
        return key

    def _price(self, model: str, given: dict[str, Any], at: Steps) -> Price | None:
        """The price in the configuration, else the published one; None if there is neither."""
        if not given:
            return published_price(model, self._prices)
        return given_price(self._reader.resolved(given, Prices, at), self._prices, self._reader, at)
