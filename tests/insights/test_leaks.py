# SPDX-License-Identifier: Apache-2.0
"""No insight shows customers' words, names or single answers to people who may not see them."""

import datetime as dt
from typing import Any

import pytest

from app.insights.comment_names import name_forms
from app.interactions.erased_names import plain_words
from tests.insights.test_insights import COMMENT, NOW, NPS, TEXT, answer, rating, send
from tests.shop import Shop

OPTIONS = [{"key": key, "text": TEXT} for key in ("good", "bad")]


async def figures_key(shop: Shop) -> str:
    reply = await shop.post("/v1/api-keys", {"name": "figures", "scopes": ["metrics"]})
    secret: str = reply["secret"]
    return secret


@pytest.mark.parametrize("type_", ["text", "yes_no", "expectation", "choices"])
async def test_what_was_heard_is_a_choice(shop: Shop, type_: str) -> None:
    heard_question: dict[str, Any] = {"key": "x", "type": type_, "text": TEXT, "driver": "heard"}
    heard_question |= {"options": OPTIONS} if type_ == "choices" else {}
    body = {"key": "s", "name": "S", "metric": "nps", "questions": [NPS, heard_question]}
    refused = await shop.call("POST", "/v1/surveys", json=body)
    assert refused.status_code == 422
    assert "driver: `heard` is asked by a question of choice" in refused.text


async def test_the_name_of_a_customer_of_another_channel_is_no_word(shop: Shop) -> None:
    """Filters narrow the comments, and not whose names are dropped."""
    await shop.publish("nps", metric="nps", questions=[NPS, COMMENT])
    lines = [
        answer("nps", index, {"score": 2 if index % 2 else 10,
                              "why": "Late. Nowak" if index % 2 else "Quick. Great"}, channel="web")
        for index in range(60)
    ]  # fmt: skip
    who = {"external_id": "j", "name": "Jan Nowak", "email": "jan@example.pl"}
    lines.append(answer("nps", 99, {"score": 9}, channel="email", customer=who))
    await send(shop, lines)
    for filters in ({}, {"channel": "web"}, {"survey": "nps", "count": "latest_per_customer"}):
        insight = await shop.get("/v1/insights/comments", **filters)
        words = {row["term"] for row in insight["rows"]}
        assert ("late" in words, "nowak" in words) == (True, False), filters


