import base64
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest

from keys import ring, sealing
from runtime import merkle
from runtime.database import transaction
from runtime.merkle import leaf_of
from tests.wallet.verifying.presented import encode_json
from tests.wallet.verifying.test_one_door import named
from tests.world_clients import bearer
from tests.world_verifying import CAUSE, Counter, new_counter, new_token
from wallet.issuing import sd_jwt
from wallet.verifying.ledger_jobs import CHECKPOINT, seal_now
from wallet.verifying.receipts import TABLE, Receipt, digest_of

ID = str(uuid4())
NOT_GENUINE = {"genuine": False, "receipt": None, "statement": None, "sealed": False, "ledger": None}


def made(counter: Counter) -> dict[str, str]:
    receipt: dict[str, str] = counter.verify(counter.code("holder_name")).json["receipt"]
    return receipt


def check(counter: Counter, text: object) -> dict[str, object]:
    answer = counter.client.post("/api/v1/receipts/check", json={"receipt": text})
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json
    return found


def read(counter: Counter, receipt_id: object, token: str | None = None) -> tuple[int, dict[str, object]]:
    answer = counter.client.get(f"/api/v1/receipts/{receipt_id}", headers=bearer(token or counter.token))
    return answer.status_code, answer.json


def test_a_department_reads_its_own_receipt(counter: Counter) -> None:
    receipt = made(counter)
    status, found = read(counter, receipt["id"])
    assert (status, found["id"], found["jws"], found["verdict"], found["way"]) == (200, receipt["id"], receipt["jws"], "valid", "verification")


def test_another_department_s_receipt_is_not_told_from_none(counter: Counter) -> None:
    receipt, stranger = made(counter), new_counter(counter.client)
    assert read(counter, receipt["id"], stranger.token)[0] == 404
    assert read(counter, receipt["id"], stranger.token)[1]["code"] == read(counter, uuid4())[1]["code"] == "receipt-not-found"
    assert read(counter, "not-an-id")[0] == 404
    assert read(counter, receipt["id"], new_token(counter.client, counter.department, scopes=("draws",)))[0] == 403
    assert counter.client.get(f"/api/v1/receipts/{receipt['id']}").status_code == 401


def test_anyone_may_check_a_receipt_and_its_place_in_the_ledger(counter: Counter) -> None:
    receipt = made(counter)
    before = check(counter, receipt["jws"])
    assert (before["genuine"], before["sealed"], before["ledger"]) == (True, False, None)
    seal_now()
    after = check(counter, receipt["jws"])
    proof = after["ledger"]
    assert after["sealed"] is True
    assert isinstance(proof, dict)
    signed = ring.verify(proof["checkpoint"], use=ring.LEDGER, typ=CHECKPOINT, audience=None)
    leaf, root, path = base64.b64decode(proof["leaf"]), base64.b64decode(signed["root"]), [base64.b64decode(one) for one in proof["path"]]
    assert merkle.verify_inclusion(leaf, index=proof["position"], size=signed["size"], path=path, expected_root=root)
    assert counter.person.name not in str(after)


def test_what_is_not_a_receipt_is_not_genuine(counter: Counter) -> None:
    jws = made(counter)["jws"]
    header, payload, signature = jws.split(".")
    claims = sd_jwt.read_json(payload)
    forged = {
        "altered": ".".join([header, encode_json({**claims, "verdict": "invalid"}), signature]),
        "cut short": jws[:-1],
        "another type of token": ring.signer(ring.RECEIPT).sign(claims, typ="JWT"),
        "another key of ours": ring.signer(ring.LEDGER).sign(claims, typ="receipt+jwt"),
        "signed but never recorded": ring.signer(ring.RECEIPT).sign({**claims, "ledger_entry": str(uuid4())}, typ="receipt+jwt"),
        "signed for another row": ring.signer(ring.RECEIPT).sign({**claims, "verdict": "invalid"}, typ="receipt+jwt"),
        "an access token": counter.token,
        "words": "这不是回执",
        "dots": "..",
    }
    assert check(counter, jws)["genuine"] is True
    for what, text in forged.items():
        assert check(counter, text) == NOT_GENUINE, what


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"receipt": ""},
        {"receipt": 5},
        {"receipt": None},
        {"receipt": "x" * 17_000},
        {"receipt": "x", "more": 1},
        [],
        "x",
        {"id": ID},
        {"digest": "A" * 43},
        {"id": ID, "digest": "A" * 42},
        {"id": ID, "digest": "A" * 42 + "="},
        {"id": ID, "digest": "A" * 43 + "\n"},
        {"id": "7", "digest": "A" * 43},
    ],
)
def test_bad_input_is_refused(counter: Counter, body: object) -> None:
    answer = counter.client.post("/api/v1/receipts/check", json=body)
    assert (answer.status_code, answer.json["code"]) == (422, "invalid-request")


