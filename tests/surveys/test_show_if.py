# SPDX-License-Identifier: Apache-2.0
"""The rules of `show_if`, held to the vectors that the browser's evaluator is held to too."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.surveys.show_if import is_shown

VECTORS = json.loads((Path(__file__).parents[1] / "data" / "show_if_vectors.json").read_text())


@pytest.mark.parametrize("vector", VECTORS, ids=json.dumps)
def test_show_if(vector: dict[str, Any]) -> None:
    condition = {"question": "q", "op": vector["op"], "value": vector["value"]}
    assert is_shown(condition, {"q": vector["answer"]}) is vector["shown"]


def test_a_question_without_a_condition_is_shown() -> None:
    assert is_shown(None, {})


def test_a_question_that_was_not_asked_meets_no_condition() -> None:
    assert not is_shown({"question": "q", "op": "!=", "value": 1}, {})
