# SPDX-License-Identifier: Apache-2.0
"""The command line, as the operator uses it beside a running service."""

import csv
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from app.core.schema_version import newest_revision
from tests.service import Service

SFO = Path(__file__).parents[1] / "data" / "sfo_customer_survey_2017_2018.csv"


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    running = Service()
    running.start("--demo")
    yield running
    running.remove()


def test_the_demo_shows_figures_at_once(service: Service) -> None:
    text = service.log.read_text()
    key = next(word for word in text.split() if word.startswith("sk_"))
    with service.client() as client:
        client.headers["Authorization"] = f"Bearer {key}"
        reply = client.get("/v1/metrics/nps", params={"period": "12mo", "interval": "month"}).json()
        assert reply["total"]["n"] > 1000
        # On the first of a month the last one has no answers yet.
        assert all(row["n"] for row in reply["rows"][:-1])
        journey = client.get("/v1/journeys/purchase/map").json()
        assert sum(step["weakest"] for step in journey["steps"]) == 1
        languages = client.get("/v1/metrics/nps", params={"group_by": "locale"}).json()["rows"]
        assert {row["group"]["locale"] for row in languages} == {"pl", "ro", "en"}
        changes = client.get("/v1/audit", params={"limit": 100}).json()["data"]
        assert {"demo", "Ewa", "Manager"} == {change["actor"] for change in changes}
        routes = {
            f"{method.upper()} {path}"
            for path, methods in client.get("/openapi.json").json()["paths"].items()
            for method in methods
        }
        assert {change["action"] for change in changes} <= routes


def test_a_second_up_on_the_same_folder_is_refused_with_a_clear_word(service: Service) -> None:
    service.environment["AFTERWORD_PORT"] = "0"
    try:
        refused = service.command("up")
    finally:
        service.environment["AFTERWORD_PORT"] = str(service.port)
    assert refused.returncode == 1
    assert "already runs on" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_taken_port_is_named(service: Service) -> None:
    refused = service.command("up")
    assert refused.returncode == 1
    assert "AFTERWORD_PORT" in refused.stderr


def test_keys_and_checks_attach_to_the_running_service(service: Service) -> None:
    process = service.command("key", "create", "bi", "--scope", "metrics")
    key = process.stdout.strip()
    assert key.startswith("sk_"), process.stderr
    with service.client() as client:
        client.headers["Authorization"] = f"Bearer {key}"
        assert client.get("/v1/metrics/nps").status_code == 200
        assert client.get("/v1/responses").status_code == 403
    assert service.command("rollups", "check", "--workspace", "demo").returncode == 0
    assert service.command("rollups", "rebuild", "--workspace", "demo").returncode == 0
    checked = service.command("migrate", "--check")
    assert (checked.returncode, newest_revision() in checked.stdout) == (0, True)


