"""One entry of `model_list`: whose it is, what it calls, with which key, and at what price."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from ...chat.formats.templates import inline_template
from ...chat.schemas import catalogue
from ...errors import APIError
from ...options import means_nothing
from ...options.declared import BY_NAME
from ...options.values import checked_headers
from ...replicate.endpoints import strip_prefix
from ...replicate.transports.proxies import Proxies, tls_context
from ...schema_lookup import endpoint_of
from ..accounts.prices import Price, PriceList, published_price
from .environment import Environment
from .pricing import given_price, warn_of_price
from .providers import in_clear_text, is_prefixed, looks_foreign, other_provider, own_base, own_key
from .reading import section
from .settings import GeneralSettings, LitellmParams, ModelInfo
from .yaml_file import Document, Steps

Warn = Callable[[Steps, str], None]

_TEMPLATE_FIELDS = ("roles", "initial_prompt_value", "final_prompt_value", "bos_token", "eos_token")
_ROAD_CHECKS: dict[str, Callable[[Any], object]] = {
    "default_headers": partial(checked_headers, "default_headers"),
    "proxy": Proxies,
    "ssl": tls_context,
}
_OF_A_REQUEST = ("stream", "stream_options", "on_status")
_SECRETS = ("api_key", "api_base")
_PRICES = frozenset(ModelInfo.__struct_fields__)


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

    def naming(self, model: str, prices: PriceList) -> ModelEntry:
        """A wildcard's entry, for one model."""
        price = self.price or published_price(model, prices)
        return ModelEntry(self.name, {**self.params, "model": model}, price, is_listed=self.price is None)


