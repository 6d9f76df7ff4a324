import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from flask import Flask
from sqlalchemy import event, select, text

from keys import holder_keys, ring
from runtime import clock
from runtime.clock import now
from runtime.database import engine, transaction
from runtime.ledger import LedgerEntry
from schemas.verifications import VerificationSchema
from tests.wallet.verifying.presented import Presented, encode_json
from tests.word_of_changes import let_word_come
from tests.world_clients import bearer
from tests.world_verifying import CAUSE, OTHER_TYPE, TYPE, Counter, new_counter, new_token
from wallet.holding.uses import uses_of
from wallet.issuing import credentials, sd_jwt, status_lists
from wallet.issuing.life import revoke_licence
from wallet.presenting.qr_codes import Presentation
from wallet.verifying.receipts import Receipt, digest_of

NONCE = "a-nonce-of-the-verifier"
AUDIENCE = "http://127.0.0.1:8000/api/v1/verifications"


def whole(counter: Counter) -> str:
    """The whole credential, as its holder may have carried it elsewhere."""
    with transaction() as session:
        return credentials.text_of(credentials.credential_of(session, counter.licence))


def shown(counter: Counter, *fields: str, **binding: Any) -> str:
    """A presentation of some fields, bound by the holder's key."""
    with transaction() as session:
        credential = credentials.credential_of(session, counter.licence)
    parts = sd_jwt.parse(credentials.text_of(credential))
    presented = sd_jwt.combine(parts.jwt, [one for one in parts.disclosures if one.name in fields])
    claims = {"iat": int(now().timestamp()), "aud": AUDIENCE, "nonce": NONCE, "sd_hash": sd_jwt.sd_hash(presented), **binding}
    return presented + holder_keys.sign(credential.holder_key_sealed, claims, credential_id=credential.id, typ="kb+jwt")


def failed(answer: Any) -> list[tuple[str, str]]:
    """The checks that failed, and why."""
    return [(check["check"], check["reason"]) for check in answer.json["checks"] if check["outcome"] == "failed"]


def test_a_code_is_verified_and_gives_the_chosen_fields_and_a_receipt(counter: Counter) -> None:
    answer = counter.verify(counter.code("vehicle_class", "holder_name"))
    assert answer.status_code == 201
    assert answer.json["verdict"] == "valid"
    assert answer.json["fields"] == {"vehicle_class": "C1", "holder_name": counter.person.name}
    assert {check["outcome"] for check in answer.json["checks"]} == {"passed"}
    licence = answer.json["licence"]
    assert (licence["slug"], licence["identifier"], licence["state"]) == (TYPE, counter.licence.identifier, "valid")
    assert licence["issuer"]["code"] == counter.issuer


def test_the_receipt_names_what_was_seen_and_never_says_it(counter: Counter) -> None:
    answer = counter.verify(counter.code("holder_name", "holder_number"), cause={**CAUSE, "matter": "370100-GA-0021", "system": "窗口"})
    claims = ring.verify(answer.json["receipt"]["jws"], use=ring.RECEIPT, typ="receipt+jwt", audience=None)
    assert claims["verifier"]["code"] == counter.department
    assert claims["cause"] == {**CAUSE, "matter": "370100-GA-0021", "system": "窗口"}
    assert claims["fields"] == ["holder_name", "holder_number"]
    assert claims["licence"]["identifier"] == counter.licence.identifier
    assert claims["jti"] == answer.json["receipt"]["id"]
    assert set(claims["checks"].values()) == {"passed"}
    assert not any(secret in json.dumps(claims, ensure_ascii=False) for secret in (counter.person.name, counter.person.number))


def test_the_use_is_in_the_holder_s_history_and_the_receipt_in_the_ledger(counter: Counter) -> None:
    answer = counter.verify(counter.code("vehicle_class"))
    with transaction() as session:
        (use,) = uses_of(session, holder_id=counter.holder_id)
        entry = session.scalars(select(LedgerEntry).where(LedgerEntry.object_id == answer.json["receipt"]["id"])).one()
    assert (use.department, use.cause, use.fields, use.way, use.verdict) == (
        counter.department,
        CAUSE["text"],
        ["vehicle_class"],
        "presentation",
        "valid",
    )
    assert str(use.receipt_id) == answer.json["receipt"]["id"]
    assert (entry.act, entry.actor, entry.subject_id) == ("verification.made", f"department:{counter.department}", counter.holder_id)
    assert entry.detail["receipt"] == digest_of(answer.json["receipt"]["jws"])


