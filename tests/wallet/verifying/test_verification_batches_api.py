"""Verifications in bulk over HTTP: what each line gets, that it gets it once, and that it is what the single door says."""

import json
import threading
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from idp.oauth.access_tokens import InvalidToken
from runtime.clock import now
from runtime.database import transaction
from runtime.idempotency import IdempotencyKey
from runtime.ledger import LedgerEntry
from schemas.verification_batches import VerificationLineSchema
from tests.wallet.verifying.presented import Presented
from tests.wallet.verifying.test_verifications_api import NONCE, shown, whole
from tests.world_clients import bearer
from tests.world_verifying import CAUSE, OTHER_TYPE, Counter, new_browser, new_counter
from wallet.holding.uses import uses_of
from wallet.issuing import batch_answers
from wallet.issuing.life import revoke_licence
from wallet.verifying import verification_batches_api, verification_groups, verification_lines
from wallet.verifying.asked import request_of
from wallet.verifying.judging import judge
from wallet.verifying.receipts import Receipt, digest_of
from wallet.verifying.verification_lines import plain_request

PATH = "/api/v1/verifications:batch"
NDJSON = "application/x-ndjson"
MODES = pytest.mark.parametrize("query", ["", "?interleave=true"], ids=["after all", "as they come"])


def post(counter: Counter, lines: list[Any] | bytes, *, key: str | None, query: str = "", **headers: str) -> Any:
    body = lines if isinstance(lines, bytes) else b"\n".join(one if isinstance(one, bytes) else json.dumps(one).encode() for one in lines)
    named = {"Idempotency-Key": key} if key is not None else {}
    headers = {**bearer(counter.token), "Content-Type": NDJSON, **named, **headers}
    return counter.client.post(PATH + query, data=body, headers=headers, buffered=True)


def send(counter: Counter, lines: list[Any] | bytes, *, key: str, query: str = "") -> list[dict[str, Any]]:
    answer = post(counter, lines, key=key, query=query)
    assert (answer.status_code, answer.mimetype) == (200, NDJSON), answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def bound(counter: Counter, *fields: str, **more: Any) -> dict[str, Any]:
    return {"presented": shown(counter, *(fields or ("vehicle_class",))), "nonce": NONCE, **more}


def receipts_made(counter: Counter) -> int:
    with transaction() as session:
        return session.scalar(select(func.count()).select_from(Receipt).where(Receipt.department == counter.department)) or 0


@MODES
def test_each_line_is_answered_in_order_and_a_bad_one_costs_itself_alone(counter: Counter, query: str) -> None:
    code = counter.code("holder_name")
    lines = [
        {"cause": CAUSE},
        bound(counter, ref="一"),
        b"not json",
        {"presented": code, "cause": {"text": "另一事由"}},
        {"presented": code},
        b"",
        {"presented": "这不是证照"},
        {"presented": whole(counter), "binding": "none", "surplus": 1},
        {"presented": whole(counter), "binding": "none", "ref": "七"},
        {"licence": {"identifier": counter.licence.identifier, "number": counter.person.number}},
        {"file": "AAAA"},
    ]
    results = send(counter, lines, key=f"mixed{query}", query=query)
    assert [(one["line"], one.get("ref"), one["status"], one.get("type", "").rpartition(":")[2], one.get("field")) for one in results] == [
        (1, "一", 201, "", None),
        (2, None, 400, "line-unreadable", None),
        (3, None, 201, "", None),
        (4, None, 409, "code-spent", "presented"),
        (6, None, 404, "code-unknown", "presented"),
        (7, None, 422, "invalid-request", "surplus"),
        (8, "七", 201, "", None),
        (9, None, 201, "", None),
        (10, None, 422, "file-unusable", "file"),
    ]
    found = {one["line"]: one["verification"] for one in results if one["status"] == 201}
    assert [found[line]["verdict"] for line in (1, 3, 8, 9)] == ["valid"] * 4
    assert found[3]["fields"] == {"holder_name": counter.person.name}
    with transaction() as session:
        causes = {use.cause for use in uses_of(session, holder_id=counter.holder_id)}
    assert causes == {CAUSE["text"], "另一事由"}


