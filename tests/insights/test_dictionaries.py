# SPDX-License-Identifier: Apache-2.0
"""Dictionaries are kept in files, and whatever is wrong with a file, words are known."""

from pathlib import Path

import pytest

from app.insights.dictionaries import DictionaryFiles


def files_in(folder: Path) -> DictionaryFiles:
    files = DictionaryFiles()
    files.folder = folder
    return files


def test_a_dictionary_is_kept_and_read_again(tmp_path: Path) -> None:
    folder = tmp_path / "dictionaries"
    dictionary = files_in(folder).get_dictionary("ro")
    (path,) = folder.iterdir()
    written = path.stat().st_mtime_ns
    read = files_in(folder).get_dictionary("ro")
    assert path.stat().st_mtime_ns == written
    assert len(read) == len(dictionary) > 100_000
    assert read["livrări"] == dictionary["livrări"] == "livrare"


@pytest.mark.parametrize("content", [b"", b"half of one", b"cos\nsystem\n."])
def test_a_file_that_is_none_is_made_anew(tmp_path: Path, content: bytes) -> None:
    files_in(tmp_path).get_dictionary("en")
    (path,) = tmp_path.iterdir()
    original = path.read_bytes()
    path.write_bytes(content)
    assert files_in(tmp_path).get_dictionary("en")["deliveries"] == "delivery"
    assert path.read_bytes() == original


def test_without_a_folder_that_can_be_written_words_are_known(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    files = files_in(tmp_path / "file" / "below")
    assert files.get_dictionary("en")["deliveries"] == "delivery"


def test_files_that_are_missing_are_made_by_another_process(tmp_path: Path) -> None:
    files = files_in(tmp_path)
    files.prepare(["en", "ro"])
    languages = sorted(path.name.partition("-")[0] for path in tmp_path.iterdir())
    assert languages == ["en", "ro"]
    times = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    files.prepare(["en", "ro"])
    assert files.get_dictionary("en")["houses"] == "house"
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == times
