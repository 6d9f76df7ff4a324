import base64
import hashlib
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest
from flask import Flask
from joserfc import jwe
from joserfc.jwk import ECKey
from sqlalchemy import select

from idp.subjects.directory import ensure_subject
from idp.subjects.numbers import parse_number
from keys import suites
from runtime.clock import now, shifted
from runtime.database import transaction
from runtime.settings import Settings
from tests.wallet.holding.test_wallet_pages import INLINE, SLUG, licensed, signed_in, someone, writing
from tests.wallet.presenting.answering.steps import FIELD, OTHER, PRESSING, Holder, approve, names_in, open_link, opened, page_of, reply
from tests.world_asking import Asking, Signing, link_to, of_department, of_stranger, sd_jwt_query, shown_in
from tests.world_people import BROWSER, act_for, csrf_token, new_organisation
from tests.world_wallet import new_department, new_licence
from wallet.issuing import sd_jwt
from wallet.issuing.contents import type_uri
from wallet.presenting.answering import asked as kept
from wallet.presenting.answering import verifiers
from wallet.presenting.answering.asked import AskedRequest
from wallet.presenting.answering.refusals import RequestRefused
from wallet.presenting.answering.request_objects import RequestObject
from wallet.presenting.answering.verifiers import Verifier
from wallet.register.catalogue import get_type
from wallet.register.departments import get_department
from wallet.verifying.checks import Expected, verify
from wallet.verifying.trusting import current_trust


def test_a_department_sees_just_what_it_asked_for_bound_to_it_and_to_this_request(
    app: Flask, settings: Settings, holder: Holder, signing: Signing, verifier: Asking, vct: str
) -> None:
    client, licence = holder
    payload = verifier.payload(sd_jwt_query(vct, FIELD), client_id=signing.by_hash)
    at = opened(client, link_to(signing.by_hash, verifier.serve(signing.sign(payload))))
    assert approve(client, at, licence).status_code == 303
    (form,) = verifier.received
    assert form["state"] == payload["state"]
    with app.app_context():
        expected = Expected(binding=True, audience=signing.by_hash, nonce=payload["nonce"], vcts=None, binding_age=settings.qr_lifetime)
        found = verify(shown_in(form), expected=expected, trust=current_trust(), status_of=None, now=now())
    assert found.disclosed == (FIELD,)
    assert "已出示" in page_of(client, at)


def test_the_page_says_who_asks_for_what_and_why_in_both_languages(app: Flask, holder: Holder, signing: Signing, verifier: Asking, vct: str) -> None:
    client, licence = holder
    info = [
        {
            "format": "urn:kabao:cause",
            "data": {"text": "核对驾驶资格", "basis": "《道路交通安全法》第十九条", "basis#en": "Road Traffic Safety Law, article 19"},
        }
    ]
    at = opened(client, verifier.link(signing, sd_jwt_query(vct, FIELD, optional=(OTHER,)), verifier_info=info))
    with app.app_context():
        name = get_department(licence.issuer_code).name
    page = page_of(client, at)
    assert all(told in page for told in (name.zh, 'id="trusted"', "核对驾驶资格", "《道路交通安全法》第十九条", "准驾车型", "档案编号", "localhost"))
    assert INLINE.search(page) is None
    english = page_of(client, at, lang="en")
    assert all(told in english for told in ("Vehicle class", "File number", "Approve", "Road Traffic Safety Law, article 19"))
    assert "Road Traffic" not in page
    assert "《道路交通安全法》" not in english
    assert page_of(client, "/wallet/requests", lang="zh").count(at) == 1


@pytest.mark.parametrize(
    ("ticked", "shown"),
    [
        pytest.param((), {FIELD}, id="trimmed"),
        pytest.param((OTHER,), {FIELD, OTHER}, id="all of it"),
        pytest.param(("address",), {FIELD}, id="more than asked"),
    ],
)
def test_what_may_be_left_out_is_shown_only_if_it_is_ticked(
    holder: Holder, signing: Signing, verifier: Asking, vct: str, ticked: tuple[str, ...], shown: set[str]
) -> None:
    client, licence = holder
    at = opened(client, verifier.link(signing, sd_jwt_query(vct, FIELD, optional=(OTHER,))))
    assert not re.search(rf'value="{OTHER}" checked', page_of(client, at)), "the least is chosen beforehand"
    assert approve(client, at, licence, *ticked).status_code == 303
    assert names_in(shown_in(verifier.received[0])) == shown


