"""Where keys and usage are kept, as `general_settings` says."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from .database_url import DatabaseURL, parse_database_url
from .place import Place
from .settings import DatabaseSettings, GeneralSettings


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


def account_settings(general: GeneralSettings, at: Place) -> AccountSettings:
    """What `general_settings` says of the database, checked; raises `ConfigError`."""
    path = at.document.path
    folder = path.resolve().parent
    database = DatabaseURL(file=str(folder / "areplicate.db"))
    if general.database_url is not None:
        with (at / "database_url").checking():
            database = parse_database_url(general.database_url)
    if database.file is not None and not _may_be_written(Path(database.file)):
        raise (at / "database_url").wrong(
            f"keys and usage are kept in {database.file}, which cannot be written to: make its folder, and let the "
            "gateway's user write there, or give another database."
        )
    beside = folder if database.file is None else Path(database.file).resolve().parent
    usage = Path(general.usage_folder) if general.usage_folder else folder
    if not os.access(usage, os.W_OK):
        (at / "usage_folder").warn(
            f"{usage} cannot be written to: usage that the database does not take for a minute goes into the log."
        )
    return AccountSettings(
        database=database,
        files_dir=Path(general.files_dir) if general.files_dir else beside / "areplicate-files",
        waits=msgspec.convert(general, DatabaseSettings, from_attributes=True),
        usage_folder=usage,
        usage_name=path.stem,
    )


def _may_be_written(file: Path) -> bool:
    return os.access(file if file.exists() else file.parent, os.W_OK)
