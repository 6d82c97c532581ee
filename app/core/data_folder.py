# SPDX-License-Identifier: Apache-2.0
"""The folder of what the service keeps beside its database, and private files in it.

Only the standard library is loaded here: the supervisor's process stays small.
"""

import hashlib
import os
import shutil
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - what is meant


def default_data_dir() -> Path:
    """Name the per-user data folder; root's is one that an unprivileged database can reach."""
    if os.geteuid() == 0:
        return Path("/var/lib/afterword")
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "afterword"


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    draft = path.with_name(path.name + ".new")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)


def make_metrics_folder(data_dir: Path) -> Path:
    """Make an empty folder in which the processes of one service add up their metrics.

    It lies in memory where the system has such a place: the numbers are in mapped files, and a
    full disk would kill a process that writes to one.
    """
    digest = hashlib.sha256(str(data_dir).encode()).hexdigest()[:12]
    in_memory = os.access(_MEMORY, os.W_OK)
    folder = _MEMORY / f"afterword-{digest}" if in_memory else data_dir / "telemetry"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