async def test_an_erased_customers_name_stays_no_word(shop: Shop) -> None:
    await shop.publish("nps", metric="nps", questions=[NPS, COMMENT])
    who = {"external_id": "e", "name": "Ewa Dudek", "email": "ewa.dudek@example.pl"}
    lines = [
        answer("nps", number, {"score": 2 if number % 2 else 10,
                              "why": "Ewa Dudek was rude" if number % 2 else "Quick delivery"})
        for number in range(60)
    ]  # fmt: skip
    lines.append(answer("nps", 99, {"score": 9}, customer=who))
    await send(shop, lines)
    customer = await shop.get("/v1/customers/e")
    await shop.call("DELETE", f"/v1/customers/{customer['id']}")
    insight = await shop.get("/v1/insights/comments")
    words = {word for row in insight["rows"] for word in row["term"].split()}
    assert "delivery" in words
    assert not words & {"ewa", "dudek"}


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Ewa", "Ewy Ewie Ewę Ewą Ewo"), ("Dudek", "Dudka Dudkowi Dudkiem Dudku"),
        ("Jan", "Jana Janowi Janem Janie"), ("Nowak", "Nowakowie Nowakiem Nowaka Nowakowej"),
        ("Marek", "Marka Markowi Markiem"), ("Kot", "Kota Kotowi Kotem"),
        ("Niemiec", "Niemca Niemcowi Niemcem"), ("Paweł", "Pawła Pawłowi Pawłem Pawle Pawlem"),
        ("Marta", "Marty Marcie Martę Martą Marto"), ("Beata", "Beacie Beaty"),
        ("Małgorzata", "Małgorzacie Malgorzaty"), ("Michał", "Michała Michałem Michale"),
        ("Rafał", "Rafale Rafałowi"), ("Kania", "Kani Kanią"), ("Gołąb", "Gołębia Gołębiowi"),
        ("Ryś", "Rysia Rysiowi Rysiem"), ("Kmieć", "Kmiecia Kmieciowi"), ("Zosia", "Zosi Zosiu"),
        ("Kościuszko", "Kościuszki Kościuszką Kościuszce"), ("Matejko", "Matejki"),
        ("Kamiński", "Kamińskich Kamińskiego Kamińskiemu Kamińskim Kamińska"),
        ("Kozioł", "Kozła Kozlowi"), ("Stępień", "Stępnia Stępniowi Stepniem"),
        ("Orzeł", "Orła Orlowi"), ("Gałązka", "Gałązce Galazki"), ("Jagiełło", "Jagiełły"),
        ("Olga", "Oldze Olgi"), ("Wanda", "Wandzie Wandy"), ("Barbara", "Barbarze Barbary"),
        ("Jerzy", "Jerzego Jerzemu Jerzym"), ("Kowalski", "Kowalskiego Kowalskiej"),
        ("Kowalski", "Kowalscy"), ("Kozioł", "Koźle"), ("Kocioł", "Kotła Kotłem"),
        ("Kwiecień", "Kwietnia Kwietniem"), ("Grudzień", "Grudnia"), ("Marzec", "Marca Marcem"),
        ("Dąb", "Dęba Dębowi"), ("Fredro", "Fredrze"), ("Linde", "Lindego Lindemu"),
        ("Popescu", "Popeștilor"), ("Ion", "Ioane"), ("Vasile", "Vasilelui"),
        ("Maria", "Mariei Mariii Mario"), ("Raluca", "Ralucăi Ralucii Raluco"),
        ("Bianca", "Biancăi Biancii"), ("Ioana", "Ioanei Ioano"), ("Olga", "Olgăi"),
        ("Ionescu", "Ionescului Ionescule"), ("Radu", "Radului Radule"), ("Ștefan", "Ștefane"),
        ("Andrei", "Andreiului"), ("Munteanu", "Muntenilor"), ("Luca", "Lucăi"),
        ("Müller", "Müllers Mueller"), ("Weiß", "Weiss"), ("Smith", "Smiths Smith's"),
        ("Петров", "Петрова Петровым Петрову"), ("Ирина", "Ирины Ирине Ириной"),
        ("Novák", "Nováka Novákovi Novákem Nováková"), ("Nagy", "Nagynak Nagyot Nagyék"),
        ("Kazlauskas", "Kazlausko Kazlauskui"),
    ],
)  # fmt: skip
def test_a_name_is_known_in_its_cases(name: str, written: str) -> None:
    for form in written.split():
        assert plain_words([name]) & name_forms(plain_words([form])), form


async def test_a_small_survey_is_not_told_by_the_whole(shop: Shop) -> None:
    await shop.publish("big", metric="nps", questions=[NPS])
    await shop.publish("tiny", metric="nps", questions=[NPS])
    await send(shop, [answer("big", number, {"score": 9}) for number in range(30)])
    await send(shop, [answer("tiny", number, {"score": 1}) for number in range(3)])
    await shop.call("PATCH", "/v1/workspace", json={"min_group_size": 10})
    reach = await shop.get("/v1/insights/word-of-mouth")
    assert (reach["n"], reach["dissatisfied"]) == (30, 0)
    assert any("tiny" in warning for warning in reach["warnings"])
    assert {row["survey"]: row["dissatisfied"] for row in reach["rows"]} == {"big": 0, "tiny": None}


