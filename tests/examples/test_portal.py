"""The example portals against a running service: one sign-in, a licence drawn instead of uploaded, one sign-out."""

import gc
import html
import importlib.util
import re
import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
import requests
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from flask import Flask
from requests.adapters import HTTPAdapter
from sqlalchemy import text
from sqlalchemy.orm import Session
from werkzeug.serving import BaseWSGIServer, make_server

from idp.oauth import portal_sessions
from idp.subjects.numbers import parse_number
from runtime.database import transaction
from runtime.settings import Settings
from tests.conftest import ROOT
from tests.served import free_ports
from tests.world_clients import System, new_portal
from tests.world_people import PASSWORD, Person, new_organisation, new_person, open_account
from tests.world_wallet import new_department, new_licence
from wsgi import create_app

SLUG = "marriage-certificate"
IDENTITY = "resident-identity-card"


def serve(app: Flask, port: int) -> BaseWSGIServer:
    server = make_server("127.0.0.1", port, app, threaded=True)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server


class OwnAddress(HTTPAdapter):
    """Comes from an address of its own: sign-ins from one address are throttled."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        address = f"127.{secrets.randbelow(200) + 1}.{secrets.randbelow(256)}.{secrets.randbelow(254) + 1}"
        super().init_poolmanager(*args, **options, source_address=(address, 0))


@dataclass
class Browser:
    """A browser without JavaScript: it follows links, fills in forms, and keeps cookies by host, whatever the port."""

    session: requests.Session = field(default_factory=requests.Session)
    page: requests.Response = field(default_factory=requests.Response)

    def __post_init__(self) -> None:
        self.session.mount("http://", OwnAddress())

    def open(self, url: str) -> str:
        self.page = self.session.get(url, headers={"Accept": "text/html", "Accept-Language": "zh"}, timeout=10)
        return self.page.text

    def submit(self, button: str, **values: str) -> str:
        """Press the button of an id, with the hidden fields of its form."""
        whole = self.page.text
        at = re.search(rf'<(?:button|input)[^>]*id="{button}"[^>]*>', whole)
        assert at is not None, f"no button {button}"
        start = whole.rindex("<form", 0, at.start())
        form = whole[start : whole.index("</form>", start)]
        for found in re.findall(r'<input[^>]*type="hidden"[^>]*>', form):
            name, value = re.search(r'name="([^"]*)"', found), re.search(r'value="([^"]*)"', found)
            values.setdefault(name[1] if name else "", html.unescape(value[1]) if value else "")
        own = re.search(r'name="([^"]+)"[^>]*value="([^"]*)"', at[0])
        if own is not None:
            values[own[1]] = own[2]
        action = re.search(r'action="([^"]*)"', form[: form.index(">")])
        goal = urljoin(self.page.url, html.unescape(action[1]) if action else self.page.url)
        self.page = self.session.post(goal, data=values, headers={"Accept": "text/html"}, timeout=10)
        return self.page.text

    @property
    def place(self) -> str:
        parts = urlsplit(self.page.url)
        return f"{parts.scheme}://{parts.netloc}"


@dataclass
class Town:
    """A running service and two portals."""

    kabao: str
    app: Flask
    citizen: str
    enterprise: str
    clients: dict[str, System]
    module: ModuleType


@pytest.fixture(scope="module")
def module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("example_portal", ROOT / "examples" / "portal" / "app.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules["example_portal"] = found
    spec.loader.exec_module(found)
    return found


@pytest.fixture(scope="module")
def town(app: Flask, settings: Settings, module: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    ports = free_ports(3)
    kabao = f"http://127.0.0.1:{ports[0]}"
    service = create_app(replace(settings, public_url=kabao))
    with service.app_context(), transaction() as session:
        owner = new_department(session)
        clients = {
            kind: register(session, f"http://127.0.0.1:{port}", owner) for kind, port in zip(("citizen", "enterprise"), ports[1:], strict=True)
        }
    servers = [serve(service, ports[0])]
    for (kind, client), port in zip(clients.items(), ports[1:], strict=True):
        servers.append(serve(build(module, kind, client, kabao, port, tmp_path_factory.mktemp(kind)), port))
    yield Town(kabao, service, f"http://127.0.0.1:{ports[1]}", f"http://127.0.0.1:{ports[2]}", clients, module)
    for server in servers:
        server.shutdown()
        server.server_close()
    service.extensions["kabao_cache"].stop()
    service.extensions["kabao_engine"].dispose()


def register(session: Session, home: str, owner: str) -> System:
    return new_portal(
        session,
        owner=owner,
        redirect_uris=[f"{home}/callback"],
        post_logout_redirect_uris=[f"{home}/"],
        backchannel_logout_uri=f"{home}/backchannel-logout",
    )


def build(module: ModuleType, kind: str, client: System, kabao: str, port: int, folder: Path) -> Flask:
    key_file = folder / "key.pem"
    key_file.write_bytes(client.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    environ = {
        "PORTAL_NAME_ZH": "示例门户",
        "PORTAL_NAME_EN": "Example portal",
        "PORTAL_KIND": kind,
        "PORTAL_PORT": str(port),
        "PORTAL_CLIENT_ID": client.client_id,
        "PORTAL_KEY_FILE": str(key_file),
        "PORTAL_LICENCES": f"{SLUG},business-licence,{IDENTITY}",
        "KABAO_URL": kabao,
    }
    built: Flask = module.create_app(module.Config.from_environ(environ))
    return built


@pytest.fixture
def person(town: Town) -> Person:
    with town.app.app_context(), transaction() as session:
        person = new_person(session)
        open_account(session, person)
    return person


def sign_in(browser: Browser, home: str, person: Person) -> None:
    """Sign in at a portal, whatever is asked for."""
    browser.open(home + "/login")
    if 'id="signin"' in browser.page.text:
        browser.submit("signin", number=person.number, password=PASSWORD)
    if 'id="approve"' in browser.page.text:
        browser.submit("approve")
    assert browser.place == home


def test_one_sign_in_serves_both_portals_and_one_sign_out_ends_both(town: Town, person: Person) -> None:
    browser = Browser()
    sign_in(browser, town.citizen, person)
    assert person.name not in browser.page.text
    assert person.name[0] + "*" in browser.page.text
    browser.open(town.enterprise + "/login")
    assert 'id="signin"' not in browser.page.text
    browser.submit("approve")
    assert 'id="act-for"' in browser.page.text
    assert 'id="logout"' in browser.open(town.citizen + "/")
    browser.submit("logout")
    browser.submit("logout")  # Kabao asks, since the other portal is in the session too
    assert browser.page.url.startswith(town.citizen + "/?state=")
    deliver(town)
    assert 'id="login"' in browser.open(town.enterprise + "/")
    assert 'id="login"' in browser.open(town.citizen + "/")
    browser.open(town.citizen + "/login")
    assert 'id="signin"' in browser.page.text


def deliver(town: Town) -> None:
    """Do the worker's part."""
    with town.app.app_context():
        with transaction() as session:
            rows = session.execute(text("SELECT args FROM procrastinate_jobs WHERE task_name = 'kabao:send_logout_token'")).scalars().all()
        ours = {client.client_id for client in town.clients.values()}
        for job in rows:
            if job["client_id"] in ours:
                portal_sessions.send_logout_token(**job)