def test_an_unknown_workspace_is_a_sentence_not_a_traceback(service: Service) -> None:
    wrong = service.command("rollups", "check", "--workspace", "nowhere")
    assert wrong.returncode == 1
    assert "no workspace `nowhere`" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def airport(service: Service, *options: str, file: Path = SFO) -> tuple[int, str]:
    done = service.command(
        "import", str(file), "--survey", "airport",
        "--map", "nps_0_10_11blank=score", "--map", "q7all=overall",
        "--map", "survey_date=responded_at", "--map", "boarding_area=property.area",
        "--missing", "nps_0_10_11blank=11", "--missing", "nps_0_10_11blank=Blank",
        "--missing", "q7all=0", "--missing", "q7all=Blank",
        "--na", "q7all=6", "--undated", "2017-06-01", *options,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_a_csv_of_real_answers_is_read_in_and_undone(service: Service, tmp_path: Path) -> None:
    text = {"en": "?"}
    questions = [
        {"key": "score", "type": "nps", "text": text},
        {"key": "overall", "type": "csat", "text": text, "allow_na": True},
    ]
    with service.client() as client:
        body = {"key": "airport", "name": "Airport", "metric": "nps", "questions": questions}
        client.post("/v1/surveys", json=body).raise_for_status()
        client.post("/v1/surveys/airport/publish").raise_for_status()
        file = tmp_path / "airport.csv"
        file.write_bytes(SFO.read_bytes())
        code, output = airport(service, "--dry-run", file=file)
        assert (code, "score (nps" in output, "accepted," in output) == (0, True, False), output
        code, output = airport(service, file=file)
        assert code == 0, output
        run = client.get("/v1/imports").json()["data"][0]
        assert f"{run['accepted']:,} accepted" in output
        assert (run["status"], run["source"], run["rejected"]) == ("done", "airport", 0)
        params = {"from": "2017-01-01", "to": "2018-01-01", "compare": "previous_year"}
        total = client.get("/v1/metrics/nps", params=params).json()["total"]
        assert (total["n"], round(total["value"], 4)) == (2746, 39.8398)
        assert re.search(r"response_id .*left out", output)
        copy = tmp_path / "airport (2).csv"
        copy.write_bytes(SFO.read_bytes())
        code, output = airport(service, file=copy)
        assert (code, f"0 accepted, 0 updated, {run['accepted']:,} already here" in output) == (
            0,
            True,
        )
        assert client.delete(f"/v1/imports/{run['id']}").status_code == 204
        assert client.get("/v1/metrics/nps", params=params).json()["total"]["n"] == 0
        code, output = airport(service, file=file)
        assert (code, f"{run['accepted']:,} accepted" in output) == (0, True), output
    assert service.command("rollups", "check").returncode == 0


def test_rejected_rows_can_be_corrected_and_read_again(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["score", "why", "customer.email"])
        writer.writerows([["9", "dobrze", "a@b.pl"], ["12", "", ""], ["x", "", ""], ["", "", ""]])
    with service.client() as client:
        client.post("/v1/surveys", json={"template": "nps", "key": "bad"}).raise_for_status()
        client.post("/v1/surveys/bad/publish").raise_for_status()
    options = ["--survey", "bad", "--undated", "now"]
    refused = service.command("import", str(file), *options)
    assert (refused.returncode, "Nothing was taken" in refused.stdout) == (1, True)
    done = service.command("import", str(file), *options, "--allow-rejects")
    assert done.returncode == 1
    assert "1 accepted" in done.stdout
    beside = tmp_path / "answers.rejected.csv"
    rows = list(csv.reader(beside.read_text().splitlines()))
    assert rows[0] == ["score", "why", "customer.email", "afterword_rejected"]
    assert [row[-1].partition(":")[0] for row in rows[1:]] == ["line 3", "line 4"]
    beside.write_text(beside.read_text().replace("12,", "10,").replace("x,", "8,"))
    mended = service.command("import", str(beside), *options)
    assert (mended.returncode, "2 accepted" in mended.stdout) == (0, True), mended.stdout
    ndjson = tmp_path / "answers.ndjson"
    ndjson.write_text('{"answers": {"score": 3}}\n\n{"answers": {"score": 10}}\n')
    text = service.command("import", str(ndjson), *options, "--source", "lines").stdout
    assert "2 accepted" in text


def test_a_wrong_mapping_names_the_nearest(service: Service) -> None:
    code, output = airport(service, "--map", "q7food=overal")
    assert code == 1
    assert "did you mean `overall`" in output


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("AFTERWORD_PORT", "x", "AFTERWORD_PORT"),
        ("AFTERWORD_BOOTSTRAP_KEY", "short", "24 or more"),
        ("AFTERWORD_DATABASE_URL", "postgresql://x", "AFTERWORD_SECRET_KEYS"),
        ("AFTERWORD_DEFAULT_TIMEZONE", "Mars", "IANA"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str, hint: str) -> None:
    service = Service()
    service.environment[name] = value
    wrong = service.command("up")
    service.remove()
    assert wrong.returncode == 2
    assert hint in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_a_test_mail_says_what_became_of_it(service: Service) -> None:
    stored = service.command("mail-test", "ąęłșț@example.pl")
    assert stored.returncode == 0, stored.stderr
    assert "stored" in stored.stdout
    mails = list((service.folder / "data" / "mail").glob("*.test.eml"))
    assert len(mails) == 1


def test_jobs_are_counted_and_the_dead_run_again(service: Service) -> None:
    listed = service.command("jobs")
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.startswith("due ")
    assert "0 jobs run again" in service.command("jobs", "retry").stdout
    with service.client() as client:
        text = client.get("/metrics").text
        assert 'afterword_jobs_now{state="dead"} 0.0' in text
        assert "afterword_jobs_oldest_due_seconds" in text
        assert client.get("/readyz").json()["checks"]["mail"].startswith("stored")


def _modules_loaded_by(module: str) -> set[str]:
    script = f"import sys, {module}; print(*sys.modules)"
    return set(
        subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        ).stdout.split()
    )


def test_the_supervisor_loads_the_standard_library_alone() -> None:
    loaded = {name.partition(".")[0] for name in _modules_loaded_by("app.cli.supervisor")}
    # Names that installed tools add to every process are not the supervisor's.
    ours = loaded - {name.partition(".")[0] for name in _modules_loaded_by("sys")} - {"app"}
    assert ours <= sys.stdlib_module_names
    assert not {"asyncio", "ssl", "http"} & ours


def test_a_package_app_in_the_working_directory_is_not_taken_for_ours(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").write_text("raise SystemExit('the wrong package')")
    service = Service(working_directory=tmp_path)
    try:
        service.start()
        # The worker starts after the web processes answer.
        deadline = time.monotonic() + 30
        while not service.find("app.worker") and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(service.find("app.worker")) == 1
    finally:
        service.remove()


def test_a_stop_during_the_first_start_leaves_no_process(tmp_path: Path) -> None:
    service = Service()
    try:
        began = service.begin()
        deadline = time.monotonic() + 30
        while not service.find("postgres -D") and time.monotonic() < deadline:
            time.sleep(0.02)
        left = service.processes()
        assert len(left) > 1
        began.send_signal(signal.SIGTERM)
        assert began.wait(30) == 0
        _, alive = psutil.wait_procs(left, timeout=10)
        assert alive == []
        service.start()
    finally:
        service.remove()


@pytest.mark.parametrize("module", ["app.worker", "app.cli.import_commands"])
def test_what_serves_no_request_loads_no_web_framework(module: str) -> None:
    assert "fastapi" not in _modules_loaded_by(module)
