"""A step of an authorization request that one browser took counts in no other."""

from urllib.parse import parse_qs, urlsplit

from flask import Flask
from flask.testing import FlaskClient

from tests.idp.oauth.journeys import Journey, signed_in_browser
from tests.idp.oauth.pushing import bring, pushed_uri
from tests.world_clients import System
from tests.world_people import BROWSER, Person


def test_a_fresh_sign_in_that_was_asked_for_in_one_browser_is_not_stepped_over_in_another(app: Flask, portal: System, person: Person) -> None:
    """Whoever walks ahead with a pushed request gets its mark; sent to somebody who has signed in since, it must not stand for a fresh sign-in."""
    stranger = app.test_client()
    ahead = bring(stranger, portal, pushed_uri(stranger, Journey(portal), prompt="login"))
    (marked,) = parse_qs(urlsplit(ahead.location).query)["next"]
    assert "login_asked" in marked
    browser = signed_in_browser(app.test_client(), person)
    assert browser.get(marked, headers=BROWSER).location.startswith("/signin?"), "asked for a sign-in of its own"


def test_in_the_browser_that_was_asked_it_counts(client: FlaskClient, portal: System, person: Person) -> None:
    asked = bring(client, portal, pushed_uri(client, Journey(portal), prompt="login"))
    (marked,) = parse_qs(urlsplit(asked.location).query)["next"]
    assert client.get(marked, headers=BROWSER).location.startswith("/signin"), "nobody is signed in yet"
    signed_in_browser(client, person)
    assert client.get(marked, headers=BROWSER).status_code == 200, "the consent page"
