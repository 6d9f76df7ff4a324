"""`kabao tour`: the whole journey over HTTP, as real clients would make it, against a running demonstration.

A person with a browser, two portals, a department's issuing system, a counter and a supervising department: each proves itself by its own means, and
none of them touches the database. The first surprise ends the tour with a non-zero status.
"""

import random
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import jwt
import requests
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from rich.console import Console
from rich.markup import escape

from demo import people
from demo.browser import TIMEOUT, Browser, Surprise
from demo.data import home_of
from demo.stand import HOST, PORT, folder_for

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
CODE = re.compile(r'id="spoken-code"[^>]*>([^<]+)<')
PASSWORD = "a-tour-of-the-city"  # noqa: S105 - of an account that the tour opens itself
CAUSE = {"text": "办理居住登记，核对驾驶证信息", "matter": "JZDJ-001", "system": "kabao tour"}
DRIVING = "driving-licence"


class Api:
    """A department's system: its key, its token, its calls."""

    def __init__(self, url: str, client_id: str, folder: Path) -> None:
        self.url, self.client_id = url, client_id
        file = folder / "clients" / f"{client_id}.pem"
        if not file.exists():
            raise Surprise(f"{file} is missing: start the demonstration first (make demo), in another terminal")
        self.key: Any = load_pem_private_key(file.read_bytes(), None)
        self.session = requests.Session()
        self.session.headers.update({"Accept": "application/json", "Accept-Language": "en"})

    def authenticate(self, scope: str) -> None:
        """Get a token by private_key_jwt (RFC 7523) and use it from now on."""
        moment = int(time.time())
        claims = {"iss": self.client_id, "sub": self.client_id, "aud": self.url, "iat": moment, "exp": moment + 60, "jti": secrets.token_urlsafe(16)}
        form = {
            "grant_type": "client_credentials",
            "scope": scope,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": jwt.encode(claims, self.key, algorithm="ES256"),
        }
        token = _json(self.session.post(f"{self.url}/token", data=form, timeout=TIMEOUT), 200)
        self.session.headers["Authorization"] = f"Bearer {token['access_token']}"

    def post(self, path: str, body: dict[str, Any], *, expect: int) -> dict[str, Any]:
        """Send a document with a fresh Idempotency-Key and return the answer."""
        headers = {"Idempotency-Key": secrets.token_urlsafe(16)}
        return _json(self.session.post(self.url + path, json=body, headers=headers, timeout=TIMEOUT), expect)

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """Return a document."""
        return _json(self.session.get(self.url + path, params=query, timeout=TIMEOUT), 200)


@dataclass
class Journey:
    """What the steps hand on to each other."""

    url: str
    folder: Path
    browser: Browser = field(default_factory=lambda: Browser(language="zh"))
    person: people.Citizen = people.LIN
    licence: dict[str, Any] = field(default_factory=dict)
    code: str = ""
    answer: dict[str, Any] = field(default_factory=dict)
    cursor: str = ""

    def portal(self, offset: int) -> str:
        """Return the address of a portal: the ports after the service's own."""
        return home_of((urlsplit(self.url).port or PORT) + offset)

    def system(self, client_id: str, scope: str) -> Api:
        """Return a department's system, with its token."""
        api = Api(self.url, client_id, self.folder)
        api.authenticate(scope)
        return api


def register(journey: Journey) -> str:
    """A person registers: number and name match the population registry."""
    for candidate in random.sample(people.crowd(), 40):
        journey.browser.open(f"{journey.url}/account/new")
        values = {"number": candidate.number, "name": candidate.name, "password": PASSWORD}
        journey.browser.submit("register", expect=(200, 409, 422), **values)
        if journey.browser.page.status_code == requests.codes.ok:
            journey.person = candidate
            journey.browser.submit("nav-signout")
            return f"{_masked(candidate.number)} opened an account"
    raise Surprise("everyone of the crowd has an account: `make clean`, then `make demo`, starts the city anew")


