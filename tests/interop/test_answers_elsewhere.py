"""openid-client (npm) reads our answers in every mode: from the address, from a form, and as a signed JWT."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from demo.browser import Browser, _Forms
from tests.at_address import AddressedKabao
from tests.interop.conftest import Program, private_jwk
from tests.world_clients import new_portal
from tests.world_people import PASSWORD, new_person, open_account

pytestmark = pytest.mark.interop
MODES: dict[str, tuple[bool, dict[str, str]]] = {
    "form_post": (False, {"response_mode": "form_post"}),
    "jwt": (True, {}),
    "query.jwt": (True, {"response_mode": "query.jwt"}),
}


def form_of(page: str) -> dict[str, str]:
    """Return what a page's one form holds."""
    parser = _Forms()
    parser.feed(page)
    (form,) = parser.forms
    return form.values


@pytest.mark.parametrize(("jarm", "more"), MODES.values(), ids=MODES)
@pytest.mark.parametrize("answer", ["approve", "refuse"])
def test_an_answer_is_read_by_openid_client(
    node: Program, kabao: AddressedKabao, portal_url: str, jarm: bool, more: dict[str, str], answer: str
) -> None:
    with kabao.world() as session:
        person = new_person(session)
        open_account(session, person)
        portal = new_portal(session, redirect_uris=[f"{portal_url}/callback"], sector="answers.example")
    asked: dict[str, Any] = {
        "issuer": kabao.url,
        "client_id": portal.client_id,
        "jwk": private_jwk(portal.private_key),
        "redirect_uri": f"{portal_url}/callback",
        "jarm": jarm,
    }
    begun = node("answers", step="begin", **asked, more=more)
    browser = Browser(language="zh")
    browser.open(begun["url"])
    browser.submit("signin", number=person.number, password=PASSWORD)
    browser.submit(answer)
    posted = form_of(browser.text) if more.get("response_mode") == "form_post" else None
    if jarm:
        assert set(parse_qs(urlsplit(browser.page.url).query)) == {"response"}
    finished = node("answers", step="finish", **asked, verifier=begun["verifier"], state=begun["state"], callback=browser.page.url, posted=posted)
    if answer == "approve":
        assert finished["claims"]["aud"] == portal.client_id
    else:
        assert finished == {"error": "access_denied"}
