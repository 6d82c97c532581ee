# SPDX-License-Identifier: Apache-2.0
"""What the documents say is true: settings are generated, the tour is run, links lead somewhere."""

import ast
import importlib
import os
import re
import subprocess
from pathlib import Path

import pytest

import app
from app.core.database import Database
from app.core.event_types import EventType
from app.core.settings import PREFIX, Settings
from app.core.texts import LANGUAGES
from app.responses.group_commit import _CONNECTIONS
from tests.mailbox import Mailbox
from tests.service import Service

ROOT = Path(app.__file__).parents[1]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text()
TOUR = (DOCS / "tour.md").read_text()


def settings_table() -> str:
    """Write the settings as a table."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default_factory else field.default
        cell = "" if default in {None, "", ()} else f"`{default}`"
        if name == "data_dir":
            cell = "a per-user data folder; `/var/lib/afterword` for root"
        lines.append(f"| `{PREFIX}{name.upper()}` | {cell} | {field.description} |")
    return "\n".join(lines)


def test_the_settings_are_those_of_the_program() -> None:
    assert settings_table() in (DOCS / "operating.md").read_text(), settings_table()


def test_every_room_is_on_the_map() -> None:
    architecture = (DOCS / "architecture.md").read_text()
    for room in (ROOT / "app").iterdir():
        if room.is_dir() and (room / "__init__.py").exists():
            assert f"`app/{room.name}/`" in architecture, room.name


def documents() -> list[Path]:
    return [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_between_documents_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", path.read_text()):
        if "://" not in target:
            assert (path.parent / target).exists(), target


def test_the_front_page_is_short() -> None:
    assert len(README.splitlines()) <= 120


TEXTS_ABOUT_CODE = [DOCS / "architecture.md", *(DOCS / "decisions").glob("[0-9]*.md")]
# Names such as `metrics.service.measure`, and members such as `ScoreCounter.count_total`.
WAYS = re.findall(
    r"`([A-Za-z_]+(?:\.[A-Za-z_]+)+)`", "".join(path.read_text() for path in TEXTS_ABOUT_CODE)
)
# Types of events and files are no names of code.
_NO_CODE = {*EventType, "uv.lock"}


def members_of_classes() -> set[str]:
    """Return `Class.member` of every class and each of its methods."""
    return {
        f"{node.name}.{part.name}"
        for path in (ROOT / "app").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        for part in node.body
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize(
    "dotted", sorted({way for way in WAYS if not way.endswith(".py")} - _NO_CODE)
)
def test_the_texts_about_code_name_what_exists(dotted: str) -> None:
    if dotted[0].isupper():
        assert dotted in members_of_classes()
        return
    parts = dotted.removeprefix("app.").split(".")
    for cut in range(len(parts), 0, -1):
        try:
            target: object = importlib.import_module(".".join(["app", *parts[:cut]]))
        except ModuleNotFoundError:
            continue
        for name in parts[cut:]:
            target = getattr(target, name)
        return
    pytest.fail(dotted)


def tour() -> list[tuple[str, str]]:
    """Return the commands of the tour, each with the output that it shows."""
    steps: list[tuple[str, str]] = []
    for block in re.findall(r"```console\n(.*?)```", TOUR, re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            steps.append((command, output))
    return steps


def test_the_tour_gives_what_it_shows(tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path)
    mailbox.start()
    service = Service(AFTERWORD_SMTP_URL=mailbox.url)
    service.start()
    try:
        mark = "=== end of step ==="
        script = "\n".join(f"{command}\necho '{mark}'" for command, _ in tour())
        ran = subprocess.run(
            ["bash"],
            input=script,
            env=os.environ | {"URL": service.url, "KEY": service.key, "MAILS": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        service.remove()
        mailbox.stop()
    assert len(mailbox.mails) == 1
    outputs = [part.strip() for part in ran.stdout.split(mark)][:-1]
    assert outputs == [output.strip() for _, output in tour()], ran.stderr


@pytest.mark.parametrize(
    "path",
    [*documents(), ROOT / "compose.yaml", ROOT / "Dockerfile"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_the_repository_speaks_of_the_product_alone(path: Path) -> None:
    text = path.read_text().lower()
    assert not re.search(r"\bissue \d|\bprompt\b|this session", text)


def test_the_connections_of_a_process_are_counted_right() -> None:
    database = Database("postgresql://nobody@127.0.0.1/none")
    pools = [database.engine.sync_engine.pool, database._recording_engine.sync_engine.pool]
    requests, recording = (pool.size() + pool._max_overflow for pool in pools)  # type: ignore[attr-defined]
    # One more listens to notices.
    web, worker = requests + recording + _CONNECTIONS + 1, requests + recording + 1
    text = (DOCS / "operating.md").read_text()
    assert f"{web} connections ({requests} for requests, {recording} for what" in text
    assert f"{_CONNECTIONS} for answers, 1 that listens) and a worker up to {worker};" in text


def test_every_file_that_contributors_are_sent_to_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    paths = set(re.findall(r"`((?:app|tests|docs|migrations)/[^`\s]*)`", text))
    assert len(paths) > 20
    for path in paths:
        if "NAME" in path:
            assert (ROOT / path).parent.is_dir(), path
        elif "{en,pl,ro}" in path:
            files = [ROOT / path.replace("{en,pl,ro}", language) for language in LANGUAGES]
            assert all(file.is_file() for file in files), path
        else:
            assert (ROOT / path).exists(), path


@pytest.mark.parametrize("path", TEXTS_ABOUT_CODE, ids=lambda path: path.name)
def test_the_texts_about_code_name_files_that_exist(path: Path) -> None:
    for file in re.findall(r"`([a-z_]+/[^`\s*{]+\.(?:py|js|md))`", path.read_text()):
        assert (ROOT / file).exists() or (ROOT / "app" / file).exists(), file