class EntryReader:
    """Reads the entries of one file."""

    def __init__(
        self,
        document: Document,
        environment: Environment,
        general: GeneralSettings,
        prices: PriceList,
        warn: Warn,
    ) -> None:
        self._document = document
        self._environment = environment
        self._general = general
        self._prices = prices
        self._warn = warn
        self.skipped: set[str] = set()
        """The names of entries that are other providers'."""

    def read(self, item: Any, steps: Steps) -> ModelEntry | None:
        """The entry; None where it is another provider's and may be skipped. Raises `ConfigError`."""
        wrong = self._document.wrong
        if not isinstance(item, dict):
            raise wrong(steps, "must be an entry with model_name and litellm_params.")
        name, given = item.get("model_name"), item.get("litellm_params")
        if not isinstance(name, str) or not name.strip():
            raise wrong([*steps, "model_name"], "must be a text." if name is not None else "is missing.")
        at = [*steps, "litellm_params"]
        if not isinstance(given, dict):
            raise wrong(at, "must be a mapping with a model." if given is not None else "is missing.")
        model = self._environment.resolved(given.get("model"), [*at, "model"])
        if not isinstance(model, str) or not model.strip():
            raise wrong([*at, "model"], "must be a text." if model is not None else "is missing.")
        if self._is_anothers(name.strip(), model.strip(), given, [*at, "model"]):
            return None
        for key in item.keys() - {"model_name", "litellm_params", "model_info"}:
            self._warn([*steps, key], "is not a known setting and is ignored.")
        params = self._params(given, model.strip(), at)
        info = item.get("model_info") or {}
        if not isinstance(info, dict):
            raise wrong([*steps, "model_info"], "must be a mapping.")
        prices = {key: value for key, value in given.items() if key in _PRICES}
        shown = {key: value for key, value in info.items() if key in _PRICES}
        price = self._price(model, {**prices, **shown}, [*steps, "model_info"] if shown else at)
        warn_of_price(model, price, partial(self._warn, [*at, "model"]))
        return ModelEntry(name.strip(), params, price, is_listed=not prices and not shown)

    def _is_anothers(self, name: str, model: str, given: dict[str, Any], at: Steps) -> bool:
        provider = other_provider(model, given.get("custom_llm_provider"))
        if provider is None and self._has_anothers_key(model, given):
            provider = "its api_key is not one of Replicate's"
        if provider is None:
            return False
        if self._general.unsupported_providers == "skip":
            self.skipped.add(name)
            self._warn(at, f"{model!r} is for another provider ({provider}) and is skipped.")
            return True
        hint = (
            f"write replicate/{model} if it is Replicate's model of that name"
            if "/" in model
            else ("Replicate's models are called owner/name")
        )
        raise self._document.wrong(
            at,
            f"{model!r} is for another provider ({provider}): {hint}, or leave out such entries by "
            "general_settings.unsupported_providers: skip.",
        )

    def _has_anothers_key(self, model: str, given: dict[str, Any]) -> bool:
        """Whether only the key tells: `owner/name` may be of any provider, and this one's key does not begin with r8_."""
        key = given.get("api_key")
        if key is None or given.get("api_base") or given.get("base_url") or self._general.allow_any_api_key:
            return False
        if is_prefixed(model) or given.get("custom_llm_provider") == "replicate":
            return False
        unset = self._environment.is_unset(key)
        return unset or looks_foreign(str(self._environment.resolved(key, ())), own_base(self._environment))

    def _params(self, given: dict[str, Any], model: str, at: Steps) -> dict[str, Any]:
        """What `AsyncRouter` takes, every name of it checked."""
        self._check_model(model, at)
        kept = {
            key: value
            for key, value in given.items()
            if value is not None and self._keeps(key, value, model, at)
        }
        resolved = self._environment.resolved(kept, at)
        read: dict[str, Any] = {}
        for key, value in resolved.items():
            option = BY_NAME.get(key)
            read.setdefault(option.name if option is not None else key, value)
        read["model"] = model
        fields = LitellmParams.__struct_fields__
        known = section(
            self._document, {key: value for key, value in read.items() if key in fields}, LitellmParams, at
        )
        read.update({key: value for key, value in msgspec.structs.asdict(known).items() if value is not None})
        self._check_template(read, at)
        self._check_road(resolved, at)
        for secret in _SECRETS:
            self._environment.refuse_placeholder(read.get(secret), [*at, secret])
        if not strip_prefix(model).startswith("cog/"):
            read["api_key"] = self._key(read, at)
        return read

    def _keeps(self, key: str, value: Any, model: str, at: Steps) -> bool:
        """Whether a parameter is kept; what is not is warned of."""
        if key in LitellmParams.__struct_fields__:
            return True
        if key in _PRICES:
            return False
        option = BY_NAME.get(key)
        if option is not None:
            if key in _OF_A_REQUEST or "configuration" not in option.by:
                self._warn([*at, key], "is ignored: each request sets it for itself.")
                return False
            return True
        try:
            if means_nothing(key, value):
                self._warn([*at, key], "is ignored: it has no effect on Replicate.")
                return False
        except APIError as error:
            raise self._document.wrong([*at, key], error.message) from None
        schema = catalogue.find(strip_prefix(model))
        if schema is not None and key not in schema.fields:
            self._warn([*at, key], f"is ignored: it is neither a setting nor an input of {model}.")
            return False
        return True

    def _check_model(self, model: str, at: Steps) -> None:
        if model == "*" or model == "replicate/*":
            return
        try:
            endpoint_of(model.replace("*", "x", 1))
        except APIError as error:
            raise self._document.wrong([*at, "model"], error.message) from None

    def _check_template(self, read: dict[str, Any], at: Steps) -> None:
        for name in _TEMPLATE_FIELDS:
            if name in read:
                try:
                    inline_template(**{name: read[name]})
                except APIError as error:
                    raise self._document.wrong([*at, name], error.message) from None

    def _check_road(self, given: dict[str, Any], at: Steps) -> None:
        for name, value in given.items():
            option = BY_NAME.get(name)
            check = _ROAD_CHECKS.get(option.name) if option is not None else None
            if check is not None:
                try:
                    check(value)
                except APIError as error:
                    raise self._document.wrong([*at, name], error.message) from None

    def _key(self, read: dict[str, Any], at: Steps) -> str:
        """The key for the entry's base: its own, or the environment's where it belongs there."""
        base = read.get("api_base") or own_base(self._environment)
        if in_clear_text(base):
            self._warn([*at, "api_base"], "the key would travel there in clear text: use https.")
        key: str | None = read.get("api_key")
        if key is None:
            try:
                key = own_key(base, self._environment)
            except ValueError as error:
                raise self._document.wrong([*at, "api_base"], f"{error}") from None
            if key is None:
                raise self._document.wrong(at, "has no api_key: give one, or set REPLICATE_API_KEY.")
        if looks_foreign(key, base) and not self._general.allow_any_api_key:
            raise self._document.wrong(
                [*at, "api_key"],
                "does not begin with r8_, as Replicate's keys do, and would be sent to Replicate. Check the key; "
                "general_settings.allow_any_api_key: true allows it.",
            )
        return key

    def _price(self, model: str, given: dict[str, Any], at: Steps) -> Price | None:
        """The price in the configuration; where it has none, the published one, or none."""
        if not given:
            return published_price(model, self._prices)
        info = section(self._document, self._environment.resolved(given, at), ModelInfo, at)
        return given_price(info, self._prices, self._document, at)
