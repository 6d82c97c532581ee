# SPDX-License-Identifier: Apache-2.0
"""Endpoints: signed, rotated, tested, replayed, and refused where they must not lead."""

import datetime as dt
import json
import shutil
import socket
import subprocess
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from svix.webhooks import Webhook as SvixWebhook

from app.core import guarded_http
from app.core.guarded_http import RefusedAddressError, UnreachableError
from tests.receiver import Receiver
from tests.shop import Shop
from tests.webhooks.conftest import WebhookWorker

REFUSED_URLS = [
    "http://example.com/", "ftp://example.com/", "https://user:pw@example.com/",
    "https://user@example.com/", "https:///nohost", "https://example.com:0/",
    "https://127.0.0.1/", "https://127.1/", "https://0/", "https://0.0.0.0/",
    "https://localhost/", "https://2130706433/", "https://0x7f000001/", "https://0x7f.1/",
    "https://017700000001/", "https://0177.0.0.1/", "https://10.1.2.3/", "https://172.16.0.1/",
    "https://192.168.1.1/", "https://100.64.0.1/", "https://169.254.169.254/latest/meta-data",
    "https://192.0.0.192/", "https://192.88.99.1/", "https://198.18.0.1/", "https://224.0.0.1/",
    "https://255.255.255.255/", "https://[::]/", "https://[::1]/", "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/", "https://[::127.0.0.1]/", "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b:1::a00:1]/", "https://[2002:7f00:1::]/", "https://[2001::1]/",
    "https://[fe80::1]/", "https://[fe80::1%25eth0]/", "https://[fc00::1]/",
    "https://[fd00:ec2::254]/", "https://[fec0::1]/", "https://[3fff::1]/", "https://[ff02::1]/",
    "https://[2001:db8::1]/", "https://①②⑦.0.0.1/", "https://127.0.0.1./",
    "https://localhost.localdomain/", "https://[::1", "https://exa mple.com/", "gopher://127.0.0.1/",
    "file:///etc/passwd", "mailto:nobody", "mailto:a@b@c", "https://127.0.0.1:22/",
    "javascript:alert(1)",
]  # fmt: skip


NODE = """
const input = JSON.parse(require("fs").readFileSync(0, "utf8"));
for (const name of ["standardwebhooks", "svix"]) {
  const told = new (require(name).Webhook)(input.secret).verify(input.body, input.headers);
  console.log(name, told.data.score);
}
"""


