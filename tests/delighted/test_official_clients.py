# SPDX-License-Identifier: Apache-2.0
"""Delighted's own clients against a real service: every call that they have."""

import asyncio
import json
import shutil
import subprocess
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from app.core.postgres_server import url_of
from tests.service import Service

with warnings.catch_warnings():
    # The package says that the service it was made for has ended.
    warnings.simplefilter("ignore")
    import delighted
    from delighted.errors import AuthenticationError, ResourceValidationError

OTHER: list[str] = []
NODE = Path(__file__).with_name("node")


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    service = Service()
    service.start()
    yield service
    service.remove()


@pytest.fixture(scope="module")
def key(service: Service) -> str:
    with service.client() as client:
        # While there is no other admin key, the first one may make workspaces.
        reply = client.post("/v1/workspaces", json={"name": "Other", "key": "other"})
        OTHER.append(reply.json()["api_key"]["secret"])
        client.patch("/v1/workspace", json={"segments": ["plan"]}).raise_for_status()
        client.post("/v1/surveys", json={"template": "nps", "key": "d"}).raise_for_status()
        client.post("/v1/surveys/d/publish").raise_for_status()
        reply = client.post("/v1/api-keys", json={"name": "d", "scopes": ["admin"], "survey": "d"})
        assert reply.status_code == 201, reply.text
        secret: str = reply.json()["secret"]
        return secret


@pytest.fixture
def client(service: Service, key: str) -> Any:
    return delighted.Client(api_key=key, api_base_url=f"{service.url}/delighted/v1/")


def test_a_person_is_made_asked_listed_and_erased(client: Any) -> None:
    customer = delighted.Person.create(
        client=client, email="ala+1@shop.example", name="Ala", delay=3600,
        properties={"plan": "pro", "locale": "pl", "Purchase Experience": "Store"},
    )  # fmt: skip
    assert customer.survey_scheduled_at == pytest.approx(time.time() + 3600, abs=60)
    assert customer.properties["plan"] == "pro"
    silent = delighted.Person.create(client=client, email="silent@shop.example", send=False)
    assert silent.survey_scheduled_at is None
    phone = delighted.Person.create(client=client, phone_number="+14155550123", name="Bo")
    assert (phone.survey_scheduled_at, phone.email) == (None, None)
    again = delighted.Person.create(client=client, email="ALA+1@shop.example", send=False)
    assert again.id == customer.id
    result = list(
        delighted.Person.list(client=client, email="ala+1@shop.example").auto_paging_iter()
    )
    assert [person.id for person in result] == [customer.id]
    assert result[0].next_survey_scheduled_at == customer.survey_scheduled_at
    reply = delighted.SurveyRequest.delete_pending(client=client, person_email="ala+1@shop.example")
    assert reply == {"ok": True}
    (result,) = delighted.Person.list(client=client, email="ala+1@shop.example").auto_paging_iter()
    assert result.next_survey_scheduled_at is None
    for identifier in ({"email": "ala+1@shop.example"}, {"phone_number": "+14155550123"},
                       {"id": silent.id}):  # fmt: skip
        assert delighted.Person.delete(client=client, **identifier) == {"ok": True}
    assert list(delighted.Person.list(client=client).auto_paging_iter()) == []


def test_people_are_paged_by_link_while_others_are_added(client: Any) -> None:
    for number in range(250):
        delighted.Person.create(client=client, email=f"p{number}@shop.example", send=False)
    seen = []
    for person in delighted.Person.list(client=client, per_page=100).auto_paging_iter():
        seen.append(person.email)
        if len(seen) in {50, 150}:
            delighted.Person.create(client=client, email=f"late{len(seen)}@x.example", send=False)
    assert len(seen) == len(set(seen)) == 252
    for email in seen:
        delighted.Person.delete(client=client, email=email)


