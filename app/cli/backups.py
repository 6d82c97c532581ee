# SPDX-License-Identifier: Apache-2.0
"""Backups: one file with the database, its secrets, and the list of erased customers."""

import asyncio
import io
import json
import shutil
import tarfile
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from app.cli.rollup_check import differences
from app.core import dumps
from app.core.clock import rfc3339, utc_now
from app.core.data_folder import write_private
from app.core.database import Database
from app.core.dumps import CopyError
from app.core.postgres import EmbeddedPostgres, attached_database
from app.core.postgres_server import AlreadyRunningError
from app.core.schema_version import is_current, newest_revision
from app.core.settings import Settings
from app.core.signing import SealedBox, load_secret_keys
from app.exports import copy_preparation
from app.exports.erasure import JOURNAL
from app.workspaces.service import list_workspaces

T = TypeVar("T")
PrintLine = Callable[[str], None]

_DUMP, _MANIFEST, _SECRETS = "database.dump", "manifest.json", "secret_keys"
_FORMAT = 1
_KEPT_BEFORE_MIGRATIONS = 3


async def _run_with_database(url: str, work: Callable[[Database], Awaitable[T]]) -> T:
    async with Database(url) as database:
        return await work(database)


def back_up(settings: Settings, file: Path) -> None:
    """Write a backup while the service goes on; it is whole or not there at all."""
    if not file.parent.is_dir():
        msg = f"There is no folder {file.parent}; make it first."
        raise CopyError(msg)
    draft = file.with_name(file.name + ".new")
    with (
        attached_database(settings) as url,
        tempfile.TemporaryDirectory(dir=file.parent) as folder,
    ):
        path = Path(folder) / _DUMP
        dumps.dump(settings, url, path)
        manifest = {"format": _FORMAT, "made_at": rfc3339(utc_now()), "schema": newest_revision()}
        draft.touch(mode=0o600)
        with tarfile.open(draft, "w") as out:
            _add(out, _MANIFEST, json.dumps(manifest).encode())
            _add(out, _SECRETS, (",".join(load_secret_keys(settings)) + "\n").encode())
            journal = settings.data_dir / JOURNAL
            _add(out, JOURNAL, journal.read_bytes() if journal.exists() else b"")
            out.add(path, _DUMP)
    draft.replace(file)