def test_a_line_is_answered_as_the_single_door_answers(counter: Counter) -> None:
    stranger = new_counter(counter.client, slug=OTHER_TYPE)
    bodies = [
        bound(counter),
        {**bound(counter), "nonce": "another-nonce"},
        {"presented": whole(counter), "binding": "none"},
        {"presented": whole(counter), "nonce": NONCE},
        {"presented": Presented(bound=False).text(), "binding": "none"},
        {"presented": "abc~", "binding": "none"},
        {"presented": "x.y.z"},
        {"presented": whole(stranger), "binding": "none"},
        {"presented": "KABAO1:" + "A" * 32},
        {"presented": whole(counter)},
        {"licence": {"identifier": "1.2", "number": "3"}},
        {"presented": whole(counter), "binding": "none", "at": now().date().isoformat()},
        {"presented": whole(counter), "binding": "none", "at": "2099-01-01"},
        {"presented": "x" * 131_073},
    ]
    results = send(counter, [{**body, "cause": CAUSE} for body in bodies], key="alike")
    assert len(results) == len(bodies)
    for body, result in zip(bodies, results, strict=True):
        alone = counter.post("verifications", {**body, "cause": CAUSE})
        assert result["status"] == alone.status_code, body
        if result["status"] == 201:
            assert {**result["verification"], "receipt": 0} == {**alone.json, "receipt": 0}
        else:
            assert (result["type"], result.get("field")) == (alone.json["type"], alone.json.get("field"))


def test_every_line_leaves_a_genuine_receipt_a_ledger_row_and_a_line_in_the_history(counter: Counter) -> None:
    results = send(counter, [{"cause": CAUSE}, bound(counter), bound(counter, "holder_name")], key="receipts")
    with transaction() as session:
        for result, fields in zip(results, (["vehicle_class"], ["holder_name"]), strict=True):
            receipt = result["verification"]["receipt"]
            judgement = judge(session, receipt["jws"])
            assert judgement.genuine
            assert judgement.claims is not None
            assert (judgement.claims["cause"], judgement.claims["fields"]) == (CAUSE, fields)
            entry = session.scalars(select(LedgerEntry).where(LedgerEntry.object_id == receipt["id"])).one()
            assert (entry.act, entry.subject_id, entry.detail["receipt"]) == ("verification.made", counter.holder_id, digest_of(receipt["jws"]))
        assert {str(use.receipt_id) for use in uses_of(session, holder_id=counter.holder_id)} == {
            one["verification"]["receipt"]["id"] for one in results
        }


@MODES
def test_a_batch_sent_again_is_answered_as_before_and_makes_nothing(counter: Counter, query: str) -> None:
    lines = [{"cause": CAUSE}, {"presented": counter.code("holder_name")}, bound(counter), {"presented": "nothing"}]
    first, again = (send(counter, lines, key=f"again{query}", query=query) for _ in range(2))
    assert first == again
    assert [one["status"] for one in first] == [201, 201, 404]
    assert receipts_made(counter) == 2


def test_a_batch_cut_off_goes_on_where_it_ended(counter: Counter) -> None:
    lines = [bound(counter), {"presented": counter.code()}, bound(counter, "holder_name")]
    first = send(counter, [{"cause": CAUSE}, *lines[:2]], key="cut")
    rest = send(counter, [{"cause": CAUSE}, lines[2]], key="cut", query="?first_line=3")
    assert send(counter, [{"cause": CAUSE}, *lines], key="cut") == first + rest
    assert receipts_made(counter) == 3


def test_a_line_that_was_answered_cannot_be_changed(counter: Counter) -> None:
    line = bound(counter)
    send(counter, [{**line, "cause": CAUSE}], key="changed")
    (changed,) = send(counter, [{**line, "cause": {"text": "另一事由"}}], key="changed")
    (same,) = send(counter, [{"cause": CAUSE}, line], key="changed")
    assert (changed["status"], changed["type"], changed["field"]) == (422, "urn:kabao:problem:idempotency-key-reused", "line")
    assert same["status"] == 201


def test_another_system_s_key_is_another_key(counter: Counter) -> None:
    other = new_counter(counter.client)
    mine, theirs = (send(one, [{"cause": CAUSE}, bound(counter)], key="shared")[0] for one in (counter, other))
    assert mine["verification"]["receipt"]["id"] != theirs["verification"]["receipt"]["id"]


def test_a_code_that_the_department_may_not_see_stays_unspent(counter: Counter) -> None:
    other = new_counter(counter.client, slug=OTHER_TYPE, verify=(OTHER_TYPE,))
    code = other.code("holder_name")
    refused, good = send(counter, [{"cause": CAUSE}, {"presented": code}, bound(counter)], key="unseen")
    assert (refused["status"], refused["type"]) == (403, "urn:kabao:problem:no-authority")
    assert good["status"] == 201
    assert other.verify(code).json["verdict"] == "valid"


def test_how_a_licence_stands_is_asked_for_every_group(counter: Counter) -> None:
    before = bound(counter)
    with transaction() as session:
        licence = session.merge(counter.licence)
        revoke_licence(session, licence, reason="错误签发", legal_basis="条例", department=counter.issuer, now=now())
    (result,) = send(counter, [{"cause": CAUSE}, before], key="revoked")
    assert (result["verification"]["verdict"], result["verification"]["conclusion"]) == ("invalid", "revoked")


