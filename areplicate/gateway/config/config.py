"""The configuration file, checked: LiteLLM's proxy configuration, as far as it concerns Replicate."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from ...chat.formats.templates import inline_template
from ...errors import APIError
from ...replicate.limits import CREATIONS_PER_MINUTE, OTHERS_PER_MINUTE
from ...replicate.retry import MAX_RETRIES
from ...schema_lookup import endpoint_of
from ..accounts.prices import HARDWARE, Price, published_price
from .sections import Section, kind, number_of, resolved, text_of
from .yaml_file import ConfigError, Located, load

REQUEST_TIMEOUT = 1800.0
DRAIN_SECONDS = 30.0
POOL_SIZE = 1024
"""Connections to Replicate, about 16 KB each. Streams beyond nine tenths of it come in lumps, from looks at
the prediction."""
HELD_CREATIONS = 100
"""Whole answers that are each waited for on a connection of their own; those beyond are watched together
through the account's list."""
_TEMPLATE_FIELDS = ("roles", "initial_prompt_value", "final_prompt_value", "bos_token", "eos_token")
_OTHER_PROVIDERS = ("api_version", "organization", "custom_llm_provider", "tpm")


class ModelEntry(msgspec.Struct, frozen=True):
    """One entry of `model_list`: `params` is what `AsyncRouter` takes as `litellm_params`."""

    name: str
    params: dict[str, Any]
    price: Price

    @property
    def model(self) -> str:
        model: str = self.params["model"]
        return model


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What the file says. Times are in seconds.

    Attributes:
        models: the entries of `model_list`, in order; several may share a name.
        master_key: what may do everything; without it the gateway is open and binds loopback only.
        database_url: for SQLAlchemy, with its async driver.
        verbose: whether the client's own log is on, which holds requests with their prompts.
        drain_seconds: how long requests in flight may go on after SIGTERM.
        pool_size: connections to Replicate at most.
        held_creations: how many of them may wait for an answer; beyond that Replicate's list tells of it.
        creations_per_minute, others_per_minute: what Replicate allows the account.
        warnings: what is odd but not wrong, each with file, line and key.
    """

    models: tuple[ModelEntry, ...]
    master_key: str | None
    database_url: str
    drain_seconds: float
    pool_size: int
    held_creations: int
    creations_per_minute: float
    others_per_minute: float
    drop_params: bool
    verbose: bool
    request_timeout: float
    num_retries: int
    fallbacks: list[dict[str, list[str]]]
    allowed_fails: int
    cooldown_time: float
    cors_origins: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def names(self) -> dict[str, list[ModelEntry]]:
        """The entries by the name that clients ask for."""
        names: dict[str, list[ModelEntry]] = {}
        for entry in self.models:
            names.setdefault(entry.name, []).append(entry)
        return names

    def router_list(self) -> list[dict[str, Any]]:
        """The model list as `AsyncRouter` takes it."""
        return [{"model_name": entry.name, "litellm_params": entry.params} for entry in self.models]


def read_config(path: Path) -> Config:
    """The configuration in a file.

    Raises:
        ConfigError: the first thing that is wrong, by file, line and key.
    """
    warnings: list[str] = []
    top = Section(load(path), warnings)
    entries = _models(top.need("model_list"), warnings)
    names = {entry.name for entry in entries}
    general, litellm, router = (
        top.section(name) for name in ("general_settings", "litellm_settings", "router_settings")
    )
    router.ignore("routing_strategy", why="the least busy entry is taken; this changes nothing.")
    config = Config(
        models=tuple(entries),
        master_key=_master_key(general),
        database_url=_database_url(general, path),
        drain_seconds=general.number("drain_seconds", DRAIN_SECONDS),
        pool_size=general.whole("pool_size", least=1) or POOL_SIZE,
        held_creations=general.whole("held_creations", least=1) or HELD_CREATIONS,
        creations_per_minute=general.number("creations_per_minute", CREATIONS_PER_MINUTE, least=1.0),
        others_per_minute=general.number("others_per_minute", OTHERS_PER_MINUTE, least=1.0),
        drop_params=litellm.flag("drop_params"),
        verbose=litellm.flag("set_verbose"),
        request_timeout=_either(litellm, "request_timeout", router, "timeout", REQUEST_TIMEOUT, 1.0),
        num_retries=int(_either(router, "num_retries", litellm, "num_retries", MAX_RETRIES)),
        fallbacks=[*_fallbacks(litellm, names), *_fallbacks(router, names)],
        allowed_fails=int(_either(router, "allowed_fails", litellm, "allowed_fails", 3)),
        cooldown_time=_either(router, "cooldown_time", litellm, "cooldown_time", 30.0),
        warnings=(),
    )
    for section in (general, litellm, router, top):
        section.finish()
    return msgspec.structs.replace(config, warnings=tuple(warnings))


def _models(found: Located, warnings: list[str]) -> list[ModelEntry]:
    if not isinstance(found.value, list) or not found.value:
        raise found.wrong("is to be a list with at least one model.")
    return [_model(Section(item, warnings)) for item in found.value]


def _model(entry: Section) -> ModelEntry:
    name = text_of(entry.need("model_name"))
    params = Section(entry.need("litellm_params"), entry.warnings)
    found = params.need("model")
    model = text_of(found)
    try:
        endpoint_of(model)
    except APIError as error:
        raise found.wrong(error.message) from None
    read: dict[str, Any] = {"model": model}
    if (key := params.take("api_key")) is not None:
        read["api_key"] = text_of(key)
    if (base := params.take("api_base")) is not None:
        read["api_base"] = text_of(base)
        if not read["api_base"].startswith(("http://", "https://")):
            raise base.wrong("is to begin with https:// or http://.")
    for number, least in (("rpm", 1.0), ("weight", 0.0), ("timeout", 0.001), ("max_parallel_requests", 1.0)):
        if (value := params.take(number)) is not None:
            read[number] = number_of(value, least)
    if (retries := params.whole("num_retries")) is not None:
        read["num_retries"] = retries
    params.ignore(*_OTHER_PROVIDERS, why="concerns other providers and changes nothing.")
    read.update(_template(params))
    prices = _price_keys(params)
    read.update({key: resolved(value) for key, value in params.rest().items()})
    info = entry.section("model_info")
    prices = {**prices, **_price_keys(info)}
    info.rest()  # LiteLLM's clients put facts of their own there
    entry.finish()
    return ModelEntry(name, read, _price(model, prices))


def _template(params: Section) -> dict[str, Any]:
    found = {name: value for name in _TEMPLATE_FIELDS if (value := params.take(name)) is not None}
    fields = {name: value.plain() for name, value in found.items()}
    for name, value in fields.items():
        try:
            inline_template(**{name: value})
        except APIError as error:
            raise found[name].wrong(error.message) from None
    return fields


def _price_keys(section: Section) -> dict[str, Located]:
    names = ("input_cost_per_token", "output_cost_per_token", "input_cost_per_second", "hardware")
    return {name: found for name in names if (found := section.take(name)) is not None}


def _price(model: str, given: dict[str, Located]) -> Price:
    """The price in the configuration; where it has none, the published one."""
    if not given:
        return published_price(model)
    numbers = {name: number_of(found, 0.0) for name, found in given.items() if name != "hardware"}
    per_second = numbers.get("input_cost_per_second", 0.0)
    if "hardware" in given:
        hardware = text_of(given["hardware"])
        if hardware not in HARDWARE:
            raise given["hardware"].wrong(f"{hardware!r} is none of {', '.join(HARDWARE)}.")
        per_second = per_second or HARDWARE[hardware]
    return Price(
        numbers.get("input_cost_per_token", 0.0), numbers.get("output_cost_per_token", 0.0), per_second
    )


def _fallbacks(section: Section, names: set[str]) -> list[dict[str, list[str]]]:
    found = section.take("fallbacks")
    if found is None:
        return []
    how = 'is to be a list such as [{"llama-3": ["mistral-7b"]}]'
    if not isinstance(found.value, list):
        raise found.wrong(f"{how}, not {kind(found.value)}.")
    for item in found.value:
        if not isinstance(item.value, dict):
            raise item.wrong(f"{how}; this is {kind(item.value)}.")
        for name, others in item.value.items():
            if name not in names:
                raise others.wrong(f"{name!r} is no model_name of model_list.")
            if not isinstance(others.value, list) or not others.value:
                raise others.wrong(f"{how}; this is {kind(others.value)}.")
            for other in others.value:
                if other.value not in names:
                    raise other.wrong(f"{other.value!r} is no model_name of model_list.")
    fallbacks: list[dict[str, list[str]]] = found.plain()
    return fallbacks


def _master_key(general: Section) -> str | None:
    found = general.take("master_key")
    if found is None:
        return None
    key = text_of(found)
    if len(key) < 8 or not key.isascii() or not key.isprintable() or " " in key:
        raise found.wrong("is to have at least 8 printable characters, and no spaces.")
    return key


def _database_url(general: Section, config: Path) -> str:
    """The URL with an async driver in it; by default a SQLite file beside the configuration."""
    found = general.located.value.get("database_url")
    url = general.optional_secret("database_url")
    if url is None:
        folder = config.resolve().parent
        file = folder / "areplicate.db"
        if not os.access(file if file.exists() else folder, os.W_OK):
            raise ConfigError(
                f"{config}: {folder} cannot be written to, where keys and usage are kept: "
                "give general_settings.database_url."
            )
        return f"sqlite+aiosqlite:///{file}"
    scheme, _, rest = url.partition("://")
    if scheme in ("sqlite", "sqlite+aiosqlite") and rest.startswith("/"):
        return f"sqlite+aiosqlite://{rest}"
    if scheme in ("postgres", "postgresql", "postgresql+asyncpg") and rest:
        # libpq's name for it, which the async driver does not know
        return f"postgresql+asyncpg://{rest}".replace("sslmode=", "ssl=")
    raise found.wrong("is to look like postgresql://user:password@host/name or sqlite:///file.db.")


def _either(
    first: Section, key: str, second: Section, other: str, default: float, least: float = 0.0
) -> float:
    """A setting that LiteLLM knows in two places; the first one wins."""
    behind = second.number(other, default, least=least)
    return first.number(key, behind, least=least)
