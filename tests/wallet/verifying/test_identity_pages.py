"""A licence shown from another wallet: what lifts an account to level 3, in which browser, and all that does not."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from idp.signin import proofs
from idp.signin.notices import Notice
from keys import certificates, ring
from runtime.clock import now, shifted
from runtime.database import transaction
from runtime.ledger import LedgerEntry
from tests.wallet.presenting.answering.steps import opened, page_of
from tests.wallet.verifying.openid4vp.wallets import Wallet
from tests.world_identity import ASKED, CARD, DRIVING, PAGE, Holder, back_of, digits_on, new_holder, refuse, stranger
from tests.world_people import BROWSER, csrf_token, new_person, sign_in
from tests.world_verifying import new_browser
from wallet.issuing.credentials import credential_of
from wallet.issuing.life import revoke_licence
from wallet.issuing.status_lists import INVALID, set_status
from wallet.register.catalogue import get_type
from wallet.register.licences import Licence
from wallet.verifying.identity import BOUND_IN_PERSON, QUERY_ID
from wallet.verifying.openid4vp.identity_requests import LIFETIME, MOST_TRIES, IdentityRequest
from wallet.verifying.openid4vp.requests import PresentationRequest

MANY = 8


@pytest.fixture
def holder(app: Flask, context: None) -> Holder:
    return new_holder(app)


@pytest.fixture
def wallet(holder: Holder) -> Wallet:
    """The person's wallet elsewhere, with their identity card."""
    return holder.wallet(holder.elsewhere(holder.licence()))


def revoke(holder: Holder, licence: Licence) -> None:
    with transaction() as session:
        again = session.get_one(Licence, (licence.holder_id, licence.id))
        revoke_licence(session, again, reason="测试", legal_basis="", department=holder.department, now=now())


def age(holder: Holder, by: timedelta) -> None:
    """Let everything that was begun in the person's session be older."""
    with transaction() as session:
        mine = select(IdentityRequest.id).where(IdentityRequest.subject_id == holder.subject_id)
        moments = (PresentationRequest.asked_at, PresentationRequest.expires_at, PresentationRequest.answered_at)
        session.execute(update(PresentationRequest).where(PresentationRequest.id.in_(mine)).values({one: one - by for one in moments}))
        session.execute(
            update(IdentityRequest).where(IdentityRequest.id.in_(mine)).values(expires_at=IdentityRequest.expires_at - by),
            execution_options={"synchronize_session": False},
        )


def acts_of(holder: Holder) -> list[str]:
    with transaction() as session:
        return list(session.scalars(select(LedgerEntry.act).where(LedgerEntry.subject_id == holder.subject_id).order_by(LedgerEntry.id)))


def test_on_the_device_of_the_wallet_the_way_back_lifts_the_account(holder: Holder, wallet: Wallet) -> None:
    back = holder.answer(wallet, holder.begin())
    assert holder.ial() == 2
    done = holder.browser.get(back, headers=BROWSER)
    assert (done.status_code, done.location) == (303, "/account/level")
    assert "身份已核实" in holder.browser.get("/account/level", headers=BROWSER).text
    assert holder.ial() == 3
    assert holder.browser.get(back, headers=BROWSER).location == PAGE, "it is finished once"
    with transaction() as session:
        proof = next(one for one in proofs.proofs_of(session, holder.subject_id) if one.level == 3)
        assert (proof.department, proof.document_type, proof.method) == (holder.department, get_type(CARD).code, "licence")
        kinds = list(session.scalars(select(Notice.kind).where(Notice.subject_id == holder.subject_id)))
    assert kinds.count("identity-proven") == 1
    assert acts_of(holder).count("identity.proven") == 2