HOSTILE = {
    "NUL in the identifier": {"licence_identifier": "1.2\0"},
    "an identifier without end": {"licence_identifier": "1" * 20_000},
    "an index of no kind": {"status": {"status_list": {"uri": "http://127.0.0.1:8000/status/x", "idx": True}}},
    "a list of another house": {"status": {"status_list": {"uri": "http://10.0.0.1/status/x", "idx": 1}}},
    "a NUL in the list": {"status": {"status_list": {"uri": "http://127.0.0.1:8000/status/\0", "idx": 1}}},
    "an index beyond all": {"status": {"status_list": {"uri": "http://127.0.0.1:8000/status/x", "idx": 2**70}}},
    "a status of no kind": {"status": 7},
}


@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE)
def test_what_a_stranger_writes_spoils_nobody_else_s_line(counter: Counter, payload: dict[str, Any]) -> None:
    stranger = {"presented": Presented(bound=False, payload=payload).text(), "binding": "none"}
    results = send(counter, [{"cause": CAUSE}, stranger, bound(counter)], key=f"hostile {list(payload)}")
    assert [one["verification"]["verdict"] for one in results] == ["invalid", "valid"]


def test_the_same_batch_sent_twice_at_once_is_done_once(app: Flask, counter: Counter) -> None:
    lines = [{"cause": CAUSE}, *[{"presented": counter.code()} for _ in range(1)], *[bound(counter) for _ in range(30)]]
    answers: dict[int, list[dict[str, Any]]] = {}
    gate = threading.Barrier(2)

    def run(which: int) -> None:
        with app.app_context():
            client = new_browser(app)
            gate.wait(timeout=30)
            body = b"\n".join(json.dumps(one).encode() for one in lines)
            headers = {**bearer(counter.token), "Content-Type": NDJSON, "Idempotency-Key": "twice"}
            while (answer := client.post(PATH, data=body, headers=headers, buffered=True)).status_code == 429:
                pass
            answers[which] = [json.loads(line) for line in answer.text.splitlines()]

    threads = [threading.Thread(target=run, args=(which,)) for which in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert answers[0] == answers[1]
    assert {one["status"] for one in answers[0]} == {201}
    assert receipts_made(counter) == 31


def test_a_line_that_fails_on_our_side_costs_itself_alone(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    real = verification_groups.attested

    def failing(settings: Any, finding: Any, **rest: Any) -> Any:
        if finding.cause["text"] == "使之失败":
            raise RuntimeError("out of order")
        return real(settings, finding, **rest)

    monkeypatch.setattr(verification_groups, "attested", failing)
    bad = bound(counter, cause={"text": "使之失败"})
    results = send(counter, [{"cause": CAUSE}, bound(counter), bad, bound(counter)], key="failing")
    assert [one["status"] for one in results] == [201, 500, 201]
    assert results[1]["type"] == "urn:kabao:problem:line-failed"
    monkeypatch.undo()
    again = send(counter, [{"cause": CAUSE}, bound(counter), bad, bound(counter)], key="failing")
    assert again[1]["status"] == 201


ENDS = {
    "a cause that will not do": ([{"cause": {"text": " "}}, {"presented": "x"}], 422, "invalid-request"),
    "a cause of no kind": ([{"cause": "办证"}], 422, "invalid-request"),
}


@pytest.mark.parametrize(("lines", "status", "code"), ENDS.values(), ids=ENDS)
def test_a_cause_for_all_that_will_not_do_ends_the_batch(counter: Counter, lines: list[Any], status: int, code: str) -> None:
    (last,) = send(counter, lines, key=f"ends {lines}"[:99])
    assert (last["status"], last["type"]) == (status, f"urn:kabao:problem:{code}")
    assert "line" not in last
    assert last["field"].startswith("cause")


def test_lines_beyond_the_most_are_not_looked_at_and_the_end_says_so(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification_lines, "MOST_LINES", 2)
    results = send(counter, [{"cause": CAUSE}, bound(counter), bound(counter), bound(counter)], key="most")
    assert [one.get("line") for one in results] == [1, 2, None]
    assert results[2]["type"] == "urn:kabao:problem:too-many-lines"


def test_files_are_counted(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification_lines, "MOST_FILES", 1)
    results = send(counter, [{"cause": CAUSE}, {"file": "AAAA"}, {"file": "AAAA"}], key="files")
    assert [one["type"].rpartition(":")[2] for one in results] == ["file-unusable", "too-many-files"]


def test_a_line_too_long_for_anything_shown_is_its_own_fault(counter: Counter) -> None:
    results = send(counter, [{"cause": CAUSE}, b"x" * 300_000, bound(counter)], key="long")
    assert [one["status"] for one in results] == [413, 201]


def test_the_door_refuses_what_is_no_batch(counter: Counter) -> None:
    line = json.dumps({**bound(counter), "cause": CAUSE}).encode()
    assert post(counter, line, key=None).json["code"] == "idempotency-key-required"
    assert post(counter, line, key="x" * 129).json["code"] == "idempotency-key-malformed"
    other = post(counter, line, key="a", **{"Content-Type": "application/json", "Accept-Language": "en"})
    assert (other.status_code, other.json["code"], NDJSON in other.json["title"]) == (415, "unsupported-media-type", True)
    assert post(counter, line, key="a", **{"Content-Encoding": "gzip"}).status_code == 415
    assert post(counter, line, key="a", query="?first_line=10001").status_code == 422
    assert post(counter, line, key="a", Authorization="Bearer x").status_code == 401
    assert post(counter, b"", key="a").text == ""


def test_a_system_that_is_ended_half_way_is_told_and_what_was_answered_stands(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification_batches_api, "GROUP", 1)
    real, count = batch_answers.check_not_ended, iter(range(10))

    def ended(token: Any) -> None:
        if next(count) == 1:
            raise InvalidToken("ended")
        real(token)

    monkeypatch.setattr(batch_answers, "check_not_ended", ended)
    results = send(counter, [{"cause": CAUSE}, bound(counter), bound(counter)], key="ended")
    assert [(one.get("line"), one["status"]) for one in results] == [(1, 201), (None, 401)]


def test_a_second_batch_at_the_same_time_is_told_to_come_again(app: Flask, counter: Counter) -> None:
    seat = app.extensions["kabao_long_seats"][PATH]
    assert seat.acquire(blocking=False)
    try:
        answer = post(counter, [bound(counter, cause=CAUSE)], key="seats")
        assert (answer.status_code, "Retry-After" in answer.headers) == (429, True)
    finally:
        seat.release()
    assert send(counter, [bound(counter, cause=CAUSE)], key="seats")[0]["status"] == 201


def test_keys_of_lines_are_forgotten_like_any_other(counter: Counter) -> None:
    send(counter, [bound(counter, cause=CAUSE)], key="forgotten")
    with transaction() as session:
        kept = session.scalars(select(IdempotencyKey).where(IdempotencyKey.caller.startswith("batch:"))).all()
    assert kept
    assert all("forgotten" not in one.key for one in kept)


DOCUMENTS = {
    "usual": {"presented": "a~b", "nonce": "12345678", "cause": CAUSE},
    "with a ref": {"presented": "a~b", "nonce": "12345678", "cause": CAUSE, "ref": "一"},
    "with a ref of no kind": {"presented": "a~b", "nonce": "12345678", "cause": CAUSE, "ref": "\x07"},
    "with a null ref": {"presented": "a~b", "nonce": "12345678", "cause": CAUSE, "ref": None},
    "a short nonce": {"presented": "a~b", "nonce": "1234567", "cause": CAUSE},
    "a long nonce": {"presented": "a~b", "nonce": "1" * 257, "cause": CAUSE},
    "a nonce of no kind": {"presented": "a~b", "nonce": 12345678, "cause": CAUSE},
    "nothing shown": {"presented": "", "nonce": "12345678", "cause": CAUSE},
    "a newline": {"presented": "a~\nb", "nonce": "12345678", "cause": CAUSE},
    "too long": {"presented": "a" * 131_073, "nonce": "12345678", "cause": CAUSE},
    "a blank cause": {"presented": "a~b", "nonce": "12345678", "cause": {"text": " "}},
    "a cause with more": {"presented": "a~b", "nonce": "12345678", "cause": {"text": "x", "matter": "1", "system": "y"}},
    "a cause with something else": {"presented": "a~b", "nonce": "12345678", "cause": {"text": "x", "other": "1"}},
    "a cause of lists": {"presented": "a~b", "nonce": "12345678", "cause": {"text": ["x"]}},
    "no cause": {"presented": "a~b", "nonce": "12345678"},
    "a binding said": {"presented": "a~b", "nonce": "12345678", "cause": CAUSE, "binding": "none"},
}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_the_plainest_bodies_are_read_as_their_schema_reads_them(document: dict[str, Any]) -> None:
    plain, schema = plain_request(document), VerificationLineSchema()
    assert plain is None or (plain == request_of(schema.load(document)) and schema.validate(document) == {})


def test_the_usual_body_is_a_plain_one() -> None:
    assert plain_request(DOCUMENTS["usual"]) is not None
    assert plain_request(DOCUMENTS["with a ref"]) is not None
