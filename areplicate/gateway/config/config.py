"""The configuration file, read and checked as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ...options.values import MAX_RETRIES
from ..accounts.prices import PriceList
from ..accounts.settings import AccountSettings
from .database import account_settings
from .entries import EntryReader, ModelEntry
from .environment import Environment
from .pricing import prices_beside
from .reading import section
from .settings import Alias, ConfigurationFile, Fallbacks, GeneralSettings, LitellmSettings, RouterSettings
from .yaml_file import Document, Steps, load

T = TypeVar("T")

REQUEST_TIMEOUT = 1800.0
_MASTER_KEYS = ("AREPLICATE_MASTER_KEY", "LITELLM_MASTER_KEY")
_WITHOUT_EFFECT = {
    "routing_strategy": "is ignored: the least busy entry answers.",
    "store_model_in_db": "is ignored: models come from this file alone.",
}


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What the file says, with what follows from it. Times are in seconds.

    Attributes:
        general: the gateway's own settings, with the master key that holds.
        accounts: where keys and usage are kept.
        prices: what Replicate's models cost.
        models: the entries of `model_list`, in order; several may share a name.
        aliases: further names, and which of `models` each means.
        verbose: whether the client's own log is on, which holds requests with their prompts.
        warnings: what is odd but not wrong, each with file, line and key.
        notices: what was found elsewhere than in the file.
    """

    general: GeneralSettings
    accounts: AccountSettings
    prices: PriceList
    models: tuple[ModelEntry, ...]
    aliases: dict[str, Alias]
    drop_params: bool
    verbose: bool
    request_timeout: float
    num_retries: int
    fallbacks: Fallbacks
    allowed_fails: int
    cooldown_time: float
    warnings: tuple[str, ...]
    notices: tuple[str, ...]

    @property
    def master_key(self) -> str | None:
        return self.general.master_key

    @property
    def database_url(self) -> str:
        assert self.general.database_url is not None, "it has a default"
        return self.general.database_url

    @property
    def names(self) -> dict[str, list[ModelEntry]]:
        """The entries by the name that clients ask for, wildcards left out."""
        names: dict[str, list[ModelEntry]] = {}
        for entry in self.models:
            if "*" not in entry.name:
                names.setdefault(entry.name, []).append(entry)
        return names

    @property
    def wildcards(self) -> list[ModelEntry]:
        """Those that stand for many models, the most specific first."""
        return sorted((entry for entry in self.models if "*" in entry.name), key=lambda e: -len(e.name))

    def shared_by(self, processes: int) -> Config:
        """The same for one of several processes, which share what Replicate allows the account."""
        general = msgspec.structs.replace(
            self.general,
            creations_per_minute=self.general.creations_per_minute / processes,
            others_per_minute=self.general.others_per_minute / processes,
        )
        return msgspec.structs.replace(self, general=general)

    def router_list(self) -> list[dict[str, Any]]:
        """The model list as `AsyncRouter` takes it."""
        return [
            {"model_name": entry.name, "litellm_params": entry.params}
            for entries in self.names.values()
            for entry in entries
        ]


def read_config(path: Path, source: Path | None = None) -> Config:
    """The configuration in a file.

    Args:
        source: a copy of it that is read in its place.

    Raises:
        ConfigError: the first thing that is wrong, by file, line and key.
    """
    return _Reader(load(path, source)).read()


