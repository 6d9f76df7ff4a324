"""Mutual TLS (RFC 8705), through a real proxy with real certificates."""

import base64
import hashlib
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.serving import make_server

from idp.oauth import certificate_names, clients
from idp.oauth.client_metadata import ClientMetadata
from keys import suites
from runtime.clock import now
from runtime.database import transaction
from runtime.languages import Text
from runtime.settings import Settings
from tests.conftest import MASTER_KEY
from tests.idp.oauth.journeys import Journey
from tests.served import free_port
from tests.tls_proxy import CERTIFICATE, VERIFIED, Authority, Identity, TlsProxy, running
from tests.world_clients import DEPARTMENT, ISSUER, System, new_portal, new_system
from wsgi import create_app

EVENTS = "/api/v1/events"
SUBJECT = "CN=system-1,O=Test department,C=CN"


@dataclass
class Stand:
    """The service behind its proxy."""

    app: Flask
    proxy: TlsProxy
    authority: Authority

    def post(self, path: str, form: dict[str, str], identity: Identity | None = None, **headers: str) -> requests.Response:
        """Send a form through the proxy."""
        return requests.post(
            self.proxy.url + path, data=form, headers=headers, cert=identity and identity.files, verify=self.authority.file, timeout=10
        )

    def get(self, path: str, token: str, identity: Identity | None = None) -> requests.Response:
        """Show a token through the proxy."""
        headers = {"Authorization": f"Bearer {token}"}
        return requests.get(self.proxy.url + path, headers=headers, cert=identity and identity.files, verify=self.authority.file, timeout=10)

    def register(self, **registration: Any) -> str:
        """Register a system and return its id."""
        client_id = f"tls-{secrets.token_hex(6)}"
        whole = {"auth_method": "tls_client_auth", "name": Text("甲", "A"), "owner": DEPARTMENT, "scopes": ["events"], **registration}
        with self.app.app_context(), transaction() as session:
            clients.register_client(session, client_id=client_id, now=now(), **whole)
        return client_id

    def token(self, client_id: str, identity: Identity | None) -> requests.Response:
        """Ask for a token in a client's own name."""
        return self.post("/token", {"grant_type": "client_credentials", "client_id": client_id}, identity)


