# SPDX-License-Identifier: Apache-2.0
"""Each concept has one home: words, tables, classes, question types and metrics."""

import ast
import importlib
import re
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path
from typing import get_args

import pytest
from fastapi import APIRouter, FastAPI
from sqlmodel import SQLModel

import app
import app.tables
from app.core.database import Database
from app.core.event_types import EventType
from app.core.settings import Settings
from app.core.texts import texts_of
from app.insights.kinds import KINDS, InsightName
from app.insights.service import finders
from app.integrations.registry import ADAPTERS
from app.main import Afterword
from app.metrics.registry import CARD_METRICS, METRICS
from app.pages.dashboard.forms import FORMS
from app.pages.dashboard.insight_pages import TABS
from app.pages.dashboard.sentences import SENTENCES
from app.routers import ROUTERS
from app.surveys.bands import Band
from app.surveys.question_types import QuestionType, ScoreAnswers, spec_of, traits_of
from app.surveys.schemas import BandName
from app.worker import FORMER_KINDS, PERIODIC, job_handlers
from app.workspaces.models import Workspace
from app.workspaces.schemas import Brand, MailSettings, WorkspaceOut, WorkspacePatch
from tests.import_contracts import modules_with_routes

ROOT = Path(app.__file__).parents[1]
SOURCES = sorted((ROOT / "app").rglob("*.py"))
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text().lower()


@cache
def classes() -> list[tuple[str, Path]]:
    return [
        (node.name, path)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    ]


def test_bands_have_one_list() -> None:
    """The names of bands may be written out only in files that list them one by one."""
    pattern = re.compile(rf"""["']({"|".join(Band)})["']""")
    apart = {"surveys/bands.py", "surveys/schemas.py", "webhooks/samples.py", "metrics/figures.py",
             "metrics/registry.py", "exports/odata_sets.py",
             "insights/word_of_mouth.py"}  # fmt: skip
    paths = {
        str(path.relative_to(ROOT / "app")) for path in SOURCES if pattern.search(path.read_text())
    }
    assert paths <= apart
    assert {*get_args(BandName)} == {*map(str, Band), "default"}


def type_names() -> list[str]:
    """Return the names of all classes and of all other types that modules define."""
    assigned = [
        target.id
        for path in SOURCES
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    aliases = [
        name for name in assigned if name[0].isupper() and len(name) > 1 and not name.isupper()
    ]
    return [*(name for name, _ in classes()), *aliases]


def test_no_name_of_a_type_stands_twice() -> None:
    counts = Counter(type_names())
    assert [name for name, count in counts.items() if count > 1] == []


def modules_that_serve() -> set[Path]:
    """Return the modules with routes, and those of handlers that bypass the framework."""
    handlers = {edge.app.__module__ for edge in Afterword.hot.values()}
    return {ROOT / (name.replace(".", "/") + ".py") for name in modules_with_routes() | handlers}


def test_every_router_is_listed() -> None:
    listed = {
        name
        for name in modules_with_routes()
        for router in vars(importlib.import_module(name)).values()
        if isinstance(router, APIRouter) and router in ROUTERS
    }
    assert listed == modules_with_routes()


def test_no_sql_stands_in_a_route() -> None:
    """A handler that bypasses the framework has none either."""
    for path in modules_that_serve():
        calls = re.findall(r"\brun_sql\b|\bselect\(|\btext\(|\bsession\.exec\b", path.read_text())
        assert not calls, (path, calls)


def test_every_room_and_route_uses_the_words(app: FastAPI) -> None:
    rooms = {path.name for path in (ROOT / "app").iterdir() if (path / "__init__.py").exists()}
    plain = {"v1", "in", "w", "bi", "odata", "v4", "me", "map", "links", "batch", "summary"}
    paths = {part for path in app.openapi()["paths"] for part in path.split("/")[2:3]}
    for word in {*rooms, *paths} - plain:
        if not re.fullmatch(r"[a-z-]+", word):
            continue
        singular = word.replace("-", " ").removesuffix("s")
        assert re.search(rf"\b{singular.removesuffix('ie')}", GLOSSARY), word


def test_every_question_type_names_a_metric_that_exists() -> None:
    for type_ in QuestionType:
        metric = spec_of(type_).metric
        assert metric is None or metric in METRICS, type_


def test_scores_are_counted_from_0_to_10() -> None:
    """A rollup has a counter for each; a wider answer is a step of its own class."""
    for type_ in QuestionType:
        answers = spec_of(type_).answers
        if isinstance(answers, ScoreAnswers):
            assert answers.low >= 0, type_
            assert max([*traits_of(type_).choosable_points, answers.default]) <= 10, type_


def test_every_metric_says_where_its_rows_stand() -> None:
    for name, metric in METRICS.items():
        counted = metric.counter.counted
        table = SQLModel.metadata.tables[counted.table]
        assert {counted.at, "updated_at"} <= set(table.columns.keys()), name


def test_every_sender_is_named_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text().casefold().replace(" ", "")
    unnamed = [name for name in ADAPTERS if name != "generic" and name.replace("_", "") not in text]
    assert not unnamed, f"README.md does not name {unnamed}"


def test_every_metric_is_documented() -> None:
    documented = (ROOT / "docs" / "metrics.md").read_text()
    for name in METRICS:
        assert f"| `{name}`" in documented, name


def test_every_metric_is_computed_in_a_test() -> None:
    rooms = (ROOT / "tests" / room for room in ("metrics", "responses"))
    computed = "".join(path.read_text() for room in rooms for path in room.glob("*.py"))
    for name in METRICS:
        assert re.search(rf'FORMULAS\["{name}"\]|metric\("{name}"|metrics/{name}\b', computed), name


def test_every_insight_is_computed_and_shown() -> None:
    assert KINDS.keys() == set(InsightName) == finders().keys() == set(SENTENCES)
    assert set(TABS) - {"emotions", "expectation"} == set(InsightName)


def test_every_job_has_its_handler(settings: Settings, database: Database) -> None:
    kinds = {
        node.value.value
        for path in SOURCES
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and target.id.endswith("_JOB")
    } | {
        value.value
        for path in SOURCES
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple)
        for target in node.targets
        if isinstance(target, ast.Tuple)
        for name, value in zip(target.elts, node.value.elts, strict=True)
        if isinstance(name, ast.Name) and name.id.endswith("_JOB")
        if isinstance(value, ast.Constant)
    }
    assert kinds == set(job_handlers(database, settings)) - set(FORMER_KINDS)


