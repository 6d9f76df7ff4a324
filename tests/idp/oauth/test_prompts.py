"""What comes next in an authorization request."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oidc.core.errors import ConsentRequiredError, LoginRequiredError
from flask.testing import FlaskClient

from idp.oauth import prompts
from idp.oauth.client_metadata import ClientMetadata
from idp.oauth.prompts import Step
from idp.oauth.waymarks import Marks, milliseconds
from idp.signin.assurance import Level
from runtime.clock import shifted
from tests.idp.oauth.journeys import Journey, answer_of
from tests.world_clients import System
from tests.world_people import BROWSER, PASSWORD, Person, csrf_token

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LONG_AGO, JUST_NOW = NOW - timedelta(hours=1), NOW - timedelta(seconds=1)
A_BIT_AHEAD, AHEAD = NOW + timedelta(seconds=60), NOW + timedelta(seconds=61)
SIGNED_IN, CHOSEN = (Marks(**{name: milliseconds(NOW - timedelta(seconds=30))}) for name in ("login_asked", "chosen"))
NOT_MEANT, NOT_EXPECTED = {"is_whom_was_meant": False}, {"is_whom_was_expected": False}
STEPS = {
    "nobody": ({}, Marks(), None, {}, Step.SIGN_IN),
    "someone who allowed it": ({}, Marks(), LONG_AGO, {}, Step.GRANT),
    "someone who did not yet": ({}, Marks(), LONG_AGO, {"consented": False}, Step.CONSENT),
    "consent asked again": ({"prompt": "consent"}, Marks(), LONG_AGO, {}, Step.CONSENT),
    "silent and allowed": ({"prompt": "none"}, Marks(), LONG_AGO, {}, Step.GRANT),
    "login asked": ({"prompt": "login"}, Marks(), JUST_NOW, {}, Step.SIGN_IN),
    "login asked and done": ({"prompt": "login"}, SIGNED_IN, JUST_NOW, {}, Step.GRANT),
    "login asked and not done": ({"prompt": "login"}, SIGNED_IN, LONG_AGO, {}, Step.SIGN_IN),
    "login and consent asked": ({"prompt": "login consent"}, SIGNED_IN, JUST_NOW, {}, Step.CONSENT),
    "selection asked of nobody": ({"prompt": "select_account"}, Marks(), None, {}, Step.SIGN_IN),
    "selection asked": ({"prompt": "select_account"}, Marks(), JUST_NOW, {}, Step.SELECT),
    "selection asked and made": ({"prompt": "select_account"}, CHOSEN, LONG_AGO, {}, Step.GRANT),
    "selection asked, just signed in": ({"prompt": "select_account"}, SIGNED_IN, JUST_NOW, {"has_others": False}, Step.GRANT),
    "selection asked, just signed in, with mandates": ({"prompt": "select_account"}, SIGNED_IN, JUST_NOW, {"has_others": True}, Step.SELECT),
    "login and selection asked, selected": ({"prompt": "login select_account"}, CHOSEN, LONG_AGO, {}, Step.SIGN_IN),
    "login and selection asked, signed in there": ({"prompt": "login select_account"}, CHOSEN, JUST_NOW, {}, Step.GRANT),
    "somebody else is meant": ({}, Marks(), JUST_NOW, NOT_MEANT, Step.SELECT),
    "somebody else is meant, whatever was chosen": ({}, CHOSEN, JUST_NOW, NOT_MEANT, Step.SELECT),
    "somebody else is expected": ({}, Marks(), JUST_NOW, NOT_EXPECTED, Step.SELECT),
    "somebody else is expected, and this one chosen": ({}, CHOSEN, JUST_NOW, NOT_EXPECTED, Step.GRANT),
    "somebody else is expected in silence": ({"prompt": "none"}, Marks(), JUST_NOW, NOT_EXPECTED, Step.GRANT),
    "young enough": ({"max_age": "7200"}, Marks(), LONG_AGO, {}, Step.GRANT),
    "too old": ({"max_age": "60"}, Marks(), LONG_AGO, {}, Step.SIGN_IN),
    "no age at all": ({"max_age": "0"}, Marks(), JUST_NOW, {}, Step.SIGN_IN),
    "no age at all, and signed in for it": ({"max_age": "0"}, SIGNED_IN, JUST_NOW, {}, Step.GRANT),
    "signed in by a clock that is ahead": ({"max_age": "7200"}, Marks(), AHEAD, {}, Step.SIGN_IN),
    "signed in by a clock that is ahead, and nothing asked": ({}, SIGNED_IN, AHEAD, {}, Step.GRANT),
    "login asked, signed in before by a clock that is ahead": ({"prompt": "login"}, SIGNED_IN, AHEAD, {}, Step.SIGN_IN),
    "login asked and done by a clock that is a bit ahead": ({"prompt": "login"}, SIGNED_IN, A_BIT_AHEAD, {}, Step.GRANT),
}


@pytest.mark.parametrize(("asked", "marks", "auth_time", "more", "step"), STEPS.values(), ids=STEPS)
def test_the_next_step(asked: dict[str, str], marks: Marks, auth_time: datetime | None, more: dict[str, bool], step: Step) -> None:
    assert prompts.next_step(prompts.read(asked, marks=marks), auth_time=auth_time, now=NOW, **{"consented": True, **more}) is step


@pytest.mark.parametrize(
    ("metadata", "asked", "step"),
    [
        ({"default_max_age": 60}, {}, Step.SIGN_IN),
        ({"default_max_age": 60}, {"max_age": "7200"}, Step.GRANT),
        ({"default_max_age": 0}, {}, Step.SIGN_IN),
        ({"default_acr_values": ("urn:kabao:acr:ial2:aal2",)}, {}, Step.STEP_UP),
        ({"default_acr_values": ("urn:kabao:acr:ial2:aal2",)}, {"acr_values": "urn:kabao:acr:ial2:aal1"}, Step.GRANT),
    ],
)
def test_what_a_request_does_not_name_is_the_clients_default(metadata: dict[str, Any], asked: dict[str, str], step: Step) -> None:
    read = prompts.read(asked, metadata=ClientMetadata(**metadata))
    assert prompts.next_step(read, auth_time=LONG_AGO, consented=True, now=NOW, reached=Level(2, 1)) is step


@pytest.mark.parametrize(
    ("asked", "auth_time", "consented", "error"),
    [
        ({"prompt": "none"}, None, True, LoginRequiredError),
        ({"prompt": "none", "max_age": "60"}, LONG_AGO, True, LoginRequiredError),
        ({"prompt": "none"}, LONG_AGO, False, ConsentRequiredError),
    ],
    ids=["nobody", "too old", "not allowed"],
)
def test_no_page_is_shown_in_silence(asked: dict[str, str], auth_time: datetime | None, consented: bool, error: type[Exception]) -> None:
    with pytest.raises(error):
        prompts.next_step(prompts.read(asked), auth_time=auth_time, consented=consented, now=NOW)


@pytest.mark.parametrize(
    "asked",
    [{"prompt": "none login"}, {"prompt": "please"}, {"max_age": "-1"}, {"max_age": "soon"}, {"max_age": "１"}, {"max_age": "9" * 30}],
)
def test_what_cannot_be_read_is_refused(asked: dict[str, str]) -> None:
    with pytest.raises(InvalidRequestError):
        prompts.read(asked)


def test_silence_is_answered_to_the_portal(client: FlaskClient, portal: System) -> None:
    assert answer_of(Journey(portal).authorize(client, prompt="none"))["error"] == "login_required"


def test_silence_without_consent_is_answered_to_the_portal(browser: FlaskClient, portal: System) -> None:
    assert answer_of(Journey(portal).authorize(browser, prompt="none"))["error"] == "consent_required"


@pytest.mark.parametrize("asked", [{"prompt": "login"}, {"max_age": "60"}], ids=["login", "max_age"])
def test_a_fresh_sign_in_is_asked_for_once(browser: FlaskClient, portal: System, person: Person, asked: dict[str, str]) -> None:
    journey = Journey(portal)
    journey.tokens(browser)
    with shifted(timedelta(minutes=5)):
        sent = journey.authorize(browser, **asked)
        step_up = browser.get(sent.location, headers=BROWSER).location
        page = browser.get(step_up, headers=BROWSER)
        assert person.number[-4:] in page.text
        goal = page.text.split('name="next"')[1].split('value="')[1].split('"')[0].replace("&amp;", "&")
        back = browser.post(step_up, data={"csrf_token": csrf_token(page.text), "password": PASSWORD, "next": goal}, headers=BROWSER)
        assert back.status_code == 303
        assert "code" in answer_of(browser.get(back.location, headers=BROWSER))
