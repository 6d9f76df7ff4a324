"""What ours signs in each format is read by implementations that are not ours, which know nothing of us but the root or an address.

Mobile documents: @owf/mdoc (npm), isomdoc and pymdoccbor (PyPI). SD-JWT VCs: @sd-jwt/sd-jwt-vc. W3C credentials: jose. Documents are in
`tests/wallet/issuing/documents`: pyHanko's validator and poppler's programs.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cbor2
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from isomdoc.verify.verify_mdoc import verify_device_response
from pymdoccbor.mdoc.verifier import MdocCbor

from idp.subjects.directory import ensure_subject
from idp.subjects.numbers import parse_number
from keys import suites
from runtime.clock import now
from tests.at_address import AddressedKabao
from tests.interop.conftest import Program
from tests.world_people import Person, new_person
from tests.world_wallet import new_department, new_licence
from wallet.issuing import sd_jwt, status_lists
from wallet.issuing.contents import content_of
from wallet.issuing.formats import FORMATS, as_text
from wallet.register.licences import get_licence

pytestmark = pytest.mark.interop
TYPE = "driving-licence"
DOCTYPE = "1.2.156.3005.2.11100000000013127D011"
LACKING = "degree-certificate"
Made = Callable[..., bytes | str]


@pytest.fixture(scope="module")
def root(kabao: AddressedKabao) -> str:
    return requests.get(f"{kabao.url}/certificates/root.pem", timeout=10).text


@pytest.fixture(scope="module")
def person(kabao: AddressedKabao) -> Person:
    with kabao.world() as session:
        found = new_person(session)
        ensure_subject(session, parse_number(found.number), now=now())
    return found


@pytest.fixture(scope="module")
def holder_key() -> suites.PrivateKey:
    return suites.ES256.generate()


@pytest.fixture(scope="module")
def make(kabao: AddressedKabao, person: Person, holder_key: suites.PrivateKey) -> Made:
    """Sign a licence in a format, bound to the holder's key; `without` a field that its type does not require."""
    with kabao.app.app_context():
        department = new_department(issue=[TYPE, LACKING])
    with kabao.world() as session:
        ids = {slug: new_licence(session, type=slug, department=department, number=person.number).id for slug in (TYPE, LACKING)}
    settings = kabao.app.extensions["kabao_settings"]

    def made(name: str, slug: str = TYPE, without: str = "") -> bytes | str:
        with kabao.world() as session:
            content = content_of(session, settings, get_licence(session, ids[slug]))
            content = replace(content, values={name: value for name, value in content.values.items() if name != without})
            place = status_lists.draw(status_lists.open_list(settings, now=now()))
            return FORMATS[name].make(settings, content, holder_key=suites.public_jwk(holder_key.public_key()), place=place, now=now())

    return made


def spoilt(raw: bytes, share: float) -> bytes:
    """Return the document with one bit of it changed."""
    at = int(len(raw) * share)
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


def test_a_reader_in_javascript_verifies_a_mobile_document(
    node: Program, make: Made, root: str, person: Person, holder_key: suites.PrivateKey
) -> None:
    read = node("mdoc", root=root, mdoc=as_text(make("mso_mdoc")), namespace=DOCTYPE)
    assert "refused" not in read, read
    assert read["doctype"] == DOCTYPE
    assert (read["claims"]["holder_name"], read["claims"]["holder_number"]) == (person.name, person.number)
    assert {name: read["device_key"][name] for name in ("kty", "crv", "x", "y")} == suites.public_jwk(holder_key.public_key())


@pytest.mark.parametrize("share", [0.1, 0.35, 0.6, 0.8, 0.97])
def test_that_reader_refuses_a_changed_byte(node: Program, make: Made, root: str, share: float) -> None:
    raw = make("mso_mdoc")
    assert isinstance(raw, bytes)
    assert "refused" in node("mdoc", root=root, mdoc=as_text(spoilt(raw, share)), namespace=DOCTYPE)


