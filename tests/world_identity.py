"""Somebody with an account, and a wallet of another house into which a department bound a licence of theirs, in person."""

import base64
import html
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from cryptography.hazmat.primitives.serialization import Encoding
from flask import Flask, current_app
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from idp.signin import proofs
from keys import certificates, profiles, ring, suites
from keys.ring import Signer
from runtime.clock import now
from runtime.database import transaction
from tests.wallet.verifying.openid4vp.wallets import Got, Held, Wallet
from tests.world_people import BROWSER, Person, csrf_token, new_person, open_account, sign_in
from tests.world_verifying import new_browser
from tests.world_wallet import new_department, new_licence
from wallet.issuing import credentials, sd_jwt, sd_jwt_vc
from wallet.issuing.status_lists import Place
from wallet.register.licences import Licence
from wallet.verifying.identity import BOUND_IN_PERSON, QUERY_ID

CARD, DRIVING = "resident-identity-card", "driving-licence"
PAGE = "/account/level/licence"
ASKED = ("holder_number", "licence_identifier")


@dataclass
class Holder:
    """A person with an account, whose browser stands on the page, and a wallet elsewhere with a key of its own."""

    app: Flask
    person: Person
    subject_id: UUID
    browser: FlaskClient
    department: str
    key: suites.PrivateKey

    def licence(self, slug: str = CARD, *, number: str | None = None) -> Licence:
        """Issue a licence to the person, or to who has another number."""
        with transaction() as session:
            return new_licence(session, type=slug, department=self.department, number=number or self.person.number)

    def elsewhere(self, licence: Licence, *, apart: bool = False, signer: Signer | None = None, **claims: Any) -> str:
        """Return the licence as its department bound it in person to the other wallet, with some claims more or changed.

        `apart` says that it was bound in person in a disclosure, which its holder may keep back or show; `signer` is another issuer's.
        """
        with transaction() as session:
            text = credentials.text_of(credentials.credential_of(session, licence))
        parts = sd_jwt.parse(text)
        payload = sd_jwt.read_json(parts.jwt.split(".")[1])
        payload |= {"cnf": {"jwk": suites.public_jwk(self.key.public_key())}, BOUND_IN_PERSON: True, **claims}
        disclosures = [*parts.disclosures]
        if apart:
            disclosures.append(sd_jwt.Disclosure.of(BOUND_IN_PERSON, payload.pop(BOUND_IN_PERSON)))
            payload["_sd"] = sorted([*payload["_sd"], disclosures[-1].digest])
        signer = signer or ring.signer(certificates.department_use(self.department))
        return sd_jwt.combine(signer.sign(payload, typ=sd_jwt_vc.TYPE), disclosures)

    def wallet(self, credential: str) -> Wallet:
        """Return a wallet elsewhere that holds a credential."""
        return Wallet(self.app, Held(credential, self.key, Place("", 0)))

    def begin(self) -> str:
        """Press the button, and return the link that the code holds."""
        assert self.press().status_code == 303
        return link_of(self.page())

    def press(self, **more: str) -> TestResponse:
        """Press the button that makes a code."""
        return self.browser.post(PAGE, data={"csrf_token": csrf_token(self.page()), **more}, headers=BROWSER)

    def page(self, language: str = "zh") -> str:
        """Return the page as the browser has it now."""
        return self.browser.get(PAGE, headers={**BROWSER, "Accept-Language": language}).text

    def type_digits(self, digits: str, *, browser: FlaskClient | None = None) -> TestResponse:
        """Type digits on the page."""
        client = browser or self.browser
        token = csrf_token(client.get(PAGE, headers=BROWSER).text)
        return client.post(f"{PAGE}/finish", data={"digits": digits, "csrf_token": token}, headers=BROWSER)

    def answer(self, wallet: Wallet, link: str, *, shown: tuple[str, ...] = ASKED) -> str:
        """Let a wallet show what it holds, and return where it leads its holder to, a path of ours."""
        got = wallet.get(link)
        return back_of(wallet.answer(got, {QUERY_ID: [wallet.present(got, shown)]}))

    def ial(self) -> int:
        """Return how well the person is known."""
        with transaction() as session:
            return proofs.ial_of(session, self.subject_id, now=now())


def new_holder(app: Flask) -> Holder:
    """Return somebody with an account and a browser. Call it in an application context."""
    department = new_department(issue=[CARD, DRIVING])
    with transaction() as session:
        person = new_person(session)
        subject_id = open_account(session, person)
    browser = new_browser(app)
    sign_in(browser, person)
    return Holder(app, person, subject_id, browser, department, suites.ES256.generate())


def link_of(page: str) -> str:
    """Return the link that a page's code holds."""
    match = re.search(r'href="(openid4vp:[^"]+)" id="open-wallet"', page)
    assert match is not None, page
    return html.unescape(match[1])


def digits_on(page: str) -> str:
    """Return the digits that a page shows."""
    match = re.search(r'id="digits">([0-9 ]+)<', page)
    assert match is not None, page
    return match[1]


def back_of(response: TestResponse) -> str:
    """Return the path that a wallet leads its holder to."""
    assert response.status_code == 200, response.text
    parts = urlsplit(response.get_json()["redirect_uri"])
    return f"{parts.path}?{parts.query}"


def refuse(wallet: Wallet, got: Got, error: str) -> TestResponse:
    """Let a wallet say that it shows nothing."""
    return wallet.post(got, {"error": error, "state": got.payload["state"]})


def stranger() -> Signer:
    """Return an issuer that nobody here trusts, under a root of its own."""
    settings, moment = current_app.extensions["kabao_settings"], now()
    key, ca = suites.ES256.generate(), suites.ES256.generate()
    authority = profiles.Authority(profiles.root(settings, ca, now=moment), ca, "elsewhere")
    about = profiles.Holder("别处的机关", certificates.department_uri(settings, "11379999MB9999999X"), "11379999MB9999999X")
    leaf = profiles.leaf(settings, authority, about, key.public_key(), now=moment)
    return Signer("stranger", suites.ES256.name, key, [base64.b64encode(leaf.public_bytes(Encoding.DER)).decode()])