async def test_a_key_for_figures_sees_no_single_person_and_no_member(shop: Shop) -> None:
    await shop.publish("nps")
    await shop.call("PATCH", "/v1/workspace", json={"segments": ["store"]})
    await shop.post("/v1/members", {"email": "boss@firm.example", "name": "Boss"})
    rule: dict[str, Any] = {"metric": "nps", "rule": {"kind": "below", "value": 99, "min_n": 1}}
    alert = {"name": "a", "key": "a", "notify": ["member:boss@firm.example"]}
    narrowed = {"filter": {"property.nick": "rare"}}
    await shop.post("/v1/alerts", rule | alert)
    await shop.post("/v1/alerts", rule | narrowed | {"name": "b", "key": "b"})
    key = await figures_key(shop)
    for path in ("/v1/alerts", "/v1/alerts/a"):
        reply = await shop.call("GET", path, key=key)
        assert (reply.status_code, "boss@firm.example" in reply.text) == (200, False)
    assert "boss@firm.example" in str(await shop.get("/v1/alerts/a"))
    tried = rule | narrowed | {"name": "c"}
    refused = await shop.call("POST", "/v1/alerts/preview", json=tried, key=key)
    assert (refused.status_code, "sees figures only" in refused.text) == (422, True)
    assert (await shop.call("POST", "/v1/alerts/preview", json=tried)).status_code == 200
    segment = rule | {"name": "c", "filter": {"property.store": "W"}}
    assert (await shop.call("POST", "/v1/alerts/preview", json=segment, key=key)).status_code == 200
    assert (await shop.call("GET", "/v1/alerts/b/chart", key=key)).status_code == 422
    assert (await shop.call("GET", "/v1/alerts/a/chart", key=key)).status_code == 200


async def test_a_pillar_on_the_main_question_does_not_explain_itself(shop: Shop) -> None:
    questions = [NPS | {"pillar": "integrity"}, rating("kind", pillar="empathy")]
    await shop.publish("s", metric="nps", questions=questions)
    await send(shop, [
        answer("s", number, {"score": number % 11, "kind": 1 + number % 5}) for number in range(220)
    ])  # fmt: skip
    insight = await shop.get("/v1/insights/pillars")
    assert insight["index"]["weights"] == "equal"
    refusal = await shop.get("/v1/insights/pillars", weights="johnson")
    assert refusal["refused"]["reason"] == "no_outcome"


async def test_words_are_not_cut_at_their_signs_and_sides_are_not_mixed(shop: Shop) -> None:
    await shop.publish("nps", metric="nps", questions=[NPS, COMMENT])
    lines = [answer("nps", number, {"score": 1, "why": "सेवा बहुत खराब"}, locale="hi")
             for number in range(25)]  # fmt: skip
    lines += [answer("nps", 100 + number, {"score": 10, "why": "Very quick delivery"}, locale="en")
              for number in range(25)]  # fmt: skip
    await send(shop, lines)
    insight = await shop.get("/v1/insights/comments")
    assert {"सेवा", "खराब"} <= {row["term"] for row in insight["rows"] if row["locale"] == "hi"}
    # Words of a language that one side alone speaks tell nothing of either side.
    for side in ("low", "high"):
        rows = (await shop.get("/v1/insights/comments", side=side))["rows"]
        assert all((row["z"] > 0) == (side == "low") and row["z"] != 0 for row in rows)


async def test_an_answer_in_a_language_without_dictionary_keeps_it(shop: Shop) -> None:
    await shop.publish("nps", metric="nps", questions=[NPS, COMMENT])
    lines = [
        answer("nps", number, {"score": (10, 1)[number % 2],
                              "why": ("とても 速い", "とても 遅い")[number % 2]}, locale="ja")
        for number in range(60)
    ]  # fmt: skip
    await send(shop, lines)
    insight = await shop.get("/v1/insights/comments")
    assert {row["locale"] for row in insight["rows"]} == {"ja"}


async def test_of_several_ratings_at_once_the_next_later_one_follows(shop: Shop) -> None:
    await shop.publish("nps")
    moment = NOW - dt.timedelta(days=25)
    lines = []
    for index in range(20):
        who = {"external_id": f"c{index}"}
        for number, (score, days) in enumerate(((2, 0), (7, 0), (10, 3))):
            at = (moment + dt.timedelta(days=days)).isoformat()
            lines.append(answer("nps", 10 * index + number, {"score": score}, customer=who,
                                responded_at=at))  # fmt: skip
    await send(shop, lines)
    insight = await shop.get("/v1/insights/recovery")
    assert (insight["failures"], insight["followed"], insight["recovered"]) == (20, 20, 20)
    assert insight["median_days"] == 3


