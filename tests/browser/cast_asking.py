"""An officer of the cast asks wallets, others ask the owner's, and the owner shows who they are from a wallet elsewhere."""

from datetime import timedelta
from uuid import UUID

from flask import Flask
from sqlalchemy import case, select, update

from idp.signin.sessions import SignedIn
from keys import suites
from runtime.clock import now
from runtime.database import transaction
from runtime.ids import new_id
from tests.wallet.verifying.openid4vp.wallets import Wallet, fetch_licence
from tests.world_asking import Asking, of_department, of_stranger, sd_jwt_query
from tests.world_identity import ASKED, CARD, Holder, back_of, refuse
from tests.world_people import Person, post_form
from tests.world_verifying import Browser, new_browser
from tests.world_wallet import new_department
from wallet.presenting.answering import asked, request_objects
from wallet.presenting.answering.request_objects import Expected
from wallet.register.licences import Licence, get_licence
from wallet.verifying.identity import QUERY_ID
from wallet.verifying.openid4vp.asking import link_of
from wallet.verifying.openid4vp.identity_requests import IdentityRequest
from wallet.verifying.openid4vp.requests import SERVICE, PresentationRequest


def ask_wallets(app: Flask, browser: Browser, licence_id: UUID) -> dict[str, str]:
    """Let the officer have asked three times: nobody has answered the first yet, a wallet answered the second, and the third was refused."""
    told = {"type": "driving-licence", "chosen": "vehicle_class", "cause": "To test a vehicle", "confirm": "I agree to the test", "request_id": ""}
    waiting, answered, refused = (post_form(browser, "/desk/ask", told).location for _ in range(3))
    with app.app_context(), transaction() as session:
        licence = session.scalars(select(Licence).where(Licence.id == licence_id)).one()
        settings = app.extensions["kabao_settings"]
        links = [link_of(settings, session.get_one(PresentationRequest, UUID(at.rsplit("/", 1)[1]))) for at in (answered, refused)]
    wallet = Wallet(app, fetch_licence(app, licence))
    got = wallet.get(links[0])
    (query,) = got.payload["dcql_query"]["credentials"]
    assert wallet.answer(got, {query["id"]: [wallet.present(got, ("vehicle_class", "licence_identifier"))]}).status_code == 200
    got = wallet.get(links[1])
    assert wallet.post(got, {"error": "access_denied", "state": got.payload["state"]}).status_code == 200
    return {"wallet asked": waiting, "wallet answered": answered, "wallet declined": refused}


def ask_holder(app: Flask, owner_id: UUID, licence_id: UUID) -> dict[str, str]:
    """Let a department and a stranger have asked the owner for a licence, and the department for a yes or no, and for a form that hides nothing."""
    settings, at = app.extensions["kabao_settings"], {}
    with app.app_context(), transaction() as session:
        query = sd_jwt_query("", "vehicle_class", "first_issued", optional=("file_number",), meta={})
        yes = sd_jwt_query("urn:kabao:answer:over_18", "over_18")
        viewer = SignedIn(new_id(), owner_id, None, now(), ["pwd"])
        ours, stranger = of_department(get_licence(session, licence_id).issuer_code), of_stranger()
        whole = {"id": "licence", "format": "jwt_vc_json", "meta": {"type_values": [["DrivingLicence"]]}}
        whole |= {"claims": [{"path": ["credentialSubject", "vehicle_class"]}]}
        requests = {"asked": (ours, query), "asked by a stranger": (stranger, query), "asked for a yes": (ours, yes)}
        requests["asked for the whole"] = (ours, {"credentials": [whole]})
        for word, (key, about) in requests.items():
            elsewhere = {"response_uri": "https://verifier.example/answers"} if key is stranger else {}
            text = key.sign(Asking(443).payload(about, client_id=key.by_hash, **elsewhere))
            read = request_objects.read(text, expected=Expected(key.by_hash, settings.public_url, now(), plain_http=True))
            at[word] = f"/wallet/requests/{asked.open_request(session, text, read, viewer=viewer, now=now())}"
        session.execute(update(asked.AskedRequest).values(expires_at=now() + timedelta(days=1)))
    return at


def show_who_one_is(app: Flask, person: Person, subject_id: UUID, viewer: str, cookies: dict[str, str]) -> dict[str, str]:
    """Let a wallet elsewhere have been asked who holds the account, for as long as the tests take: it has the request, and showed or declined."""
    browser = new_browser(app)
    for name, value in cookies.items():
        browser.set_cookie(name, value)
    at = {}
    with app.app_context():
        holder = Holder(app, person, subject_id, browser, new_department(issue=[CARD]), suites.ES256.generate())
        wallet = holder.wallet(holder.elsewhere(holder.licence()))
        got = wallet.get(holder.begin())
        if viewer == "shown at home":
            at["shown"] = back_of(wallet.answer(got, {QUERY_ID: [wallet.present(got, ASKED)]}))
        elif viewer == "declined at home":
            at["declined"] = back_of(refuse(wallet, got, "access_denied"))
        with transaction() as session:
            ours = PresentationRequest.department == SERVICE
            later = {
                PresentationRequest.expires_at: now() + timedelta(days=1),
                PresentationRequest.answered_at: case((PresentationRequest.answered_at.is_not(None), now() + timedelta(days=1)), else_=None),
            }
            session.execute(update(PresentationRequest).where(ours).values(later))
            session.execute(update(IdentityRequest).values(expires_at=now() + timedelta(days=1)))
    return at
