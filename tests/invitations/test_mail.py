# SPDX-License-Identifier: Apache-2.0
"""The mail that asks: sent once, in the customer's language, and what servers say of it."""

import asyncio
import datetime as dt
import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest

from app.core.clock import rfc3339, utc_now
from app.core.database import Database
from app.core.job_runner import JobHandler
from app.invitations.mail import POLICY
from app.invitations.mailer import MailWaitsError, classify_reply
from app.invitations.send_queue import enqueue_due_invitations, expire_due
from tests.mailbox import Mailbox, plain_text_of
from tests.shop import Shop

Jobs = Mapping[str, JobHandler]
ALA = {"email": "ala@example.pl", "name": "Ąłla Nowak", "locale": "pl"}


async def invite(shop: Shop, **more: Any) -> Any:
    body = {"survey": "s", "customer": ALA, "channel": "email"} | more
    return await shop.post("/v1/invitations", body)


async def test_the_mail_is_in_the_customers_language(
    shop: Shop, mailbox: Mailbox, by_mail: Jobs
) -> None:
    await shop.publish("s", "ces")
    own = {"from_name": "Sklep Łąka", "reply_to": "pomoc@sklep.example", "footer": "Prosta 1"}
    await shop.call("PATCH", "/v1/workspace", json={"mail": own})
    invitation = await invite(shop, ticket="4711")
    assert invitation["status"] == "scheduled"
    await shop.work(known=by_mail)
    (mail_,) = mailbox.mails_of(invitation["id"])
    assert mail_["To"].addresses[0].display_name == "Ąłla Nowak"
    assert mail_["From"].addresses[0].display_name == "Sklep Łąka"
    assert mail_["Reply-To"] == "pomoc@sklep.example"
    assert mail_["Message-ID"] == f"<{invitation['id']}.invitation@ask.example>"
    assert mail_["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail_["Auto-Submitted"] == "auto-generated"
    text = plain_text_of(mail_)
    token = invitation["url"].rpartition("/")[2]
    assert f"https://ask.example/i/{token}" in text
    assert mail_["List-Unsubscribe"] == f"<https://ask.example/u/{token}>"
    assert "Dziękujemy" in text
    assert "Prosta 1" in text
    assert len(mail_.as_bytes(policy=POLICY)) < 20_000
    sent = await shop.get(f"/v1/invitations/{invitation['id']}")
    assert sent["status"] == "sent"
    customer = await shop.get(f"/v1/customers/{sent['customer_id']}")
    assert customer["last_invited_at"]


async def test_without_a_server_mails_are_stored(shop: Shop) -> None:
    await shop.publish("s")
    invitation = await invite(shop)
    await shop.work()
    assert (await shop.get(f"/v1/invitations/{invitation['id']}"))["status"] == "stored"


@pytest.mark.parametrize(
    ("reply", "status", "suppressed"),
    [
        ("550 5.1.1 user unknown", "bounced", 1),
        ("550 no such user here", "bounced", 1),
        ("550 5.7.1 rejected by policy", "bounced", 0),
        ("552 5.2.2 mailbox full", "bounced", 0),
        ("451 4.7.1 greylisted, try later", "scheduled", 0),
    ],
)
async def test_what_the_server_says(
    shop: Shop, mailbox: Mailbox, by_mail: Jobs, reply: str, status: str, suppressed: int
) -> None:
    await shop.publish("s")
    mailbox.refusals["ala@example.pl"] = reply
    invitation = await invite(shop)
    await shop.work(known=by_mail)
    assert (await shop.get(f"/v1/invitations/{invitation['id']}"))["status"] == status
    assert len((await shop.get("/v1/bounces"))["data"]) == suppressed


async def test_a_server_that_is_down_is_waited_for(
    shop: Shop, mailbox: Mailbox, by_mail: Jobs, database: Database
) -> None:
    await shop.publish("s")
    mailbox.stop()
    invitations = [await invite(shop, customer={"email": f"{number}@e.pl"}) for number in range(3)]
    await shop.work(known=by_mail)
    assert mailbox.mails == []
    mailbox.start()
    async with database.transaction() as session:
        await (await session.connection()).exec_driver_sql(
            "update job set run_at = $1 where kind = 'invitations.send' and workspace_id = $2",
            (utc_now(), shop.workspace_id),
        )
    await shop.work(known=by_mail)
    assert [len(mailbox.mails_of(invitation["id"])) for invitation in invitations] == [1, 1, 1]


async def test_one_reminder_and_no_more(shop: Shop, mailbox: Mailbox, by_mail: Jobs) -> None:
    await shop.publish("s")
    invitation = await invite(shop)
    early = await shop.call("POST", f"/v1/invitations/{invitation['id']}/remind")
    assert early.status_code == 409
    await shop.work(known=by_mail)
    await shop.post(f"/v1/invitations/{invitation['id']}/remind", status=202)
    await shop.work(known=by_mail)
    first, reminder = mailbox.mails_of(invitation["id"])
    assert reminder["Subject"] == f"Przypomnienie: {first['Subject']}"
    again = await shop.call("POST", f"/v1/invitations/{invitation['id']}/remind")
    assert again.status_code == 409


async def test_consent_suppression_and_throttle_hold_for_invitations(shop: Shop) -> None:
    await shop.publish("s")
    await shop.call("PATCH", "/v1/workspace", json={"throttle": {"days": 30}})
    assert (await invite(shop))["status"] == "scheduled"
    again = await invite(shop)
    assert (again["status"], again["reason"]) == ("suppressed", "throttled")
    assert (await invite(shop, ignore_throttle=True))["status"] == "scheduled"
    writer = await shop.make_key("write")
    body = {"survey": "s", "customer": ALA, "channel": "email", "ignore_throttle": True}
    reply = await shop.call("POST", "/v1/invitations", key=writer, json=body)
    assert reply.status_code == 403
    await shop.post("/v1/unsubscribes", {"email": "b@e.pl"})
    assert (await invite(shop, customer={"email": "b@e.pl"}))["reason"] == "unsubscribed"
    deletion = await shop.call("DELETE", "/v1/unsubscribes", json={"email": "b@e.pl"})
    assert deletion.status_code == 204
    assert (await invite(shop, customer={"email": "b@e.pl"}))["status"] == "scheduled"
    test = await invite(shop, test=True, customer={"email": "c@e.pl"})
    assert (test["status"], test["reason"]) == ("suppressed", "test")


async def test_a_link_is_answered_once_and_may_be_changed(shop: Shop) -> None:
    await shop.publish("s", "ces")
    await shop.record("ticket.opened", "o", ticket="7", occurred_at="2026-11-01T08:00:00Z")
    await shop.record(
        "ticket.solved", "e-1", ticket="7", touchpoint="support", properties={"agent": "eva"},
        occurred_at="2026-11-01T08:30:00Z",
    )  # fmt: skip
    invitation = await invite(
        shop, channel="link", interaction={"source": "helpdesk", "external_id": "e-1"}
    )
    assert invitation["status"] == "sent"
    assert invitation["score_urls"]["7"] == invitation["url"] + "/7"
    path = "/i/" + invitation["url"].rpartition("/")[2]
    page = (await shop.client.get(path + "/6")).text
    assert re.search(r'type="radio" name="score" value="6" checked', page)
    assert "<textarea" in page
    assert 'lang="pl"' in page
    assert "<h1>Shop</h1>" in page
    (click,) = (await shop.get("/v1/responses"))["data"]
    assert (click["integrity"], click["score"]) == ("provisional", 6)
    assert (await shop.metric("ces"))["total"]["n"] == 0
    assert (await shop.get(f"/v1/invitations/{invitation['id']}"))["status"] == "opened"
    replies = [
        await shop.client.post(path, data={"score": score, "why": "Bo tak"})
        for score in ("6", "6", "2")
    ]
    assert [reply.status_code for reply in replies] == [303, 303, 303]
    thanks = await shop.client.get(replies[-1].headers["location"])
    assert "Dziękujemy" in thanks.text
    (response,) = (await shop.get("/v1/responses"))["data"]
    assert (response["score"], response["channel"]) == (2, "web")
    assert response["touchpoint"] == "support"
    assert (response["ticket"], response["properties"]) == ("7", {"agent": "eva"})
    assert (await shop.get(f"/v1/invitations/{invitation['id']}"))["status"] == "answered"
    assert (await shop.metric("ces", group_by="resolution_time"))["rows"][0]["group"] == {
        "resolution_time": "<1h"
    }


async def test_what_is_required_is_asked_for(shop: Shop) -> None:
    await shop.publish("s")
    invitation = await invite(shop, channel="link")
    path = "/i/" + invitation["url"].rpartition("/")[2]
    for data in ({"why": "x"}, {"score": "11"}, {"score": "<script>"}):
        reply = await shop.client.post(path, data=data)
        assert reply.status_code == 422
        assert 'role="alert"' in reply.text
        assert "<script>" not in reply.text
    assert (await shop.client.get("/i/nonsense")).status_code == 404


async def test_unsubscribing_needs_a_post(shop: Shop) -> None:
    await shop.publish("s")
    invitation = await invite(shop, channel="link")
    path = "/u/" + invitation["url"].rpartition("/")[2]
    assert "form" in (await shop.client.get(path)).text
    assert (await shop.get("/v1/unsubscribes"))["data"] == []
    reply = await shop.client.post(path, data={"List-Unsubscribe": "One-Click"})
    assert reply.status_code == 200
    (entry,) = (await shop.get("/v1/unsubscribes"))["data"]
    assert entry["email"] == "ala@example.pl"


async def test_mail_providers_may_report_bounces(shop: Shop) -> None:
    postmark = {
        "RecordType": "Bounce", "Type": "HardBounce", "Email": "dead@e.pl", "ID": 6,
        "Details": "smtp;550 5.1.1 user unknown",
    }  # fmt: skip
    soft = postmark | {"Type": "SoftBounce", "Email": "full@e.pl"}
    assert await shop.post("/v1/bounces", postmark) == {"added": 1, "ignored": 0}
    assert await shop.post("/v1/bounces", soft) == {"added": 0, "ignored": 1}
    mailgun = {
        "signature": {},
        "event-data": {
            "event": "failed", "severity": "permanent", "recipient": "gone@e.pl",
            "delivery-status": {"code": 550, "enhanced-code": "5.1.1", "message": "unknown"},
        },
    }  # fmt: skip
    assert (await shop.post("/v1/bounces", mailgun))["added"] == 1
    assert (await shop.post("/v1/bounces", {"email": "dead@e.pl"}))["added"] == 0
    odd = await shop.call("POST", "/v1/bounces", json={"mail": "x@e.pl"})
    assert odd.status_code == 422


def test_a_temporary_refusal_is_no_bounce() -> None:
    with pytest.raises(MailWaitsError):
        classify_reply(421, "4.3.2 shutting down")


async def test_no_name_can_forge_a_header(shop: Shop, mailbox: Mailbox, by_mail: Jobs) -> None:
    texts = {"subject": {"en": "{{customer.first_name}} {{order}} {{agent}}"}}
    await shop.publish("s", texts=texts)
    forged = "=?utf-8?q?You=0d=0aBcc:_all@evil.example=0d=0a=0d=0aVisit_us=0d=0a?="
    await shop.call("PATCH", "/v1/workspace", json={"mail": {"from_name": forged}})
    customer = {"email": "mark@example.com", "name": forged, "locale": "en"}
    invitation = await invite(shop, customer=customer, order=forged, properties={"agent": forged})
    await shop.work(known=by_mail)
    (mail,) = mailbox.mails_of(invitation["id"])
    assert mail["Bcc"] is None
    assert [address.addr_spec for address in mail["To"].addresses] == ["mark@example.com"]
    head = mail.as_bytes(policy=POLICY).partition(b"\r\n\r\n")[0]
    names = [line.partition(b":")[0] for line in head.split(b"\r\n")]
    assert b"Bcc" not in names
    assert "Visit us" not in plain_text_of(mail)


@pytest.mark.parametrize(
    "email",
    [
        "=?utf-8?q?victim?=@x.pl", "<a@x.pl>", '"a,b"@x.pl', "a..b@x.pl", "a@b@c.pl",
        "a\u200b@x.pl",
        "@x.pl", "a@", "a b@x.pl", "a@x.pl,b@x.pl",
    ],
)  # fmt: skip
async def test_what_is_no_address_is_refused(shop: Shop, email: str) -> None:
    for path in ("/v1/unsubscribes", "/v1/bounces"):
        reply = await shop.call("POST", path, json={"email": email})
        assert reply.status_code == 422
        assert "email" in reply.json()["errors"][0]["loc"]
    report = await shop.post("/v1/customers/batch", [{"email": email}], status=200)
    assert report["rejected"][0]["errors"][0]["loc"] == ["body", "email"]


@pytest.mark.parametrize("spelt", ["Gone@E.pl", "gone@e.pl.", "ｇone@ｅ.pl"])
async def test_a_suppressed_address_is_known_however_it_is_spelt(shop: Shop, spelt: str) -> None:
    await shop.publish("s")
    await shop.post("/v1/unsubscribes", {"email": "gone@e.pl"})
    assert (await invite(shop, customer={"email": spelt}))["reason"] == "unsubscribed"


async def test_a_server_that_refuses_us_is_no_bounce(
    shop: Shop, mailbox: Mailbox, by_mail: Jobs
) -> None:
    await shop.publish("s")
    mailbox.refusals["ala@example.pl"] = "530 5.7.0 Authentication required"
    invitation = await invite(shop)
    await shop.work(known=by_mail)
    assert (await shop.get(f"/v1/invitations/{invitation['id']}"))["status"] == "scheduled"
    assert (await shop.get("/v1/bounces"))["data"] == []


async def test_who_unsubscribes_gets_no_reminder(
    shop: Shop, mailbox: Mailbox, by_mail: Jobs
) -> None:
    await shop.publish("s")
    invitation = await invite(shop)
    await shop.work(known=by_mail)
    customer = (await shop.get(f"/v1/invitations/{invitation['id']}"))["customer_id"]
    await shop.call("PATCH", f"/v1/customers/{customer}", json={"email": "new@example.pl"})
    await shop.client.post("/u/" + invitation["url"].rpartition("/")[2])
    await shop.post(f"/v1/invitations/{invitation['id']}/remind", status=202)
    await shop.work(known=by_mail)
    assert len(mailbox.mails_of(invitation["id"])) == 1


async def test_odd_requests_to_a_page_are_no_failures(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await shop.publish("s")
    invitation = await invite(shop, channel="link")
    token = invitation["url"].rpartition("/")[2]
    assert (await shop.client.get(f"/i/{token}/{'9' * 4400}")).status_code == 200
    assert (await shop.client.get(f"/i/nobody/{'9' * 4400}")).status_code == 404
    many = {f"a{number}": "1" for number in range(600)}
    assert (await shop.client.post(f"/i/{token}", data=many)).status_code == 413
    assert (await shop.client.post(f"/i/{token}", data={"why": "x"})).status_code == 422
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("afterword")]
    assert len(ours) >= 3
    assert token not in " ".join(ours)


async def test_a_link_waits_for_its_time_and_can_be_taken_back(shop: Shop) -> None:
    await shop.publish("s")
    later = await invite(shop, channel="link", send_at=rfc3339(utc_now() + dt.timedelta(days=2)))
    assert later["status"] == "scheduled"
    assert (await shop.client.get("/i/" + later["url"].rpartition("/")[2])).status_code == 410
    now = await invite(shop, channel="link")
    read = await shop.get(f"/v1/invitations/{now['id']}")
    assert (read["status"], read["url"]) == ("sent", now["url"])
    reader = await shop.make_key("read")
    reply = await shop.call("GET", f"/v1/invitations/{now['id']}", key=reader)
    assert reply.json()["url"] is None
    await shop.post(f"/v1/invitations/{now['id']}/cancel", status=200)
    assert (await shop.client.get("/i/" + now["url"].rpartition("/")[2])).status_code == 410


async def test_eight_answers_at_once_are_one_response(shop: Shop) -> None:
    await shop.publish("s")
    invitation = await invite(shop, channel="link")
    path = "/i/" + invitation["url"].rpartition("/")[2]
    replies = await asyncio.gather(
        *(shop.client.post(path, data={"score": str(score)}) for score in range(8))
    )
    assert {reply.status_code for reply in replies} == {303}
    assert len((await shop.get("/v1/responses"))["data"]) == 1


async def test_a_reminder_and_the_end_come_by_themselves(
    shop: Shop, mailbox: Mailbox, by_mail: Jobs, database: Database
) -> None:
    await shop.publish("s")
    await shop.make_trigger("s", reminder_after="P3D", expires_after="P14D")
    reply = await shop.record("ticket.solved", "e-1", customer=ALA)
    invitation = reply["decisions"][0]["invitation"]
    await shop.work(known=by_mail)
    now = utc_now()
    for days, mails, status in ((2, 1, "sent"), (4, 2, "sent"), (8, 2, "sent"), (15, 2, "expired")):
        async with database.transaction() as session:
            await enqueue_due_invitations(session, now + dt.timedelta(days=days))
            await expire_due(session, now + dt.timedelta(days=days))
        await shop.work(known=by_mail)
        assert len(mailbox.mails_of(invitation)) == mails
        assert (await shop.get(f"/v1/invitations/{invitation}"))["status"] == status
    (decision,) = (await shop.get("/v1/decisions"))["data"]
    assert (decision["outcome"], decision["reason"]) == ("invited", "expired")


async def test_what_waits_for_days_becomes_a_job_when_due(
    shop: Shop, mailbox: Mailbox, by_mail: Jobs, database: Database
) -> None:
    await shop.publish("s")
    invitation = await invite(shop, send_at=rfc3339(utc_now() + dt.timedelta(hours=2)))
    await shop.work(known=by_mail)
    assert mailbox.mails_of(invitation["id"]) == []
    async with database.transaction() as session:
        await (await session.connection()).exec_driver_sql(
            "update invitation set send_at = $1 where id = $2", (utc_now(), UUID(invitation["id"]))
        )
        await enqueue_due_invitations(session, utc_now())
    await shop.work(known=by_mail)
    assert len(mailbox.mails_of(invitation["id"])) == 1


async def test_many_mails_share_a_few_connections_and_outlive_them(
    shop: Shop, mailbox: Mailbox, by_mail: Jobs
) -> None:
    await shop.publish("s")
    await shop.make_trigger("s", throttle=None)
    addresses = [f"c-{number}@c.pl" for number in range(40)]
    for address in addresses:
        customer = {"email": address}
        await shop.record("ticket.solved", f"e-{address}", customer=customer)
    before = mailbox.connections
    await shop.work(known=by_mail)
    assert mailbox.connections - before <= 8
    mailbox.hang_up()
    await shop.record("ticket.solved", "e-last", customer={"email": "last@c.pl"})
    await asyncio.sleep(1.1)
    await shop.work(known=by_mail)
    assert sorted(mail["To"] for mail in mailbox.mails) == sorted([*addresses, "last@c.pl"])
    invitations = (await shop.get("/v1/invitations", limit=100))["data"]
    assert {invitation["status"] for invitation in invitations} == {"sent"}