def test_what_is_enqueued_is_named_a_job() -> None:
    """The test above finds a job by the name of its constant."""
    calls = [
        (path.name, node.args[1])
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"enqueue", "enqueue_many"}
        and len(node.args) > 1
    ]
    assert calls
    for file, kind in calls:
        name = ast.unparse(kind).rpartition(".")[2]
        assert name.endswith("_JOB") or name in {"kind", "job.kind"}, (file, name)


# Columns of a workspace that are no settings, or belong to its configuration.
OWN_COLUMNS = {
    "id", "key", "identity_secret", "old_identity_secret", "old_identity_until",
    "derivation_key", "derived_since", "config", "configs", "recount", "created_at",
}  # fmt: skip


def test_every_setting_of_a_workspace_is_shown_and_can_be_clicked() -> None:
    settable = set(WorkspacePatch.model_fields)
    assert settable <= set(WorkspaceOut.model_fields)
    columns = set(Workspace.model_fields) - OWN_COLUMNS
    assert columns <= settable, f"WorkspacePatch has no {columns - settable}"
    without = settable - columns - {"timezone", "segments", "business_hours"}
    assert not without, f"Workspace has no column {without}"
    forms = {key: form for key, form in FORMS.items() if form.path == "/v1/workspace"}
    fields = {(key, name) for key, form in forms.items() for name in form.body or ()}
    clicked = {name for _, name in fields}
    # The forms put these together of several fields.
    by_shape = {"business_hours", "throttle"}
    without = settable - {name.partition(".")[0] for name in clicked} - by_shape
    assert not without, f"no form has {without}"
    for model, prefix in ((MailSettings, "mail"), (Brand, "brand")):
        members = {f"{prefix}.{name}" for name in model.model_fields}
        assert members <= clicked, f"no form has {members - clicked}"
    template = (ROOT / "app/pages/templates/dashboard/settings.html").read_text()
    for key, name in fields:
        # The days of a week are a loop; a survey's editor asks for the colour, too.
        snippet = f'"{key}", "hours." ~' if name.startswith("hours.") else f'"{key}", "{name}"'
        if forms[key].page == "/settings":
            assert snippet in template, f"settings.html shows no {name} in {key}"


def test_every_setting_of_a_workspace_is_used() -> None:
    # Where a setting is declared, stored and typed.
    declared = {
        "app/workspaces/models.py", "app/workspaces/schemas.py", "app/workspaces/service.py",
        "app/pages/dashboard/forms.py", "app/pages/templates/dashboard/settings.html",
    }  # fmt: skip
    templates = (ROOT / "app/pages/templates").rglob("*.html")
    source = "".join(
        path.read_text()
        for path in (*SOURCES, *templates)
        if str(path.relative_to(ROOT)) not in declared
    )
    members = (*MailSettings.model_fields, *Brand.model_fields)
    for name in {*WorkspacePatch.model_fields, *members} - {"logo_url"}:
        assert re.search(rf"\b{name}\b", source), f"nothing uses the setting {name}"


def test_only_the_entry_of_a_type_knows_the_class_of_its_answers() -> None:
    asks = re.compile(r"^(?!\s*assert ).*isinstance\(.*(Score|Word|Option|Text)Answers")
    for path in SOURCES:
        lines = path.read_text().splitlines()
        assert not any(map(asks.match, lines)), f"{path}: ask `traits_of`, or use `match`"


def test_every_net_figure_is_named_where_bi_tools_read_it() -> None:
    net = {metric.name for metric in METRICS.values() if metric.unit.is_net}
    (names,) = re.findall(r"net figures \(([^)]*)\)", (ROOT / "docs/metrics.md").read_text())
    assert set(names.lower().split(", ")) == net