async def test_a_reopened_ticket_recovers_by_what_follows_its_second_solving(shop: Shop) -> None:
    await shop.publish("csat", template="csat")
    start = NOW - dt.timedelta(days=20)
    moments: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []

    def add_ticket_event(ticket: str, type_: str, day: int) -> None:
        at = (start + dt.timedelta(days=day)).isoformat()
        moments.append({"type": f"ticket.{type_}", "source": "desk", "ticket": ticket,
                        "external_id": f"{ticket}-{type_}-{day}", "occurred_at": at})  # fmt: skip

    def add_rating(ticket: str, score: int, day: int) -> None:
        at = (start + dt.timedelta(days=day, hours=1)).isoformat()
        about = {"source": "desk", "external_id": f"{ticket}-solved-{day}"}
        lines.append(answer("csat", len(lines), {"score": score}, ticket=ticket,
                            interaction=about, responded_at=at,
                            customer={"external_id": f"c{ticket}"}))  # fmt: skip

    for number in range(25):
        # Reopened, and never solved again: the good rating was given before.
        add_ticket_event(f"a{number}", "opened", 0)
        add_ticket_event(f"a{number}", "solved", 1)
        add_rating(f"a{number}", 5, 1)
        add_ticket_event(f"a{number}", "reopened", 2)
    for ticket, score in (("b1", 5), ("b2", 1)):
        for day, type_ in enumerate(("opened", "solved", "reopened", "solved", "reopened")):
            add_ticket_event(ticket, type_, day)
        # Rated after the second solving; a third one came later.
        add_rating(ticket, score, 3)
        add_ticket_event(ticket, "solved", 9)
    for number in range(25):
        add_rating(f"x{number}", 1, 1)
    await send(shop, moments, path="interactions")
    await send(shop, lines)
    insight = await shop.get("/v1/insights/recovery")
    (row,) = [row for row in insight["rows"] if row["by"] == "ticket"]
    assert (row["failures"], row["followed"], row["recovered"], row["failed_again"]) == (
        27,
        2,
        1,
        1,
    )


