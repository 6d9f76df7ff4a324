"""An officer of the cast asks wallets."""

from uuid import UUID

from flask import Flask
from sqlalchemy import select

from runtime.database import transaction
from tests.wallet.verifying.openid4vp.wallets import Wallet, fetch_licence
from tests.world_people import post_form
from tests.world_verifying import Browser
from wallet.register.licences import Licence
from wallet.verifying.openid4vp.asking import link_of
from wallet.verifying.openid4vp.requests import PresentationRequest


def ask_wallets(app: Flask, browser: Browser, licence_id: UUID) -> dict[str, str]:
    """Let the officer have asked three times: nobody has answered the first yet, a wallet answered the second, and the third was refused."""
    told = {"type": "driving-licence", "chosen": "vehicle_class", "cause": "To test a vehicle", "confirm": "I agree to the test", "request_id": ""}
    asked, answered, refused = (post_form(browser, "/desk/ask", told).location for _ in range(3))
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
    return {"wallet asked": asked, "wallet answered": answered, "wallet declined": refused}