def presented(raw: bytes, key: suites.PrivateKey, transcript: list[Any]) -> bytes:
    """Return a device response as a wallet would send it, signed with the holder's key."""
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    names = cbor2.CBORTag(24, cbor2.dumps({}))
    authentication = cbor2.dumps(cbor2.CBORTag(24, cbor2.dumps(["DeviceAuthentication", transcript, DOCTYPE, names])))
    protected = cbor2.dumps({1: -7})
    r, s = decode_dss_signature(key.sign(cbor2.dumps(["Signature1", protected, b"", authentication]), ec.ECDSA(hashes.SHA256())))
    signature = [protected, {}, None, r.to_bytes(32, "big") + s.to_bytes(32, "big")]
    device = {"nameSpaces": names, "deviceAuth": {"deviceSignature": signature}}
    document = {"docType": DOCTYPE, "issuerSigned": cbor2.loads(raw), "deviceSigned": device}
    return cbor2.dumps({"version": "1.0", "documents": [document], "status": 0})


def test_a_reader_in_python_verifies_what_a_wallet_presents_of_it(make: Made, person: Person, holder_key: suites.PrivateKey) -> None:
    raw, transcript = make("mso_mdoc"), [None, None, "a handover"]
    assert isinstance(raw, bytes)
    (document,) = verify_device_response(presented(raw, holder_key, transcript), transcript).documents  # type: ignore[attr-defined]
    assert document.doctype == DOCTYPE
    assert document.issuer_signed.get_element_value(DOCTYPE, "holder_name") == person.name
    assert document.issuer_signed.validity_info.valid_until > now()


def test_another_reader_in_python_verifies_it_under_the_root(make: Made, root: str, person: Person) -> None:
    raw = make("mso_mdoc")
    assert isinstance(raw, bytes)
    reader = MdocCbor()
    reader.loads(cbor2.dumps({"version": "1.0", "documents": [{"docType": DOCTYPE, "issuerSigned": cbor2.loads(raw)}], "status": 0}))
    assert reader.verify([x509.load_pem_x509_certificate(root.encode())])
    assert reader.disclosure_map[DOCTYPE]["holder_number"] == person.number


def test_an_sd_jwt_for_a_wallet_elsewhere_verifies_and_its_type_extends_the_base_type(node: Program, make: Made, root: str, person: Person) -> None:
    read = node("verifier", root=root, presented=make("dc+sd-jwt"), required=["holder_name", "licence_identifier"], load_type=True)
    assert "refused" not in read, read
    assert read["payload"]["holder_name"] == person.name
    metadata = read["type"]["mergedTypeMetadata"]
    assert {claim["path"][0] for claim in metadata["claims"]} >= {"holder_name", "vehicle_class"}, "the base type's claims and its own"
    assert metadata["display"][0]["rendering"]["simple"]["background_color"] == "#4b5870"


def test_decoys_leave_no_trace_there_either(node: Program, make: Made, root: str) -> None:
    text = make("dc+sd-jwt", LACKING, "president")
    assert isinstance(text, str)
    parts = sd_jwt.parse(text)
    digests = sd_jwt.read_json(parts.jwt.split(".")[1])["_sd"]
    assert len(digests) == len(parts.disclosures) + 1
    read = node("verifier", root=root, presented=text, required=["holder_name", "degree"])
    assert "refused" not in read, read
    assert {"president", "_sd", "_sd_alg"} & read["payload"].keys() == set()


@pytest.mark.parametrize(("name", "typ"), [("vc+jwt", "vc+jwt"), ("jwt_vc_json", "JWT")])
def test_a_w3c_credential_is_read_with_the_keys_at_its_issuers_address(node: Program, make: Made, person: Person, name: str, typ: str) -> None:
    read = node("w3c", credential=make(name), typ=typ)
    assert "refused" not in read, read
    credential = read["payload"].get("vc", read["payload"])
    assert credential["credentialSubject"]["holder_number"] == person.number
    if name == "vc+jwt":
        required = read["schema"]["properties"]["credentialSubject"]["required"]
        assert set(required) <= set(credential["credentialSubject"])