def test_a_presentation_bound_to_this_occasion_is_verified(counter: Counter) -> None:
    answer = counter.verify(shown(counter, "vehicle_class"), nonce=NONCE)
    assert (answer.status_code, answer.json["verdict"], answer.json["fields"]) == (201, "valid", {"vehicle_class": "C1"})


def test_a_whole_credential_is_verified_where_no_binding_is_asked_for(counter: Counter) -> None:
    answer = counter.verify(whole(counter), binding="none")
    outcomes = {check["check"]: check["outcome"] for check in answer.json["checks"]}
    assert answer.json["verdict"] == "valid"
    assert {outcomes[name] for name in ("holder_binding", "audience", "nonce")} == {"not_asked"}
    assert answer.json["fields"]["holder_number"] == counter.person.number


FOREIGN = sd_jwt.Disclosure.of("x", 1).encoded
FAILING: dict[str, tuple[Callable[[Counter], str], dict[str, Any], tuple[str, str]]] = {
    "not an e-licence": (lambda counter: "abc~", {"binding": "none"}, ("form", "malformed")),
    "another root": (lambda counter: Presented(bound=False).text(), {"binding": "none"}, ("issuer", "untrusted")),
    "a disclosure of another": (lambda counter: whole(counter) + f"{FOREIGN}~", {"binding": "none"}, ("disclosures", "bad_disclosures")),
    "a tampered disclosure": (lambda counter: tampered(whole(counter)), {"binding": "none"}, ("disclosures", "bad_disclosures")),
    "a tampered payload": (lambda counter: tampered_payload(whole(counter)), {"binding": "none"}, ("signature", "bad_signature")),
    "no binding": (whole, {"nonce": NONCE}, ("holder_binding", "not_bound")),
    "a binding that nobody asked for": (lambda counter: shown(counter), {"binding": "none"}, ("holder_binding", "unexpected_binding")),
    "an old binding": (lambda counter: shown(counter, iat=int(now().timestamp()) - 400), {"nonce": NONCE}, ("holder_binding", "stale_binding")),
    "another audience": (lambda counter: shown(counter, aud="https://other.example"), {"nonce": NONCE}, ("audience", "wrong_audience")),
    "another nonce": (lambda counter: shown(counter), {"nonce": NONCE + "2"}, ("nonce", "wrong_nonce")),
    "an audience of the verifier's own": (lambda counter: shown(counter), {"nonce": NONCE, "audience": "urn:me"}, ("audience", "wrong_audience")),
}  # fmt: skip


def tampered(presented: str) -> str:
    parts = sd_jwt.parse(presented)
    return sd_jwt.combine(parts.jwt, [sd_jwt.Disclosure.of("vehicle_class", "A1"), *parts.disclosures[1:]])


def tampered_payload(presented: str) -> str:
    head, _, rest = presented.partition("~")
    header, payload, signature = head.split(".")
    return f"{header}.{encode_json({**sd_jwt.read_json(payload), 'exp': 9999999999})}.{signature}~{rest}"


@pytest.mark.parametrize(("make", "more", "failure"), FAILING.values(), ids=FAILING)
def test_a_presentation_that_fails_is_answered_attested_and_discloses_nothing(
    counter: Counter, make: Callable[[Counter], str], more: dict[str, Any], failure: tuple[str, str]
) -> None:
    answer = counter.verify(make(counter), **more)
    assert (answer.status_code, answer.json["verdict"], failed(answer)) == (201, "invalid", [failure])
    assert answer.json["fields"] == {}
    assert counter.person.name not in answer.text
    claims = jwt.decode(answer.json["receipt"]["jws"], options={"verify_signature": False})
    assert claims["verdict"] == "invalid"
    assert (answer.json["licence"] is None) == (failure[0] in ("form", "signature", "issuer"))