def test_from_another_device_the_person_carries_six_digits_to_the_page_that_began(holder: Holder, wallet: Wallet) -> None:
    link = holder.begin()
    assert holder.browser.get(f"{PAGE}/state?seen=waiting").get_json() == {"state": "waiting"}
    got = wallet.get(link)
    assert holder.browser.get(f"{PAGE}/state?seen=waiting").get_json() == {"state": "fetched"}
    assert "二维码已作废" in holder.page()
    back = back_of(wallet.answer(got, {QUERY_ID: [wallet.present(got, ASKED)]}))
    assert holder.browser.get(f"{PAGE}/state?seen=fetched").get_json() == {"state": "shown"}
    assert "Type what your wallet&#39;s device shows" in holder.page("en")
    phone = new_browser(holder.app)
    shown = phone.get(back, headers=BROWSER).text
    assert holder.person.number not in shown
    assert holder.person.name not in shown
    full_width = digits_on(shown).translate({ord(str(one)): 0xFF10 + one for one in range(10)})
    done = holder.type_digits(full_width)
    assert (done.status_code, done.location, holder.ial()) == (303, "/account/level", 3)
    assert holder.browser.get(f"{PAGE}/state?seen=shown").get_json() == {"state": "done"}
    assert 'id="back"' in phone.get(back, headers=BROWSER).text, "the digits are shown no longer"


def test_a_code_that_was_sent_to_somebody_else_lifts_nobody_by_their_answer_alone(holder: Holder, wallet: Wallet) -> None:
    """Somebody signed in to the person's account sends the code to the person, who shows the licence (session fixation)."""
    back = holder.answer(wallet, holder.begin())
    own = new_browser(holder.app)
    sign_in(own, holder.person)
    digits = digits_on(own.get(back, headers=BROWSER).text)
    assert holder.ial() == 2, "the person's own browser is not the one that began, and shows them what they would be doing"
    assert holder.type_digits(digits, browser=own).location == PAGE, "no other session goes on with it, though it is of the same person"
    assert own.get(f"{PAGE}/state?seen=none").get_json() == {"state": "waiting"}
    assert holder.ial() == 2
    for wrong in (back.replace("response_code=", "response_code=x"), back.partition("?")[0]):
        assert holder.browser.get(wrong, headers=BROWSER).status_code == 404
    assert holder.ial() == 2


def test_digits_cannot_be_guessed(holder: Holder, wallet: Wallet) -> None:
    back = holder.answer(wallet, holder.begin())
    right = digits_on(new_browser(holder.app).get(back, headers=BROWSER).text).replace(" ", "")
    wrong = f"{(int(right) + 1) % 10**6:06}"
    for text in ("", "x" * 65):
        assert holder.type_digits(text).status_code == 422
    for _ in range(MOST_TRIES):
        refused = holder.type_digits(wrong)
        assert (refused.status_code, "数字不正确" in refused.text or "已失效" in refused.text) == (422, True)
    assert holder.type_digits(right).location == PAGE
    assert "这次请求已失效" in holder.page()
    assert holder.ial() == 2


def test_who_guesses_many_at_once_has_no_more_tries(holder: Holder, wallet: Wallet) -> None:
    holder.answer(wallet, holder.begin())
    token = csrf_token(holder.page())
    with ThreadPoolExecutor(MANY) as threads:
        form = {"digits": "x", "csrf_token": token}
        list(threads.map(lambda _: holder.browser.post(f"{PAGE}/finish", data=form, headers=BROWSER), range(MANY)))
    with transaction() as session:
        assert session.scalars(select(IdentityRequest.tries).where(IdentityRequest.subject_id == holder.subject_id)).one() == MOST_TRIES


def test_what_comes_late_lifts_nobody(holder: Holder, wallet: Wallet) -> None:
    got = wallet.get(holder.begin())
    presentation = wallet.present(got, ASKED)
    age(holder, LIFETIME)
    late = wallet.answer(got, {QUERY_ID: [presentation]})
    assert (late.status_code, late.get_json()["error"]) == (400, "invalid_request")
    assert "这次请求已失效" in holder.page()
    back = holder.answer(wallet, holder.begin())
    digits = digits_on(new_browser(holder.app).get(back, headers=BROWSER).text)
    age(holder, LIFETIME)
    assert holder.type_digits(digits).location == PAGE
    assert holder.browser.get(back, headers=BROWSER).location == PAGE
    assert "This request is over" in holder.page("en")
    assert holder.ial() == 2
    age(holder, 2 * LIFETIME)
    assert 'data-stage="none"' in holder.page(), "what is long over is spoken of no more"


