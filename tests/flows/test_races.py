"""What may happen once happens once, when two hundred ask for it at the same moment over HTTP."""

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import UUID

import psycopg
import pytest

from demo import postgres
from runtime.clock import now
from tests.flows.at_once import at_once
from tests.served import Kabao, kabao, send
from tests.world_clients import System, bearer, new_portal, new_system
from tests.world_people import BROWSER, Person, new_person, open_account, sign_in
from tests.world_wallet import example_dates, example_fields, new_department, new_licence
from wallet.holding import marked_copies
from wallet.issuing.copy_marks import Marking
from wallet.issuing.documents import kept
from wallet.presenting import qr_codes
from wallet.register.catalogue import get_type
from wallet.register.licences import get_licence

MANY = 200
ROUNDS = range(3)
TYPE = "driving-licence"
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class World:
    """A served Kabao, a person with a licence, a department's system, and a portal."""

    kabao: Kabao
    person: Person
    subject_id: UUID
    licence_id: UUID
    system: System
    token: str
    portal: System

    def count(self, query: str, *values: object) -> int:
        with psycopg.connect(self.kabao.processes.database_url) as connection:
            found = connection.execute(query, values).fetchone()
        assert found is not None
        return int(found[0])


@pytest.fixture(scope="module")
def world(server: postgres.PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with kabao(server, name="test_races", folder=tmp_path_factory.mktemp("races"), worker=False) as running:
        with running.world():
            department = new_department(issue=[TYPE], verify=[TYPE])
        with running.world() as session:
            system = new_system(session, department=department, scopes=["licences:issue", "verifications"])
            portal = new_portal(session, owner=department, scopes=["openid"], first_party=True)
            person = new_person(session)
            subject_id = open_account(session, person)
        with running.world() as session:
            licence = new_licence(session, type=TYPE, department=department, number=person.number)
        yield World(running, person, subject_id, licence.id, system, running.token(system, "licences:issue verifications"), portal)


def statuses(answers: list[Any]) -> Counter[int]:
    return Counter(answer.status for answer in answers)


@pytest.mark.parametrize("_", ROUNDS)
def test_an_authorization_code_gives_tokens_to_one_of_two_hundred(world: World, _: int) -> None:
    code, verifier = authorize(world)
    exchange = {"grant_type": "authorization_code", "code": code, "redirect_uri": world.portal.redirect_uri, "code_verifier": verifier}
    answers = at_once(world.kabao.processes, "POST", "/token", [{"form": {**world.portal.proof(), **exchange}} for _ in range(MANY)])
    assert statuses(answers) == {200: 1, 400: MANY - 1}
    assert {answer.json["error"] for answer in answers if answer.status == 400} == {"invalid_grant"}


@pytest.mark.parametrize("_", ROUNDS)
def test_a_proof_of_a_client_is_good_for_one_of_two_hundred(world: World, _: int) -> None:
    form = {**world.system.proof(), "grant_type": "client_credentials", "scope": "verifications"}
    answers = at_once(world.kabao.processes, "POST", "/token", [{"form": form}] * MANY)
    assert statuses(answers) == {200: 1, 401: MANY - 1}
    assert {answer.json["error"] for answer in answers if answer.status == 401} == {"invalid_client"}


@pytest.mark.parametrize("_", ROUNDS)
def test_a_qr_code_is_redeemed_by_one_of_two_hundred(world: World, _: int) -> None:
    document = {"presented": new_qr_code(world), "cause": {"text": "窗口核验"}}
    uses = world.count("SELECT count(*) FROM uses")
    answers = at_once(world.kabao.processes, "POST", "/api/v1/verifications", [{"document": document, "headers": bearer(world.token)}] * MANY)
    assert statuses(answers) == {201: 1, 409: MANY - 1}
    assert [answer.json["verdict"] for answer in answers if answer.status == 201] == ["valid"]
    assert {answer.json["code"] for answer in answers if answer.status == 409} == {"code-spent"}
    assert world.count("SELECT count(*) FROM uses") == uses + 1


@pytest.mark.parametrize("_", ROUNDS)
def test_a_verification_sent_two_hundred_times_under_one_key_is_one(world: World, _: int) -> None:
    document = {"presented": new_qr_code(world), "cause": {"text": "窗口核验"}}
    headers = {**bearer(world.token), "Idempotency-Key": secrets.token_hex(8)}
    uses = world.count("SELECT count(*) FROM uses")
    answers = at_once(world.kabao.processes, "POST", "/api/v1/verifications", [{"document": document, "headers": headers}] * MANY)
    assert statuses(answers) == {201: MANY}
    assert len({answer.json["receipt"]["id"] for answer in answers}) == 1
    assert {answer.json["verdict"] for answer in answers} == {"valid"}
    assert world.count("SELECT count(*) FROM uses") == uses + 1


@pytest.mark.parametrize("_", ROUNDS)
def test_a_licence_sent_two_hundred_times_under_one_key_is_issued_once(world: World, _: int) -> None:
    with world.kabao.world():
        begins, ends = example_dates(get_type(TYPE))
        dates = {"valid_from": str(begins), "valid_until": str(ends) if ends else None}
        document = {"type": TYPE, "holder": {"number": world.person.number}, "fields": example_fields(TYPE), **dates}
    headers = {**bearer(world.token), "Idempotency-Key": secrets.token_hex(8)}
    licences = world.count("SELECT count(*) FROM licences")
    answers = at_once(world.kabao.processes, "POST", "/api/v1/licences", [{"document": document, "headers": headers}] * MANY)
    assert statuses(answers) == {201: MANY}
    assert len({answer.json["id"] for answer in answers}) == 1
    assert world.count("SELECT count(*) FROM licences") == licences + 1


def new_qr_code(world: World) -> str:
    with world.kabao.world() as session:
        shown = qr_codes.create(session, holder_id=world.subject_id, licence_id=world.licence_id, fields=["vehicle_class"], now=now())
    return shown.content


def authorize(world: World) -> tuple[str, str]:
    """Let the person, who is signed in, come from the portal; return the code and the verifier that goes with it."""
    client = world.kabao.app.test_client()
    assert sign_in(client, world.person).status_code == 303
    cookie = client.get_cookie("kabao_session")
    assert cookie is not None
    verifier = secrets.token_urlsafe(32)
    asked = {
        "response_type": "code",
        "client_id": world.portal.client_id,
        "redirect_uri": world.portal.redirect_uri,
        "scope": "openid",
        "state": secrets.token_urlsafe(16),
        "nonce": secrets.token_urlsafe(16),
        "code_challenge": urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    with world.kabao.processes.connection() as connection:
        answer = send(connection, "GET", f"/authorize?{urlencode(asked)}", headers={**BROWSER, "Cookie": f"kabao_session={cookie.value}"})
    assert answer.status in (302, 303), answer.text
    return parse_qs(urlsplit(answer.headers["location"]).query)["code"][0], verifier


@pytest.mark.parametrize("_", ROUNDS)
def test_the_link_of_a_marked_copy_gives_it_to_one_of_two_hundred(world: World, _: int) -> None:
    settings, marking = world.kabao.app.extensions["kabao_settings"], Marking("示例局", "办事", now(), now() + timedelta(days=7), "某人")
    with world.kabao.world() as session:
        drafted = kept.draft(session, settings, get_licence(session, world.licence_id), kind="a4", now=now())
        link = marked_copies.keep(session, drafted, b"%PDF-", marking, person_id=world.subject_id, now=now())
    answers = at_once(world.kabao.processes, "POST", f"/copies/{link.secret}", [{}] * MANY)
    assert statuses(answers) == {200: 1, 410: MANY - 1}
    assert world.count("SELECT count(*) FROM uses WHERE way = 'copy-fetched'") == world.count(
        "SELECT count(*) FROM marked_copies WHERE fetched_at IS NOT NULL AND pdf_sealed IS NULL"
    )