class _Reader:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._top = document.value
        self._warnings: list[str] = []
        self._notices: list[str] = []
        if not isinstance(self._top, dict):
            raise document.wrong((), "must be a mapping with a model_list.")
        extra = self._top.get("environment_variables") or {}
        if not isinstance(extra, dict):
            raise document.wrong(["environment_variables"], "must be a mapping of names to values.")
        outside = Environment(document, {})
        self._environment = Environment(
            document,
            {
                str(name): str(outside.resolved(value, ["environment_variables", name]))
                for name, value in extra.items()
                if value is not None and not outside.is_unset(value)
            },
        )

    def read(self) -> Config:
        items = self._top.get("model_list")
        if items is None:
            raise self._document.wrong(["model_list"], "is missing.")
        if not isinstance(items, list) or not items:
            raise self._document.wrong(["model_list"], "must be a list with at least one model.")
        general = self._general()
        litellm = self._section("litellm_settings", LitellmSettings)
        router = self._section("router_settings", RouterSettings)
        prices = prices_beside(self._document.path)
        reader = EntryReader(self._document, self._environment, general, prices, self._warn)
        found = [reader.read(item, ("model_list", i)) for i, item in enumerate(items)]
        entries = [entry for entry in found if entry is not None]
        if not entries:
            raise self._document.wrong(
                ["model_list"],
                "has entries of other providers only: add one with model: replicate/owner/name.",
            )
        names = {entry.name for entry in entries}
        aliases = self._aliases(router, names)
        fallbacks = [
            self._fallbacks(of.fallbacks, of.default_fallbacks, where, names, aliases, reader.skipped)
            for of, where in ((router, "router_settings"), (litellm, "litellm_settings"))
        ]
        self._warn_of_unknown(self._top, ConfigurationFile, ())
        return Config(
            general=general,
            accounts=account_settings(self._document, general),
            prices=prices,
            models=tuple(entries),
            aliases=aliases,
            drop_params=litellm.drop_params,
            verbose=litellm.set_verbose,
            request_timeout=_first(litellm.request_timeout, router.timeout, REQUEST_TIMEOUT),
            num_retries=_first(router.num_retries, litellm.num_retries, MAX_RETRIES),
            fallbacks=[*fallbacks[1], *fallbacks[0]],
            allowed_fails=_first(router.allowed_fails, litellm.allowed_fails, 3),
            cooldown_time=_first(router.cooldown_time, litellm.cooldown_time, 30.0),
            warnings=tuple(self._warnings),
            notices=tuple(self._notices),
        )

    def _general(self) -> GeneralSettings:
        raw = self._top.get("general_settings")
        if isinstance(raw, dict) and self._environment.is_unset(raw.get("database_url")):
            name = str(raw["database_url"]).partition("/")[2]
            self._warn(["general_settings", "database_url"], f"{name} is not set: the default is used.")
            self._top["general_settings"] = {**raw, "database_url": None}
        general = self._section("general_settings", GeneralSettings)
        for secret in ("master_key", "database_url"):
            self._environment.refuse_placeholder(getattr(general, secret), ["general_settings", secret])
        if general.master_key is None and (found := self._environment.first(*_MASTER_KEYS)) is not None:
            general = section(
                self._document,
                {**msgspec.structs.asdict(general), "master_key": found[1]},
                GeneralSettings,
                ["general_settings"],
            )
            self._notices.append(f"the master key is that of the environment variable {found[0]}")
        return general

    def _section(self, name: str, kind: type[T]) -> T:
        """A section, its unknown keys warned of."""
        given = self._top.get(name)
        if given is None:
            given = {}
        if not isinstance(given, dict):
            raise self._document.wrong([name], "must be a mapping of keys to values.")
        self._warn_of_unknown(given, kind, (name,))
        fields = kind.__struct_fields__  # type: ignore[attr-defined]
        known = {key: value for key, value in given.items() if key in fields and value is not None}
        return section(self._document, self._environment.resolved(known, (name,)), kind, (name,))

    def _warn_of_unknown(self, given: dict[str, Any], kind: type, steps: Steps) -> None:
        for key in given:
            if key not in kind.__struct_fields__:  # type: ignore[attr-defined]
                why = _WITHOUT_EFFECT.get(key, "is not a known setting and is ignored.")
                self._warn([*steps, str(key)], why)

    def _aliases(self, router: RouterSettings, names: set[str]) -> dict[str, Alias]:
        aliases: dict[str, Alias] = {}
        for name, given in router.model_group_alias.items():
            alias = Alias(given) if isinstance(given, str) else given
            if alias.model not in names:
                at = ["router_settings", "model_group_alias", name]
                raise self._document.wrong(at, f"model_list has no model_name {alias.model!r}.")
            aliases[name] = alias
        return aliases

    def _fallbacks(
        self,
        given: Fallbacks,
        usual: list[str],
        where: str,
        names: set[str],
        aliases: dict[str, Alias],
        skipped: set[str],
    ) -> Fallbacks:
        """Who steps in for whom, by the entries' names; those of entries that are skipped are left out."""

        def known(name: str, at: Steps) -> str | None:
            name = aliases[name].model if name in aliases else name
            if name in names and "*" not in name:
                return name
            if name not in skipped:
                raise self._document.wrong(at, f"model_list has no model_name {name!r}.")
            return None

        read: dict[str, list[str]] = {}
        for i, each in enumerate(given):
            for name, others in each.items():
                at: Steps = (where, "fallbacks", i, name)
                found = [known(other, [*at, k]) for k, other in enumerate(others)]
                kept = [other for other in found if other is not None]
                if (of := known(name, at)) is not None and kept:
                    read.setdefault(of, []).extend(kept)
        for k, other in enumerate(usual):
            if (default := known(other, [where, "default_fallbacks", k])) is not None:
                for name in sorted(names - {default}):
                    if "*" not in name and default not in read.get(name, ()):
                        read.setdefault(name, []).append(default)
        return [{name: others} for name, others in read.items()]

    def _warn(self, steps: Steps, why: str) -> None:
        self._warnings.append(f"{self._document.at(steps)}: {why}")


def _first(*values: T | None) -> T:
    """The first that is given; the last is the default."""
    return next(value for value in values if value is not None)