def test_an_encrypted_answer_is_for_the_verifier_alone(holder: Holder, signing: Signing, verifier: Asking, vct: str) -> None:
    client, licence = holder
    key = suites.ES256.generate()
    jwk = {**suites.public_jwk(key.public_key()), "kid": "one", "use": "enc", "alg": "ECDH-ES"}
    metadata = {"jwks": {"keys": [{"kty": "OKP"}, jwk]}, "encrypted_response_enc_values_supported": ["A128GCM", "A256GCM"]}
    at = opened(client, verifier.link(signing, sd_jwt_query(vct, FIELD), response_mode="direct_post.jwt", client_metadata=metadata))
    assert approve(client, at, licence).status_code == 303
    (form,) = verifier.received
    assert set(form) == {"response"}
    found = jwe.decrypt_compact(form["response"], ECKey.import_key(key), algorithms=["ECDH-ES", "A256GCM"])
    assert (found.headers()["kid"], found.headers()["enc"]) == ("one", "A256GCM")
    content = json.loads(found.plaintext or b"")
    assert content["state"]
    assert names_in(content["vp_token"]["licence"][0]) == {FIELD}


def test_a_refusal_is_told_and_sends_nothing_else(holder: Holder, signing: Signing, verifier: Asking, vct: str) -> None:
    client, _ = holder
    at = opened(client, verifier.link(signing, sd_jwt_query(vct, FIELD)))
    assert reply(client, at, answer="refuse").status_code == 303
    assert [(form["error"], "state" in form, "vp_token" in form) for form in verifier.received] == [("access_denied", True, False)]
    assert "已拒绝" in page_of(client, at)
    assert "还没有使用记录" in page_of(client, "/wallet/history")


def test_a_request_is_answered_once(holder: Holder, signing: Signing, verifier: Asking, vct: str) -> None:
    client, licence = holder
    at = opened(client, verifier.link(signing, sd_jwt_query(vct, FIELD)))
    pressed = [approve(client, at, licence), approve(client, at, licence)]
    assert [(one.status_code, one.location) for one in pressed] == [(303, at)] * 2, "whoever presses twice lands where the first press led"
    again = reply(client, at, answer="refuse")
    assert again.status_code == 410
    assert "已出示" in again.text, "whoever refuses in a second window reads that it was shown"
    assert "您刚才的选择没有发送" in again.text.partition('id="fault"')[2].partition("</div>")[0]
    assert 'href="/wallet/requests"' in again.text
    assert 'id="fault"' not in page_of(client, at)
    assert len(verifier.received) == 1


def test_whoever_looks_while_the_answer_is_on_its_way_is_told_so_and_later_that_nobody_knows(
    app: Flask, holder: Holder, signing: Signing, verifier: Asking, vct: str
) -> None:
    client, _ = holder
    at = opened(client, verifier.link(signing, sd_jwt_query(vct, FIELD)))
    with app.app_context(), transaction() as session:
        row = session.scalars(select(AskedRequest).where(AskedRequest.id == UUID(at.rsplit("/", 1)[1]))).one()
        kept.spend(session, row, kept.Outcome.SENDING, now=now())
    page = client.get(at, headers=BROWSER)
    assert ("正在发送" in page.text, page.headers["Refresh"]) == (True, "2")
    with shifted(timedelta(seconds=20)):
        page = client.get(at, headers=BROWSER)
    assert ("不确定是否送达" in page.text, "Refresh" in page.headers) == (True, False)


def test_of_many_who_press_at_once_one_sends(app: Flask, settings: Settings, verifier: Asking) -> None:
    person = someone(app)
    licence = licensed(app, person.number, SLUG)[0]
    with app.app_context():
        signing, vct = of_department(licence.issuer_code), type_uri(settings, get_type(SLUG))
    client = signed_in(app, person)
    at = opened(client, verifier.link(signing, sd_jwt_query(vct, FIELD)))
    token = csrf_token(page_of(client, at))
    data = {"csrf_token": token, "answer": "approve", "licence-licence": str(licence.id)}
    cookies = "; ".join(f"{one.key}={one.value}" for one in client._cookies.values())  # type: ignore[attr-defined]
    ready = threading.Barrier(PRESSING, timeout=30)

    def press(_: int) -> int:
        ready.wait()
        return app.test_client(use_cookies=False).post(at, data=data, headers={**BROWSER, "Cookie": cookies}).status_code

    with ThreadPoolExecutor(PRESSING) as pool:
        assert set(pool.map(press, range(PRESSING))) == {303}
    assert len(verifier.received) == 1