def test_a_licence_is_drawn_instead_of_uploaded(town: Town, person: Person) -> None:
    with town.app.app_context(), transaction() as session:
        department = new_department(session, issue=[SLUG])
        licence = new_licence(session, number=parse_number(person.number).value, type=SLUG, department=department)
    browser = Browser()
    sign_in(browser, town.citizen, person)
    assert "结婚证" in browser.open(f"{town.citizen}/apply/{SLUG}")
    page = browser.submit("draw")
    assert 'id="receipt"' in page, page
    assert str(licence.identifier) in page
    assert not re.search(r"(?<![0-9A-Za-z.])[0-9]{17}[0-9X](?![0-9A-Za-z.])", page), "numbers are masked"
    assert "申请住房公积金提取" in browser.open(town.kabao + "/wallet/history")


def test_a_licence_that_proves_identity_leads_to_the_second_factor_it_asks_for(town: Town, person: Person) -> None:
    browser = Browser()
    sign_in(browser, town.citizen, person)
    browser.open(f"{town.citizen}/apply/{IDENTITY}")
    browser.submit("draw")
    assert browser.page.url.startswith(f"{town.kabao}/account/ways?next=%2Fauthorize"), browser.page.url
    assert "acr_values" in browser.page.url


def test_a_licence_that_is_not_there_is_said_kindly(town: Town, person: Person) -> None:
    browser = Browser()
    sign_in(browser, town.citizen, person)
    browser.open(f"{town.citizen}/apply/{SLUG}")
    assert "卡包里还没有这张证照" in browser.submit("draw")
    assert browser.page.status_code == 200