def test_responses_are_made_read_changed_and_counted(client: Any) -> None:
    person = delighted.Person.create(
        client=client, email="eva@shop.example", name="Eva", send=False
    )
    at = int(time.time()) - 3600
    answer = delighted.SurveyResponse.create(
        client=client, person=person.id, score=9, comment="Dobrze", created_at=at,
        person_properties={"plan": "pro"},
    )  # fmt: skip
    assert (answer.score, answer.comment, answer.created_at) == (9, "Dobrze", at)
    assert (answer.person, answer.survey_type) == (person.id, "nps")
    read = delighted.SurveyResponse.retrieve(answer.id, client=client, expand=["person"])
    assert (read.person.email, read.person_properties) == ("eva@shop.example", {"plan": "pro"})
    read.score = 2
    read.tags = ["called"]
    saved = read.save(client=client)
    assert (saved.score, saved.tags) == (2, ["called"])
    other = delighted.SurveyResponse.create(client=client, person=person.id, score=10)
    every = delighted.SurveyResponse.all(client=client, per_page=1)
    assert [response.id for response in every] == [answer.id]
    every = delighted.SurveyResponse.all(client=client, order="desc:updated_at", per_page=100)
    assert [response.id for response in every] == [other.id, answer.id]
    mine = delighted.SurveyResponse.all(client=client, person_email="eva@shop.example", trend="pro")
    assert [response.id for response in mine] == [answer.id]
    assert delighted.SurveyResponse.all(client=client, person_email="nobody@x.example") == []
    metrics = delighted.Metrics.retrieve(client=client)
    assert dict(metrics) == {
        "nps": 0, "response_count": 2, "promoter_count": 1, "promoter_percent": 50,
        "passive_count": 0, "passive_percent": 0, "detractor_count": 1, "detractor_percent": 50,
    }  # fmt: skip
    old = delighted.Metrics.retrieve(client=client, since=at - 7200, until=at - 3600)
    assert (old.response_count, old.nps) == (0, 0)


def test_a_closed_survey_can_still_be_pulled(service: Service, key: str) -> None:
    with httpx.Client(base_url=service.url, auth=(key, "")) as api:
        api.post("/v1/surveys", json={"template": "nps", "key": "over"}).raise_for_status()
        api.post("/v1/surveys/over/publish").raise_for_status()
        body = {"name": "over", "scopes": ["write"], "survey": "over"}
        secret = api.post("/v1/api-keys", json=body).json()["secret"]
        client = delighted.Client(api_key=secret, api_base_url=f"{service.url}/delighted/v1/")
        person = delighted.Person.create(client=client, email="last@shop.example", send=False)
        delighted.SurveyResponse.create(client=client, person=person.id, score=9)
        api.post("/v1/surveys/over/close").raise_for_status()
    assert len(delighted.SurveyResponse.all(client=client)) == 1
    assert delighted.Metrics.retrieve(client=client).response_count == 1
    with pytest.raises(delighted.errors.GeneralAPIError):
        delighted.SurveyResponse.create(client=client, person=person.id, score=9)


def test_a_value_of_two_segments_counts_once(service: Service, key: str) -> None:
    with httpx.Client(base_url=service.url, auth=(key, "")) as api:
        api.patch("/v1/workspace", json={"segments": ["plan", "tier"]}).raise_for_status()
        api.post("/v1/surveys", json={"template": "nps", "key": "two"}).raise_for_status()
        api.post("/v1/surveys/two/publish").raise_for_status()
        body = {"name": "two", "scopes": ["write"], "survey": "two"}
        secret = api.post("/v1/api-keys", json=body).json()["secret"]
    client = delighted.Client(api_key=secret, api_base_url=f"{service.url}/delighted/v1/")
    person = delighted.Person.create(client=client, email="two@shop.example", send=False)
    for score, properties in (
        (9, {"plan": "gold"}), (2, {"tier": "gold"}), (10, {"plan": "gold", "tier": "gold"}),
        (0, {"plan": "tin"}),
    ):  # fmt: skip
        delighted.SurveyResponse.create(
            client=client, person=person.id, score=score, person_properties=properties
        )
    metrics = delighted.Metrics.retrieve(client=client, trend="gold")
    assert (metrics.response_count, metrics.promoter_count, metrics.nps) == (3, 2, 33)
    listed = delighted.SurveyResponse.all(client=client, trend="gold")
    assert sorted(response.score for response in listed) == [2, 9, 10]
    assert delighted.Metrics.retrieve(client=client, trend="silver").response_count == 0
    assert delighted.SurveyResponse.all(client=client, trend="silver") == []


def test_a_pull_in_week_slices_sees_every_change_once(client: Any, service: Service) -> None:
    """The slices are those of Airbyte's connector: a week but a second, then the second after."""
    week, began = 7 * 86_400, int(time.time()) - 5 * 7 * 86_400
    person = delighted.Person.create(client=client, email="slices@shop.example", send=False)
    ids = [
        delighted.SurveyResponse.create(client=client, person=person.id, score=index % 11).id
        for index in range(24)
    ]
    # At the seams: the first moment of a slice, and any in its last second.
    seams = [
        began + week * count + shift
        for count in range(1, 5)
        for shift in (-1, -0.999, -0.5, -0.001, 0, 0.4)
    ]
    asyncio.run(change_at(service, dict(zip(ids, seams, strict=True))))
    seen = []
    for number in range(6):
        since = began + week * number
        until = min(since + week - 1, int(time.time()))
        page = 1
        while responses := delighted.SurveyResponse.all(
            client=client, updated_since=since, updated_until=until, per_page=5, page=page
        ):
            seen += [response.id for response in responses]
            page += 1
    assert sorted(id_ for id_ in seen if id_ in ids) == sorted(ids)
    assert len(seen) == len(set(seen))