def fetch_packages(folder: Path) -> None:
    """Fetch the official packages for Node; skip where that cannot be done."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("Node is not installed")
    command = [npm, "install", "--no-audit", "--no-fund", "standardwebhooks", "svix"]
    result = subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=False)
    if result.returncode:
        pytest.skip("npm could not fetch the packages")


def verify_in_node(folder: Path, message: dict[str, Any]) -> str:
    ran = subprocess.run(
        ["node", "-e", NODE], cwd=folder, input=json.dumps(message).encode(), capture_output=True,
        timeout=60, check=False,
    )  # fmt: skip
    return ran.stdout.decode() + ran.stderr.decode()


def verify(request: dict[str, Any], secret: str) -> None:
    """Check one request with the two official packages."""
    headers = {name.lower(): value for name, value in request["headers"].items()}
    for kind in (Webhook, SvixWebhook):
        kind(secret).verify(request["raw"], headers)  # type: ignore[no-untyped-call,unused-ignore]


@pytest.mark.parametrize("url", REFUSED_URLS)
async def test_a_hostile_url_is_refused_when_it_is_saved(shop: Shop, url: str) -> None:
    body = {"url": url, "events": ["response.created"]}
    reply = await shop.call("POST", "/v1/webhook-endpoints", json=body)
    assert reply.status_code == 422, reply.text
    (error,) = reply.json()["errors"]
    assert error["loc"] == ["body", "url"]
    message = error["msg"].replace(url, "")
    assert not any(number in message for number in ("127.", "10.", "169.", "192.", "::"))


@pytest.mark.parametrize(
    "url", [url for url in REFUSED_URLS if url.startswith("https://") and " " not in url]
)
async def test_a_hostile_url_is_refused_when_it_is_called(url: str) -> None:
    with pytest.raises((RefusedAddressError, UnreachableError)) as error:
        await guarded_http.send("POST", url, headers={}, content=b"")
    assert not any(number in str(error.value) for number in ("127.", "10.", "169.254", "::1"))


async def test_a_host_that_later_resolves_to_this_machine_is_refused(
    shop: Shop, post: WebhookWorker, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name meant a public number when it was saved, and this machine when it is called."""
    addresses = ["93.184.215.14"]
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        return real(addresses[0] if name == "rebound.example" else host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    await shop.publish("nps")
    port = receiver.url.rpartition(":")[2]
    url = f"https://rebound.example:{port}/"
    body = {"url": url, "events": ["response.created"]}
    endpoint = await shop.post("/v1/webhook-endpoints", body)
    addresses[0] = "127.0.0.1"
    await shop.answer("nps", 9)
    await post.deliver(post.sender(allow_private_webhooks=False))
    async with guarded_http.GuardedClient(allow_private=False) as client:
        with pytest.raises(RefusedAddressError):
            await client.send("POST", url, headers={}, content=b"")
    assert receiver.requests == []
    (delivery,) = await post.log(endpoint)
    assert delivery["status"] == "pending"


async def test_deliveries_verify_with_the_official_packages(
    shop: Shop, post: WebhookWorker, receiver: Receiver
) -> None:
    await shop.publish("nps")
    endpoint = await post.subscribe(receiver.url, ["response.created"])
    await shop.answer("nps", {"score": 9, "why": "Zażółć gęślą jaźń 🎉"})
    await post.deliver()
    (request,) = receiver.requests
    verify(request, endpoint["secret"])
    changed = request | {"raw": request["raw"].replace(b"9", b"8", 1)}
    with pytest.raises(WebhookVerificationError):
        verify(changed, endpoint["secret"])
    (delivery,) = await post.log(endpoint)
    assert (delivery["status"], delivery["event"]) == ("delivered", "response.created")
    assert delivery["webhook_id"] == request["headers"]["webhook-id"]
    assert [attempt["status_code"] for attempt in delivery["attempts"]] == [200]


async def test_they_verify_with_the_package_for_node(
    shop: Shop, post: WebhookWorker, receiver: Receiver, tmp_path: Path
) -> None:
    fetch_packages(tmp_path)
    await shop.publish("nps")
    endpoint = await post.subscribe(receiver.url, ["response.created"])
    await shop.answer("nps", {"score": 9, "why": "Zażółć"})
    await post.deliver()
    (request,) = receiver.requests
    signed_request = {
        "secret": endpoint["secret"],
        "body": request["raw"].decode(),
        "headers": {name.lower(): value for name, value in request["headers"].items()},
    }
    assert verify_in_node(tmp_path, signed_request).split() == [
        "standardwebhooks",
        "9",
        "svix",
        "9",
    ]


async def test_after_a_rotation_both_secrets_verify(
    shop: Shop, post: WebhookWorker, receiver: Receiver
) -> None:
    await shop.publish("nps")
    endpoint = await post.subscribe(receiver.url, ["response.created"])
    path = f"/v1/webhook-endpoints/{endpoint['id']}"
    fresh = await shop.post(f"{path}/rotate-secret", status=200)
    await shop.answer("nps", 9)
    await post.deliver()
    (request,) = receiver.requests
    assert len(request["headers"]["webhook-signature"].split()) == 2
    verify(request, endpoint["secret"])
    verify(request, fresh["secret"])
    state = await shop.get(path)
    assert state["old_secret_until"] > state["created_at"]
    assert "secret" not in state


async def test_a_test_is_sent_once_and_is_marked(
    shop: Shop, post: WebhookWorker, receiver: Receiver
) -> None:
    receiver.statuses = [500]
    endpoint = await post.subscribe(receiver.url, ["response.completed"])
    path = f"/v1/webhook-endpoints/{endpoint['id']}"
    trial = await shop.post(f"{path}/test", status=202)
    await post.deliver()
    (request,) = receiver.requests
    assert request["body"]["data"]["test"] is True
    verify(request, endpoint["secret"])
    (delivery,) = await post.log(endpoint)
    assert (delivery["id"], delivery["kind"], delivery["status"]) == (trial["id"], "test", "failed")
    other = await shop.call("POST", f"{path}/test", json={"event": "customer.erased"})
    assert other.json()["event"] == "customer.erased"


async def test_redelivery_and_replay_keep_the_id_and_are_single_shots(
    shop: Shop, post: WebhookWorker, receiver: Receiver
) -> None:
    await shop.publish("nps")
    endpoint = await post.subscribe(receiver.url, ["response.created"])
    since = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)
    for score in (1, 2):
        await shop.answer("nps", score)
    await post.deliver()
    (last, _) = await post.log(endpoint)
    receiver.statuses = [500]
    await shop.post(f"/v1/deliveries/{last['id']}/redeliver", status=202)
    await post.deliver()
    log = await post.log(endpoint)
    assert [delivery["status"] for delivery in log] == ["failed", "delivered", "delivered"]
    assert log[0]["webhook_id"] == last["webhook_id"]
    body = {"since": since.isoformat()}
    replayed = await shop.post(f"/v1/webhook-endpoints/{endpoint['id']}/replay", body, status=202)
    assert replayed["events"] == 2
    await shop.work()
    await post.deliver()
    ids = [request["headers"]["webhook-id"] for request in receiver.requests]
    assert len(ids) == 5
    assert len(set(ids)) == 2


async def test_an_endpoint_gets_no_event_from_before_it_was_made(
    shop: Shop, post: WebhookWorker, receiver: Receiver
) -> None:
    await shop.publish("nps")
    await shop.answer("nps", 1)
    await post.subscribe(receiver.url, ["response.created"])
    await shop.answer("nps", 2)
    await post.deliver()
    assert [request["body"]["data"]["score"] for request in receiver.requests] == [2]


