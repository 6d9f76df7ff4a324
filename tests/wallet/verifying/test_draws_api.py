import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from idp.oauth.access_tokens import sign_access_token
from idp.oauth.clients import find_client
from idp.oauth.grantees import Grantee
from idp.subjects.directory import ensure_subject
from idp.subjects.numbers import parse_number
from keys import ring
from runtime.clock import now
from runtime.database import transaction
from tests.world_clients import new_portal
from tests.world_people import citizen_number, new_person
from tests.world_verifying import CAUSE, OTHER_TYPE, TYPE, Counter, new_counter, new_token
from tests.world_wallet import new_department, new_licence
from wallet.holding.uses import uses_of
from wallet.issuing.life import revoke_licence
from wallet.verifying.receipts import digest_of


def portal_token(counter: Counter, *, scopes: str = "openid licences", holder_id: UUID | None = None) -> str:
    """The token that a person's consent gives a portal; its owner has no authority whatever."""
    with transaction() as session:
        portal = new_portal(session, owner=new_department())
    client = find_client(portal.client_id)
    assert client is not None
    holder = holder_id or counter.holder_id
    settings = counter.client.application.extensions["kabao_settings"]
    return sign_access_token(client, scopes=scopes, settings=settings, now=now(), grantee=Grantee(holder, holder))


def revoke(counter: Counter) -> None:
    with transaction() as session:
        licence = session.merge(counter.licence)
        revoke_licence(session, licence, reason="错误签发", legal_basis="条例", department=counter.issuer, now=now())


def test_a_draw_on_authority_gives_the_fields_a_receipt_and_a_line_in_the_history(counter: Counter) -> None:
    answer = counter.draw()
    assert answer.status_code == 201
    assert answer.json.keys() == {"licence", "fields", "salt", "holder", "receipt"}
    assert answer.json["fields"]["vehicle_class"] == "C1"
    assert answer.json["licence"]["identifier"] == counter.licence.identifier
    claims = ring.verify(answer.json["receipt"]["jws"], use=ring.RECEIPT, typ="receipt+jwt", audience=None)
    assert (claims["way"], claims["cause"], claims["fields"]) == ("draw", CAUSE, sorted(answer.json["fields"]))
    with transaction() as session:
        (use,) = uses_of(session, holder_id=counter.holder_id)
    assert (use.way, use.cause, use.department, use.fields) == ("draw", CAUSE["text"], counter.department, sorted(answer.json["fields"]))


def test_the_receipt_s_digest_can_be_made_again_from_the_answer_and_from_nothing_less(counter: Counter) -> None:
    one, other = (counter.draw(fields=["vehicle_class"]).json for _ in range(2))
    assert (one["licence"], one["fields"]) == (other["licence"], other["fields"])
    digests = [ring.verify(each["receipt"]["jws"], use=ring.RECEIPT, typ="receipt+jwt", audience=None)["digest"]["value"] for each in (one, other)]
    seen = {name: one[name] for name in ("fields", "licence", "salt")}
    assert digests[0] == digest_of(json.dumps(seen, sort_keys=True, ensure_ascii=False, separators=(",", ":")))
    assert digests[0] != digests[1], "who holds a receipt must not find the fields by trying"


def test_only_the_fields_that_were_asked_for_are_given(counter: Counter) -> None:
    assert counter.draw(fields=["vehicle_class"]).json["fields"] == {"vehicle_class": "C1"}
    assert counter.draw(fields=[]).json["fields"] == {}
    refused = counter.draw(fields=["shoe_size"])
    assert (refused.status_code, refused.json["code"]) == (422, "field-unknown")
    assert "vehicle_class" in refused.json["detail"], "and says what there is"


def test_a_person_s_consent_stands_in_for_authority(counter: Counter) -> None:
    answer = counter.post("draws", {"type": TYPE, "cause": CAUSE}, token=portal_token(counter))
    assert (answer.status_code, answer.json["licence"]["identifier"]) == (201, counter.licence.identifier)
    with transaction() as session:
        (use,) = uses_of(session, holder_id=counter.holder_id)
    assert use.way == "consent"
    assert ring.verify(answer.json["receipt"]["jws"], use=ring.RECEIPT, typ="receipt+jwt", audience=None)["basis"] == "consent"


def test_a_person_s_token_draws_nobody_else_s_licence(counter: Counter) -> None:
    token = portal_token(counter)
    named = counter.post("draws", {"type": TYPE, "cause": CAUSE, "holder": {"number": counter.person.number}}, token=token)
    assert (named.status_code, named.json["field"]) == (422, "holder")
    stranger = portal_token(counter, holder_id=new_counter(counter.client, slug=OTHER_TYPE, verify=()).holder_id)
    assert counter.post("draws", {"type": TYPE, "cause": CAUSE}, token=stranger).json["code"] == "licence-not-found"


