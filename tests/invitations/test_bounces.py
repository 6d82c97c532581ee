# SPDX-License-Identifier: Apache-2.0
"""Bounce webhooks of six providers: the dead are suppressed, and nobody else."""

import base64
import datetime as dt
import json
from typing import Any
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from app.invitations.bounce_reports import code_of
from app.invitations.suppression import find_suppressions
from tests.shop import Shop


def postmark(kind: str, details: str) -> Any:
    return {"RecordType": "Bounce", "Type": kind, "Email": "gone@e.net", "Details": details}


def mailgun(code: str | None, *, severity: str = "permanent", message: str = "") -> Any:
    status = {"code": 550, "message": message} | ({"enhanced-code": code} if code else {})
    return {"event-data": {"event": "failed", "severity": severity, "recipient": "gone@e.net",
                           "delivery-status": status}}  # fmt: skip


def sendgrid(event: str, **more: Any) -> Any:
    return {"email": "gone@e.net", "event": event, "timestamp": 1, "sg_event_id": "x"} | more


def ses(kind: str, status: str | None) -> Any:
    recipient = {"emailAddress": "gone@e.net", "status": status,
                 "diagnosticCode": f"smtp; 550 {status or ''} no"}  # fmt: skip
    return {"notificationType": "Bounce", "mail": {},
            "bounce": {"bounceType": kind, "bouncedRecipients": [recipient]}}  # fmt: skip


def brevo(event: str, reason: str = "") -> Any:
    return {"event": event, "email": "gone@e.net", "message-id": "<1@e>", "reason": reason}


def mailjet(event: str, **more: Any) -> Any:
    return {"event": event, "email": "gone@e.net", "MessageID": 1, "mj_contact_id": 2} | more


def mailgun_for(reason: str, **more: Any) -> Any:
    report = mailgun(None, message="550 refused")
    report["event-data"] |= {"reason": reason} | more
    return report


