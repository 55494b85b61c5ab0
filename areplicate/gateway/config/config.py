"""The configuration file, read and checked as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from ...model_names import ModelNames
from ...options.environment import variable
from ..addresses import origin_of
from .account_settings import AccountSettings, account_settings
from .entries import EntryReader, ModelEntry
from .environment import Environment, refuse_placeholder_key, refuse_placeholders
from .place import Place
from .prices import PriceList, price_list
from .reading import WITHOUT_EFFECT, read_part
from .references import References
from .settings import (
    MASTER_KEY_VARIABLES,
    Alias,
    ConfigurationFile,
    GeneralSettings,
    LitellmSettings,
    RouterSettings,
)
from .yaml_file import ConfigError, load


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What the file says, with what follows from it. Times are in seconds.

    Attributes:
        text: the file's own, as it was read.
        general: the gateway's own settings, with the master key that holds.
        accounts: where keys and usage are kept.
        prices: what Replicate's models cost.
        models: the entries of `model_list`, in order; several may share a name.
        names: those entries by their names, and what steps in for each.
        aliases: further names, and which of `names` each means.
        verbose: whether the client's own log is on, which holds requests with their prompts.
        router: what the file says of `AsyncRouter`'s own options.
        warnings: what is odd but not wrong, each with file, line and key.
        notices: settings of the environment that count, or that do not.
    """

    text: str
    general: GeneralSettings
    accounts: AccountSettings
    prices: PriceList
    models: tuple[ModelEntry, ...]
    names: ModelNames[ModelEntry]
    aliases: dict[str, Alias]
    drop_params: bool
    verbose: bool
    router: dict[str, Any]
    warnings: tuple[str, ...]
    notices: tuple[str, ...]

    def shared_by(self, processes: int) -> Config:
        """The configuration of one of several processes, which share the account's rate limits."""
        general = msgspec.structs.replace(
            self.general,
            creations_per_minute=self.general.creations_per_minute / processes,
            others_per_minute=self.general.others_per_minute / processes,
        )
        return msgspec.structs.replace(self, general=general)


def read_config(path: Path, source: Path | None = None, *, again: bool = False) -> Config:
    """The configuration in a file.

    Args:
        source: a copy of it that is read in its place.
        again: whether it was read before. What can be read once only, such as a pipe, would be waited for.

    Raises:
        ConfigError: the first thing that is wrong, by file, line and key.
    """
    if again and (source or path).exists() and not (source or path).is_file():
        raise ConfigError(f"{path}: is not a file, and only a file can be read again.")
    document, environment = load(path, source), Environment()
    warnings: list[str] = []
    top = Place(document, warnings)
    in_general, in_litellm = top / "general_settings", top / "litellm_settings"
    in_router = top / "router_settings"
    given = document.value
    if isinstance(given, dict) and "include" in given and not given.get("model_list"):
        raise (top / "include").wrong(WITHOUT_EFFECT["include"])  # all models are in other files
    file = read_part(given, ConfigurationFile, top)
    environment.add(file.environment_variables, top / "environment_variables")
    general, notices = _general(file.general_settings, in_general, environment)
    litellm = read_part(file.litellm_settings, LitellmSettings, in_litellm, environment)
    router = read_part(file.router_settings, RouterSettings, in_router, environment)
    try:
        prices = price_list(path.resolve().parent)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    credentials = {each.credential_name: each.credential_values for each in file.credential_list}
    entries = EntryReader(environment, general, prices, credentials)
    models = entries.read_all(file.model_list, top / "model_list")
    references = References(ModelNames(models), entries.skipped)
    environment.warn_of_unread()
    references.add_aliases(router.model_group_alias, in_router / "model_group_alias")
    fallbacks = {**references.fallbacks(litellm, in_litellm), **references.fallbacks(router, in_router)}
    return Config(
        text=document.text,
        general=general,
        accounts=account_settings(general, in_general),
        prices=prices,
        models=models,
        names=ModelNames(models, fallbacks),
        aliases=references.aliases,
        drop_params=litellm.drop_params,
        verbose=litellm.set_verbose,
        router={
            **_router_options(litellm, router),
            "fallbacks": [{name: others} for name, others in fallbacks.items()],
        },
        warnings=tuple(warnings),
        notices=tuple(notices),
    )


def _general(given: Any, at: Place, environment: Environment) -> tuple[GeneralSettings, list[str]]:
    """`general_settings`, with notices of the environment's variables that count, or that do not."""
    notices = []
    if isinstance(given, dict):
        url = given.get("database_url")
        if environment.is_unset(url):
            (at / "database_url").warn(f"{variable(url)} is not set: the default is used.")
            given = {**given, "database_url": None}
        elif url is None and environment.first("DATABASE_URL"):
            notices.append(
                "keys and usage are in SQLite: DATABASE_URL of the environment counts if general_settings says "
                "database_url: os.environ/DATABASE_URL"
            )
        if given.get("master_key") is None and (found := environment.first(*MASTER_KEY_VARIABLES)):
            given = {**given, "master_key": found[1]}
            notices.append(f"the master key is that of the environment variable {found[0]}")
    general = read_part(given, GeneralSettings, at, environment)
    refuse_placeholders(msgspec.structs.asdict(general), at)
    refuse_placeholder_key(general.master_key, at / "master_key")
    with (at / "cors_origins").checking():
        origins = tuple(origin_of(page) for page in general.cors_origins)
    return msgspec.structs.replace(general, cors_origins=origins), notices


def _router_options(litellm: LitellmSettings, router: RouterSettings) -> dict[str, Any]:
    """What both sections say of a router; if neither does, its own default holds."""
    options = {
        "timeout": (litellm.request_timeout, router.timeout),
        "max_retries": (router.num_retries, litellm.num_retries),
        "allowed_fails": (router.allowed_fails, litellm.allowed_fails),
        "cooldown_time": (router.cooldown_time, litellm.cooldown_time),
    }
    given = {name: [value for value in both if value is not None] for name, both in options.items()}
    return {name: values[0] for name, values in given.items() if values}
