"""A licence shown from another wallet: what lifts an account to level 3, and all that does not."""

import re
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from idp.signin import proofs
from keys import certificates, holder_keys, ring, suites
from runtime.clock import now
from runtime.database import transaction
from tests.world_people import BROWSER, Person, csrf_token, new_person, open_account, sign_in
from tests.world_verifying import new_browser
from tests.world_wallet import new_department, new_licence
from wallet.issuing import credentials, sd_jwt, sd_jwt_vc
from wallet.issuing.life import revoke_licence
from wallet.register.licences import Licence
from wallet.verifying.identity import BOUND_IN_PERSON

CARD, DRIVING = "resident-identity-card", "driving-licence"


@dataclass
class Holder:
    """A person with an account, whose browser stands on the page, and a wallet elsewhere with a key of its own."""

    person: Person
    subject_id: UUID
    browser: FlaskClient
    department: str
    key: suites.PrivateKey

    def licence(self, slug: str = CARD) -> Licence:
        with transaction() as session:
            return new_licence(session, type=slug, department=self.department, number=self.person.number)

    def elsewhere(self, licence: Licence, *, shown: tuple[str, ...] = ("holder_number",), apart: bool = False, **claims: Any) -> str:
        """Return the licence as its department bound it in person to the other wallet, with some claims more or changed.

        `apart` says that it was bound in person in a disclosure, which its holder may keep back or show.
        """
        with transaction() as session:
            text = credentials.text_of(credentials.credential_of(session, licence))
        parts = sd_jwt.parse(text)
        payload = sd_jwt.read_json(parts.jwt.split(".")[1])
        payload |= {"cnf": {"jwk": suites.public_jwk(self.key.public_key())}, BOUND_IN_PERSON: True, **claims}
        disclosures = [one for one in parts.disclosures if one.name in shown]
        if apart:
            disclosures.append(sd_jwt.Disclosure.of(BOUND_IN_PERSON, payload.pop(BOUND_IN_PERSON)))
            payload["_sd"] = sorted([*payload["_sd"], disclosures[-1].digest])
        signed = ring.signer(certificates.department_use(self.department)).sign(payload, typ=sd_jwt_vc.TYPE)
        return sd_jwt.combine(signed, disclosures)

    def bind(self, presented: str, **changes: Any) -> tuple[str, str]:
        """Ask for a nonce; return the presentation bound to it, and the form's token."""
        page = self.browser.get("/account/level/licence", headers=BROWSER).text
        nonce, audience = (found(page, name) for name in ("nonce", "audience"))
        payload = {"iat": int(time.time()), "aud": audience, "nonce": nonce, "sd_hash": sd_jwt.sd_hash(presented), **changes}
        return presented + jwt.encode(payload, self.key, algorithm="ES256", headers={"typ": "kb+jwt"}), csrf_token(page)

    def show(self, presented: str, token: str) -> TestResponse:
        return self.browser.post("/account/level/licence", data={"presented": presented, "csrf_token": token}, headers=BROWSER)

    def ial(self) -> int:
        with transaction() as session:
            return proofs.ial_of(session, self.subject_id, now=now())


def found(page: str, name: str) -> str:
    match = re.search(f'id="{name}" class="text-break">([^<]+)<', page)
    assert match is not None
    return match[1]


@pytest.fixture
def holder(app: Flask, context: None) -> Holder:
    department = new_department(issue=[CARD, DRIVING])
    with transaction() as session:
        person = new_person(session)
        subject_id = open_account(session, person)
    browser = new_browser(app)
    sign_in(browser, person)
    return Holder(person, subject_id, browser, department, suites.ES256.generate())


def test_a_card_that_was_bound_in_person_elsewhere_lifts_to_level_3(holder: Holder) -> None:
    presented, token = holder.bind(holder.elsewhere(holder.licence()))
    assert holder.show(presented, token).status_code == 303
    assert holder.ial() == 3
    assert holder.show(presented, token).status_code == 422


def test_a_card_of_our_own_wallet_proves_nothing(holder: Holder) -> None:
    with transaction() as session:
        credential = credentials.credential_of(session, holder.licence())
        parts = sd_jwt.parse(credentials.text_of(credential))
    shown = sd_jwt.combine(parts.jwt, [one for one in parts.disclosures if one.name == "holder_number"])
    bound, token = holder.bind(shown)
    payload = jwt.decode(bound.rpartition("~")[2], options={"verify_signature": False})
    ours = shown + holder_keys.sign(credential.holder_key_sealed, payload, credential_id=credential.id, typ="kb+jwt")
    refused = holder.show(ours, token)
    assert refused.status_code == 422
    assert "没有由发证部门当面绑定" in refused.text
    assert holder.ial() == 2


REFUSED: dict[str, dict[str, Any]] = {
    "not bound in person": {"claims": {BOUND_IN_PERSON: False}},
    "bound as somebody wrote": {"claims": {BOUND_IN_PERSON: "true"}},
    "bound in person, but not in the open": {"claims": {"apart": True}},
    "no number shown": {"shown": ()},
    "another nonce": {"binding": {"nonce": "x" * 32}},
    "another audience": {"binding": {"aud": "https://elsewhere.example/"}},
    "bound an hour ago": {"binding": {"iat": int(time.time()) - 3600}},
    "a licence that proves nobody": {"slug": DRIVING},
}


@pytest.mark.parametrize("how", REFUSED.values(), ids=REFUSED)
def test_what_does_not_prove_who_is_there_lifts_nobody(holder: Holder, how: dict[str, Any]) -> None:
    shown = {"shown": how["shown"]} if "shown" in how else {}
    text = holder.elsewhere(holder.licence(how.get("slug", CARD)), **shown, **how.get("claims", {}))
    assert holder.show(*holder.bind(text, **how.get("binding", {}))).status_code == 422
    assert holder.ial() == 2


def test_the_card_of_another_person_lifts_nobody(app: Flask, holder: Holder) -> None:
    with transaction() as session:
        other = new_person(session)
    with transaction() as session:
        licence = new_licence(session, type=CARD, department=holder.department, number=other.number)
    assert holder.show(*holder.bind(holder.elsewhere(licence))).status_code == 422
    assert holder.ial() == 2


def test_a_revoked_card_lifts_nobody(holder: Holder) -> None:
    licence = holder.licence()
    text = holder.elsewhere(licence)
    with transaction() as session:
        again = session.get_one(Licence, (licence.holder_id, licence.id))
        revoke_licence(session, again, reason="测试", legal_basis="", department=holder.department, now=now())
    assert holder.show(*holder.bind(text)).status_code == 422
    assert holder.ial() == 2
