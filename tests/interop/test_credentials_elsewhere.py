"""@sd-jwt/sd-jwt-vc and @sd-jwt/jwt-status-list (npm) verify what ours issues and presents, knowing nothing of us but the root certificate."""

import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
import requests
from cryptography.hazmat.primitives.serialization import Encoding

from idp.subjects.directory import ensure_subject
from idp.subjects.numbers import parse_number
from runtime.clock import now
from tests.at_address import AddressedKabao
from tests.interop.conftest import Program
from tests.wallet.verifying.presented import root as another_root
from tests.world_clients import bearer, new_system
from tests.world_people import Person, new_person
from tests.world_wallet import new_department, new_licence
from wallet.issuing import credentials, sd_jwt
from wallet.presenting import qr_codes
from wallet.register.licences import get_licence

pytestmark = pytest.mark.interop
TYPE = "driving-licence"
SHOWN = ("holder_name", "vehicle_class")
REBUILT_SECONDS = 20


@dataclass(frozen=True)
class Issued:
    """A licence, its whole credential, and one presentation of it."""

    person: Person
    department: str
    licence_id: UUID
    credential: str
    presented: str
    nonce: str


@pytest.fixture
def issued(kabao: AddressedKabao) -> Issued:
    with kabao.app.app_context():
        department = new_department(issue=[TYPE])
    with kabao.world() as session:
        person = new_person(session)
        holder_id = ensure_subject(session, parse_number(person.number), now=now()).id
    with kabao.world() as session:
        licence = new_licence(session, type=TYPE, department=department, number=person.number)
    with kabao.world() as session:
        credential = credentials.text_of(credentials.credential_of(session, get_licence(session, licence.id)))
        code = qr_codes.create(session, holder_id=holder_id, licence_id=licence.id, fields=SHOWN, now=now())
        redeemed = qr_codes.redeem(session, code.content, now=now())
    return Issued(person, department, licence.id, credential, redeemed.presented, redeemed.nonce)


@pytest.fixture(scope="module")
def root(kabao: AddressedKabao) -> str:
    return requests.get(f"{kabao.url}/certificates/root.pem", timeout=10).text


def test_a_credential_verifies_with_every_field(node: Program, kabao: AddressedKabao, root: str, issued: Issued) -> None:
    read = node("verifier", root=root, presented=issued.credential, required=[*SHOWN, "holder_number"], status=True, load_type=True)
    payload = read["payload"]
    assert (payload["holder_name"], payload["holder_number"]) == (issued.person.name, issued.person.number)
    assert payload["vct"] == f"{kabao.url}/types/{TYPE}"
    assert payload["iss"] == f"{kabao.url}/departments/{issued.department}"
    assert (read["header"]["typ"], read["header"]["alg"], len(read["header"]["x5c"])) == ("dc+sd-jwt", "ES256", 1)
    assert "_sd" not in payload
    assert read["status"]["status"] == 0
    assert read["status"]["content_type"] == "application/statuslist+jwt"
    assert read["status"]["claims"]["sub"] == payload["status"]["status_list"]["uri"]
    metadata = read["type"]["mergedTypeMetadata"]
    assert metadata["vct"] == payload["vct"]
    assert {claim["path"][0] for claim in metadata["claims"] if claim.get("sd") == "always"} >= set(SHOWN)


def test_a_presentation_verifies_with_its_key_binding(node: Program, root: str, issued: Issued) -> None:
    read = node("verifier", root=root, presented=issued.presented, nonce=issued.nonce, required=list(SHOWN))
    assert set(SHOWN) <= read["payload"].keys()
    assert "holder_number" not in read["payload"], "what was not chosen is not there"
    assert read["kb"]["header"]["typ"] == "kb+jwt"
    assert read["kb"]["payload"]["nonce"] == issued.nonce


def flip(text: str, at: int) -> str:
    """Return the text with one letter changed for another of the same alphabet."""
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


def another_payload(issued: Issued) -> str:
    head, rest = issued.presented.split(".", 1)
    return f"{head}.{flip(rest, 40)}"


def another_signature(issued: Issued) -> str:
    jwt = issued.presented.split("~")[0]
    return issued.presented.replace(jwt, flip(jwt, len(jwt) - 20))


def another_disclosure(issued: Issued) -> str:
    parts = issued.presented.split("~")
    content = urlsafe_b64encode('["c2FsdA","holder_name","另一人"]'.encode()).rstrip(b"=").decode()
    return "~".join([parts[0], content, *parts[1:]])


def another_binding(issued: Issued) -> str:
    return flip(issued.presented, len(issued.presented) - 20)


def no_binding(issued: Issued) -> str:
    return issued.presented.rpartition("~")[0] + "~"


def more_than_was_bound(issued: Issued) -> str:
    """Add a true disclosure of the credential that the holder did not choose."""
    *disclosed, binding = issued.presented.split("~")
    more = next(one.encoded for one in sd_jwt.parse(issued.credential).disclosures if one.name == "holder_number")
    return "~".join([*disclosed, more, binding])


@pytest.mark.parametrize("spoil", [another_payload, another_signature, another_disclosure, another_binding, no_binding, more_than_was_bound])
def test_a_spoilt_presentation_is_refused_there_too(node: Program, root: str, issued: Issued, spoil: Any) -> None:
    assert "refused" in node("verifier", root=root, presented=spoil(issued), nonce=issued.nonce)


def test_another_root_is_not_ours(node: Program, issued: Issued) -> None:
    refused = node("verifier", root=another_root().public_bytes(Encoding.PEM).decode(), presented=issued.presented, nonce=issued.nonce)
    assert refused["refused"] == "the leaf is not under the root"


def test_a_revocation_shows_in_the_status_list(node: Program, kabao: AddressedKabao, root: str, issued: Issued) -> None:
    with kabao.world() as session:
        system = new_system(session, department=issued.department, scopes=["licences:issue"])
    revoked = requests.post(
        f"{kabao.url}/api/v1/licences/{issued.licence_id}/revocation",
        json={"reason": "持证人申请注销", "legal_basis": "机动车驾驶证申领和使用规定"},
        headers=bearer(token(kabao, system)),
        timeout=10,
    )
    assert revoked.ok, revoked.text
    deadline = time.monotonic() + REBUILT_SECONDS
    while "refused" not in (read := node("verifier", root=root, presented=issued.credential, status=True)):  # it reads the list twice
        assert time.monotonic() < deadline, "the status list does not follow the revocation"
        time.sleep(0.5)
    assert read["status"]["status"] == 1
    assert read["refused"] == "Status is not valid"


def token(kabao: AddressedKabao, system: Any) -> str:
    form = {"grant_type": "client_credentials", "scope": "licences:issue", **system.proof(aud=kabao.url)}
    return str(requests.post(f"{kabao.url}/token", data=form, timeout=10).json()["access_token"])


def test_the_status_list_may_be_asked_again_for_little(kabao: AddressedKabao, issued: Issued) -> None:
    uri = sd_jwt.read_json(issued.credential.split(".")[1])["status"]["status_list"]["uri"]
    first = requests.get(uri, timeout=10)
    again = requests.get(uri, headers={"If-None-Match": first.headers["ETag"]}, timeout=10)
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