def test_a_revoked_licence_is_said_to_be_so_at_once(counter: Counter) -> None:
    code, other = counter.code(), shown(counter, "vehicle_class")
    with transaction() as session:
        licence = session.merge(counter.licence)
        revoke_licence(session, licence, reason="错误签发", legal_basis="条例", department=counter.issuer, now=now())
    for answer in (counter.verify(code), counter.verify(other, nonce=NONCE)):
        assert failed(answer) == [("status", "revoked")]
        assert (answer.json["licence"]["state"], answer.json["fields"]) == ("revoked", {})
    with transaction() as session:
        assert {use.verdict for use in uses_of(session, holder_id=counter.holder_id)} == {"invalid"}


def test_a_licence_past_its_last_day_is_expired(counter: Counter) -> None:
    presented = whole(counter)
    with transaction() as session:
        session.execute(text("UPDATE licences SET valid_until = current_date - 2 WHERE id = :id"), {"id": counter.licence.id})
    assert failed(counter.verify(presented, binding="none")) == [("status", "expired")]


def test_nobody_shows_the_licence_of_someone_who_has_died(counter: Counter) -> None:
    with transaction() as session:
        session.execute(text("UPDATE subjects SET state = 'deceased' WHERE id = :id"), {"id": counter.holder_id})
    for answer in (counter.verify(whole(counter), binding="none"), counter.verify(shown(counter, "vehicle_class"), nonce=NONCE)):
        assert failed(answer) == [("status", "holder_ended")]
        assert (answer.json["licence"]["state"], answer.json["fields"]) == ("valid", {})


@pytest.mark.parametrize("status", [status_lists.SUSPENDED, status_lists.INVALID])
def test_the_credential_s_own_status_counts_as_well(counter: Counter, status: int) -> None:
    with transaction() as session:
        status_lists.set_status(session, credentials.credential_of(session, counter.licence).place, status)
    reason = "suspended" if status == status_lists.SUSPENDED else "revoked"
    assert failed(counter.verify(whole(counter), binding="none")) == [("status", reason)]


def test_without_authority_nothing_is_disclosed_and_the_code_stays_unspent(app: Flask, counter: Counter) -> None:
    stranger = new_token(counter.client, new_counter(counter.client, verify=(OTHER_TYPE,)).department)
    code, presented = counter.code("holder_name"), shown(counter, "holder_name")
    for refused in (counter.verify(code, token=stranger), counter.verify(presented, nonce=NONCE, token=stranger)):
        assert (refused.status_code, refused.json["code"]) == (403, "no-authority")
        assert counter.person.name not in refused.text
    with transaction() as session:
        assert uses_of(session, holder_id=counter.holder_id) == []
    assert counter.verify(code).json["verdict"] == "valid"


def test_a_code_works_once(counter: Counter) -> None:
    code = counter.code()
    assert counter.verify(code).status_code == 201
    again = counter.verify(code)
    assert (again.status_code, again.json["code"]) == (409, "code-spent")


def test_a_code_expires_after_five_minutes(counter: Counter) -> None:
    code = counter.code()
    with clock.shifted(timedelta(minutes=5, seconds=1)):
        late = counter.verify(code)
    assert (late.status_code, late.json["code"]) == (410, "code-expired")


def test_a_retry_gets_the_same_answer_and_the_same_receipt(counter: Counter) -> None:
    code = counter.code()
    first, second = counter.verify(code, key="key-1"), counter.verify(code, key="key-1")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json == second.json
    assert counter.verify(code, key="key-2").status_code == 409
    assert counter.verify(counter.code(), key="key-1").json["code"] == "idempotency-key-reused"
    with transaction() as session:
        assert len(uses_of(session, holder_id=counter.holder_id)) == 1


def test_a_refused_request_may_be_sent_again_with_its_key(counter: Counter) -> None:
    code = counter.code()
    with clock.shifted(timedelta(minutes=6)):
        assert counter.verify(code, key="late").status_code == 410
    assert counter.verify(code, key="late").status_code == 201


def base(counter: Counter) -> dict[str, Any]:
    return {"presented": counter.code(), "cause": dict(CAUSE)}