def test_all_periodic_work_is_done() -> None:
    """Each function that forgets what is old, or queues what is due, has its place."""
    done = {work.__module__ + "." + work.__name__ for _, work in PERIODIC.values()}
    names = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts) + "." + name
        for path in SOURCES
        for name in re.findall(
            r"^async def (\w+)\(session: AsyncSession, now: dt\.datetime\) -> None:",
            path.read_text(), re.MULTILINE,
        )
    }  # fmt: skip
    assert names - {name for name in names if name.rpartition(".")[2].startswith("_")} == done


def test_a_mail_leaves_in_one_place() -> None:
    """That place holds a mail while sending is paused, and tries it again."""
    senders = {
        str(path.relative_to(ROOT / "app"))
        for path in SOURCES
        if re.search(r"mailer(\([^)]*\))?\.send\(", path.read_text(), re.IGNORECASE)
    }
    assert senders == {
        "invitations/invitation_mails.py",
        # A webhook's mail is tried again by its delivery, which waits while sending is paused.
        "webhooks/attempts.py",
        # Test mails, whose sender looks at the outcome; both refuse while sending is paused.
        "invitations/previews.py", "cli/upkeep_commands.py",
    }  # fmt: skip


def test_an_answer_is_taken_in_one_place() -> None:
    """That place declares its touchpoint, raises a refusal, and supersedes claims."""
    takers = {
        str(path.relative_to(ROOT / "app"))
        for path in SOURCES
        if re.search(r"group\.(submit|write)\(|supersede_claims\(", path.read_text())
    }
    assert takers == {"responses/ingest.py", "responses/claims.py"}


def test_every_setting_is_described_and_used() -> None:
    source = "".join(path.read_text() for path in SOURCES)
    for name, field in Settings.model_fields.items():
        assert field.description, name
        used = re.compile(rf"(settings|settings\([\w.]*\)|self|own)\.{name}\b")
        assert bool(used.search(source)), f"no module reads settings.{name}"


def test_only_settings_read_the_environment() -> None:
    readers = {
        str(path.relative_to(ROOT / "app"))
        for path in SOURCES
        if re.search(r"os\.(environ|getenv)", path.read_text())
    }
    # The other modules pass the environment on to child processes.
    assert readers == {
        "core/settings.py", "core/data_folder.py", "core/dumps.py", "core/telemetry.py",
        "cli/service_commands.py", "cli/supervisor.py", "main.py",
    }  # fmt: skip


def test_every_phrase_of_a_mail_is_written_and_every_mail_is_enqueued() -> None:
    source = "".join(path.read_text() for path in SOURCES)
    of_metrics = {f"digest_{metric}" for metric in CARD_METRICS}
    phrases = texts_of("mail", "en").keys()
    assert of_metrics <= phrases, of_metrics - phrases
    for phrase in phrases - of_metrics:
        assert re.search(rf"\b{phrase}\b", source), f"no mail says {phrase}"
    for name in set(re.findall(r"def (_?enqueue\w*)", source)):
        assert len(re.findall(rf"\b{name}\b", source)) > 1, f"nothing calls {name}"


def test_every_phrase_of_a_mail_that_code_names_is_there() -> None:
    there = texts_of("mail", "en").keys()
    for path in SOURCES:
        source = path.read_text()
        if 'texts_of("mail"' in source:
            phrases = re.findall(r"""(?:words|phrases)\[["']([a-z_]+)["']\]""", source)
            assert set(phrases) <= there, path


@pytest.mark.parametrize("language", ["en", "pl", "ro"])
def test_every_event_has_its_name_on_the_dashboard(language: str) -> None:
    names = texts_of("dashboard", language)
    assert [name for name in EventType if f"event.{name}" not in names] == []


def test_every_file_names_its_licence() -> None:
    for folder in ("app", "migrations", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            first = path.read_text().partition("\n")[0]
            assert first == "# SPDX-License-Identifier: Apache-2.0", path


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    reasons = (ROOT / "docs/decisions/0037-each-dependency-has-a-reason.md").read_text()
    for dependency in project["dependencies"]:
        name = re.split(r"[\[<>=;~]", dependency)[0]
        assert name in reasons, name


def test_every_mail_is_tried_for_days() -> None:
    worker = ast.parse((ROOT / "app" / "worker.py").read_text())
    (handlers_,) = (
        node.value
        for node in ast.walk(worker)
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Dict)
        and "mail_context" in ast.dump(node.value)
    )  # fmt: skip
    mails = {
        ast.unparse(kind).rpartition(".")[2]
        for kind, handler in zip(handlers_.keys, handlers_.values, strict=True)
        if kind is not None and "mail_context" in ast.dump(handler)
    }
    assert {"SEND_JOB", "LINK_JOB"} <= mails
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("jobs.enqueue"):
                kinds = {ast.unparse(argument).rpartition(".")[2] for argument in node.args}
                names = {keyword.arg for keyword in node.keywords}
                call = f"{path.relative_to(ROOT)}:{node.lineno}"
                assert not kinds & mails or "max_attempts" in names, f"{call} has no max_attempts"
