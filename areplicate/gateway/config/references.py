"""Checks the aliases and fallbacks of a configuration, which refer to names of `model_list`."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ...model_names import ModelNames, fits_wildcard
from .entries import ModelEntry
from .place import Place
from .settings import Alias, SharedSettings


class References(msgspec.Struct):
    """Aliases and fallbacks, each checked against the names of a file's entries."""

    _names: ModelNames[ModelEntry]
    _skipped: set[str]
    """The names of other providers' entries, which are left out wherever they are named."""
    aliases: dict[str, Alias] = {}

    def add_aliases(self, aliases: Mapping[str, str | Alias], at: Place) -> None:
        for name, to in aliases.items():
            alias = Alias(to) if isinstance(to, str) else to
            for model in self._known(alias.model, at / name):
                self.aliases[name] = Alias(model, alias.hidden)

    def fallbacks(self, settings: SharedSettings, section: Place) -> dict[str, list[str]]:
        """The fallbacks of each name, by the entries' names."""
        read: dict[str, list[str]] = {}
        defaults: list[str] = []
        names = set(self._names.listed)
        for i, each in enumerate(settings.fallbacks):
            for name, others in each.items():
                at = section / "fallbacks" / i / name
                kept = [model for k, other in enumerate(others) for model in self._known(other, at / k)]
                if name == "*" and name not in names:  # LiteLLM's other way to say default_fallbacks
                    defaults += kept
                    continue
                for model in [name] if name in names else self._known(name, at):
                    read.setdefault(model, []).extend(kept)
        for k, other in enumerate(settings.default_fallbacks):
            defaults += self._known(other, section / "default_fallbacks" / k)
        for default in defaults:
            for name in sorted(names - {default}):
                if default not in read.setdefault(name, []):
                    read[name].append(default)
        return {name: others for name, others in read.items() if others}

    def _known(self, name: str, at: Place) -> list[str]:
        """The name that is meant, as a list: an entry's, or one that a wildcard stands for; empty if it is
        skipped."""
        model = self.aliases[name].model if name in self.aliases else name
        if "*" in model:
            raise at.wrong(f"{model!r} must be the name of one model, not a wildcard.")
        if model in self._names:
            return [model]
        if any(fits_wildcard(skipped, model) for skipped in self._skipped):
            return []
        raise at.wrong(f"model_list has no model_name {model!r}.")