async def test_paused_sending_holds_everything(
    shop: Shop, post: WebhookWorker, receiver: Receiver
) -> None:
    await shop.publish("nps")
    await post.subscribe(receiver.url, ["response.created"])
    await shop.answer("nps", 1)
    await post.deliver(post.sender(sending="paused"))
    assert receiver.requests == []
    await post.deliver()
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("delay", ["9" * 5000, "Mon, 01 Jan 99999999999999 00:00:00 GMT", "x", ""])
async def test_an_odd_retry_after_header_breaks_nothing(
    shop: Shop, post: WebhookWorker, receiver: Receiver, delay: str
) -> None:
    def refuse(reply: BaseHTTPRequestHandler) -> None:
        reply.send_response(503)
        reply.send_header("retry-after", delay)
        reply.send_header("content-length", "0")
        reply.end_headers()

    receiver.behaviours["/odd"] = refuse
    await shop.publish("nps")
    endpoint = await post.subscribe(receiver.url + "/odd", ["response.created"])
    await shop.answer("nps", 1)
    await post.deliver()
    (delivery,) = await post.log(endpoint)
    assert [attempt["status_code"] for attempt in delivery["attempts"]] == [503]


async def test_an_endpoint_that_answers_410_is_disabled_though_another_delivery_arrived(
    shop: Shop, post: WebhookWorker, receiver: Receiver
) -> None:
    await shop.publish("nps")
    endpoint = await post.subscribe(receiver.url, ["response.created"])
    receiver.statuses = [200, 410]
    for score in (1, 2):
        await shop.answer("nps", score)
    await post.deliver()
    state = await shop.get(f"/v1/webhook-endpoints/{endpoint['id']}")
    assert state["active"] is False
    assert "410" in state["disabled_reason"]


async def test_slack_and_teams_get_their_own_forms(
    shop: Shop, post: WebhookWorker, receiver: Receiver
) -> None:
    await shop.publish("nps")
    for format_ in ("slack", "teams"):
        url = f"{receiver.url}/{format_}"
        await post.subscribe(url, ["response.low_score"], format=format_)
    answers = {"score": 1, "why": "Parcel <late> & wet"}
    await shop.answer("nps", answers, customer={"email": "a@c.pl", "name": "Ala"}, order="7")
    await post.deliver()
    (slack,) = receiver.to("/slack")
    assert slack["body"]["text"].startswith("A low score: 1 (detractor)")
    slack_text = slack["body"]["blocks"][0]["text"]["text"]
    assert "Parcel &lt;late&gt; &amp; wet" in slack_text
    assert "Customer: Ala a@c.pl" in slack_text
    (teams,) = receiver.to("/teams")
    card = teams["body"]["attachments"][0]["content"]
    assert card["type"] == "AdaptiveCard"
    assert {"title": "Order", "value": "7"} in card["body"][1]["facts"]
    assert card["body"][2]["text"] == "Parcel <late> & wet"


async def test_messages_are_in_the_workspaces_language(
    shop: Shop, post: WebhookWorker, receiver: Receiver
) -> None:
    await shop.call("PATCH", "/v1/workspace", json={"default_locale": "pl"})
    await shop.publish("nps")
    await post.subscribe(receiver.url, ["response.low_score"], format="slack")
    await shop.answer("nps", {"score": 1, "why": "Za późno"}, order="7")
    await post.deliver()
    (slack,) = receiver.requests
    assert slack["body"]["text"].startswith("Niska ocena: 1 (")
    text_ = slack["body"]["blocks"][0]["text"]["text"]
    assert "Zamówienie: 7" in text_
    assert "|Otwórz>" in text_


async def test_a_manager_who_reads_mail_gets_a_mail(shop: Shop, post: WebhookWorker) -> None:
    await shop.publish("nps")
    endpoint = await post.subscribe("mailto:boss@c.pl", ["response.low_score"])
    await shop.answer("nps", {"score": 1, "why": "Much too late"})
    await post.deliver()
    (delivery,) = await post.log(endpoint)
    assert delivery["status"] == "delivered"
    folder = post.settings.data_dir / "mail"
    mails = [path.read_text() for path in folder.glob("*.notice.eml")]
    (mail,) = [text for text in mails if "boss@c.pl" in text]
    assert "Subject: A low score: 1 (detractor)" in mail
    assert "Much too late" in mail


async def test_unknown_surveys_and_odd_ranges_are_refused(shop: Shop) -> None:
    for filter_ in (
        {"survey": "nope"},
        {"touchpoint": "nope"},
        {"min_score": 5, "max_score": 2},
        {"max_scor": 2},
    ):
        body = {"url": "mailto:a@c.pl", "events": ["response.created"], "filter": filter_}
        reply = await shop.call("POST", "/v1/webhook-endpoints", json=body)
        assert reply.status_code == 422
        assert reply.json()["errors"][0]["loc"][:2] == ["body", "filter"]
