# SPDX-License-Identifier: Apache-2.0
"""Joins and shrinks the widget: `python -m app.pages.build_widget`.

It is for developers and needs Node; the result, `app/pages/widget.js`, is checked in, so
nobody else does. Its first line holds the digests of the sources and of the rest.
"""

import gzip
import hashlib
import subprocess
import sys
from pathlib import Path

PAGES = Path(__file__).parent
SOURCES = PAGES / "widget"
RESULT = PAGES / "widget.js"
MAX_BYTES = 6144
_ESBUILD = "esbuild@0.28.2"


def banner_of(body: bytes) -> str:
    """Return the first line of a build: the digests of its sources and of what follows."""
    digest = hashlib.sha256()
    for path in sorted(SOURCES.glob("*.js")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    built = hashlib.sha256(body).hexdigest()
    return f"/*! Afterword {digest.hexdigest()[:12]} {built[:12]} */"


def size_of(script: bytes) -> int:
    """Return the bytes of a script as they travel, by `gzip -9`."""
    return len(gzip.compress(script, 9, mtime=0))


def build() -> bytes:
    """Build the script."""
    command = [
        "npx", "--yes", _ESBUILD, str(SOURCES / "main.js"), "--bundle", "--minify",
        "--format=iife", "--target=es2022",
    ]  # fmt: skip
    body = subprocess.run(command, capture_output=True, check=True).stdout
    return banner_of(body).encode() + b"\n" + body


def main() -> None:
    """Build the script and say how large it is."""
    script = build()
    RESULT.write_bytes(script)
    size = size_of(script)
    sys.stdout.write(f"{RESULT.name}: {size} of {MAX_BYTES} bytes, gzip -9\n")
    if size > MAX_BYTES:
        sys.exit(1)


if __name__ == "__main__":
    main()
