"""What comes next in an authorization request."""

from datetime import UTC, datetime, timedelta

import pytest
from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oidc.core.errors import ConsentRequiredError, LoginRequiredError
from flask.testing import FlaskClient

from idp.oauth import prompts
from idp.oauth.prompts import SINCE, Step
from runtime.clock import shifted
from tests.idp.oauth.journeys import Journey, answer_of
from tests.world_clients import System
from tests.world_people import BROWSER, PASSWORD, Person, csrf_token

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LONG_AGO, JUST_NOW = NOW - timedelta(hours=1), NOW - timedelta(seconds=1)
ASKED = str(prompts.milliseconds(NOW - timedelta(seconds=30)))
STEPS = {
    "nobody": ({}, None, True, Step.SIGN_IN),
    "someone who allowed it": ({}, LONG_AGO, True, Step.GRANT),
    "someone who did not yet": ({}, LONG_AGO, False, Step.CONSENT),
    "consent asked again": ({"prompt": "consent"}, LONG_AGO, True, Step.CONSENT),
    "silent and allowed": ({"prompt": "none"}, LONG_AGO, True, Step.GRANT),
    "login asked": ({"prompt": "login"}, JUST_NOW, True, Step.SIGN_IN),
    "login asked and done": ({"prompt": "login", SINCE: ASKED}, JUST_NOW, True, Step.GRANT),
    "login asked and not done": ({"prompt": "login", SINCE: ASKED}, LONG_AGO, True, Step.SIGN_IN),
    "login asked in the future": ({"prompt": "login", SINCE: "9" * 14}, JUST_NOW, True, Step.SIGN_IN),
    "login and consent asked": ({"prompt": "login consent", SINCE: ASKED}, JUST_NOW, True, Step.CONSENT),
    "another account": ({"prompt": "select_account"}, JUST_NOW, True, Step.SIGN_IN),
    "young enough": ({"max_age": "7200"}, LONG_AGO, True, Step.GRANT),
    "too old": ({"max_age": "60"}, LONG_AGO, True, Step.SIGN_IN),
}


@pytest.mark.parametrize(("asked", "auth_time", "consented", "step"), STEPS.values(), ids=STEPS)
def test_the_next_step(asked: dict[str, str], auth_time: datetime | None, consented: bool, step: Step) -> None:
    assert prompts.next_step(prompts.read(asked), auth_time=auth_time, consented=consented, now=NOW) is step


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
    [{"prompt": "none login"}, {"prompt": "please"}, {"max_age": "-1"}, {"max_age": "soon"}, {"max_age": "１"}, {"max_age": "9" * 30}, {SINCE: "x"}],
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
