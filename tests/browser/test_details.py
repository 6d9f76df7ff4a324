"""The consent page with authorization details on a phone, in both languages: what is asked, of which licences, and what for."""

from urllib.parse import urlencode

import pytest
from flask import Flask
from playwright.sync_api import Page

from runtime.database import transaction
from tests.idp.oauth.details_world import LICENCE, SCOPE, details, new_asker, new_resource
from tests.idp.oauth.journeys import Journey
from tests.world_people import PASSWORD, new_person, open_account

pytestmark = pytest.mark.browser
WORDS = {"zh": ("调用您的", "机动车驾驶证", "办理车辆年检", "准驾车型"), "en": ("Draw your", "Driving licence", "办理车辆年检", "Vehicle class")}


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_person_reads_what_exactly_is_asked_and_may_refuse(live_app: Flask, phone: Page, language: str) -> None:
    fund = new_resource(live_app)
    portal = new_asker(live_app, allowed=(fund,))
    with live_app.app_context(), transaction() as session:
        person = new_person(session)
        open_account(session, person)
    asked = details({**LICENCE, "datatypes": ["vehicle_class"]}, {"type": "openid_credential", "credential_configuration_id": "marriage-certificate"})
    request = Journey(portal, scope=SCOPE).parameters(authorization_details=asked, resource=fund)
    phone.goto("/signin")
    phone.fill("#number", person.number)
    phone.fill("#password", PASSWORD)
    phone.click("#signin")
    phone.wait_for_url("**/wallet")
    phone.goto(f"/?lang={language}")
    phone.goto("/authorize?" + urlencode(request))
    text = phone.inner_text("#details")
    assert all(word.lower() in text.lower() for word in WORDS[language]), text
    assert phone.locator(".details__one").count() == 2
    assert phone.is_visible("#resources")
    assert phone.is_visible("#approve")
    assert phone.is_visible("#refuse")
    assert phone.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
