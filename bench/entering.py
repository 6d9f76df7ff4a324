"""Signing in with a password, and being signed in: beside the bare hash, and the bare look for a session."""

from collections.abc import Callable
from functools import partial
from http.cookies import SimpleCookie
from urllib.parse import urlencode

from werkzeug.test import TestResponse

from bench.load import Outcome, drive, raw
from bench.measuring import Budget, Path
from bench.stand import Citizen, Stand
from idp.signin import passwords, sessions
from runtime.clock import now
from runtime.settings import Settings
from tests.world_people import BROWSER, PASSWORD, csrf_token, sign_in

FORM = "application/x-www-form-urlencoded"
KNOWN = 8


def password(stand: Stand, seconds: float) -> Callable[[], Outcome]:
    """Let a few citizens sign in with their passwords, again and again, in browsers that know them."""
    requests = [_request(stand, citizen) for citizen in stand.citizens[:KNOWN]]
    drive(stand.processes.port, requests, seconds=min(seconds, 0.5), once=False, connections=2)
    return partial(drive, stand.processes.port, requests, seconds=seconds, once=False)


def bare_acts(stand: Stand) -> dict[str, Callable[[], object]]:
    """Return what a sign-in and a page of someone signed in cannot cost less than; run them within the application's context."""
    client = stand.kabao.app.test_client()
    sign_in(client, stand.citizens[-1].person)
    cookie = client.get_cookie("kabao_session")
    assert cookie is not None
    settings: Settings = stand.kabao.app.extensions["kabao_settings"]
    lifetimes = sessions.Lifetimes(settings.session_idle, settings.session_lifetime)

    def find() -> object:
        with stand.kabao.app.app_context():
            found = sessions.find(cookie.value, lifetimes=lifetimes, now=now())
        assert found is not None
        return found

    kept = passwords.hash_password(PASSWORD)
    return {"one password checked (argon2id)": lambda: passwords.is_right(kept, PASSWORD), "one session found by its token": find}


def _request(stand: Stand, citizen: Citizen) -> bytes:
    client = stand.kabao.app.test_client()
    cookies = _cookies(sign_in(client, citizen.person))
    page = client.get("/signin", headers=BROWSER)
    cookies |= _cookies(page)
    form = {"csrf_token": csrf_token(page.text), "number": citizen.person.number, "password": PASSWORD}
    kept = "; ".join(f"{name}={value}" for name, value in cookies.items() if name != "kabao_session")
    return raw("POST", "/signin", body=urlencode(form).encode(), Content_Type=FORM, Cookie=kept, Accept="text/html")


def _cookies(answer: TestResponse) -> dict[str, str]:
    read: SimpleCookie = SimpleCookie()
    for header in answer.headers.getlist("Set-Cookie"):
        read.load(header)
    return {name: morsel.value for name, morsel in read.items()}


ENTER = Path("password", "sign in with a password in a known browser: one argon2id hash", Budget(60), password)