async def test_what_never_varies_drives_nothing_and_is_not_explained(shop: Shop) -> None:
    questions = [NPS, rating("wait", driver="waiting"), rating("same", driver="quality", points=7),
                 rating("kind", driver="courtesy")]  # fmt: skip
    await shop.publish("s", metric="nps", questions=questions)
    lines = []
    for number in range(150):
        answers: dict[str, Any] = {"score": number % 11, "wait": 1 + number * 7 % 5, "same": 5,
                                   "kind": 1 + (number // 3) % 5}  # fmt: skip
        if number % 9 == 0:
            answers["kind"] = None
        lines.append(answer("s", number, answers))
    await send(shop, lines)
    insight = await shop.get("/v1/insights/drivers")
    assert insight["base"] == "pairwise"
    same = next(row for row in insight["rows"] if row["driver"] == "quality")
    assert (same["correlation"], same["importance"], same["importance_share_ci"]) == (
        None, 0, [0, 0],
    )  # fmt: skip
    assert same["mean_0_100_ci"] == [pytest.approx(same["mean_0_100"])] * 2
    await shop.publish("t", metric="nps", questions=questions)
    await send(shop, [line | {"survey": "t", "external_id": f"t{index}",
                              "answers": line["answers"] | {"score": 9}}
                      for index, line in enumerate(lines)])  # fmt: skip
    refused = await shop.get("/v1/insights/drivers", survey="t")
    assert (refused["refused"]["reason"], refused["rows"]) == ("no_outcome", [])


async def test_promoters_are_the_top_box_of_a_recommendation(shop: Shop) -> None:
    other = {"key": "again", "type": "nps", "text": TEXT, "driver": "value"}
    main = {"key": "score", "type": "csat", "text": TEXT}
    await shop.publish("s", metric="csat", questions=[main, other])
    await send(shop, [
        answer("s", number, {"score": 1 + number % 5, "again": (9, 10, 8, 2)[number % 4]})
        for number in range(100)
    ])  # fmt: skip
    (row,) = (await shop.get("/v1/insights/drivers"))["rows"]
    assert row["top_box_share"] == 50


async def test_names_that_are_gone_do_not_come_back(shop: Shop) -> None:
    """One was claimed and erased by its address, the other merged into a customer."""
    await shop.publish("nps", metric="nps", questions=[NPS, COMMENT])
    lines = [
        answer("nps", number, {"score": 2 if number % 2 else 10,
                              "why": "Zbigniew was late, Gertruda rude" if number % 2 else "Quick"})
        for number in range(60)
    ]  # fmt: skip
    gertruda = {"external_id": "g", "name": "Gertruda Kos", "email": "gk@example.pl"}
    stays = {"external_id": "s", "name": "G. Kos", "email": "kos@example.pl"}
    zbigniew = {"external_id": "z", "email": "zk@example.pl"}
    lines += [answer("nps", 90 + number, {"score": 9}, customer=who)
              for number, who in enumerate((gertruda, stays, zbigniew))]  # fmt: skip
    await send(shop, lines)
    key = await shop.make_key("collect")
    claimed = {"email": "zk@example.pl", "name": "Zbigniew Kania"}
    body = {"survey": "nps", "channel": "widget", "answers": {"score": 9}, "customer": claimed}
    assert (await shop.call("POST", "/v1/responses", json=body, key=key)).status_code == 201
    await shop.post("/v1/customers/merge", {"from": "g", "into": "s"}, status=200)
    customer = await shop.get("/v1/customers/z")
    await shop.call("DELETE", f"/v1/customers/{customer['id']}")
    insight = await shop.get("/v1/insights/comments", limit=1000)
    words = {word for row in insight["rows"] for word in row["term"].split()}
    assert "rude" in words
    assert not words & {"zbigniew", "gertruda"}


async def test_few_who_rated_again_stay_hidden(shop: Shop) -> None:
    await shop.publish("nps", metric="nps", questions=[NPS])
    await shop.call("PATCH", "/v1/workspace", json={"min_group_size": 10})
    lines = [answer("nps", number, {"score": 1}, customer={"external_id": f"c{number}"})
             for number in range(40)]  # fmt: skip
    later = (NOW - dt.timedelta(days=5)).isoformat()
    lines += [answer("nps", 100 + number, {"score": 10}, customer={"external_id": f"c{number}"},
                     responded_at=later) for number in range(3)]  # fmt: skip
    await send(shop, lines)
    insight = await shop.get("/v1/insights/recovery")
    assert (insight["failures"], insight["followed"]) == (40, 3)
    for name in ("recovered", "rate_of_followed", "rate_of_all", "median_days"):
        assert insight[name] is None, name
    assert insight["control"]["p_good_after_bad"] is None
    assert [row["rate_of_followed"] for row in insight["rows"]] == [None]


async def test_no_link_is_claimed_without_orders(shop: Shop) -> None:
    await shop.publish("nps", metric="nps", questions=[NPS])
    at = (NOW - dt.timedelta(days=200)).isoformat()
    lines = [answer("nps", number, {"score": number % 11}, responded_at=at,
                    customer={"external_id": f"c{number}"}) for number in range(60)]  # fmt: skip
    await send(shop, lines)
    order = {"type": "order.paid", "source": "shop", "external_id": "o", "order": "o",
             "customer": {"external_id": "another"}, "occurred_at": at,
             "value": {"amount": "9.00", "currency": "EUR"}}  # fmt: skip
    await shop.post("/v1/interactions", order)
    refused = (await shop.get("/v1/insights/spending"))["refused"]
    assert (refused["reason"], refused["n"]) == ("no_orders", 60)