def test_the_digest_is_of_the_very_text_that_was_seen(counter: Counter) -> None:
    answer = counter.verify("not an e-licence~", binding="none")
    assert check(counter, answer.json["receipt"]["jws"])["receipt"]["digest"]["value"] == digest_of("not an e-licence~")  # type: ignore[index]


def listed(counter: Counter, query: str = "", token: str | None = None) -> dict[str, Any]:
    answer = counter.client.get(f"/api/v1/receipts?{query}", headers=bearer(token or counter.token))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json
    return found


def test_a_receipt_says_which_system_asked_for_which_matter_and_why_a_check_failed(counter: Counter) -> None:
    cause = {"text": "办理年检", "matter": "370100-GA-0021", "matter_name": "年检", "system": "车管所窗口系统"}
    jws = counter.verify("not an e-licence~", binding="none", cause=cause).json["receipt"]["jws"]
    claims = check(counter, jws)["receipt"]
    assert isinstance(claims, dict)
    assert claims["cause"] == cause
    assert claims["verifier"]["system"]
    assert [check for check, outcome in claims["checks"].items() if outcome == "failed"] == ["form"]
    assert claims["reasons"] == {"form": "malformed"}


def test_a_department_s_own_receipt_comes_with_a_proof_that_can_be_made_again_from_its_row(counter: Counter) -> None:
    receipt = made(counter)
    assert read(counter, receipt["id"])[1]["ledger"] is None
    seal_now()
    found: Any = read(counter, receipt["id"])[1]
    proof = found["ledger"]
    assert found["sealed"] is True
    assert proof["row"]["detail"]["receipt"] == digest_of(receipt["jws"])
    assert base64.b64encode(leaf_of(proof["row"])).decode() == proof["leaf"]
    assert found["check_url"].endswith(f"/receipts/{receipt['id']}/{digest_of(receipt['jws'])}")


def test_number_and_digest_tell_that_a_receipt_is_genuine_and_nothing_of_the_licence(counter: Counter) -> None:
    receipt = made(counter)
    seal_now()
    answer = counter.client.post("/api/v1/receipts/check", json={"id": receipt["id"], "digest": digest_of(receipt["jws"])})
    assert answer.json.keys() == NOT_GENUINE.keys()
    assert (answer.json["genuine"], answer.json["sealed"], answer.json["receipt"]) == (True, True, None)
    assert answer.json["statement"].keys() == {"id", "issued_at", "way", "verdict", "department_code", "department", "licence_type"}
    for hidden in (counter.person.name, counter.person.number, counter.licence.identifier, str(counter.holder_id), CAUSE["text"], "holder_name"):
        assert hidden not in answer.text
    for other in ({"id": receipt["id"], "digest": digest_of("other")}, {"id": ID, "digest": digest_of(receipt["jws"])}):
        assert counter.client.post("/api/v1/receipts/check", json=other).json == NOT_GENUINE


@pytest.mark.parametrize(("known", "word", "mark"), [(True, "The licence was good", "valid"), (False, "Could not be verified", "unknown")])
def test_the_public_page_says_the_verdict_as_it_stands_on_the_paper(counter: Counter, known: bool, word: str, mark: str) -> None:
    """Whoever finds another word there is told that the paper is not this receipt."""
    receipt = named(counter, **({} if known else {"identifier": "1.2.156.3005.2.nothing"})).json["receipt"]
    page = counter.client.get(f"/receipts/{receipt['id']}/{digest_of(receipt['jws'])}", headers={"Accept": "text/html", "Accept-Language": "en"})
    assert f'<p class="state state--{mark}">{word}</p>' in page.text
    assert "<dd>Verified by a document, an offline code or its number, whoever brought that</dd>" in page.text