BAD: dict[str, tuple[Callable[[dict[str, Any]], Any], int, str]] = {
    "an unknown member": (lambda body: {**body, "extra": 1}, 422, "extra"),
    "no presented": (lambda body: {"cause": body["cause"]}, 422, "presented"),
    "presented is a number": (lambda body: {**body, "presented": 7}, 422, "presented"),
    "presented is null": (lambda body: {**body, "presented": None}, 422, "presented"),
    "presented is empty": (lambda body: {**body, "presented": ""}, 422, "presented"),
    "presented has a control character": (lambda body: {**body, "presented": "a\x07~"}, 422, "presented"),
    "presented has NUL": (lambda body: {**body, "presented": "a\x00~"}, 400, ""),
    "presented has half a character": (lambda body: {**body, "presented": "a\ud800~"}, 400, ""),
    "presented is too long": (lambda body: {**body, "presented": "A" * 140_000}, 422, "presented"),
    "no cause": (lambda body: {"presented": body["presented"]}, 422, "cause"),
    "a cause that is a text": (lambda body: {**body, "cause": "why"}, 422, "cause"),
    "a cause without its text": (lambda body: {**body, "cause": {}}, 422, "cause.text"),
    "an empty cause": (lambda body: {**body, "cause": {"text": ""}}, 422, "cause.text"),
    "a blank cause": (lambda body: {**body, "cause": {"text": "  "}}, 422, "cause.text"),
    "a cause of 201 characters": (lambda body: {**body, "cause": {"text": "由" * 201}}, 422, "cause.text"),
    "a cause with half a character": (lambda body: {**body, "cause": {"text": "\udfff"}}, 400, ""),
    "a cause with an unknown member": (lambda body: {**body, "cause": {"text": "x", "who": "y"}}, 422, "cause.who"),
    "a binding that is no choice": (lambda body: {**body, "binding": "maybe"}, 422, "binding"),
    "a binding without a nonce": (lambda body: {**body, "presented": "a.b.c~"}, 422, "nonce"),
    "a nonce too short": (lambda body: {**body, "nonce": "abc"}, 422, "nonce"),
    "a list": (lambda body: [body], 422, ""),
    "a text": (lambda body: "text", 422, ""),
    "an unknown code": (lambda body: {**body, "presented": "KABAO1:" + "A" * 32}, 404, "presented"),
    "something that is no code": (lambda body: {**body, "presented": "hello"}, 404, "presented"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "status", "field"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_by_name(counter: Counter, change: Callable[[dict[str, Any]], Any], status: int, field: str) -> None:
    answer = counter.post("verifications", change(base(counter)))
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    if field:
        assert field in {answer.json.get("field"), *(error["field"] for error in answer.json.get("errors", []))}


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"{}", "text/plain", 415),
        (b"[" * 100_000, "application/json", 400),
        (b"x" * 10_000_000, "application/json", 413),
    ],
    ids=["broken", "not UTF-8", "not JSON", "bottomless", "10 MB"],
)
def test_what_is_not_json_is_refused(counter: Counter, data: bytes, content_type: str, status: int) -> None:
    for path in ("verifications", "draws", "receipts/check"):
        answer = counter.client.post(f"/api/v1/{path}", data=data, content_type=content_type, headers=bearer(counter.token))
        assert answer.status_code == status, (path, answer.text)


def test_who_may_call_is_asked_first(counter: Counter) -> None:
    nobody = counter.client.post("/api/v1/verifications", json={}, headers={"Accept-Language": "en"})
    assert (nobody.status_code, "Authorization header" in nobody.json["detail"]) == (401, True)
    assert counter.client.post("/api/v1/verifications", json={}, headers=bearer("nonsense")).status_code == 401
    draws_only = new_token(counter.client, counter.department, scopes=("draws",))
    refused = counter.verify(counter.code(), token=draws_only)
    assert (refused.status_code, refused.json["code"]) == (403, "insufficient-scope")
    assert "verifications" in refused.json["detail"], "an integrator is told which scope is lacking"


def test_what_is_only_shown_takes_two_statements_each_of_which_is_a_transaction_of_its_own(counter: Counter) -> None:
    presented = shown(counter, "vehicle_class")
    warm(counter, presented)
    asked, written = statements(lambda: counter.verify(presented, nonce=NONCE))
    assert (asked.split()[0], written.split()[:2]) == ("SELECT", ["WITH", "written_receipts"])
    assert "uses" in written
    assert "ledger_entries" in written


