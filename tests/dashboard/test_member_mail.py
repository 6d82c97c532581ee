# SPDX-License-Identifier: Apache-2.0
from collections.abc import Mapping

from app.core.job_runner import JobHandler
from tests.mailbox import Mailbox, plain_text_of
from tests.shop import Shop


async def test_a_new_member_is_told_where_to_sign_in(
    shop: Shop, mailbox: Mailbox, by_mail: Mapping[str, JobHandler]
) -> None:
    await shop.post(
        "/v1/members", {"email": "ewa@acme.pl", "name": "Ewa", "role": "viewer", "locale": "pl"}
    )
    await shop.work(known=by_mail)
    (mail,) = mailbox.mails
    assert mail["To"] == "ewa@acme.pl"
    assert mail["Subject"].startswith("Możesz się teraz logować do ")
    assert "https://ask.example/sign-in" in plain_text_of(mail)
    assert "Hasła nie ma" in plain_text_of(mail)


async def test_a_member_who_was_removed_again_gets_no_mail(
    shop: Shop, mailbox: Mailbox, by_mail: Mapping[str, JobHandler]
) -> None:
    body = {"email": "jan@acme.pl", "name": "Jan", "role": "viewer"}
    member = await shop.post("/v1/members", body)
    # The same address again adds nobody, and mails nobody.
    assert (await shop.call("POST", "/v1/members", json=body)).status_code == 409
    await shop.call("DELETE", f"/v1/members/{member['id']}")
    await shop.work(known=by_mail)
    assert mailbox.mails == []
