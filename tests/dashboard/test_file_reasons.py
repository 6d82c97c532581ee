# SPDX-License-Identifier: Apache-2.0
"""What the reader of files says has its sentence in every language."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import app
from app.core.texts import LANGUAGES, texts_of
from app.pages.dashboard.file_reasons import reason_in
from app.pages.dashboard.texts import DashboardTexts
from tests.dashboard.conftest import Browser
from tests.dashboard.test_files import csrf_of
from tests.shop import Shop

ROOM = Path(app.__file__).parent / "imports"
# Modules whose texts no visitor sees: documentation, SQL and forms of dates.
SILENT = {"schemas.py", "routes.py", "row_queries.py", "record_queries.py", "__init__.py"}
# What is put together of others.
PARTS = {
    "{} {}", "{}: {}", "`{}` {}", "{}: `{}` {}", "line {}: {} {}", "{} The file has {}.",
    "column {}",
    "has tags {}", "longer than {} characters, or more than {}",
    "The sheet `{}` has no header row; `sheet` names another one: ",
}  # fmt: skip


def sentences_of(path: Path) -> Iterator[str]:
    """Yield the sentences of a module, with {} for each value."""
    tree = ast.parse(path.read_text())
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    hidden = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    hidden |= {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
    }
    # Patterns and statements are arguments of the first two; only operators read the log.
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function = ast.unparse(node.func)
        if function in {"re.compile", "text"} or function.startswith("logger."):
            hidden |= {id(argument) for argument in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values
            )


def test_every_sentence_about_a_file_can_be_said_in_each_language() -> None:
    known = {re.sub(r"\{\d\}", "{}", text) for text in texts_of("file_reasons", "en").values()}
    missing = set()
    for path in sorted(ROOM.glob("*.py")):
        if path.name in SILENT:
            continue
        for sentence in sentences_of(path):
            plain = sentence.partition(": ")[2] if ": `{}` is no" in sentence else sentence
            is_prose = len(plain.split()) > 2 and re.search(r"[a-z] [a-z]", plain)
            is_code = re.search(r"\\d|\(\?|^ ?\[|:memory:|select |\d+ as ", plain)
            if is_prose and not is_code and not {plain, sentence} & (known | PARTS):
                after_column = {tail for tail in [plain.partition(": ")[2]] if tail}
                if not after_column & known:
                    missing.add(f"{path.name}: {sentence}")
    assert not missing, "\n".join(sorted(missing))


def test_a_sentence_keeps_its_values_and_names_the_forms_fields() -> None:
    english = "Score: `neun` is not a score; use a number, 9/10, `10 - label` or ★, or say it with "
    english += "`value`; `missing` names what stands for no answer"
    for language in LANGUAGES:
        sentence = reason_in(DashboardTexts(language), english)
        assert sentence.startswith("Score: `neun` ")
        assert "`value`" not in sentence
    assert reason_in(DashboardTexts("pl"), english).startswith("Score: `neun` nie jest oceną")
    twice = "phone: `12` is not a telephone number (left out, 3 times)"
    assert reason_in(DashboardTexts("ro"), twice) == (
        "phone: `12` nu este un număr de telefon (lăsat afară de 3 ori)"
    )
    assert reason_in(DashboardTexts("pl"), "something new") == "something new"


async def test_a_refused_file_says_why_in_the_visitors_language(
    browser: Browser, shop: Shop
) -> None:
    await shop.publish("nps")
    await shop.post("/v1/members", {"name": "E", "email": "e@c.pl", "role": "admin"})
    await browser.sign_in()
    csrf = await csrf_of(browser)
    await browser.client.post("/account", data={"_csrf": csrf, "locale": "pl"})
    file = {"file": ("a.csv", b"when,score\n2026-03-01,neun\n", "text/csv")}
    data = {"_csrf": csrf, "kind": "answers", "survey": "nps", "source": "f", "_do": "look",
            "map": "when=responded_at"}  # fmt: skip
    reply = await browser.client.post("/files", data=data, files=file)
    assert "nie jest oceną" in reply.text
    assert "is not a score" not in reply.text