def sign_in_once(journey: Journey) -> str:
    """Portal A sends the browser to sign in; portal B asks for nothing."""
    browser = journey.browser
    seen = []
    for offset in (1, 2):
        browser.open(journey.portal(offset) + "/login")
        if browser.has_button("signin"):
            seen.append("password")
            browser.submit("signin", number=journey.person.number, password=PASSWORD)
        if browser.has_button("approve"):
            seen.append("consent")
            browser.submit("approve")
        if urlsplit(browser.page.url).netloc != urlsplit(journey.portal(offset)).netloc:
            raise Surprise(f"the portal did not get its person back: {browser.page.url.split('?')[0]}")
    if seen.count("password") != 1:
        raise Surprise(f"the password was asked for {seen.count('password')} times")
    return f"two portals, one password (asked for: {', '.join(seen)})"


def issue(journey: Journey) -> str:
    """The police's system gets a token by private_key_jwt and posts a licence for the person's number."""
    api = journey.system("issuing-system", "licences:issue licences:read")
    supervision = journey.system("supervision-system", "events")
    journey.cursor = _latest(supervision)
    fields = next(kind for kind in api.get("/api/v1/licence-types")["licence_types"] if kind["slug"] == DRIVING)["fields"]
    this_year = datetime.now(UTC).year
    body = {
        "type": DRIVING,
        "holder": {"number": journey.person.number, "name": journey.person.name},
        "fields": {one["name"]: one["example"] for one in fields if one["required"]} | {"birth_date": journey.person.born.isoformat()},
        "valid_from": f"{this_year}-01-01",
        "valid_until": f"{this_year + 6}-01-01",
    }
    journey.licence = api.post("/api/v1/licences", body, expect=201)
    return f"{journey.licence['identifier']}"


def hold(journey: Journey) -> str:
    """The person's wallet shows a new card."""
    page = journey.browser.open(f"{journey.url}/wallet").text
    if f"/wallet/cards/{journey.licence['id']}" not in page:
        raise Surprise("the wallet does not show the new card")
    return "机动车驾驶证, a new card in the wallet"


def present(journey: Journey) -> str:
    """The person chooses fields and shows a QR code: five minutes, one use."""
    journey.browser.open(f"{journey.url}/wallet/cards/{journey.licence['id']}/show")
    journey.browser.submit("make-code", preset="usual")
    shown = CODE.search(journey.browser.text)
    if shown is None:
        raise Surprise("the page shows no code")
    journey.code = "".join(shown[1].split())
    return f"{journey.code[:12]}… ({len(journey.code)} characters in the QR code)"


def verify(journey: Journey) -> str:
    """A counter posts the code with its cause, and gets the fields and a signed receipt."""
    counter = journey.system("counter-system", "verifications receipts")
    journey.answer = counter.post("/api/v1/verifications", {"presented": journey.code, "cause": CAUSE}, expect=201)
    if journey.answer["verdict"] != "valid":
        raise Surprise(f"the verdict is {journey.answer['verdict']}")
    again = counter.session.post(f"{journey.url}/api/v1/verifications", json={"presented": journey.code, "cause": CAUSE}, timeout=TIMEOUT)
    if again.status_code != requests.codes.conflict:
        raise Surprise(f"the code worked twice: {again.status_code}")
    return f"valid; {len(journey.answer['fields'])} fields; receipt {journey.answer['receipt']['id'][-12:]}; the code again: refused"


def keep(journey: Journey) -> str:
    """The person sees who looked and why; anyone who has the receipt can check it."""
    history = journey.browser.open(f"{journey.url}/wallet/history").text
    if escape(CAUSE["text"]) not in history:
        raise Surprise("the history does not show the use")
    deadline = time.monotonic() + 10
    while True:
        checked = _json(
            requests.post(f"{journey.url}/api/v1/receipts/check", json={"receipt": journey.answer["receipt"]["jws"]}, timeout=TIMEOUT), 200
        )
        if not checked["genuine"]:
            raise Surprise("the receipt is not genuine")
        if checked["sealed"]:
            return f"in the history; the receipt is genuine, row {checked['ledger']['position']} of the sealed ledger"
        if time.monotonic() > deadline:
            raise Surprise("the worker has not sealed the ledger within ten seconds: does it run?")
        time.sleep(0.25)