def test_of_what_fails_before_its_status_nothing_is_told_that_was_asked_ahead(counter: Counter) -> None:
    presented = shown(counter)
    warm(counter, presented)
    answer = counter.verify(presented, nonce="another-nonce").json
    assert (answer["checks"][-1]["check"], answer["checks"][-1]["outcome"], answer["licence"]["state"]) == ("status", "not_reached", "unknown")
    _asked, written = statements(lambda: counter.verify(presented, nonce="another-nonce"))
    assert written.startswith("WITH written_receipts")
    assert "uses" not in written


def test_nothing_is_asked_ahead_of_what_names_no_licence_here(counter: Counter) -> None:
    presented = Presented().text()
    warm(counter, presented)
    (written,) = statements(lambda: counter.verify(presented, nonce=NONCE))
    assert written.startswith("WITH written_receipts")


def test_what_is_answered_is_what_is_described(counter: Counter) -> None:
    answers = [counter.verify(each, nonce=NONCE).json for each in (counter.code("holder_name"), shown(counter), whole(counter), "a~")]
    answers += [counter.verify(shown(counter), nonce="another-nonce").json]
    assert [answer["verdict"] for answer in answers] == ["valid", "valid", "invalid", "invalid", "invalid"]
    assert [VerificationSchema().dump(answer) for answer in answers] == answers


def warm(counter: Counter, presented: str) -> None:
    """Fill the caches once nothing will empty them any more."""
    let_word_come(counter.client.application)
    counter.verify(presented, nonce=NONCE)


def statements(act: Callable[[], Any]) -> list[str]:
    """What an act sends to the database; BEGIN and COMMIT go with the statements around them, or there are none."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(engine(), "before_cursor_execute", note)
    try:
        assert act().status_code == 201
    finally:
        event.remove(engine(), "before_cursor_execute", note)
    return seen


def test_what_rests_in_the_database_is_sealed(counter: Counter) -> None:
    code = counter.code("holder_name", "holder_number")
    answer = counter.verify(code, cause={"text": f"为{counter.person.name}办理"})
    with transaction() as session:
        row = session.scalars(select(Presentation).where(Presentation.holder_id == counter.holder_id)).one()
        receipt = session.get_one(Receipt, answer.json["receipt"]["id"])
        (use,) = uses_of(session, holder_id=counter.holder_id)
        entry = session.get_one(LedgerEntry, receipt.ledger_entry_id)
    rows = [vars(row), vars(receipt), vars(use), vars(entry)]
    for secret in (counter.person.name, counter.person.number, code, code.removeprefix("KABAO1:"), answer.json["receipt"]["jws"]):
        assert secret not in repr(rows)
        assert secret.encode() not in b"".join(value for one in rows for value in one.values() if isinstance(value, bytes))


def test_no_log_line_holds_what_was_shown(counter: Counter, caplog: pytest.LogCaptureFixture) -> None:
    code = counter.code("holder_name", "holder_number")
    counter.verify(code, cause={"text": "保密事由"})
    counter.verify(code)
    counter.verify(whole(counter), binding="none")
    counter.verify("KABAO1:" + "A" * 32)
    for secret in (counter.person.name, counter.person.number, code, "保密事由", counter.token, "eyJ"):
        assert secret not in caplog.text


def test_what_a_scanner_puts_after_a_code_is_left_out(counter: Counter) -> None:
    for end in ("\r", "\r\n", "\n", "\t"):
        answer = counter.verify(counter.code("vehicle_class") + end)
        assert (answer.status_code, answer.json.get("verdict")) == (201, "valid"), answer.text


def test_a_refusal_says_how_to_give_a_day_and_a_cause(counter: Counter) -> None:
    told = counter.post("verifications", {**base(counter), "at": "yesterday"}).json
    assert "2026-03-01" in told["errors"][0]["detail"]
    told = counter.post("verifications", {**base(counter), "cause": '{"text": "x"}'}).json
    assert "cause.text" in told["errors"][0]["detail"]
