"""Where keys and usage are kept, as `general_settings` says."""

from __future__ import annotations

import os
from pathlib import Path

from ..accounts.database_url import DatabaseURL, parse_database_url
from ..accounts.settings import AccountSettings, Patience
from .settings import GeneralSettings
from .yaml_file import ConfigError, Document


def account_settings(document: Document, general: GeneralSettings) -> AccountSettings:
    """What it says of the database, checked; raises `ConfigError`."""
    folder = document.path.resolve().parent
    database = _database(document, general.database_url, folder)
    beside = folder if database.file is None else Path(database.file).resolve().parent
    return AccountSettings(
        database=database,
        files_dir=Path(general.files_dir) if general.files_dir else beside / "areplicate-files",
        patience=Patience(
            connect=general.database_connect_timeout,
            statement=general.database_statement_timeout,
            lock=general.database_lock_timeout,
        ),
        grace_seconds=general.database_grace_seconds,
        usage_folder=Path(general.usage_folder) if general.usage_folder else folder,
        usage_rows_in_memory=general.usage_rows_in_memory,
    )


def _database(document: Document, url: str | None, folder: Path) -> DatabaseURL:
    """By default a SQLite file beside the configuration."""
    if url is not None:
        try:
            return parse_database_url(url)
        except ValueError as error:
            raise document.wrong(["general_settings", "database_url"], str(error)) from None
    file = folder / "areplicate.db"
    if not os.access(file if file.exists() else folder, os.W_OK):
        raise ConfigError(
            f"{document.path}: keys and usage are kept in {folder}, which cannot be written to. Make it writable, or "
            "give general_settings.database_url."
        )
    return DatabaseURL(file=str(file))
