"""Who may ask for what, and what is told of it to whom; two hundred answers at once have one winner."""

import json
import secrets
from collections import Counter as Tally
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from idp.oauth import clients
from idp.oauth.access_tokens import Grantee, sign_access_token
from idp.signin.doors import DOORS
from keys import suites
from runtime.clock import now, shifted
from runtime.database import transaction
from runtime.languages import Text
from runtime.ledger import LedgerEntry
from tests.wallet.verifying.openid4vp.test_asking import FIELDS, read
from tests.wallet.verifying.openid4vp.wallets import Wallet, ask, asked, fetch_licence, settings
from tests.wallet.verifying.test_draws_api import portal_token
from tests.world_clients import System, bearer, jwks_of, token_of
from tests.world_verifying import CAUSE, Counter, new_browser, new_counter, new_token
from tests.world_wallet import new_department
from wallet.holding.uses import Use
from wallet.verifying.openid4vp import asking, request_jobs, requests
from wallet.verifying.openid4vp.asking import waiting_for
from wallet.verifying.openid4vp.requests import PresentationRequest
from wallet.verifying.receipts import Receipt

WANTED = [{"type": "driving-licence", "fields": ["vehicle_class"]}]
OTHER = {"id": "q", "format": "dc+sd-jwt", "meta": {"vct_values": ["https://other.example/types/x"]}}
MDOC_ONLY = [{"type": "driving-licence", "formats": ["mso_mdoc"]}]
REFUSED: dict[str, tuple[dict[str, Any], int, str | None]] = {
    "nothing asked for": ({"credentials": None}, 422, "credentials"),
    "two ways at once": ({"dcql_query": {}}, 422, "credentials"),
    "no cause": ({"cause": None}, 422, "cause"),
    "an unknown member": ({"extra": 1}, 422, "extra"),
    "no licence": ({"credentials": []}, 422, "credentials"),
    "an unknown type": ({"credentials": [{"type": "no-such"}]}, 422, "credentials.0.type"),
    "a type without authority": ({"credentials": [{"type": "marriage-certificate"}]}, 403, "type"),
    "an unknown field": ({"credentials": [{"type": "driving-licence", "fields": ["x"]}]}, 422, "credentials.0.fields"),
    "a field twice": ({"credentials": [{**WANTED[0], "optional": ["vehicle_class"]}]}, 422, "credentials.0.optional"),
    "an unknown form": ({"credentials": [{**WANTED[0], "formats": ["ldp_vc"]}]}, 422, "credentials.0.formats.0"),
    "no query": ({"credentials": None, "dcql_query": {"credentials": 1}}, 422, "dcql_query.credentials"),
    "a query for another's type": ({"credentials": None, "dcql_query": {"credentials": [OTHER]}}, 422, "dcql_query.credentials.0.meta"),
    "a query for any type": ({"credentials": None, "dcql_query": {"credentials": [{**OTHER, "meta": {}}]}}, 422, "dcql_query.credentials.0.meta"),
    "another mode": ({"response_mode": "fragment"}, 422, "response_mode"),
    "a host that is no name": ({"client_id_prefix": "x509_san_dns"}, 422, "client_id_prefix"),
    "an act that nothing confirms": ({"credentials": MDOC_ONLY, "confirm": "同意"}, 422, "confirm"),
    "an act of spaces": ({"confirm": "  "}, 422, "confirm"),
    "an act that turns its line about": ({"confirm": "同意\u202e户过"}, 422, "confirm"),
    "a cause that turns its line about": ({"cause": {"text": "办理\u2067年检"}}, 422, "cause.text"),
    "a cause with a mark of direction": ({"cause": {"text": "办理\u200f年检"}}, 422, "cause.text"),
    "a life too long": ({"lifetime": 10**9}, 422, "lifetime"),
    "a life that is a text": ({"lifetime": "300"}, 422, "lifetime"),
    "a number that is none": ({"holder": {"number": "1"}}, 422, "holder.number"),
    "a fragment to return to": ({"return_to": "https://hall.example.gov.cn/#x"}, 422, "return_to"),
    "somebody's address to return to": ({"return_to": "https://hall@example.gov.cn/"}, 422, "return_to"),
    "a script to return to": ({"return_to": "javascript:alert(1)"}, 422, "return_to"),
}