@pytest.fixture(scope="module")
def stand(app: Flask, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    authority = Authority(tmp_path_factory.mktemp("tls"))
    port = free_port()
    proxy = TlsProxy(authority, port)
    settings = Settings(
        database_url=database_url,
        master_key=MASTER_KEY,
        development=True,
        trusted_proxies=1,
        mtls_url=proxy.url,
        client_certificate_header=CERTIFICATE,
        client_certificate_verified_header=VERIFIED,
    )
    behind = create_app(settings)
    behind.config["TESTING"] = True
    server = make_server("127.0.0.1", port, behind, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    with running(proxy):
        yield Stand(behind, proxy, authority)
    server.shutdown()
    thread.join(timeout=5)
    server.server_close()
    behind.extensions["kabao_cache"].stop()
    behind.extensions["kabao_engine"].dispose()


def self_signed(folder: Path, subject: str = "CN=alone") -> Identity:
    lonely = Authority(folder, subject)
    return Identity(lonely.certificate, lonely.key, folder)


def jwks_of(identity: Identity) -> dict[str, Any]:
    der = base64.b64encode(identity.certificate.public_bytes(Encoding.DER)).decode()
    return {"keys": [{**suites.public_jwk(identity.key.public_key()), "kid": "tls", "use": "sig", "x5c": [der]}]}


def thumbprint_of(identity: Identity) -> str:
    digest = hashlib.sha256(identity.certificate.public_bytes(Encoding.DER)).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def claims_of(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


# Section 2.1: PKI


def test_a_client_is_known_by_the_subject_of_its_certificate(stand: Stand) -> None:
    client_id = stand.register(metadata={"tls_client_auth_subject_dn": SUBJECT})
    response = stand.token(client_id, stand.authority.issue(SUBJECT))
    assert response.status_code == 200, response.text
    assert response.json()["token_type"] == "Bearer"


def test_another_subject_no_certificate_and_a_self_made_one_are_the_same_refusal(stand: Stand, tmp_path: Path) -> None:
    client_id = stand.register(metadata={"tls_client_auth_subject_dn": SUBJECT})
    forged = self_signed(tmp_path, SUBJECT)
    stand.proxy.trust(forged)
    answers = [stand.token(client_id, identity) for identity in (stand.authority.issue("CN=system-2,O=Test department,C=CN"), None, forged)]
    unknown = stand.token("nobody", stand.authority.issue(SUBJECT))
    assert {answer.status_code for answer in (*answers, unknown)} == {401}
    assert {answer.text for answer in (*answers, unknown)} == {unknown.text}


NAMES = [
    x509.DNSName("system.example.gov.cn"),
    x509.UniformResourceIdentifier("spiffe://example.gov.cn/system"),
    x509.IPAddress(ip_address("10.1.2.3")),
    x509.IPAddress(ip_address("2001:db8::1")),
    x509.RFC822Name("system@example.gov.cn"),
]
KNOWN_BY = {
    "subject, in other words": ("tls_client_auth_subject_dn", "cn=SYSTEM-1,o=test  Department,c=cn", True),
    "subject, another order": ("tls_client_auth_subject_dn", "C=CN,O=Test department,CN=system-1", False),
    "subject, a part of it": ("tls_client_auth_subject_dn", "CN=system-1", False),
    "dns": ("tls_client_auth_san_dns", "System.Example.gov.cn", True),
    "another dns": ("tls_client_auth_san_dns", "example.gov.cn", False),
    "uri": ("tls_client_auth_san_uri", "spiffe://example.gov.cn/system", True),
    "another uri": ("tls_client_auth_san_uri", "spiffe://example.gov.cn/systems", False),
    "ip": ("tls_client_auth_san_ip", "10.1.2.3", True),
    "ip, version 6, written long": ("tls_client_auth_san_ip", "2001:0db8:0:0:0:0:0:1", True),
    "another ip": ("tls_client_auth_san_ip", "10.1.2.4", False),
    "email": ("tls_client_auth_san_email", "system@example.gov.cn", True),
    "another email": ("tls_client_auth_san_email", "other@example.gov.cn", False),
}


@pytest.mark.parametrize(("member", "expected", "is_known"), KNOWN_BY.values(), ids=KNOWN_BY)
def test_a_certificate_is_matched_by_the_one_name_that_was_registered(tmp_path: Path, member: str, expected: str, is_known: bool) -> None:
    certificate = Authority(tmp_path).issue(SUBJECT, NAMES).certificate
    assert certificate_names.names(ClientMetadata(**{member: expected}), certificate) == is_known


def test_a_certificate_without_other_names_has_none(tmp_path: Path) -> None:
    certificate = Authority(tmp_path).issue(SUBJECT).certificate
    assert not certificate_names.names(ClientMetadata(tls_client_auth_san_dns="x"), certificate)
    assert not certificate_names.names(ClientMetadata(), certificate)


BAD_REGISTRATIONS: dict[str, dict[str, Any]] = {
    "no name": {"metadata": {}},
    "two names": {"metadata": {"tls_client_auth_subject_dn": "CN=a", "tls_client_auth_san_dns": "a"}},
    "no distinguished name": {"metadata": {"tls_client_auth_subject_dn": "system 1"}},
    "no ip": {"metadata": {"tls_client_auth_san_ip": "here"}},
    "empty": {"metadata": {"tls_client_auth_san_dns": ""}},
    "a list": {"metadata": {"tls_client_auth_san_dns": ["a"]}},
    "a name for another method": {"auth_method": "none", "metadata": {"tls_client_auth_san_dns": "a"}},
    "self-signed without keys": {"auth_method": "self_signed_tls_client_auth"},
    "bound to both": {
        "metadata": {"tls_client_auth_san_dns": "a", "dpop_bound_access_tokens": True, "tls_client_certificate_bound_access_tokens": True}
    },
}


@pytest.mark.parametrize("registration", BAD_REGISTRATIONS.values(), ids=BAD_REGISTRATIONS)
def test_a_bad_registration_is_refused(session: Session, registration: dict[str, Any]) -> None:
    whole = {"auth_method": "tls_client_auth", "name": Text("甲", "A"), "owner": DEPARTMENT, **registration}
    with pytest.raises(clients.ClientRefused):
        clients.register_client(session, client_id=f"x-{secrets.token_hex(4)}", now=now(), **whole)


# Section 2.2: self-signed certificates


def test_a_client_is_known_by_its_self_signed_certificate(stand: Stand, tmp_path: Path) -> None:
    mine, other = self_signed(tmp_path), self_signed(tmp_path)
    for identity in (mine, other):
        stand.proxy.trust(identity)
    client_id = stand.register(auth_method="self_signed_tls_client_auth", jwks=jwks_of(mine))
    assert stand.token(client_id, mine).status_code == 200
    assert stand.token(client_id, other).status_code == 401
    assert stand.token(client_id, None).status_code == 401


def test_a_certificate_without_a_client_id_proves_nobody(stand: Stand) -> None:
    """Section 2: the client MUST name itself; nobody is looked up by what stands in a certificate."""
    stand.register(metadata={"tls_client_auth_subject_dn": SUBJECT})
    refused = stand.post("/token", {"grant_type": "client_credentials"}, stand.authority.issue(SUBJECT))
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")


def test_a_certificate_of_one_client_does_not_prove_another(stand: Stand) -> None:
    """Section 2: the binding between client and certificate is enforced."""
    stand.register(metadata={"tls_client_auth_subject_dn": SUBJECT})
    other = stand.register(metadata={"tls_client_auth_subject_dn": "CN=system-2,O=Test department,C=CN"})
    assert stand.token(other, stand.authority.issue(SUBJECT)).json()["error"] == "invalid_client"


# Section 3: certificate-bound access tokens


@pytest.fixture
def bound(stand: Stand) -> tuple[str, Identity]:
    metadata = {"tls_client_auth_subject_dn": SUBJECT, "tls_client_certificate_bound_access_tokens": True}
    return stand.register(metadata=metadata), stand.authority.issue(SUBJECT)


def test_a_token_is_bound_to_the_certificate_and_refused_without_it(stand: Stand, bound: tuple[str, Identity]) -> None:
    client_id, identity = bound
    token = stand.token(client_id, identity).json()["access_token"]
    assert claims_of(token)["cnf"] == {"x5t#S256": thumbprint_of(identity)}
    assert stand.get(EVENTS, token, identity).status_code == 200
    for other in (None, stand.authority.issue(SUBJECT)):
        refused = stand.get(EVENTS, token, other)
        assert refused.status_code == 401
        assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]


def test_whoever_asks_about_a_token_is_told_to_which_certificate_it_is_bound(stand: Stand, bound: tuple[str, Identity]) -> None:
    """RFC 8705 section 3.2."""
    client_id, identity = bound
    token = stand.token(client_id, identity).json()["access_token"]
    told = stand.post("/introspect", {"client_id": client_id, "token": token}, identity).json()
    assert (told["active"], told["token_type"], told["cnf"]) == (True, "Bearer", {"x5t#S256": thumbprint_of(identity)})


def test_a_token_bound_to_a_certificate_is_no_dpop_token(stand: Stand, bound: tuple[str, Identity]) -> None:
    client_id, identity = bound
    token = stand.token(client_id, identity).json()["access_token"]
    headers = {"Authorization": f"DPoP {token}"}
    shown = requests.get(stand.proxy.url + EVENTS, headers=headers, cert=identity.files, verify=stand.authority.file, timeout=10)
    assert shown.status_code == 401


def test_a_client_of_another_method_binds_its_tokens_too_and_gets_no_others(stand: Stand) -> None:
    with stand.app.app_context(), transaction() as session:
        system = new_system(session, scopes=["events"])
        row = session.get_one(clients.RegisteredClient, system.client_id)
        row.client_metadata = {"tls_client_certificate_bound_access_tokens": True}
    identity = stand.authority.issue("CN=whoever")
    form = {"grant_type": "client_credentials"}
    assert stand.post("/token", {**form, **system.proof()}).json()["error"] == "invalid_request"
    token = stand.post("/token", {**form, **system.proof()}, identity).json()["access_token"]
    assert claims_of(token)["cnf"] == {"x5t#S256": thumbprint_of(identity)}


# Section 4 and 7.1: public clients


def test_the_refresh_token_of_a_public_client_is_bound_to_its_certificate(stand: Stand, browser: FlaskClient) -> None:
    metadata = {"tls_client_certificate_bound_access_tokens": True}
    with stand.app.app_context(), transaction() as session:
        portal: System = new_portal(session, scopes=("openid", "offline_access"), auth_method="none", jwks=None, metadata=metadata)
    journey, identity = Journey(portal, scope="openid offline_access"), stand.authority.issue("CN=phone")
    code = {"grant_type": "authorization_code", "redirect_uri": portal.redirect_uri, "code_verifier": journey.verifier}
    given = stand.post("/token", {**code, "code": journey.code(browser), "client_id": portal.client_id}, identity)
    assert given.status_code == 200, given.text
    form = {"grant_type": "refresh_token", "refresh_token": given.json()["refresh_token"], "client_id": portal.client_id}
    assert stand.post("/token", form, stand.authority.issue("CN=phone")).json()["error"] == "invalid_grant"
    assert stand.post("/token", form, identity).status_code == 200


# Section 5, and whose word counts


def test_discovery_names_the_aliases_and_the_methods_only_where_certificates_are_handed_on(stand: Stand, client: FlaskClient) -> None:
    told = stand.app.test_client().get("/.well-known/openid-configuration").json
    assert told["tls_client_certificate_bound_access_tokens"] is True
    beside = ("pushed_authorization_request", "device_authorization", "backchannel_authentication")
    called = ("token", "revocation", "introspection", "userinfo", *beside)
    assert told["mtls_endpoint_aliases"] == {f"{name}_endpoint": told[f"{name}_endpoint"].replace(ISSUER, stand.proxy.url) for name in called}
    assert {"tls_client_auth", "self_signed_tls_client_auth"} <= set(told["token_endpoint_auth_methods_supported"])
    plain = client.get("/.well-known/openid-configuration").json
    assert "mtls_endpoint_aliases" not in plain
    assert not {"tls_client_auth", "self_signed_tls_client_auth"} & set(plain["token_endpoint_auth_methods_supported"])


@pytest.mark.parametrize("peer", ["203.0.113.7", "10.0.0.1", "", "unix:"])
def test_a_header_is_believed_from_the_proxy_alone(stand: Stand, peer: str) -> None:
    identity = stand.authority.issue(SUBJECT)
    client_id = stand.register(metadata={"tls_client_auth_subject_dn": SUBJECT})
    pem = requests.utils.quote(identity.certificate.public_bytes(Encoding.PEM).decode())
    form = {"grant_type": "client_credentials", "client_id": client_id}
    headers = {CERTIFICATE: pem, VERIFIED: "SUCCESS"}
    browser = stand.app.test_client()
    assert browser.post("/token", data=form, headers=headers).status_code == 200, "from the proxy's address"
    refused = browser.post("/token", data=form, headers={**headers, "X-Forwarded-For": "127.0.0.1"}, environ_base={"REMOTE_ADDR": peer})
    assert refused.status_code == 401
    ours = {"Kabao-Client-Certificate": pem, "Kabao-Client-Verified": "yes"}
    assert browser.post("/token", data=form, headers=ours).status_code == 401, "the name of our own is nobody else's"


def test_without_the_setting_no_header_is_believed(stand: Stand, client: FlaskClient) -> None:
    identity = stand.authority.issue(SUBJECT)
    client_id = stand.register(metadata={"tls_client_auth_subject_dn": SUBJECT})
    pem = requests.utils.quote(identity.certificate.public_bytes(Encoding.PEM).decode())
    headers = {CERTIFICATE: pem, VERIFIED: "SUCCESS", "Kabao-Client-Certificate": pem, "Kabao-Client-Verified": "yes"}
    form = {"grant_type": "client_credentials", "client_id": client_id}
    assert client.post("/token", data=form, headers=headers).status_code == 401


BAD_HEADERS = ["x", "%", ":AAAA:", "-----BEGIN CERTIFICATE-----", "%2D" * 9000, "-----BEGIN CERTIFICATE-----AAAA-----END CERTIFICATE-----", "证"]


@pytest.mark.parametrize("header", BAD_HEADERS, ids=range(len(BAD_HEADERS)))
def test_a_certificate_that_cannot_be_read_is_none(stand: Stand, header: str) -> None:
    client_id = stand.register(metadata={"tls_client_auth_subject_dn": SUBJECT})
    form = {"grant_type": "client_credentials", "client_id": client_id}
    headers = {CERTIFICATE: header.encode().decode("latin-1"), VERIFIED: "SUCCESS"}
    assert stand.app.test_client().post("/token", data=form, headers=headers).status_code == 401