def test_who_is_not_signed_in_comes_back_to_the_matter(town: Town, person: Person) -> None:
    browser = Browser()
    browser.open(f"{town.citizen}/apply/{SLUG}")
    browser.submit("signin", number=person.number, password=PASSWORD)
    browser.submit("approve")
    assert browser.page.url == f"{town.citizen}/apply/{SLUG}"


def test_an_enterprise_is_signed_in_once_it_is_acted_for(town: Town) -> None:
    with town.app.app_context(), transaction() as session:
        boss = new_person(session)
        organisation = new_organisation(session, representative=boss)
        open_account(session, boss)
    browser = Browser()
    sign_in(browser, town.enterprise, boss)
    assert 'id="act-for"' in browser.page.text
    page = browser.open(town.kabao + "/account")
    found = re.search(r'<button[^>]*name="organisation"[^>]*value="([0-9a-f-]{36})"|value="([0-9a-f-]{36})"', page)
    assert found is not None
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert token is not None
    form = {"csrf_token": token[1], "organisation": found[1] or found[2]}
    browser.session.post(town.kabao + "/account/acting", data=form, headers={"Accept": "text/html"}, timeout=10)
    sign_in(browser, town.enterprise, boss)
    assert organisation.name in browser.page.text
    assert 'id="apply-business-licence"' in browser.page.text


def test_a_refusal_is_said_kindly(town: Town, person: Person) -> None:
    browser = Browser()
    browser.open(town.citizen + "/login")
    browser.submit("signin", number=person.number, password=PASSWORD)
    assert "您没有同意授权" in browser.submit("refuse")


@pytest.mark.parametrize("path", ["/callback", "/callback?code=x&state=y", "/callback?error=access_denied&iss=https://evil.example"])
def test_an_answer_from_elsewhere_is_refused(town: Town, path: str) -> None:
    assert requests.get(town.citizen + path, timeout=10).status_code == 400


def test_an_answer_that_was_not_asked_for_is_refused(town: Town) -> None:
    assert requests.get(f"{town.citizen}/callback?code=x&state=y&iss={town.kabao}", timeout=10).status_code == 400


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30."])
def test_a_false_logout_token_is_refused(town: Town, token: str) -> None:
    answer = requests.post(f"{town.citizen}/backchannel-logout", data={"logout_token": token}, timeout=10)
    assert answer.status_code == 400


def test_an_id_token_is_no_logout_token(town: Town, person: Person) -> None:
    browser = Browser()
    sign_in(browser, town.citizen, person)
    (visitor,) = [one for one in all_visitors(town) if one.claims["name"] == person.name]
    assert requests.post(f"{town.citizen}/backchannel-logout", data={"logout_token": visitor.id_token}, timeout=10).status_code == 400
    assert visitor.id_token not in repr(visitor)


def all_visitors(town: Town) -> list[Any]:
    return [one for one in gc.get_objects() if isinstance(one, town.module.Visitor)]


@pytest.mark.parametrize("path", ["/", "/?lang=en", "/static/portal.css"])
def test_pages_are_strict_and_bilingual(town: Town, path: str) -> None:
    answer = requests.get(town.citizen + path, timeout=10)
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")
    assert answer.status_code == 200
    if "lang" in path:
        assert "Example portal" in answer.text


def test_a_service_that_is_away_is_said_kindly(town: Town, module: ModuleType, tmp_path: Path) -> None:
    app = build(module, "citizen", town.clients["citizen"], "http://127.0.0.1:9", 8001, tmp_path)
    answer = app.test_client().get("/login")
    assert answer.status_code == 502
    assert "卡包暂时无法访问" in answer.text


def test_a_page_that_is_not_there_is_said_kindly(town: Town) -> None:
    answer = requests.get(f"{town.citizen}/apply/no-such-thing", timeout=10)
    assert answer.status_code == 404
    assert 'id="message"' in answer.text


def test_a_form_from_another_site_is_refused(town: Town) -> None:
    assert requests.post(f"{town.citizen}/logout", timeout=10).status_code == 400