def _add(out: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o600
    out.addfile(entry, io.BytesIO(content))


def restore(
    settings: Settings, file: Path, tell: PrintLine, *, journal: Path | None = None
) -> None:
    """Load a backup into an empty place, whole or not at all; it starts with sending paused.

    `journal` names whom the service has erased since the backup was made.
    """
    with tempfile.TemporaryDirectory() as folder:
        manifest = _unpack(file, Path(folder))
        tell(f"The backup was made at {manifest['made_at']}.")
        _require_empty(settings)
        if settings.database_url:
            # A database with tables is refused before secrets and the journal are changed. An
            # embedded one does not exist yet.
            asyncio.run(_require_no_tables(settings.database_url))
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        _install_secrets(settings, (Path(folder) / _SECRETS).read_text().strip(), tell)
        _join_journals(settings.data_dir / JOURNAL, Path(folder) / JOURNAL, journal)
        try:
            with attached_database(settings) as url:
                asyncio.run(_require_no_tables(url))
                dumps.load(settings, Path(folder) / _DUMP, url)
                tell("The database is loaded.")
                erased = asyncio.run(
                    _run_with_database(url, lambda database: _finish(settings, database))
                )
                tell(f"Erased again: {erased}.")
        except BaseException:
            # Sending is paused only at the end, so no service may start on an unfinished copy.
            _remove_database(settings)
            raise


def _remove_database(settings: Settings) -> None:
    if settings.embedded:
        shutil.rmtree(settings.data_dir / "postgres", ignore_errors=True)
        (settings.data_dir / "postgres.json").unlink(missing_ok=True)


async def _finish(settings: Settings, database: Database) -> int:
    await copy_preparation.pause_sending(database, "a restored copy")
    if not await is_current(database):
        # Alembic is slow to load, and only an older backup needs it.
        from app.core.migrations import upgrade  # noqa: PLC0415 - as said above

        await upgrade(database)
        await copy_preparation.pause_sending(database, "a restored copy")
    await copy_preparation.prepare_copy(database)
    box = SealedBox(load_secret_keys(settings))
    return await copy_preparation.erase_again(database, box, settings.data_dir)


def _unpack(file: Path, folder: Path) -> dict[str, Any]:
    """Unpack a backup and return its manifest; raise CopyError if the file is not a backup."""
    try:
        with tarfile.open(file) as opened:
            for name in (_MANIFEST, _SECRETS, JOURNAL, _DUMP):
                opened.extract(name, folder, filter="data")
        manifest: dict[str, Any] = json.loads((folder / _MANIFEST).read_text())
        newer = manifest["format"] != _FORMAT or manifest["schema"] > newest_revision()
    except (tarfile.TarError, KeyError, TypeError, ValueError, OSError) as error:
        msg = f"{file} is not a backup of Afterword: {error}"
        raise CopyError(msg) from None
    if newer:
        msg = f"{file} was made by a newer Afterword (schema {manifest['schema']}); install that."
        raise CopyError(msg)
    return manifest


def _require_empty(settings: Settings) -> None:
    if settings.embedded and (settings.data_dir / "postgres").exists():
        msg = (
            f"{settings.data_dir} holds a database already. Restore into another folder: set "
            "AFTERWORD_DATA_DIR to an empty one and give `--erasures "
            f"{settings.data_dir / JOURNAL}`; look at it, then put it in the old one's place."
        )
        raise CopyError(msg)


async def _require_no_tables(url: str) -> None:
    if await _has_tables(url):
        msg = "The database is not empty; give an empty one."
        raise CopyError(msg)


def _install_secrets(settings: Settings, secrets: str, tell: PrintLine) -> None:
    """Put the backup's secrets where the service finds them, beside those set by hand."""
    if not settings.secret_keys:
        write_private(settings.data_dir / _SECRETS, secrets + "\n")
        return
    known = {key.get_secret_value() for key in settings.secret_keys}
    if not set(secrets.split(",")) <= known:
        secrets_file = settings.data_dir / "secret_keys.restored"
        write_private(secrets_file, secrets + "\n")
        tell(f"Add the keys in {secrets_file} to AFTERWORD_SECRET_KEYS: they open what is stored.")


def _join_journals(own: Path, *others: Path | None) -> None:
    """Keep every erasure of all journals: those before the backup and those since."""
    known = [path for path in (own, *others) if path is not None and path.exists()]
    lines = [path.read_text().splitlines() for path in known]
    joined = list(dict.fromkeys(line for journal in lines for line in journal))
    write_private(own, "".join(line + "\n" for line in joined))


def move(settings: Settings, target: str, tell: PrintLine) -> None:
    """Take an embedded database to a PostgreSQL of its own, and compare both sides."""
    if not settings.embedded:
        msg = "`move` takes an embedded database away; AFTERWORD_DATABASE_URL is set."
        raise CopyError(msg)
    server = EmbeddedPostgres(settings)
    try:
        source = server.start()
    except AlreadyRunningError:
        msg = "Stop the service first: what it wrote during the move would be lost."
        raise CopyError(msg) from None
    try:
        asyncio.run(_require_no_tables(target))
        with tempfile.TemporaryDirectory(dir=settings.data_dir) as folder:
            path = Path(folder) / _DUMP
            dumps.dump(settings, source, path)
            tell("The embedded database is dumped.")
            dumps.load(settings, path, target)
        tell("The new one is loaded.")
        asyncio.run(_compare(source, target, tell))
        asyncio.run(_run_with_database(target, copy_preparation.prepare_copy))
        # If the old service is started by mistake, it must not send what the new one sends.
        asyncio.run(
            _run_with_database(
                source, lambda database: copy_preparation.pause_sending(database, "moved away")
            )
        )
    finally:
        server.stop()


async def _compare(source: str, target: str, tell: PrintLine) -> None:
    counts = [
        await _run_with_database(url, copy_preparation.count_rows) for url in (source, target)
    ]
    if counts[0] != counts[1]:
        different = [name for name, count in counts[0].items() if count != counts[1].get(name)]
        msg = f"The copy differs in {', '.join(different)}; the new database must not be used."
        raise CopyError(msg)
    tell(f"{sum(counts[0].values()):,} rows in {len(counts[0])} tables are there on both sides.")
    for name, url in (("old", source), ("new", target)):
        differing_cells = await _run_with_database(url, _count_differences)
        tell(f"Rollups against rows on the {name} side: {differing_cells} cells differ.")
        if differing_cells:
            msg = f"Rollups and rows differ on the {name} side; run `afterword rollups rebuild`."
            raise CopyError(msg)


async def _count_differences(database: Database) -> int:
    async with database.session() as session:
        workspaces = await list_workspaces(session)
    return sum([len(await differences(database, id_)) for id_, _ in workspaces])


def dump_before_migration(settings: Settings, url: str) -> Path | None:
    """Keep the embedded database as it was before its schema changes; None for a fresh one."""
    if not asyncio.run(_has_tables(url)):
        return None
    folder = settings.data_dir / "backups"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"before-{newest_revision()}-{utc_now():%Y%m%dT%H%M%S}.dump"
    dumps.dump(settings, url, path)
    for old in sorted(folder.glob("before-*.dump"))[:-_KEPT_BEFORE_MIGRATIONS]:
        old.unlink()
    return path


async def _has_tables(url: str) -> bool:
    """Tell whether a database is in use; CopyError for one that is too old for us."""
    connection = await asyncpg.connect(url)
    try:
        if connection.get_server_version().major < 15:
            msg = "The database is older than PostgreSQL 15; give a newer one."
            raise CopyError(msg)
        table = await connection.fetchval("select to_regclass('public.alembic_version')")
    finally:
        await connection.close()
    return table is not None