def test_a_new_code_ends_the_one_before_it(holder: Holder, wallet: Wallet) -> None:
    first, set_out, second = holder.begin(), now(), holder.begin()
    with shifted(set_out - now()):
        assert wallet.fetch(first).status_code == 400, "also for a wallet that had set out before"
    holder.browser.get(holder.answer(wallet, second), headers=BROWSER)
    assert holder.ial() == 3


def test_what_a_wallet_was_shown_before_the_code_was_renewed_is_gone_on_with(holder: Holder, wallet: Wallet) -> None:
    got = wallet.get(holder.begin())
    holder.press()
    back = back_of(wallet.answer(got, {QUERY_ID: [wallet.present(got, ASKED)]}))
    assert 'data-stage="shown"' in holder.page()
    holder.type_digits(digits_on(new_browser(holder.app).get(back, headers=BROWSER).text))
    assert holder.ial() == 3


def test_what_was_shown_is_not_lost_to_a_renewal_but_to_whoever_shows_it_anew(holder: Holder, wallet: Wallet) -> None:
    back = holder.answer(wallet, holder.begin())
    digits = digits_on(new_browser(holder.app).get(back, headers=BROWSER).text)
    holder.press()
    page = holder.page()
    assert 'data-stage="shown"' in page
    assert 'name="anew"' in page
    holder.press(anew="yes")
    assert 'data-stage="waiting"' in holder.page()
    assert 'id="back"' in new_browser(holder.app).get(back, headers=BROWSER).text
    assert holder.type_digits(digits).location == PAGE
    assert holder.browser.get(back, headers=BROWSER).location == PAGE
    assert holder.ial() == 2


def test_of_two_answers_and_of_two_that_finish_at_once_one_wins(holder: Holder, wallet: Wallet) -> None:
    got = wallet.get(holder.begin())
    presentation = wallet.present(got, ASKED)
    with ThreadPoolExecutor(MANY) as threads:
        answers = list(threads.map(lambda _: wallet.answer(got, {QUERY_ID: [presentation]}), range(MANY)))
        assert sorted(one.status_code for one in answers) == [200, *[400] * (MANY - 1)]
        back = back_of(next(one for one in answers if one.status_code == 200))
        finished = list(threads.map(lambda _: holder.browser.get(back, headers=BROWSER).location, range(MANY)))
    assert finished.count("/account/level") == 1
    assert holder.ial() == 3
    assert acts_of(holder).count("identity.proven") == 2, "the registry's proof, and one by the licence"


REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "not bound in person": ("没有由发证部门当面绑定", {"claims": {BOUND_IN_PERSON: False}}),
    "bound as somebody wrote": ("没有由发证部门当面绑定", {"claims": {BOUND_IN_PERSON: "true"}}),
    "bound in person, but not in the open": ("没有由发证部门当面绑定", {"claims": {"apart": True}, "shown": (*ASKED, BOUND_IN_PERSON)}),
    "no number shown": ("请一并出示证照上的持证人号码", {"shown": ("licence_identifier",)}),
    "another nonce": ("不是为本次核验出示的", {"binding": {"nonce": "x" * 43}}),
    "another audience": ("不是向本系统出示的", {"binding": {"aud": "x509_hash:another"}}),
    "bound an hour ago": ("持证人确认不在允许的时间内", {"binding": {"iat": int(time.time()) - 3600}}),
    "expired": ("这张证照已过有效期", {"claims": {"exp": int(time.time()) - 60}}),
    "a licence that proves nobody": ("不是所需类型的证照", {"slug": DRIVING}),
}


