"""Where keys and usage are kept, as `general_settings` says."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from .database_url import DatabaseURL, parse_database_url
from .reading import Reader
from .settings import DatabaseSettings, GeneralSettings
from .yaml_file import ConfigError


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where keys and usage are kept.

    Attributes:
        usage_folder: where rows of usage wait that the database does not take, in files that `usage_name` is in the
            names of: another configuration in the folder may have another database.
        files_dir: where uploaded files and the results of batches lie.
    """

    database: DatabaseURL
    usage_folder: Path
    usage_name: str = "config"
    files_dir: Path
    waits: DatabaseSettings = DatabaseSettings()


def account_settings(reader: Reader, general: GeneralSettings) -> AccountSettings:
    """What it says of the database, checked; raises `ConfigError`."""
    folder = reader.document.path.resolve().parent
    database = _database(reader, general.database_url, folder)
    beside = folder if database.file is None else Path(database.file).resolve().parent
    usage = Path(general.usage_folder) if general.usage_folder else folder
    if not os.access(usage, os.W_OK):
        why = f"{usage} cannot be written to: usage that the database does not take for a minute goes into the log."
        reader.warn(["general_settings", "usage_folder"], why)
    return AccountSettings(
        database=database,
        files_dir=Path(general.files_dir) if general.files_dir else beside / "areplicate-files",
        waits=msgspec.convert(general, DatabaseSettings, from_attributes=True),
        usage_folder=usage,
        usage_name=reader.document.path.stem,
    )


def _database(reader: Reader, url: str | None, folder: Path) -> DatabaseURL:
    """By default a SQLite file beside the configuration."""
    if url is not None:
        with reader.checking(["general_settings", "database_url"]):
            return parse_database_url(url)
    file = folder / "areplicate.db"
    if not os.access(file if file.exists() else folder, os.W_OK):
        raise ConfigError(
            f"{reader.document.path}: keys and usage are kept in {folder}, which cannot be written to. Make it writable, or "
            "give general_settings.database_url."
        )
    return DatabaseURL(file=str(file))
