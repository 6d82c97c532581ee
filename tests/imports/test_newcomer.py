# SPDX-License-Identifier: Apache-2.0
"""A newcomer moves in by the guides alone: their commands, run as they stand, give the figure."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

import app
from tests.imports.files import net
from tests.imports.test_exports_of_others import DATA, SCORES
from tests.service import Service

ROOT = Path(app.__file__).parents[1]
GUIDES = ROOT / "docs" / "guides"
# The column of the score in each tool's export, if it needs a `--map`.
COLUMNS = {
    "google-forms": "How likely are you to recommend us?",
    "microsoft-forms": "How likely are you to recommend us?",
    "surveymonkey": "How likely are you to recommend us?",
    "typeform": "How likely are you to recommend us?",
    "qualtrics": "Q1",
    "limesurvey": "score. How likely are you to recommend us?",
    "retently": None,
}


@pytest.fixture(scope="module")
def newcomer() -> Iterator[Service]:
    service = Service()
    service.start()
    yield service
    service.remove()


def commands_of(guide: str) -> list[str]:
    """Return the lines of all shell blocks of a guide."""
    blocks = re.findall(r"```sh\n(.*?)```", (GUIDES / f"{guide}.md").read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def run(service: Service, folder: Path, command: str) -> str:
    """Run a command of a guide where the service runs; return what it printed."""
    program = f"{sys.executable} -m app.cli.commands"
    command = command.replace("uv run afterword", program)
    command = command.replace("https://afterword.example", service.url)
    ran = subprocess.run(
        ["bash", "-c", command],
        cwd=folder, env=service.environment | {"KEY": service.key, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, (command, ran.stdout, ran.stderr)
    return ran.stdout


@pytest.mark.parametrize("preset", COLUMNS)
def test_an_export_comes_in_by_its_guide(newcomer: Service, tmp_path: Path, preset: str) -> None:
    create, publish = commands_of("moving-in")[:2]
    survey = f"nps-{preset}"
    for command in (create, publish):
        run(newcomer, tmp_path, command.replace('"nps", "template"', f'"{survey}", "template"')
            .replace("surveys/nps/", f"surveys/{survey}/"))  # fmt: skip
    look, take, over_http = commands_of(f"moving-in-{preset}")[:3]
    file = re.search(r"import (\S+) ", look)
    assert file
    shutil.copy(DATA / "imports" / "presets" / f"{preset}.csv", tmp_path / file[1])
    column = COLUMNS[preset]
    mapped = f' --map "{column}=score"' if column else ""
    for command in (look, take):
        output = run(
            newcomer, tmp_path, command.replace("--survey nps", f"--survey {survey}") + mapped
        )
        assert f"{net(SCORES):g}" in output
    with newcomer.client() as client:
        figure = client.get("/v1/metrics/nps", params={"survey": survey, "period": "all"}).json()
    assert (figure["total"]["value"], figure["total"]["n"]) == (net(SCORES), 10)
    # The same file over HTTP is known.
    request = over_http.replace("survey=nps", f"survey={survey}")
    if column:
        request = request.replace("&dry_run", f"&map={quote(column)}=score&dry_run")
    seen = json.loads(run(newcomer, tmp_path, request))
    assert (seen["rows"]["already_here"], seen["rows"]["new"]) == (10, 0)


def test_zendesks_ratings_come_in_by_their_guide(newcomer: Service, tmp_path: Path) -> None:
    ok = {"key": "ok", "type": "csat", "points": 2, "text": {"en": "Was it solved well?"}}
    body = {"key": "csat", "name": "CSAT", "metric": "csat", "questions": [ok]}
    with newcomer.client() as client:
        client.post("/v1/surveys", json=body).raise_for_status()
        client.post("/v1/surveys/csat/publish").raise_for_status()
    shutil.copy(DATA / "imports" / "presets" / "zendesk-ratings.csv", tmp_path / "export.csv")
    look, take, over_http = commands_of("moving-in-zendesk-ratings")[:3]
    good = 100 * sum(score >= 7 for score in SCORES) / len(SCORES)
    for command in (look, take):
        assert f"{good:g}" in run(newcomer, tmp_path, command)
    with newcomer.client() as client:
        figure = client.get("/v1/metrics/csat", params={"period": "all"}).json()
    assert (figure["total"]["value"], figure["total"]["n"]) == (good, len(SCORES))
    seen = json.loads(run(newcomer, tmp_path, over_http))
    assert (seen["rows"]["already_here"], seen["rows"]["new"]) == (len(SCORES), 0)