def revoke(journey: Journey) -> str:
    """The issuer revokes; the supervisor hears of it, and the next verification says so."""
    present(journey)
    reason = {"reason": "持证人申请注销", "legal_basis": "机动车驾驶证申领和使用规定"}
    journey.system("issuing-system", "licences:issue").post(f"/api/v1/licences/{journey.licence['id']}/revocation", reason, expect=201)
    began = time.monotonic()
    supervision = journey.system("supervision-system", "events")
    while not any(event["kind"] == "licence.revoked" and event["licence"] == journey.licence["id"] for event in _events(supervision, journey.cursor)):
        if time.monotonic() - began > TIMEOUT:
            raise Surprise("the supervising department did not hear of the revocation")
        time.sleep(0.1)
    heard = time.monotonic() - began
    counter = journey.system("counter-system", "verifications")
    answer = counter.post("/api/v1/verifications", {"presented": journey.code, "cause": CAUSE}, expect=201)
    failed = [check["check"] for check in answer["checks"] if check["outcome"] == "failed"]
    if answer["verdict"] != "invalid" or failed != ["status"]:
        raise Surprise(f"after the revocation the verdict is {answer['verdict']} ({failed})")
    return f"heard after {heard * 1000:.0f} ms; the next verification: invalid (status)"


STEPS: tuple[tuple[str, Callable[[Journey], str]], ...] = (
    ("register 注册", register),
    ("sign in once 一次登录", sign_in_once),
    ("issue 制发", issue),
    ("hold 持有", hold),
    ("present 出示", present),
    ("verify 核验", verify),
    ("keep proof 存证", keep),
    ("revoke 撤销", revoke),
)


@click.command()
@click.option("--url", default=f"http://{HOST}:{PORT}", show_default=True, help="The running service; its portals are at the two ports after.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where the demonstration keeps its data, if it was told.")
def tour(url: str, folder: Path | None) -> None:
    """Walk the whole journey against a running demonstration."""
    console = Console(highlight=False, soft_wrap=True)
    journey = Journey(url.rstrip("/"), folder or folder_for(urlsplit(url).port or PORT))
    began = time.perf_counter()
    for number, (title, step) in enumerate(STEPS, 1):
        started = time.perf_counter()
        try:
            came_back = step(journey)
        except (Surprise, KeyError, requests.RequestException) as error:
            console.print(f"[red]{number} ✗ {title}[/]: {escape(_plain(error, journey.url))}")
            raise click.exceptions.Exit(1) from error
        console.print(f"[green]{number} ✓[/] [bold]{title}[/] [dim]{(time.perf_counter() - started) * 1000:.0f} ms[/]  {escape(came_back)}")
    console.print(f"The whole journey: {time.perf_counter() - began:.1f} s, and never a paper copy.")


def _json(response: requests.Response, expect: int) -> dict[str, Any]:
    if response.status_code != expect:
        raise Surprise(f"{response.request.method} {urlsplit(response.url).path} answered {response.status_code}: {response.text[:300]}")
    document: dict[str, Any] = response.json()
    return document


def _events(supervision: Api, after: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = supervision.get("/api/v1/events", after=after, limit=100)["events"]
    return events


def _latest(supervision: Api) -> str:
    cursor = "0-0"
    while True:
        answer = supervision.get("/api/v1/events", after=cursor, limit=100)
        if not answer["events"]:
            return cursor
        cursor = answer["next"]


def _masked(number: str) -> str:
    return f"{number[:6]}********{number[-4:]}"


def _plain(error: Exception, url: str) -> str:
    if isinstance(error, requests.ConnectionError):
        return f"nothing answers at {url}: start the demonstration first (make demo), in another terminal"
    return f"an answer lacks {error}" if isinstance(error, KeyError) else str(error)