REPORTS: list[tuple[str, Any, bool]] = [
    ("mailgun by its reason", mailgun_for("bounce"), True),
    ("mailgun knew before", mailgun_for("suppress-bounce"), True),
    ("mailgun knew of a complaint", mailgun_for("suppress-complaint"), True),
    ("mailgun unsubscribed", mailgun_for("suppress-unsubscribe"), False),
    ("mailgun gave up", mailgun_for("old"), False),
    ("mailgun content", mailgun_for("generic"), False),
    ("a mailbox that is closed", mailgun("5.2.1") | {}, False),
    ("a mailbox that is full for good", ses("Permanent", "5.2.2"), False),
    ("a complaint beside a policy", {"RecordType": "SpamComplaint", "Email": "gone@e.net",
                                     "Details": "smtp;550 5.7.1 refused"}, True),
    ("ses not spam", {"notificationType": "Complaint", "complaint": {
        "complaintFeedbackType": "not-spam",
        "complainedRecipients": [{"emailAddress": "gone@e.net"}]}}, False),
    ("ses of an odd kind", {"notificationType": "Complaint",
                            "complaint": {"complainedRecipients": 5}}, False),
    ("ses of another odd kind", {"notificationType": "Bounce",
                                 "bounce": {"bouncedRecipients": 5}}, False),
    ("mailjet of an odd kind", mailjet("bounce", hard_bounce=[1]), False),
    ("postmark hard", postmark("HardBounce", "smtp;550 5.1.1 unknown"), True),
    ("postmark policy", postmark("HardBounce", "smtp;550 5.7.1 refused"), False),
    ("postmark soft", postmark("Transient", "smtp;450 4.2.2 full"), False),
    ("postmark spam", {"RecordType": "SpamComplaint", "Email": "gone@e.net"}, True),
    ("mailgun unknown", mailgun("5.1.1"), True),
    ("mailgun in words", mailgun(None, message="550 5.1.10 no such user"), True),
    ("mailgun policy", mailgun("5.7.26"), False),
    ("mailgun later", mailgun("4.2.2", severity="temporary"), False),
    ("mailgun complaint", {"event-data": {"event": "complained", "recipient": "gone@e.net"}}, True),
    ("sendgrid hard", sendgrid("bounce", type="bounce", status="5.1.1", reason="550"), True),
    ("sendgrid blocked", sendgrid("bounce", type="blocked", status="5.7.1"), False),
    ("sendgrid policy", sendgrid("bounce", type="bounce", status="5.7.1", reason="x"), False),
    ("sendgrid dropped", sendgrid("dropped", reason="Bounced Address"), True),
    ("sendgrid unsubscribed", sendgrid("dropped", reason="Unsubscribed Address"), False),
    ("sendgrid spam", sendgrid("spamreport"), True),
    ("sendgrid delivered", sendgrid("delivered"), False),
    ("ses permanent", ses("Permanent", "5.1.1"), True),
    ("ses policy", ses("Permanent", "5.7.1"), False),
    ("ses transient", ses("Transient", "4.4.7"), False),
    ("ses complaint", {"eventType": "Complaint", "complaint": {
        "complainedRecipients": [{"emailAddress": "gone@e.net"}]}}, True),
    ("brevo hard", brevo("hard_bounce", "550 5.1.1 User unknown"), True),
    ("brevo invalid", brevo("invalid_email"), True),
    ("brevo policy", brevo("hard_bounce", "550 5.7.1 blocked"), False),
    ("brevo soft", brevo("soft_bounce"), False),
    ("brevo opened", brevo("opened"), False),
    ("mailjet hard", mailjet("bounce", hard_bounce=True, comment="550 5.1.1 unknown"), True),
    ("mailjet policy", mailjet("bounce", hard_bounce=True, comment="554 5.7.1 refused"), False),
    ("mailjet soft", mailjet("bounce", hard_bounce=False, comment="quota exceeded"), False),
    ("mailjet blocked", mailjet("blocked", error="user unknown"), True),
    ("mailjet greylisted", mailjet("blocked", error="greylisted"), False),
    ("mailjet spam", mailjet("spam"), True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("report", "dead"), [case[1:] for case in REPORTS], ids=[case[0] for case in REPORTS]
)
async def test_a_report_is_understood(shop: Shop, report: Any, dead: bool) -> None:
    expected = {"added": 1, "ignored": 0} if dead else {"added": 0, "ignored": 1}
    assert await shop.post("/v1/bounces", report) == expected
    listed = [bounce["email"] for bounce in (await shop.get("/v1/bounces"))["data"]]
    assert listed == (["gone@e.net"] if dead else [])


async def test_reports_come_in_lists_and_mixed(shop: Shop) -> None:
    reports = [
        sendgrid("bounce", type="bounce") | {"email": f"{number}@e.net"} for number in range(3)
    ]
    reports += [sendgrid("delivered"), {"email": "plain@e.net"}]
    assert await shop.post("/v1/bounces", reports) == {"added": 4, "ignored": 1}


@pytest.mark.parametrize("body", [b"7", b'"x"', b"[7]", b"{}", b"[]x", b'{"event": 1}'])
async def test_odd_reports_are_refused(shop: Shop, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    reply = await shop.call("POST", "/v1/bounces", content=body, headers=headers)
    assert reply.status_code == 422


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("smtp; 550 5.1.1 user unknown", "5.1.1"), ("550-5.7.26 policy", "5.7.26"),
        ("from 5.1.1.9 to 10.5.1.1", None), ("version 5.1.", None), ("450 4.2.2 full", "4.2.2"),
    ],
)  # fmt: skip
def test_the_enhanced_code_is_found(text: str, code: str | None) -> None:
    assert code_of(text) == code


KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CERTIFICATE_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem"


def certificate() -> bytes:
    """Return a certificate as Amazon would have one, signed by itself."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    begins = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(begins)
        .not_valid_after(begins + dt.timedelta(days=9999))
        .sign(KEY, hashes.SHA256())
    )
    return cert.public_bytes(serialization.Encoding.PEM)


def notification(version: str = "2", **changes: Any) -> dict[str, Any]:
    """Return a notification of SNS, signed as Amazon's documentation says."""
    body = {
        "Type": "Notification", "MessageId": "m-1", "TopicArn": "arn:aws:sns:eu-west-1:1:ses",
        "Message": json.dumps(ses("Permanent", "5.1.1")), "Timestamp": "2026-03-04T16:41:09.436Z",
        "SignatureVersion": version, "SigningCertURL": CERTIFICATE_URL,
    }  # fmt: skip
    names = ["Message", "MessageId", "Timestamp", "TopicArn", "Type"]
    signed = "".join(f"{name}\n{body[name]}\n" for name in names).encode()
    algorithm = hashes.SHA256() if version == "2" else hashes.SHA1()
    signature = KEY.sign(signed, padding.PKCS1v15(), algorithm)
    return body | {"Signature": base64.b64encode(signature).decode()} | changes


