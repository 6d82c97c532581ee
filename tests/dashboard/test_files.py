# SPDX-License-Identifier: Apache-2.0
"""Files that a manager sends: looked at, columns chosen, taken, replaced and taken back."""

import re

from tests.dashboard.conftest import Browser
from tests.dashboard.test_form_pages import press
from tests.shop import Shop


async def csrf_of(browser: Browser) -> str:
    """Return the token of the page's form."""
    tokens: list[str] = re.findall(r'name="_csrf" value="([^"]+)"', await browser.page("/files"))
    return tokens[0]


async def test_the_columns_of_a_file_are_chosen(browser: Browser, shop: Shop) -> None:
    await shop.publish("nps")
    await browser.sign_in()
    csrf = await csrf_of(browser)
    file = {
        "file": (
            "b.csv",
            b"When,Mark,Words,Aisle\n2026-03-01,9,Fine,4\n2026-03-02,3,Slow,2\n",
        )
    }
    fields = {"_csrf": csrf, "kind": "answers", "survey": "nps", "source": "till"}
    refused = await browser.client.post("/files", data=fields | {"_do": "look"}, files=file)
    assert refused.status_code == 422
    assert 'name="column" value="Mark"' in refused.text
    upload = re.search(r'name="upload" value="([^"]+)"', refused.text)
    assert upload
    fields |= {"upload": upload[1], "name": "b.csv"}
    chosen = {
        "column": ["When", "Mark", "Words", "Aisle"],
        "becomes": ["responded_at", "score", "", "property.Aisle"],
    }
    seen = await browser.client.post("/files", data={**fields, **chosen, "_do": "look"})
    assert seen.status_code == 200, seen.text
    assert '<option value="property.Aisle" selected>' in seen.text
    assert "2 new" in seen.text
    reply = await browser.client.post("/files", data={**fields, **chosen, "_do": "take"})
    assert reply.status_code == 303
    stored = (await shop.get("/v1/responses"))["data"]
    assert sorted((response["score"], response["properties"]) for response in stored) == [
        (3, {"Aisle": "2"}), (9, {"Aisle": "4"}),
    ]  # fmt: skip


async def test_what_a_preset_knows_stays_while_a_column_is_chosen(
    browser: Browser, shop: Shop
) -> None:
    await shop.publish("nps")
    await browser.sign_in()
    csrf = await csrf_of(browser)
    header = "ID,Start time,Completion time,Email,Name,Your mark"
    rows = [
        f"{number},1/25/26 9:59:00,1/25/26 10:0{number}:00,a{number}@b.pl,Ala,{9 - number}"
        for number in range(3)
    ]
    file = {"file": ("f.csv", "\n".join([header, *rows]).encode())}
    fields = {"_csrf": csrf, "kind": "answers", "survey": "nps", "source": "form"}
    refused = await browser.client.post("/files", data=fields | {"_do": "look"}, files=file)
    own = re.findall(r'name="own" value="([^"]*)"', refused.text)
    assert own == ["external_id", "", "responded_at", "customer.email", "customer.name", ""]
    upload = re.findall(r'name="upload" value="([^"]+)"', refused.text)[0]
    fields |= {"upload": upload, "name": "f.csv"}
    chosen = {"column": header.split(","), "own": own, "becomes": [*own[:-1], "score"]}
    reply = await browser.client.post("/files", data={**fields, **chosen, "_do": "take"})
    assert reply.status_code == 303
    stored = (await shop.get("/v1/responses"))["data"]
    assert {answer["import"]["external_id"]: answer["score"] for answer in stored} == {
        "0": 9,
        "1": 8,
        "2": 7,
    }
    assert all(answer["customer"]["email"] for answer in stored)


async def test_a_refused_file_is_not_saved(browser: Browser, shop: Shop) -> None:
    await shop.publish("nps")
    await browser.sign_in()
    csrf = await csrf_of(browser)
    file = {"file": ("b.csv", b"score,responded_at\n9,2026-03-01\nx,2026-03-02\n")}
    fields = {"_csrf": csrf, "kind": "answers", "survey": "nps", "source": "till"}
    refused = await browser.client.post("/files", data=fields | {"_do": "take"}, files=file)
    assert refused.status_code == 422
    assert "more than 5 % are too many" in refused.text
    upload = re.findall(r'name="upload" value="([^"]+)"', refused.text)[0]
    fields |= {"upload": upload, "name": "b.csv", "allow_rejects": "1", "_do": "take"}
    assert (await browser.client.post("/files", data=fields)).status_code == 303
    assert len((await shop.get("/v1/responses"))["data"]) == 1


async def test_a_file_is_looked_at_taken_and_taken_back(browser: Browser, shop: Shop) -> None:
    await browser.sign_in()
    await shop.publish("nps")
    page = await browser.page("/files")
    csrf = re.search(r'name="_csrf" value="([^"]+)"', page)
    assert csrf
    fields = {"_csrf": csrf[1], "kind": "answers", "survey": "nps", "source": "old"}
    file = {"file": ("a.csv", b"score,responded_at\n9,2026-01-05\n3,2026-01-06\n", "text/csv")}
    seen = await browser.client.post("/files", data=fields | {"_do": "look"}, files=file)
    assert seen.status_code == 200, seen.text
    assert "2 rows: 2 new" in seen.text
    assert (await shop.get("/v1/responses"))["data"] == []
    upload = re.search(r'name="upload" value="([^"]+)"', seen.text)
    assert upload
    reply = await browser.client.post(
        "/files", data=fields | {"_do": "take", "upload": upload[1], "name": "a.csv"},
        files={"file": ("", b"", "application/octet-stream")},
    )  # fmt: skip
    assert reply.status_code == 303, reply.text
    (run,) = (await shop.get("/v1/imports"))["data"]
    assert (run["name"], run["accepted"]) == ("a.csv", 2)
    await press(browser, "import-undo", "/files", import_id=run["id"])
    assert (await shop.get("/v1/responses"))["data"] == []


async def test_an_answer_a_row_is_joined_and_a_file_replaces_another(
    browser: Browser, shop: Shop
) -> None:
    await shop.publish("nps")
    await browser.sign_in()
    csrf = await csrf_of(browser)
    header = "who,when,asked,said"
    rows = [
        f"{number},2026-01-05,{question},{answer}"
        for number in (1, 2, 3)
        for question, answer in (("score", number + 6), ("why", "x"))
    ]
    fields = {"_csrf": csrf, "kind": "answers", "survey": "nps", "source": "long", "_do": "take",
              "pivot": "asked:said", "by": "who", "map": "when=responded_at"}  # fmt: skip
    file = {"file": ("a.csv", "\n".join([header, *rows]).encode())}
    reply = await browser.client.post("/files", data=fields, files=file)
    assert reply.status_code == 303, reply.text
    assert sorted(response["score"] for response in (await shop.get("/v1/responses"))["data"]) == [
        7,
        8,
        9,
    ]
    (run,) = (await shop.get("/v1/imports"))["data"]
    assert f'<option value="{run["id"]}">' in await browser.page("/files")
    file = {"file": ("a.csv", "\n".join([header, *rows[:4]]).encode())}
    replaced = await browser.client.post("/files", data=fields | {"replace": run["id"]}, files=file)
    assert replaced.status_code == 303, replaced.text
    assert sorted(response["score"] for response in (await shop.get("/v1/responses"))["data"]) == [
        7,
        8,
    ]