async def change_at(service: Service, moments: dict[str, float]) -> None:
    """Set when responses were changed last."""
    state = json.loads((service.folder / "data" / "postgres.json").read_text())
    connection = await asyncpg.connect(url_of(state))
    for id_, seconds in moments.items():
        await connection.execute(
            "update response set updated_at = to_timestamp($2) where id = $1::text::uuid",
            id_, seconds,
        )  # fmt: skip
    await connection.close()


def test_unsubscribes_bounces_and_autopilot(client: Any, service: Service, key: str) -> None:
    person = delighted.Person.create(client=client, email="no@shop.example", send=False)
    assert delighted.Unsubscribe.create(client=client, person_email="no@shop.example")["ok"] is True
    (unsubscribe,) = delighted.Unsubscribe.all(client=client)
    assert (unsubscribe.person_id, unsubscribe.email) == (person.id, "no@shop.example")
    refused = delighted.Person.create(client=client, email="no@shop.example")
    assert refused.survey_scheduled_at is None
    body = {"email": "dead@shop.example"}
    httpx.post(f"{service.url}/v1/bounces", json=body, auth=(key, "")).raise_for_status()
    (dead,) = delighted.Bounce.all(client=client)
    assert dead.email == "dead@shop.example"
    configuration = delighted.AutopilotConfiguration.retrieve("email", client=client)
    assert (configuration.platform_id, configuration.active) == ("email", False)
    memberships = delighted.AutopilotMembership.forEmail().list(client=client)
    assert list(memberships.auto_paging_iter()) == []
    with pytest.raises(ResourceValidationError, match="trigger"):
        delighted.AutopilotMembership.forEmail().create(client=client, person_email="a@b.example")


def test_what_is_wrong_is_told_in_delighteds_words(client: Any, service: Service) -> None:
    with pytest.raises(ResourceValidationError) as blank:
        delighted.Person.create(client=client, name="Nobody")
    assert json.loads(blank.value.response.body)["errors"] == {"email": ["can't be blank"]}
    with pytest.raises(ResourceValidationError) as wrong:
        delighted.SurveyResponse.create(client=client, person="1", score=9)
    assert "person" in json.loads(wrong.value.response.body)["errors"]
    stranger = delighted.Client(api_key="sk_wrong", api_base_url=f"{service.url}/delighted/v1/")
    with pytest.raises(AuthenticationError):
        delighted.Metrics.retrieve(client=stranger)


def test_forms_suffixes_and_bodies_of_gets_are_taken(service: Service, key: str) -> None:
    with httpx.Client(base_url=f"{service.url}/delighted/v1", auth=(key, "")) as raw:
        reply = raw.post("/people.json", data={"email": "f/o@shop.example", "send": "false",
                                             "properties[plan]": "pro"})  # fmt: skip
        assert reply.status_code == 201, reply.text
        assert reply.json()["properties"] == {"plan": "pro"}
        untyped = raw.post("/people.json", content=b'{"email": "u@shop.example", "send": false}')
        assert untyped.status_code == 201
        metrics = raw.request("GET", "/metrics.json?whatever=1", content=b"{}",
                            headers={"Content-Type": "application/json"})  # fmt: skip
        assert metrics.status_code == 200
        removal = raw.request("DELETE", "/people/f%2Fo%40shop.example/survey_requests/pending.json")
        assert removal.json() == {"ok": True}
        lost = raw.get("/nothing")
        assert (lost.status_code, set(lost.json())) == (404, {"status", "message", "errors"})
        listed = raw.get("/people?per_page=1")
        assert listed.headers["link"].startswith(f"<{service.url}/delighted/v1/people?")
        assert listed.headers["link"].endswith('>; rel="next"')
    unkeyed = httpx.get(f"{service.url}/delighted/v1/metrics")
    assert unkeyed.status_code == 401


def test_without_a_survey_the_remedy_is_told(service: Service, key: str) -> None:
    url = f"{service.url}/delighted/v1/metrics"
    reply = httpx.get(url, auth=(OTHER[0], ""))
    assert reply.status_code == 409
    assert "`survey`" in reply.json()["message"]


def test_nodes_client_runs_as_well(service: Service, key: str) -> None:
    if shutil.which("node") is None or not (NODE / "node_modules/delighted").exists():
        pytest.skip("needs Node and `npm ci --prefix tests/delighted/node`")
    ran = subprocess.run(
        ["node", "--no-deprecation", "drive.js", key, str(service.port)], cwd=NODE,
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    reply = json.loads(ran.stdout)
    assert reply["person"]["email"] == "node@shop.example"
    assert reply["changed"]["score"] == 3
    assert reply["listed"] == ["node@shop.example"]
    assert reply["metrics"]["response_count"] >= 1
