# SPDX-License-Identifier: Apache-2.0
"""The page of the audit says in words what was changed."""

from typing import Any

import pytest
from fastapi import FastAPI

from app.core.audit import is_audited_path
from app.core.texts import texts_of
from tests.dashboard.conftest import Browser
from tests.dashboard.test_form_pages import press
from tests.shop import Shop


async def test_the_audit_speaks_in_words(browser: Browser, shop: Shop) -> None:
    await browser.sign_in()
    fields: dict[str, Any] = {"name": "Till", "scopes": ["read"], "test": "0"}
    await press(browser, "key-create", "/connections", **fields)
    assert "API key: made" in await browser.page("/audit")


@pytest.mark.parametrize("language", ["en", "pl", "ro"])
def test_every_change_has_its_words_in_the_audit(app: FastAPI, language: str) -> None:
    words = texts_of("dashboard", language)
    # What is collected in batches is traffic, and is not written down.
    audited = [
        path for path in app.openapi()["paths"]
        if is_audited_path(path) and not path.endswith("/batch")
    ]  # fmt: skip
    assert len(audited) > 50
    for path in audited:
        subject, *verbs = [part for part in path.split("/")[2:] if not part.startswith("{")]
        for method in {"post", "put", "patch", "delete"} & set(app.openapi()["paths"][path]):
            assert f"audit_subject.{subject}" in words, path
            verb = verbs[-1] if verbs else method.upper()
            assert f"audit_verb.{verb}" in words, (path, verb)