def test_a_request_opened_twice_is_one_request(holder: Holder, signing: Signing, verifier: Asking, vct: str) -> None:
    client, licence = holder
    text = signing.sign(verifier.payload(sd_jwt_query(vct, FIELD), client_id=signing.by_hash))
    first = opened(client, link_to(signing.by_hash, verifier.serve(text)))
    assert approve(client, first, licence).status_code == 303
    assert opened(client, link_to(signing.by_hash, verifier.serve(text))) == first
    assert approve(client, first, licence).status_code == 303
    assert len(verifier.received) == 1


def test_a_request_is_over_after_ten_minutes_or_when_it_says_so(holder: Holder, signing: Signing, verifier: Asking, vct: str) -> None:
    client, licence = holder
    soon = int(now().timestamp()) + 60
    usual, short = (opened(client, verifier.link(signing, sd_jwt_query(vct, FIELD), exp=ends)) for ends in (None, soon))
    with shifted(timedelta(seconds=90)):
        late = approve(client, short, licence)
        assert (late.status_code, "请求已过期" in late.text, 'id="fault"' in late.text) == (410, True, True)
        assert "已过期" in page_of(client, short)
    with shifted(timedelta(minutes=11)):
        assert approve(client, usual, licence).status_code == 410
    assert verifier.received == []


def test_a_stranger_is_named_by_its_host_alone_and_answered_only_by_who_knows_it(holder: Holder, verifier: Asking, vct: str) -> None:
    client, licence = holder
    stranger = of_stranger()
    link = verifier.link(stranger, sd_jwt_query(vct, FIELD), client_id="x509_san_dns:localhost", client_metadata={"client_name": "公安局"})
    at = opened(client, link)
    page = page_of(client, at)
    assert 'id="stranger"' in page
    assert 'id="trusted"' not in page
    assert re.search(r"<h1>“localhost”", page)
    assert "对方自称" in page
    refused = approve(client, at, licence)
    assert (refused.status_code, 'id="fault"' in refused.text, verifier.received) == (422, True, [])
    assert approve(client, at, licence, understood="yes").status_code == 303
    assert names_in(shown_in(verifier.received[0])) == {FIELD}
    history = page_of(client, "/wallet/history")
    assert "localhost" in history
    assert "您答复了请求" in history


@pytest.mark.parametrize(
    ("goal", "is_shown"), [("https://verifier.example/cb#code=1", True), ("javascript:alert(1)", False), ("https://a:b@verifier.example/", False)]
)
def test_the_verifier_may_have_the_person_go_on_to_a_page(
    holder: Holder, signing: Signing, verifier: Asking, vct: str, goal: str, is_shown: bool
) -> None:
    client, licence = holder
    verifier.answer = (200, json.dumps({"redirect_uri": goal}).encode())
    at = opened(client, verifier.link(signing, sd_jwt_query(vct, FIELD)))
    approve(client, at, licence)
    assert ((goal in page_of(client, at)), "前往verifier.example继续" in page_of(client, at)) == (is_shown, is_shown)


def test_an_answer_that_is_not_taken_is_said_to_be_so(holder: Holder, signing: Signing, verifier: Asking, vct: str) -> None:
    client, licence = holder
    verifier.answer = (400, b"{}")
    at = opened(client, verifier.link(signing, sd_jwt_query(vct, FIELD)))
    approve(client, at, licence)
    assert "对方未接受" in page_of(client, at)


def test_a_fetch_by_post_must_bring_our_nonce_back(holder: Holder, signing: Signing, verifier: Asking, vct: str) -> None:
    client, _ = holder
    payload = verifier.payload(sd_jwt_query(vct, FIELD), client_id=signing.by_hash)
    for nonce, status in ((None, 422), ("another", 422)):
        text = signing.sign({**payload, **({"wallet_nonce": nonce} if nonce else {})})
        assert open_link(client, link_to(signing.by_hash, verifier.serve(text), request_uri_method="post")).status_code == status
    assert verifier.nonce_of_wallet


def test_an_act_that_is_confirmed_is_shown_and_signed_over(holder: Holder, signing: Signing, verifier: Asking, vct: str) -> None:
    client, licence = holder
    act = {"type": "urn:kabao:transaction:confirmation", "credential_ids": ["licence"], "text": {"zh": "同意变更住址", "en": "Change my address"}}
    encoded = base64.urlsafe_b64encode(json.dumps(act).encode()).rstrip(b"=").decode()
    at = opened(client, verifier.link(signing, sd_jwt_query(vct, FIELD), transaction_data=[encoded]))
    assert "同意变更住址" in page_of(client, at)
    approve(client, at, licence)
    binding = jwt.decode(sd_jwt.parse(shown_in(verifier.received[0])).key_binding, options={"verify_signature": False})
    assert binding["transaction_data_hashes"] == [base64.urlsafe_b64encode(hashlib.sha256(encoded.encode()).digest()).rstrip(b"=").decode()]


