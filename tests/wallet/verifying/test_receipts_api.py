import base64
from uuid import uuid4

import pytest

from keys import ring
from runtime import merkle
from tests.wallet.verifying.presented import encode_json
from tests.world_clients import bearer
from tests.world_verifying import Counter, new_counter, new_token
from wallet.issuing import sd_jwt
from wallet.verifying.ledger_jobs import CHECKPOINT, seal_now
from wallet.verifying.receipts import digest_of


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
        assert check(counter, text) == {"genuine": False, "receipt": None, "sealed": False, "ledger": None}, what


@pytest.mark.parametrize(
    "body", [{}, {"receipt": ""}, {"receipt": 5}, {"receipt": None}, {"receipt": "x" * 17_000}, {"receipt": "x", "more": 1}, [], "x"]
)
def test_bad_input_is_refused(counter: Counter, body: object) -> None:
    answer = counter.client.post("/api/v1/receipts/check", json=body)
    assert (answer.status_code, answer.json["code"]) == (422, "invalid-request")


def test_the_digest_is_of_the_very_text_that_was_seen(counter: Counter) -> None:
    answer = counter.verify("not an e-licence~", binding="none")
    assert check(counter, answer.json["receipt"]["jws"])["receipt"]["digest"]["value"] == digest_of("not an e-licence~")  # type: ignore[index]
