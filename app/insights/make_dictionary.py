# SPDX-License-Identifier: Apache-2.0
"""Make the file of one dictionary: `python -m app.insights.make_dictionary FILE LANGUAGE`.

It loads nothing of the service, because somebody waits for the dictionary.
"""

import pickle
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path


def load_dictionary(language: str) -> Mapping[str, str]:
    """Return simplemma's dictionary of a language; a large one takes seconds to index."""
    from simplemma.strategies.dictionaries.stream_dictionary_factory import (  # noqa: PLC0415 - loaded when asked for
        StreamMap,
    )

    return StreamMap(language)


def write_dictionary(file: Path, dictionary: Mapping[str, str]) -> None:
    """Write a dictionary so that nobody reads half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as temporary:
        temporary.write(pickle.dumps(dictionary, pickle.HIGHEST_PROTOCOL))
    Path(temporary.name).replace(file)


if __name__ == "__main__":
    write_dictionary(Path(sys.argv[1]), load_dictionary(sys.argv[2]))