def test_a_person_s_token_needs_the_scope_of_licences(counter: Counter) -> None:
    assert counter.post("draws", {"type": TYPE, "cause": CAUSE}, token=portal_token(counter, scopes="openid")).status_code == 403
    assert counter.draw(token=new_token(counter.client, counter.department, scopes=("verifications",))).status_code == 403


def test_whether_a_number_is_known_at_all_is_not_told(counter: Counter) -> None:
    with transaction() as session:
        known = new_person(session)
        ensure_subject(session, parse_number(known.number), now=now())
    answers = [counter.draw(holder={"number": number}) for number in (known.number, citizen_number())]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert len({json.dumps({**answer.json, "correlation_id": ""}) for answer in answers}) == 1


def test_the_newest_licence_in_force_is_drawn(counter: Counter) -> None:
    with transaction() as session:
        newer = new_licence(session, type=TYPE, department=counter.issuer, number=counter.person.number)
    assert counter.draw().json["licence"]["identifier"] == newer.identifier


def test_a_licence_that_is_not_in_force_is_refused_with_its_state(counter: Counter) -> None:
    revoke(counter)
    answer = counter.draw()
    assert (answer.status_code, answer.json["code"], answer.json["state"]) == (409, "licence-not-valid", "revoked")


def test_an_expired_licence_is_refused_with_its_state(counter: Counter) -> None:
    with transaction() as session:
        session.execute(text("UPDATE licences SET valid_until = current_date - 2 WHERE id = :id"), {"id": counter.licence.id})
    assert counter.draw().json["state"] == "expired"


def test_without_authority_nothing_is_drawn(counter: Counter) -> None:
    stranger = new_token(counter.client, new_counter(counter.client, draw=(OTHER_TYPE,)).department)
    refused = counter.draw(token=stranger)
    assert (refused.status_code, refused.json["code"]) == (403, "no-authority")
    with transaction() as session:
        assert uses_of(session, holder_id=counter.holder_id) == []


def test_a_retry_gets_the_same_answer(counter: Counter) -> None:
    first, second = counter.draw(key="k"), counter.draw(key="k")
    assert first.json == second.json
    assert counter.draw(key="k", fields=[]).json["code"] == "idempotency-key-reused"
    with transaction() as session:
        assert len(uses_of(session, holder_id=counter.holder_id)) == 1


def test_two_people_at_one_portal_do_not_share_their_keys(counter: Counter) -> None:
    other = new_counter(counter.client)
    with transaction() as session:
        portal = new_portal(session, owner=new_department())
    client = find_client(portal.client_id)
    assert client is not None
    settings = counter.client.application.extensions["kabao_settings"]
    seen = []
    for each in (counter, other):
        token = sign_access_token(client, scopes="licences", settings=settings, now=now(), grantee=Grantee(each.holder_id, each.holder_id))
        seen.append(counter.post("draws", {"type": TYPE, "cause": CAUSE}, token=token, key="same").json["licence"]["identifier"])
    assert seen == [counter.licence.identifier, other.licence.identifier]


RIGHT = citizen_number()
WRONG = RIGHT[:-1] + ("0" if RIGHT[-1] != "0" else "1")
BAD: dict[str, tuple[Callable[[dict[str, Any]], Any], int, str]] = {
    "an unknown member": (lambda body: {**body, "extra": 1}, 422, "extra"),
    "no type": (lambda body: {**body, "type": None}, 422, "type"),
    "an unknown type": (lambda body: {**body, "type": "fishing-licence"}, 404, "type"),
    "no holder": (lambda body: {name: body[name] for name in ("type", "cause")}, 422, "holder"),
    "a holder that is a text": (lambda body: {**body, "holder": "me"}, 422, "holder"),
    "a holder without a number": (lambda body: {**body, "holder": {}}, 422, "holder.number"),
    "a number that is a number": (lambda body: {**body, "holder": {"number": 3}}, 422, "holder.number"),
    "a number with a wrong check digit": (lambda body: {**body, "holder": {"number": WRONG}}, 422, "holder.number"),
    "a number that nobody has": (lambda body: {**body, "holder": {"number": citizen_number()}}, 404, ""),
    "no cause": (lambda body: {name: body[name] for name in ("type", "holder")}, 422, "cause"),
    "a cause of 201 characters": (lambda body: {**body, "cause": {"text": "由" * 201}}, 422, "cause.text"),
    "fields that are a text": (lambda body: {**body, "fields": "vehicle_class"}, 422, "fields"),
    "a field that is a number": (lambda body: {**body, "fields": [1]}, 422, "fields.0"),
}


@pytest.mark.parametrize(("change", "status", "field"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_by_name(counter: Counter, change: Callable[[dict[str, Any]], Any], status: int, field: str) -> None:
    answer = counter.post("draws", change({"type": TYPE, "holder": {"number": counter.person.number}, "cause": dict(CAUSE)}))
    assert answer.status_code == status, answer.text
    assert counter.person.number not in answer.text
    if field:
        assert field in {answer.json.get("field"), *(error["field"] for error in answer.json.get("errors", []))}, answer.json
