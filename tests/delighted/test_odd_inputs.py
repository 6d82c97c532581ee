# SPDX-License-Identifier: Apache-2.0
"""What clients of Delighted send beside the usual: nobody is left unasked because of it."""

import base64
from typing import Any

import pytest

from tests.shop import Shop


@pytest.fixture
async def delighted(shop: Shop) -> Shop:
    await shop.publish("nps")
    return shop


async def call(shop: Shop, method: str, path: str, **more: Any) -> Any:
    """Call the facade as its clients do: Basic auth with the key alone."""
    coded = base64.b64encode(f"{shop.key}:".encode()).decode()
    headers = {"Authorization": f"Basic {coded}"} | more.pop("headers", {})
    return await shop.client.request(method, f"/delighted/v1/{path}", headers=headers, **more)


@pytest.mark.parametrize(
    "field",
    [
        {"properties": {"long": "x" * 300}},
        {"properties": {f"p{number}": "x" for number in range(40)}},
        {"properties": {"n" * 80: "x", "kept": "y"}},
        {"properties": {"locale": "Portuguese (Brazil)"}},
        {"properties": {"locale": "FR"}},
        {"name": "x" * 300},
        {"send": None},
    ],
)
async def test_a_side_field_that_does_not_fit_leaves_nobody_unasked(
    delighted: Shop, field: dict[str, Any]
) -> None:
    reply = await call(delighted, "POST", "people.json", json={"email": "a@c.pl"} | field)
    assert reply.status_code in {200, 201}, reply.text
    assert reply.json()["survey_scheduled_at"] is not None


async def test_a_locale_is_understood_as_it_is_written(delighted: Shop) -> None:
    for locale, stored_locale in (("FR", "fr"), ("pt_BR", "pt-BR"), ("Polish", None)):
        body = {"email": "l@c.pl", "send": False, "properties": {"locale": locale}}
        reply = await call(delighted, "POST", "people", json=body)
        assert reply.json()["properties"].get("locale") == stored_locale


async def test_forms_as_php_and_others_write_them(delighted: Shop) -> None:
    form = "email=f%40c.pl&send=false&properties[size]=XL&properties[1]=one&properties[t][]=a"
    reply = await call(delighted, "POST", "people", content=form + "&properties[t][]=b")
    assert reply.json()["properties"] == {"size": "XL", "1": "one", "t": '["a", "b"]'}
    answer = {"person": reply.json()["id"], "score": 9}
    await call(delighted, "POST", "survey_responses", json=answer)
    for query in ("expand[]=person", "expand[0]=person", "expand=person"):
        (row,) = (await call(delighted, "GET", f"survey_responses?{query}")).json()
        assert row["person"]["email"] == "f@c.pl", query
    assert len((await call(delighted, "GET", "survey_responses?per_page=500")).json()) == 1
    removal = await call(delighted, "DELETE", "people/email:%20f@c.pl%20")
    assert removal.status_code == 202, removal.text


async def test_the_same_put_again_changes_nothing(delighted: Shop) -> None:
    pat = (await call(delighted, "POST", "people", json={"email": "p@c.pl", "send": False})).json()
    body = {"person": pat["id"], "score": 9, "comment": "x" * 5000,
            "person_properties": {"a": "1", "b": "2"}}  # fmt: skip
    first = (await call(delighted, "POST", "survey_responses", json=body)).json()
    assert len(first["comment"]) == 4000
    part = {"score": 9, "person_properties": {"a": "1"}}
    again = [
        (await call(delighted, "PUT", f"survey_responses/{first['id']}", json=part)).json()
        for _ in range(2)
    ]
    stored = await delighted.get(f"/v1/responses/{first['id']}")
    assert [row["updated_at"] for row in again] == [first["updated_at"]] * 2
    assert (stored["seq"], stored["properties"]) == (1, {"a": "1", "b": "2"})
