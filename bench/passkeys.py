"""Sign-ins by passkey: an assertion, made ahead by an authenticator in software, is verified and a session begun."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.cookies import SimpleCookie

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from bench.load import CONNECTIONS, Outcome, drive, raw
from bench.measuring import Path
from bench.stand import NAMED, Citizen, Stand
from tests.authenticator import Authenticator
from tests.world_passkeys import OPTIONS, SIGN_IN, add_passkey, sign_in_by_passkey
from tests.world_people import BROWSER, csrf_token, sign_in
from wsgi import create_app

OWNERS, MOST = 8, 250  # a second; more than this is never reached
FEW = 8


def passkey(stand: Stand, seconds: float) -> Callable[[], Outcome]:
    """Let a few citizens, each in a browser that is known, sign in by passkey again and again."""
    many = max(20, int(MOST * seconds)) + FEW
    with _clients(stand) as clients:
        supplies = [_sign_ins(client, citizen, many // OWNERS + 1) for client, citizen in zip(clients, stand.citizens, strict=False)]
        requests = [request for together in zip(*supplies, strict=True) for request in together]
    port = stand.at_a_name().port
    drive(port, requests[:FEW], seconds=0.5, once=True, connections=2)
    return partial(drive, port, requests[FEW:], seconds=seconds, once=True, connections=CONNECTIONS)


@contextmanager
def _clients(stand: Stand) -> Iterator[list[FlaskClient]]:
    app = create_app(replace(stand.kabao.app.extensions["kabao_settings"], public_url=NAMED))
    app.config["TESTING"] = True
    yield [app.test_client() for _ in range(OWNERS)]
    app.extensions["kabao_cache"].stop()
    app.extensions["kabao_engine"].dispose()


def _sign_ins(client: FlaskClient, citizen: Citizen, many: int) -> list[bytes]:
    """Add a passkey, and return so many sign-ins with it, each of which is heard once."""
    device = Authenticator(NAMED)
    kept = _cookies(sign_in(client, citizen.person))
    assert add_passkey(client, device).status_code == 200
    kept |= _cookies(sign_in_by_passkey(client, device))
    token = csrf_token(client.get("/signin", headers=BROWSER).text)
    form = client.get_cookie("kabao_form")
    assert form is not None
    cookie = "; ".join(f"{name}={value}" for name, value in {**kept, "kabao_form": form.value}.items() if name != "kabao_session")
    script = {"Accept": "application/json", "Origin": NAMED, "X_CSRFToken": token, "Content_Type": "application/json", "Cookie": cookie}
    headers = {name.replace("_", "-"): value for name, value in script.items() if name != "Cookie"}
    asked = [client.post(OPTIONS[SIGN_IN], json={}, headers=headers).get_json() for _ in range(many)]
    return [raw("POST", SIGN_IN, body=json.dumps({"credential": device.use(options)}).encode(), **script) for options in asked]


def _cookies(answer: TestResponse) -> dict[str, str]:
    cookies: SimpleCookie = SimpleCookie()
    for header in answer.headers.getlist("Set-Cookie"):
        cookies.load(header)
    return {name: morsel.value for name, morsel in cookies.items() if morsel.value}


PASSKEY = Path("passkey", "sign-in by passkey: assertion verified, session begun", None, passkey)