@pytest.mark.parametrize(("changes", "status", "field"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_asked_for_is_refused_by_name(counter: Counter, changes: dict[str, Any], status: int, field: str | None) -> None:
    body = {name: value for name, value in {"credentials": WANTED, "cause": CAUSE, **changes}.items() if value is not None}
    response = counter.post("requests", body)
    problem = response.get_json()
    assert (response.status_code, problem.get("field")) == (status, field), problem


def test_a_person_s_own_token_stands_in_for_authority_for_their_licences_and_nobody_else_s(app: Flask, counter: Counter, wallet: Wallet) -> None:
    token, other = portal_token(counter), new_counter(new_browser(app))
    for changes, field in (({"holder": {"number": counter.person.number}}, "holder"), ({"basis": "duty"}, "basis")):
        assert ask(counter, token=token, **changes).get_json()["field"] == field
    made = asked(counter, token=token)
    with transaction() as session:
        assert [str(one.id) for one in waiting_for(session, settings(), counter.holder_id, now=now())] == [made["id"]]
    got = wallet.get(made["link"])
    (query,) = got.payload["dcql_query"]["credentials"]
    stranger = Wallet(app, fetch_licence(app, other.licence))
    assert stranger.answer(got, {query["id"]: [stranger.present(got, FIELDS)]}).status_code == 403
    assert wallet.answer(got, {query["id"]: [wallet.present(got, FIELDS)]}).status_code == 200
    found = counter.client.get(f"/api/v1/requests/{made['id']}", headers=bearer(token)).get_json()
    assert found["result"]["presentations"][0]["fields"] == {"vehicle_class": "C1"}
    assert counter.client.get(f"/api/v1/requests/{made['id']}", headers=bearer(portal_token(counter))).status_code == 404


def test_the_same_key_and_body_make_one_request(counter: Counter) -> None:
    first, second = (ask(counter, key="matter-1").get_json() for _ in range(2))
    assert first["id"] == second["id"]
    assert ask(counter, key="matter-1", lifetime=600).status_code == 422


def test_another_system_finds_no_such_request(app: Flask, counter: Counter) -> None:
    made = asked(counter)
    same = new_token(counter.client, counter.department, scopes=("verifications",))
    other = new_token(counter.client, new_department(verify=["driving-licence"]), scopes=("verifications",))
    for token in (same, other):
        assert counter.client.get(f"/api/v1/requests/{made['id']}", headers=bearer(token)).status_code == 404
    no_scope = new_token(counter.client, counter.department, scopes=("receipts",))
    assert ask(counter, token=no_scope).status_code == 403


def test_a_person_s_token_reads_nothing_that_the_portal_s_own_asked_of_another(app: Flask, counter: Counter, wallet: Wallet) -> None:
    client_id, key, other = f"both-{secrets.token_hex(6)}", suites.ES256.generate(), new_counter(new_browser(app))
    registration = {"scopes": ["verifications", "licences"], "grant_types": [clients.AUTHORIZATION_CODE, clients.CLIENT_CREDENTIALS]}
    back = "https://both.example.gov.cn/callback"
    with transaction() as session:
        about = {"client_id": client_id, "name": Text("甲", "A"), "owner": counter.department, "jwks": jwks_of(key), "redirect_uris": [back]}
        clients.register_client(session, **about, **registration, now=now())
    own = token_of(counter.client, System(client_id, key), "verifications")
    made = asked(counter, token=own)
    got = wallet.get(made["link"])
    (query,) = got.payload["dcql_query"]["credentials"]
    wallet.answer(got, {query["id"]: [wallet.present(got, FIELDS)]})
    client = clients.find_client(client_id)
    assert client is not None
    theirs = sign_access_token(client, scopes="licences", settings=settings(), now=now(), grantee=Grantee(other.holder_id, other.holder_id))
    address = f"/api/v1/requests/{made['id']}"
    assert [counter.client.get(address, headers=bearer(token)).status_code for token in (own, theirs)] == [200, 404]


def test_whoever_asks_one_person_all_the_time_is_slowed_known_or_not_and_hides_nobody_s_request(app: Flask, counter: Counter) -> None:
    unknown, others = {"number": "379999199003070025"}, new_counter(new_browser(app))
    for holder in ({"number": counter.person.number}, unknown):
        assert {ask(counter, holder=holder).status_code for _ in range(DOORS["inbox"].pair.size)} == {201}
        slowed = ask(counter, holder=holder)
        assert (slowed.status_code, "Retry-After" in slowed.headers) == (429, True)
    assert ask(counter).status_code == 201, "what is shown as a code is in nobody's inbox"
    late = asked(others, holder={"number": counter.person.number})
    with transaction() as session:
        waits = [str(one.id) for one in waiting_for(session, settings(), counter.holder_id, now=now())]
    assert len(waits) == asking.MOST_OF_ONE + 1
    assert waits[-1] == late["id"]


def test_a_request_waits_in_the_inbox_of_the_holder_alone_until_a_wallet_has_it(counter: Counter, wallet: Wallet) -> None:
    made = asked(counter, holder={"number": counter.person.number}, lifetime=86400)
    asked(counter, holder={"number": "379999199003070025"})
    with transaction() as session:
        (one,) = waiting_for(session, settings(), counter.holder_id, now=now())
        assert str(one.id) == made["id"]
        assert one.link == made["link"]
    wallet.get(one.link)
    with transaction() as session:
        assert waiting_for(session, settings(), counter.holder_id, now=now()) == []


def test_nothing_of_a_request_rests_in_the_open_and_nothing_of_it_is_kept_for_long(counter: Counter, wallet: Wallet) -> None:
    made = asked(counter, confirm="秘密的事项", return_to="https://hall.example.gov.cn/secret")
    got = wallet.get(made["link"])
    (query,) = got.payload["dcql_query"]["credentials"]
    wallet.answer(got, {query["id"]: [wallet.present(got, FIELDS)]})
    unanswered = asked(counter)
    with transaction() as session:
        row = session.scalars(
            select(func.row_to_json(PresentationRequest.__table__.table_valued())).where(PresentationRequest.id == made["id"])
        ).one()
        told = json.dumps(row, ensure_ascii=False)
        for secret in ("秘密", "secret", CAUSE["text"], "vehicle_class", counter.person.number):
            assert secret not in told
        assert session.get_one(PresentationRequest, made["id"]).key is None, "the key went with the answer"
    with shifted(timedelta(minutes=6)):
        request_jobs.end_requests()
        with transaction() as session:
            assert session.get_one(PresentationRequest, unanswered["id"]).key_sealed is None
    with shifted(timedelta(days=3)):
        request_jobs.forget_requests()
        with transaction() as session:
            assert session.get(PresentationRequest, made["id"]) is None
    assert timedelta(days=2) == requests.KEPT_AFTER_EXPIRY


def test_two_hundred_answers_at_once_have_one_winner(app: Flask, counter: Counter, wallet: Wallet) -> None:
    made = asked(counter, response_mode="direct_post")
    got = wallet.get(made["link"])
    (query,) = got.payload["dcql_query"]["credentials"]
    form = {"vp_token": json.dumps({query["id"]: [wallet.present(got, FIELDS)]}), "state": got.payload["state"]}
    with ThreadPoolExecutor(16) as pool:
        told = Tally(pool.map(lambda _: wallet.post(got, form).status_code, range(200)))
    assert told == {200: 1, 400: 199}
    result = read(counter, made["id"])["result"]
    assert result["verdict"] == "valid"
    with transaction() as session:
        mine = Receipt.department == counter.department
        assert session.scalar(select(func.count()).select_from(Receipt).where(mine)) == 1
        assert session.scalar(select(func.count()).select_from(Use).where(Use.holder_id == counter.holder_id)) == 1
        made_in_ledger = (LedgerEntry.act == "verification.made", LedgerEntry.actor == f"department:{counter.department}")
        assert session.scalar(select(func.count()).select_from(LedgerEntry).where(*made_in_ledger)) == 1


def test_a_hundred_who_fetch_at_once_have_one_winner(counter: Counter, wallet: Wallet) -> None:
    link = asked(counter)["link"]
    with ThreadPoolExecutor(16) as pool:
        told = Tally(pool.map(lambda _: wallet.fetch(link).status_code, range(100)))
    assert told == {200: 1, 400: 99}
