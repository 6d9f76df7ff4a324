"""A sign-in at a second portal by someone who is signed in already: authorize, token, userinfo, one after the other."""

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable
from functools import partial
from urllib.parse import parse_qs, urlencode, urlsplit

from bench.load import Journey, Outcome, Refused, travel
from bench.measuring import Budget, Path
from bench.paths import cookie_of
from bench.stand import Citizen, Stand
from tests.served import Answer, send

TRAVELLERS = 4
BROWSER = {"Accept": "text/html", "Accept-Language": "zh-CN"}


def sign_in(stand: Stand, seconds: float) -> Callable[[], Outcome]:
    """Let a few citizens come back to a portal again and again."""
    journeys = [_journey(stand, citizen) for citizen in stand.citizens[:TRAVELLERS]]
    travel(journeys, seconds=min(seconds, 0.5))
    return partial(travel, journeys, seconds=seconds)


def _journey(stand: Stand, citizen: Citizen) -> Journey:
    portal = stand.portal
    connection = stand.processes.connection()
    browser = {**BROWSER, "Cookie": cookie_of(stand, citizen)}
    verifier = secrets.token_urlsafe(32)
    challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "response_type": "code",
        "client_id": portal.client_id,
        "redirect_uri": portal.redirect_uri,
        "scope": "openid profile",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }

    def once() -> None:
        state = {"state": secrets.token_urlsafe(16), "nonce": secrets.token_urlsafe(16)}
        sent_back = _expect(send(connection, "GET", f"/authorize?{urlencode({**asked, **state})}", headers=browser), 302, 303)
        code = parse_qs(urlsplit(sent_back.headers["location"]).query).get("code", ["none"])[0]
        exchange = {"grant_type": "authorization_code", "code": code, "redirect_uri": portal.redirect_uri, "code_verifier": verifier}
        tokens = _expect(send(connection, "POST", "/token", form={**portal.proof(), **exchange}), 200).json
        _expect(send(connection, "GET", "/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"}), 200)

    return once


def _expect(answer: Answer, *statuses: int) -> Answer:
    if answer.status not in statuses:
        raise Refused(answer.status)
    return answer


SIGN_IN = Path("signin", "sign-in that finds a session: authorize + token + userinfo", Budget(6.0), sign_in)
