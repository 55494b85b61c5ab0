"""What refers to the names of `model_list`: aliases, and who steps in for whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .entries import ModelEntry
from .reading import Reader
from .settings import Alias, Fallbacks, SharedSettings
from .yaml_file import ConfigError, Steps


class Names:
    """The names of a file's entries, and its aliases of them.

    Args:
        skipped: the names of other providers' entries, which are left out wherever they are named.
        aliases: `model_group_alias`.
    """

    def __init__(
        self,
        reader: Reader,
        entries: Sequence[ModelEntry],
        skipped: set[str],
        aliases: Mapping[str, str | Alias],
    ) -> None:
        self._reader = reader
        self._models = {entry.name for entry in entries if "*" not in entry.name}
        self._skipped = skipped
        self.aliases = {name: Alias(to) if isinstance(to, str) else to for name, to in aliases.items()}
        for name, alias in self.aliases.items():
            if alias.model not in self._models:
                raise self._unknown(alias.model, ["router_settings", "model_group_alias", name])

    def fallbacks(self, settings: SharedSettings, section: str) -> Fallbacks:
        """Who steps in for whom, by the entries' names."""
        read: dict[str, list[str]] = {}
        for i, each in enumerate(settings.fallbacks):
            for name, others in each.items():
                at: Steps = [section, "fallbacks", i, name]
                kept = [model for k, other in enumerate(others) for model in self._known(other, [*at, k])]
                for model in self._known(name, at):
                    read.setdefault(model, []).extend(kept)
        for k, other in enumerate(settings.default_fallbacks):
            for default in self._known(other, [section, "default_fallbacks", k]):
                for name in sorted(self._models - {default}):
                    if default not in read.setdefault(name, []):
                        read[name].append(default)
        return [{name: others} for name, others in read.items() if others]

    def _known(self, name: str, at: Steps) -> list[str]:
        """The one entry that is meant; none for one that is skipped."""
        model = self.aliases[name].model if name in self.aliases else name
        if model not in self._models and model not in self._skipped:
            raise self._unknown(model, at)
        return [model] if model in self._models else []

    def _unknown(self, model: str, at: Steps) -> ConfigError:
        return self._reader.document.wrong(at, f"model_list has no model_name {model!r}.")
