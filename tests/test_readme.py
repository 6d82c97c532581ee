"""What the README says is true: its settings are generated, its tour is run."""

import os
import re
import subprocess
from pathlib import Path

import pytest

import app
from app.core.settings import PREFIX, Settings
from tests.mailbox import Mailbox
from tests.service import Service

ROOT = Path(app.__file__).parents[1]
README = (ROOT / "README.md").read_text()


def settings_table() -> str:
    """Write the settings as the README's table."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default_factory else field.default
        shown = "" if default in {None, "", ()} else f"`{default}`"
        if name == "data_dir":
            shown = "a per-user data folder; `/var/lib/afterword` for root"
        lines.append(f"| `{PREFIX}{name.upper()}` | {shown} | {field.description} |")
    return "\n".join(lines)


def test_the_settings_are_those_of_the_program() -> None:
    assert settings_table() in README


def test_every_room_is_on_the_map() -> None:
    for room in (ROOT / "app").iterdir():
        if room.is_dir() and (room / "__init__.py").exists():
            assert f"`app/{room.name}/`" in README, room.name


def tour() -> list[tuple[str, str]]:
    """Return the commands of the tour, each with the output that the README shows."""
    steps: list[tuple[str, str]] = []
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL):
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
    assert outputs == [shown.strip() for _, shown in tour()], ran.stderr


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "compose.yaml", "Dockerfile"])
def test_the_repository_speaks_of_the_product_alone(name: str) -> None:
    text = (ROOT / name).read_text().lower()
    assert not re.search(r"\bsession\b|\bissue\b|\bprompt\b", text)