@pytest.mark.parametrize(("said", "how"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_prove_who_is_there_lifts_nobody(holder: Holder, said: str, how: dict[str, Any]) -> None:
    wallet = holder.wallet(holder.elsewhere(holder.licence(how.get("slug", CARD)), **how.get("claims", {})))
    wallet.binding = how.get("binding", {})
    expect_refused(holder, wallet, said, shown=how.get("shown", ASKED))


def expect_refused(holder: Holder, wallet: Wallet, said: str, *, shown: tuple[str, ...] = ASKED) -> None:
    """Check that what is shown lifts nobody, that the page says why, and that the wallet, and who has its code, hear nothing of it."""
    back = holder.answer(wallet, holder.begin(), shown=shown)
    assert said in holder.page()
    assert holder.browser.get(back, headers=BROWSER).location == PAGE
    elsewhere = new_browser(holder.app).get(back, headers=BROWSER).text
    assert said not in elsewhere
    assert 'id="back"' in elsewhere
    assert holder.type_digits("000000").location == PAGE
    assert holder.ial() == 2
    assert acts_of(holder)[-1] == "identity.refused"


def test_the_card_of_another_person_lifts_nobody(holder: Holder) -> None:
    with transaction() as session:
        other = new_person(session)
    wallet = holder.wallet(holder.elsewhere(holder.licence(number=other.number)))
    expect_refused(holder, wallet, "这张证照的持证人不是本账号的本人")


def test_a_revoked_card_lifts_nobody(holder: Holder) -> None:
    licence = holder.licence()
    text = holder.elsewhere(licence)
    revoke(holder, licence)
    expect_refused(holder, holder.wallet(text), "证照已终止")


def test_the_card_of_an_issuer_that_nobody_trusts_lifts_nobody(holder: Holder) -> None:
    wallet = holder.wallet(holder.elsewhere(holder.licence(), signer=stranger()))
    expect_refused(holder, wallet, "签发这张证照的部门不在信任名单中")


def test_a_card_that_is_revoked_between_the_answer_and_the_digits_lifts_nobody(holder: Holder) -> None:
    licence = holder.licence()
    back = holder.answer(holder.wallet(holder.elsewhere(licence)), holder.begin())
    digits = digits_on(new_browser(holder.app).get(back, headers=BROWSER).text)
    revoke(holder, licence)
    assert "现在不是有效状态" in holder.type_digits(digits).text
    assert holder.browser.get(back, headers=BROWSER).location == PAGE
    assert "现在不是有效状态" in holder.page()
    assert holder.ial() == 2


def test_a_credential_that_ends_alone_between_the_answer_and_the_digits_lifts_nobody(holder: Holder) -> None:
    licence = holder.licence()
    back = holder.answer(holder.wallet(holder.elsewhere(licence)), holder.begin())
    digits = digits_on(new_browser(holder.app).get(back, headers=BROWSER).text)
    with transaction() as session:
        set_status(session, credential_of(session, licence).place, INVALID)
    assert "现在不是有效状态" in holder.type_digits(digits).text
    assert holder.ial() == 2


@pytest.mark.parametrize(("error", "said"), [("access_denied", "您没有同意出示"), ("vp_formats_not_supported", "卡包未能出示")])
def test_that_a_wallet_shows_nothing_is_said_in_words(holder: Holder, wallet: Wallet, error: str, said: str) -> None:
    back = back_of(refuse(wallet, wallet.get(holder.begin()), error))
    assert said in holder.page()
    assert holder.browser.get(back, headers=BROWSER).location == PAGE
    assert holder.ial() == 2


def test_the_request_is_the_services_own_and_asks_for_no_more_than_it_needs(holder: Holder, wallet: Wallet) -> None:
    got = wallet.get(holder.begin(), wallet_nonce="n")
    leaf = ring.signer(ring.IDENTITY)
    assert got.header["x5c"] == leaf.chain
    assert got.header["kid"] != ring.signer(certificates.department_use(holder.department)).kid
    assert got.payload["client_metadata"]["client_name"] == "卡包统一身份认证"
    assert got.payload["response_mode"] == "direct_post.jwt"
    (asked,) = got.payload["dcql_query"]["credentials"]
    assert [one["path"] for one in asked["claims"]] == [["licence_identifier"], ["holder_number"], [BOUND_IN_PERSON]]
    assert holder.person.number not in str(got.payload)


def test_our_own_wallet_has_nothing_that_would_do(holder: Holder) -> None:
    holder.licence()
    own = new_browser(holder.app)
    sign_in(own, holder.person)
    page = page_of(own, opened(own, holder.begin()))
    assert 'value="approve"' not in page
    assert 'id="trusted"' in page


def test_a_program_that_makes_codes_without_end_is_slowed(holder: Holder) -> None:
    assert [holder.press().status_code for _ in range(7)] == [303] * 6 + [429]