def test_of_a_licence_that_was_not_good_the_public_page_says_so(counter: Counter) -> None:
    receipt = counter.verify("not an e-licence~", binding="none").json["receipt"]
    page = counter.client.get(f"/receipts/{receipt['id']}/{digest_of(receipt['jws'])}", headers={"Accept": "text/html", "Accept-Language": "en"})
    assert '<p class="state state--revoked">Not verified</p>' in page.text


@pytest.mark.parametrize("by", ["number and digest", "text"])
def test_a_receipt_that_was_exchanged_where_it_is_kept_says_nothing_true(counter: Counter, by: str) -> None:
    """Whoever can write into the database has no key for the ledger: neither the receipt that was there nor the other is genuine then."""
    first, other = made(counter), made(counter)
    with transaction() as session:
        row = session.get_one(Receipt, UUID(first["id"]))
        row.jws_sealed = sealing.seal(other["jws"], table=TABLE, column="jws_sealed", row=row.id)
    for text in (first["jws"], other["jws"]):
        asked = {"receipt": text} if by == "text" and text == first["jws"] else {"id": first["id"], "digest": digest_of(text)}
        assert counter.client.post("/api/v1/receipts/check", json=asked).json == NOT_GENUINE
    assert check(counter, other["jws"])["genuine"], "at its own place it is what it was"


def test_a_list_is_of_the_caller_s_own_department_newest_first_page_by_page(counter: Counter) -> None:
    ids = [made(counter)["id"] for _ in range(3)]
    made(new_counter(counter.client))
    first = listed(counter, "limit=2")
    assert [one["id"] for one in first["receipts"]] == ids[:0:-1]
    assert first["receipts"][0].keys() == {"id", "issued_at", "way", "verdict", "type", "further_types"}
    second = listed(counter, f"limit=2&before={first['next']}")
    assert ([one["id"] for one in second["receipts"]], second["next"]) == (ids[:1], None)


def test_a_list_is_narrowed_by_way_verdict_type_and_time(counter: Counter) -> None:
    good, bad = made(counter)["id"], counter.verify("not an e-licence~", binding="none").json["receipt"]["id"]
    drawn = counter.draw().json["receipt"]["id"]
    moment = quote(read(counter, bad)[1]["issued_at"])  # type: ignore[arg-type]
    for query, expected in {
        "way=draw": [drawn],
        "verdict=invalid": [bad],
        "type=driving-licence": [drawn, good],
        f"from={moment}": [drawn, bad],
        f"until={moment}": [good],
        f"from={moment}&until={moment}": [],
    }.items():
        assert [one["id"] for one in listed(counter, query)["receipts"]] == expected, query


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=0", 422),
        ("limit=201", 422),
        ("before=7", 422),
        ("way=other", 422),
        ("verdict=", 422),
        ("from=2026-01-01", 422),
        ("from=yesterday", 422),
        ("type=no-such-type", 404),
    ],
)
def test_a_list_is_not_asked_for_in_other_words(counter: Counter, query: str, status: int) -> None:
    assert counter.client.get(f"/api/v1/receipts?{query}", headers=bearer(counter.token)).status_code == status


@pytest.mark.parametrize(
    ("query", "field", "said"),
    [
        pytest.param("form=2026-01-01T00:00:00Z", "form", "没有这个项目。", id="a filter mistyped"),
        pytest.param("limit=1&limit=2", "limit", "不能重复填写。", id="a filter twice"),
        pytest.param("limit=1&limit=1", "limit", "不能重复填写。", id="the same twice"),
    ],
)
def test_a_filter_that_is_not_known_or_comes_twice_is_refused_by_name(counter: Counter, query: str, field: str, said: str) -> None:
    """Left out, it would be answered with more than was asked for."""
    refused = counter.client.get(f"/api/v1/receipts?{query}", headers=bearer(counter.token))
    assert (refused.status_code, refused.json["field"], refused.json["errors"]) == (422, field, [{"field": field, "detail": said}])


def test_the_language_of_an_answer_is_no_filter(counter: Counter) -> None:
    refused = counter.client.get("/api/v1/receipts?lang=en&limit=0", headers=bearer(counter.token))
    assert (refused.json["field"], counter.client.get("/api/v1/receipts?lang=en", headers=bearer(counter.token)).status_code) == ("limit", 200)
    assert refused.json["errors"][0]["detail"].startswith("Must be greater")