def test_another_person_finds_no_such_request(app: Flask, holder: Holder, signing: Signing, verifier: Asking, vct: str) -> None:
    at = opened(holder[0], verifier.link(signing, sd_jwt_query(vct, FIELD)))
    other = signed_in(app, someone(app))
    assert [other.get(at, headers=BROWSER).status_code, reply(other, at, answer="approve").status_code] == [404, 404]


def test_a_wallet_without_the_licence_can_only_refuse(app: Flask, holder: Holder, signing: Signing, verifier: Asking, vct: str) -> None:
    client = signed_in(app, someone(app))
    (asked,) = sd_jwt_query(vct, FIELD)["credentials"]
    either = {"credentials": [asked, {**asked, "id": "again"}], "credential_sets": [{"options": [["licence"], ["again"]]}]}
    at = opened(client, verifier.link(signing, either))
    page = page_of(client, at)
    assert 'id="unmet"' in page
    assert page.count("卡包里没有符合的证照。") == 1, "one licence is missed once, in however many forms it was asked for"
    assert 'id="approve"' not in page
    assert reply(client, at, answer="approve").status_code == 422
    assert verifier.received == []


def test_who_acts_for_an_organisation_answers_with_its_licences_within_the_mandate(app: Flask, settings: Settings, verifier: Asking) -> None:
    person = someone(app)
    with writing(app) as session:
        organisation = new_organisation(session, representative=person)
        issuer = new_department(issue=["business-licence"])
        organisation_id = ensure_subject(session, parse_number(organisation.number), now=now()).id
    with writing(app) as session:
        licence = new_licence(session, type="business-licence", department=issuer, number=organisation.number)
    with app.app_context():
        signing, vct = of_department(issuer), type_uri(settings, get_type("business-licence"))
    client = signed_in(app, person)
    own = opened(client, verifier.link(signing, sd_jwt_query(vct)))
    assert 'id="unmet"' in page_of(client, own), "it is no licence of the person's own"
    act_for(client, organisation_id)
    assert client.get(own, headers=BROWSER).status_code == 404, "what was opened for oneself is not answered for another"
    at = opened(client, verifier.link(signing, sd_jwt_query(vct)))
    assert organisation.name in page_of(client, at)
    assert approve(client, at, licence).status_code == 303
    assert names_in(shown_in(verifier.received[0])) == set()


def test_a_link_in_the_address_only_fills_the_form(holder: Holder, signing: Signing, verifier: Asking, vct: str) -> None:
    client, _ = holder
    link = verifier.link(signing, sd_jwt_query(vct, FIELD))
    page = page_of(client, "/wallet/requests?" + link.partition("?")[2])
    assert len(verifier.served) == 1, "nothing is fetched by looking at a page"
    assert "openid4vp://?client_id=" in page
    assert page_of(client, "/wallet/requests").count("openid4vp://?client_id") == 0


def test_a_request_is_kept_for_a_week_at_most_however_long_it_says_it_holds(
    app: Flask, holder: Holder, signing: Signing, verifier: Asking, vct: str
) -> None:
    at = opened(holder[0], verifier.link(signing, sd_jwt_query(vct, FIELD), exp=int((now() + timedelta(days=60)).timestamp())))
    with writing(app) as session:
        row = session.scalars(select(AskedRequest).where(AskedRequest.id == UUID(at.rpartition("/")[2]))).one()
    assert row.expires_at - row.opened_at == timedelta(days=7)


def test_one_request_that_would_be_refused_by_now_does_not_hide_the_others(
    monkeypatch: pytest.MonkeyPatch, holder: Holder, signing: Signing, verifier: Asking, vct: str
) -> None:
    client, _ = holder
    other, known = of_stranger(), verifiers.verifier_of
    kept_at, refused_at = (opened(client, verifier.link(key, sd_jwt_query(vct, FIELD))) for key in (signing, other))

    def stricter(asked: RequestObject, *args: Any, **more: Any) -> Verifier:
        if asked.client_id == other.by_hash:
            raise RequestRefused("what was taken before a rule came")
        return known(asked, *args, **more)

    monkeypatch.setattr(verifiers, "verifier_of", stricter)
    page = page_of(client, "/wallet/requests")
    assert f'href="{kept_at}"' in page
    assert refused_at not in page
