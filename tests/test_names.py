# SPDX-License-Identifier: Apache-2.0
"""Names: a variable's says what it holds, a function's what it does.

Neither is a lone participle or pronoun, and a loop variable of one letter belongs to a formula.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import app

ROOT = Path(app.__file__).parents[1]
SAYS_NOTHING = {
    "asked", "drawn", "found", "gone", "got", "given", "had", "heard", "held", "kept", "made",
    "meant", "named", "one", "place", "places", "put", "rest", "said", "shown", "some", "taken",
    "thing", "told", "wanted", "what", "which", "whole",
}  # fmt: skip
# Columns and fields that stored data and other programs know by these names.
FROZEN = {
    ("app/exports/timeline.py", "what"),
    ("app/responses/models.py", "told"),
    ("app/responses/schemas.py", "found"),
}
# What a function may not be called; nor may it be called by a participle in -ed.
NO_VERBS = (SAYS_NOTHING - {"place", "put", "rest"}) | {
    "about", "ago", "all", "among", "backwards", "before", "between", "broken", "chosen", "common",
    "earlier", "idle", "known", "latest", "nothing", "once", "only", "other", "out", "own",
    "plain", "same", "seen", "sent", "standing", "took", "until", "with", "written", "wrong",
}  # fmt: skip
VERBS_IN_ED = {"embed", "feed", "need"}
# A letter stands for a quantity of a formula here.
FORMULAS = (
    "app/insights", "app/metrics", "app/alerts/control_chart.py", "app/pages/dashboard/charts.py",
    "app/workspaces/colours.py", "tests/alerts/test_control_chart.py", "tests/bench",
    "tests/insights", "tests/metrics",
)  # fmt: skip


@cache
def modules() -> list[tuple[str, ast.Module]]:
    folders = ("app", "migrations", "tests")
    paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return [(str(path.relative_to(ROOT)), ast.parse(path.read_text())) for path in paths]


def bound_names(module: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield every name that a module, a class or a function binds, with its line."""
    for node in ast.walk(module):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno


def loop_variables(module: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(module):
        if isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
            for name in ast.walk(node.target):
                if isinstance(name, ast.Name):
                    yield name.id, name.lineno


def test_a_name_says_what_it_holds() -> None:
    unclear = [
        f"{path}:{line}: {name}"
        for path, module in modules()
        for name, line in bound_names(module)
        if name in SAYS_NOTHING and (path, name) not in FROZEN
    ]
    assert not unclear, "\n".join(unclear)


def test_only_formulas_loop_over_letters() -> None:
    letters = [
        f"{path}:{line}: {name}"
        for path, module in modules()
        if not path.startswith(FORMULAS)
        for name, line in loop_variables(module)
        if len(name) == 1 and name != "_"
    ]
    assert not letters, "\n".join(letters)


def test_a_function_says_what_it_does() -> None:
    unclear = [
        f"{path}:{node.lineno}: {node.name}"
        for path, module in modules()
        for node in ast.walk(module)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and not re.search("property|fixture", " ".join(map(ast.unparse, node.decorator_list)))
        if (name := node.name.strip("_")) in NO_VERBS
        or (name.isalpha() and name.endswith("ed") and name not in VERBS_IN_ED)
    ]
    assert not unclear, "\n".join(unclear)