async def post_sns(shop: Shop, body: Any) -> Any:
    """Post as Amazon does: as text, with the key in the address."""
    state = shop.client._transport.app.state  # type: ignore[attr-defined]
    state.sns_certificates.known[CERTIFICATE_URL] = certificate()
    headers = {
        "Content-Type": "text/plain; charset=UTF-8",
        "Authorization": "Basic " + base64.b64encode(f"{shop.key}:".encode()).decode(),
    }
    return await shop.client.post("/v1/bounces", content=json.dumps(body), headers=headers)


@pytest.mark.parametrize("version", ["1", "2"])
async def test_amazons_notification_is_believed(shop: Shop, version: str) -> None:
    reply = await post_sns(shop, notification(version))
    assert (reply.status_code, reply.json()) == (201, {"added": 1, "ignored": 0})


@pytest.mark.parametrize(
    "changes",
    [
        {"Message": json.dumps(ses("Permanent", "5.1.2"))},
        {"Timestamp": "2026-03-04T16:41:10.436Z"}, {"Signature": "AAAA"}, {"Signature": "!"},
        {"SignatureVersion": "1"}, {"Type": "Else"}, {"Subject": "added"},
        {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com.evil.example/x.pem"},
        {"SigningCertURL": "https://evil.example/sns.eu-west-1.amazonaws.com.pem"},
        {"SigningCertURL": "https://u@sns.eu-west-1.amazonaws.com/x.pem"},
        {"SigningCertURL": "http://sns.eu-west-1.amazonaws.com/x.pem"},
        {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com/x.txt"},
        {"SigningCertURL": "https://[::1"}, {"SigningCertURL": None},
    ],
)  # fmt: skip
async def test_a_forged_notification_is_401(shop: Shop, changes: Any) -> None:
    reply = await post_sns(shop, notification(**changes))
    assert reply.status_code == 401, reply.text
    assert (await shop.get("/v1/bounces"))["data"] == []


async def test_a_subscription_is_confirmed_at_amazon_only(shop: Shop) -> None:
    body = {
        "Type": "SubscriptionConfirmation", "MessageId": "m", "Token": "t", "Message": "You…",
        "TopicArn": "arn:aws:sns:eu-west-1:1:ses", "Timestamp": "2026-03-04T16:41:09.436Z",
        "SubscribeURL": "https://evil.example/?Action=ConfirmSubscription",
        "SignatureVersion": "2", "SigningCertURL": CERTIFICATE_URL,
    }  # fmt: skip
    names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    signed = "".join(f"{name}\n{body[name]}\n" for name in names).encode()
    signature = KEY.sign(signed, padding.PKCS1v15(), hashes.SHA256())
    reply = await post_sns(shop, body | {"Signature": base64.b64encode(signature).decode()})
    assert reply.status_code == 401
    assert "Amazon" in reply.json()["detail"]


async def test_a_bounce_emits_the_invitation_as_other_events_do(shop: Shop) -> None:
    await shop.publish("nps")
    tomorrow = (dt.datetime.now(dt.UTC) + dt.timedelta(days=1)).isoformat()
    for is_test in (False, True):
        body = {
            "survey": "nps", "channel": "email", "customer": {"email": "gone@e.net"},
            "order": "A-7", "send_at": tomorrow, "test": is_test,
        }  # fmt: skip
        await shop.post("/v1/invitations", body)
    await shop.post("/v1/bounces", postmark("HardBounce", "smtp;550 5.1.1 unknown"))
    # A test's invitation has no event.
    (event,) = await shop.events("invitation.bounced")
    assert (event["data"]["status"], event["data"]["order"]) == ("bounced", "A-7")
    assert {"touchpoint", "sent_at"} <= event["data"].keys()
    assert "order_ref" not in event["data"]


async def test_an_unsubscribed_address_is_known_in_every_spelling(shop: Shop) -> None:
    await shop.post("/v1/unsubscribes", {"email": "Ala@E.pl"})
    async with shop.state.database.session() as session:
        spellings = ["ala@e.pl", "ALA@e.pl", "ola@e.pl"]
        suppressions = await find_suppressions(session, UUID(shop.workspace_id), spellings)
    assert set(suppressions) == {"ala@e.pl", "ALA@e.pl"}
