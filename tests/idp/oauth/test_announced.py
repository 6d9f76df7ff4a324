"""The metadata is walked member by member: what is announced answers, and what is not announced does not.

Each member of the metadata has its knock here. Values are tried beside others that a client might think of; those that are taken must be those
that are announced, no more and no fewer. What algorithms do once they are registered is told by the tests of signed answers, JAR and DPoP.
"""

import base64
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.oauth import clients
from idp.oauth.client_kinds import AUTHORIZATION_CODE, CIBA
from idp.oauth.clients import ClientRefused
from keys import suites
from runtime.database import transaction
from tests.idp.oauth.journeys import Journey, answer_of
from tests.idp.oauth.pushing import push, push_object, request_object
from tests.world_clients import ISSUER, System, jwks_of, new_portal
from tests.world_people import BROWSER
from tests.world_proofs import Prover
from tests.world_wallet import apply_catalogue
from wallet.issuing.credential_details import OPENID_CREDENTIAL

DOCUMENT = "/.well-known/openid-configuration"
SIGNING = ("none", *(f"{kind}{size}" for kind in ("HS", "RS", "PS", "ES") for size in (256, 384, 512)), "ES256K", "EdDSA", "Ed25519", "Ed448")
WRAPPING = (
    "dir",
    "RSA1_5",
    "RSA-OAEP",
    "RSA-OAEP-256",
    "A128KW",
    "A256KW",
    "A128GCMKW",
    "PBES2-HS256+A128KW",
    "ECDH-ES",
    "ECDH-ES+A128KW",
    "ECDH-ES+A192KW",
    "ECDH-ES+A256KW",
)
CONTENT = ("A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512", "A128GCM", "A192GCM", "A256GCM")
EVIDENCE = [{"type": {"value": kind}, "check_details": None, "record": None, "document_details": None} for kind in ("document", "electronic_record")]
MANAGEMENT = {"/register/<client_id>"}  # told to each client in its `registration_client_uri`


@dataclass
class World:
    """A Kabao, a portal that may ask for all that people can be asked for, and what is announced."""

    app: Flask
    http: FlaskClient
    portal: System
    document: dict[str, Any]

    def registers(self, **registration: Any) -> bool:
        """Whether a client is registered so; nothing of it is kept."""
        with self.app.app_context(), transaction() as session:
            try:
                new_portal(session, **registration)
            except ClientRefused:
                return False
            finally:
                session.rollback()
        return True

    def pushes(self, **changes: Any) -> bool:
        """Whether an authorization request is taken so."""
        answer = push(self.http, self.portal, Journey(self.portal, scope="openid").parameters(**changes))
        assert answer.status_code in (201, 400), answer.text
        return answer.status_code == 201


Knock = Callable[[World, str], None]


def just(values: Iterable[str], *others: str) -> Callable[[Callable[[World, str], bool]], Knock]:
    """Make a knock of what takes one value: of the values announced and the others, just those announced are taken."""

    def made(takes: Callable[[World, str], bool]) -> Knock:
        def knock(world: World, member: str) -> None:
            announced = world.document[member]
            assert len(set(announced)) == len(announced)
            assert {one for one in [*announced, *values, *others] if takes(world, one)} == set(announced)

        return knock

    return made


def registered(name: str, values: Iterable[str], **rest: Any) -> Knock:
    """Make a knock of a member of the registration."""
    metadata = rest.pop("metadata", {})
    return just(values)(lambda world, one: world.registers(metadata={**metadata, name: one}, **rest))


def enciphers(answer: str) -> Knock:
    return registered(f"{answer}_enc", CONTENT, metadata={f"{answer}_alg": "ECDH-ES"})


def endpoint(world: World, member: str) -> None:
    at = world.document[member]
    assert at.startswith(ISSUER + "/")
    assert {world.http.get(urlsplit(at).path).status_code, world.http.post(urlsplit(at).path).status_code}.isdisjoint({404, 500})


def published(world: World, member: str) -> None:
    assert world.http.get(urlsplit(world.document[member]).path).status_code == 200


def _asks_for_grant(world: World, grant: str) -> bool:
    answer = world.http.post("/token", data={"grant_type": grant, **world.portal.proof()})
    return bool((answer.json or {})["error"] != "unsupported_grant_type")


def _has_scope(world: World, scope: str) -> bool:
    """Whether a client may have a scope, or may ask for what it stands for, as one does whose details are of that type."""
    return world.registers(scopes=[scope]) or world.pushes(scope=scope)


def _asks_for_level(world: World, acr: str) -> bool:
    asked = json.dumps({"id_token": {"acr": {"essential": True, "values": [acr]}}})
    answer = signed_out(world).get("/authorize", query_string=Journey(world.portal, scope="openid").parameters(claims=asked), headers=BROWSER)
    return answer.status_code == 303 and answer.location.startswith("/signin")


def _proves_a_key(world: World, algorithm: str) -> bool:
    """Whether a proof is taken that says it is signed so; by a key of another kind there is none, and test_dpop knows each way to lie."""
    if algorithm not in suites.SUITES:
        header = {"typ": "dpop+jwt", "alg": algorithm, "jwk": Prover().jwk}
        proof = ".".join([*(jwt.utils.base64url_encode(json.dumps(part).encode()).decode() for part in (header, {"jti": "x"})), "eA"])
    else:
        proof = Prover(suites.SUITES[algorithm].generate()).proof(header={"alg": algorithm})
    form = {"grant_type": "authorization_code", "code": "none", "redirect_uri": world.portal.redirect_uri, "code_verifier": "x" * 43}
    answer = world.http.post("/token", data={**form, **world.portal.proof()}, headers={"DPoP": proof})
    return bool((answer.json or {})["error"] != "invalid_dpop_proof")


def _delivers(world: World, mode: str) -> bool:
    uri = {"backchannel_client_notification_endpoint": "https://counter.example.gov.cn/ping"} if mode != "poll" else {}
    return world.registers(grant_types=[CIBA], redirect_uris=[], metadata={"backchannel_token_delivery_mode": mode, **uri})


def signed_out(world: World) -> FlaskClient:
    return world.app.test_client()


def proves_by(endpoint: str) -> Knock:
    """Make a knock of the ways in which a client proves itself at an endpoint, each tried but for wallets' attestations."""

    def knock(world: World, member: str) -> None:
        announced = set(world.document[member])
        taken = {method for method in (*clients.AUTH_METHODS, "client_secret_hash") if _is_known_by(world, method, endpoint)}
        assert taken == announced - {"attest_jwt_client_auth"}

    return knock


def _is_known_by(world: World, method: str, endpoint: str) -> bool:
    if method == "attest_jwt_client_auth":
        return False  # tests/wallet/issuing/oid4vci/test_attested.py
    key, secret = suites.ES256.generate(), clients.new_secret()
    with world.app.app_context(), transaction() as session:
        given = {"jwks": jwks_of(key)} if method == "private_key_jwt" else {"client_secret": secret} if "secret" in method else {}
        try:
            portal = new_portal(session, auth_method=method, **{"jwks": None, **given})
        except ClientRefused:
            return False
    headers, form = {}, {"token": "x", "grant_type": "authorization_code"}
    system = System(portal.client_id, key)
    if method == "private_key_jwt":
        form |= system.proof()
    elif method == "client_secret_jwt":
        claims = jwt.decode(system.assertion(), options={"verify_signature": False})
        form |= {**system.proof(), "client_assertion": jwt.encode(claims, secret, "HS256")}
    elif method == "client_secret_basic":
        headers = {"Authorization": f"Basic {base64.b64encode(f'{portal.client_id}:{secret}'.encode()).decode()}"}
    else:
        form |= {"client_id": portal.client_id, **({"client_secret": secret} if method == "client_secret_post" else {})}
    return world.http.post(endpoint, data=form, headers=headers).status_code != 401


def signs_assertions(world: World, member: str) -> None:
    """RFC 8414 section 2: for the methods by assertion; which of them, a registration may say."""
    announced, methods = set(world.document[member]), {"private_key_jwt": {}, "client_secret_jwt": {"jwks": None, "client_secret": "s" * 43}}
    taken = {
        one
        for one in SIGNING
        for method, given in methods.items()
        if world.registers(auth_method=method, metadata={"token_endpoint_auth_signing_alg": one}, **given)
    }
    assert taken == announced


def is_true(takes: Callable[[World], bool]) -> Knock:
    """Make a knock of a flag: it is announced as it is."""

    def knock(world: World, member: str) -> None:
        assert world.document[member] is takes(world)

    return knock


def _answer_names_issuer(world: World) -> bool:
    answer = signed_out(world).get("/authorize", query_string=Journey(world.portal, scope="openid").parameters(prompt="none"), headers=BROWSER)
    return answer_of(answer)["iss"] == ISSUER


def _takes_plain_requests(world: World) -> bool:
    answer = signed_out(world).get("/authorize", query_string=Journey(world.portal, scope="openid").parameters(), headers=BROWSER)
    return bool(answer.location.startswith("/signin"))


def _refuses_unregistered_references(world: World) -> bool:
    asked = {"client_id": world.portal.client_id, "request_uri": "https://elsewhere.example/request.jwt"}
    return signed_out(world).get("/authorize", query_string=asked, headers=BROWSER).status_code == 400


def _serves_nameless_wallets(world: World) -> bool:
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:pre-authorized_code", "pre-authorized_code": "x"}
    return (world.http.post("/token", data=form).json or {})["error"] != "invalid_client"


def speaks(world: World, member: str) -> None:
    for locale in world.document[member]:
        asked = Journey(world.portal, scope="openid").parameters(ui_locales=locale)
        page = signed_out(world).get("/authorize", query_string=asked, headers=BROWSER, follow_redirects=True)
        assert f'<html lang="{locale}"' in page.text


def told_elsewhere(world: World, member: str) -> None:
    """assured/test_announced.py gathers what is told of people, test_resource_metadata.py our resources; oid4vci/test_attested.py proves wallets."""
    assert world.document[member]


POLLED = {"grant_types": [CIBA], "redirect_uris": [], "metadata": {"backchannel_token_delivery_mode": "poll"}}
PEOPLE = ("openid", "profile", "number", "birthdate", "email", "phone", "assurance", "offline_access")
FRONT = {"grant_types": [AUTHORIZATION_CODE], "redirect_uris": ["https://p.example.gov.cn/cb"]}
HEARS = {"frontchannel_logout_uri": "https://p.example.gov.cn/out", "frontchannel_logout_session_required": True}
KNOCKS: dict[str, Knock] = {
    "issuer": lambda world, member: None if world.document[member] == ISSUER else pytest.fail(member),
    **dict.fromkeys(("jwks_uri", "status_list_aggregation_endpoint"), published),
    **{
        f"{name}_endpoint": endpoint
        for name in (
            "authorization",
            "token",
            "userinfo",
            "revocation",
            "introspection",
            "end_session",
            "registration",
            "device_authorization",
            "backchannel_authentication",
            "pushed_authorization_request",
        )
    },
    "scopes_supported": just(["address", "groups", "admin", "ssf", "licence:none"])(_has_scope),
    "response_types_supported": just(["token", "id_token", "code id_token", "code token", "none", "vp_token"])(
        lambda world, one: world.pushes(response_type=one)
    ),
    "response_modes_supported": just(["web_message", "direct_post", "cookie", "query.jws"])(lambda world, one: world.pushes(response_mode=one)),
    "grant_types_supported": just(
        ["password", "implicit", "urn:ietf:params:oauth:grant-type:saml2-bearer", "urn:ietf:params:oauth:grant-type:uma-ticket"]
    )(_asks_for_grant),
    "code_challenge_methods_supported": just(["plain", "S512"])(lambda world, one: world.pushes(code_challenge_method=one)),
    "prompt_values_supported": just(["create", "admin_consent", "NONE"])(lambda world, one: world.pushes(prompt=one)),
    "acr_values_supported": just(["0", "urn:kabao:acr:ial4:aal1", "urn:kabao:acr:ial1:aal3", "urn:mace:incommon:iap:silver"])(_asks_for_level),
    "display_values_supported": lambda world, member: (
        None if all(world.pushes(display=one) for one in world.document[member]) else pytest.fail(member)
    ),
    "ui_locales_supported": speaks,
    "subject_types_supported": registered("subject_type", ["ephemeral", "transient"]),
    "authorization_details_types_supported": just(["payment_initiation", "openid"])(
        lambda world, one: world.registers(metadata={"authorization_details_types": [one]})
    ),
    **{
        f"{at}_endpoint_auth_methods_supported": proves_by(path)
        for at, path in (("token", "/token"), ("revocation", "/revoke"), ("introspection", "/introspect"))
    },
    **{f"{at}_endpoint_auth_signing_alg_values_supported": signs_assertions for at in ("token", "revocation", "introspection")},
    **{
        f"{of}_signing_alg_values_supported": registered(f"{of}_signed_response_alg", SIGNING)
        for of in ("id_token", "userinfo", "authorization", "introspection")
    },
    **{
        f"{of}_encryption_alg_values_supported": registered(f"{of}_encrypted_response_alg", WRAPPING)
        for of in ("id_token", "userinfo", "authorization", "introspection")
    },
    **{
        f"{of}_encryption_enc_values_supported": enciphers(f"{of}_encrypted_response")
        for of in ("id_token", "userinfo", "authorization", "introspection")
    },
    "request_object_signing_alg_values_supported": registered("request_object_signing_alg", SIGNING),
    "request_object_encryption_alg_values_supported": registered("request_object_encryption_alg", WRAPPING),
    "request_object_encryption_enc_values_supported": enciphers("request_object_encryption"),
    "backchannel_authentication_request_signing_alg_values_supported": registered(
        "backchannel_authentication_request_signing_alg", SIGNING, **POLLED
    ),
    "dpop_signing_alg_values_supported": just(SIGNING)(_proves_a_key),
    "backchannel_token_delivery_modes_supported": just(["push", "pull"])(_delivers),
    "backchannel_user_code_parameter_supported": is_true(
        lambda world: world.registers(**{**POLLED, "metadata": {**POLLED["metadata"], "backchannel_user_code_parameter": True}})  # type: ignore[dict-item]
    ),
    "authorization_response_iss_parameter_supported": is_true(_answer_names_issuer),
    "claims_parameter_supported": is_true(lambda world: world.pushes(claims='{"userinfo": {}}') and not world.pushes(claims='{"userinfo": 1}')),
    "request_parameter_supported": is_true(
        lambda world: push_object(world.http, world.portal, request_object(Journey(world.portal))).status_code == 201
    ),
    "request_uri_parameter_supported": is_true(lambda world: world.registers(metadata={"request_uris": ["https://p.example.gov.cn/request.jwt"]})),
    "require_request_uri_registration": is_true(_refuses_unregistered_references),
    **dict.fromkeys(
        ("require_pushed_authorization_requests", "require_signed_request_object"), is_true(lambda world: not _takes_plain_requests(world))
    ),
    **dict.fromkeys(
        ("frontchannel_logout_supported", "frontchannel_logout_session_supported"), is_true(lambda world: world.registers(**FRONT, metadata=HEARS))
    ),
    **dict.fromkeys(
        ("backchannel_logout_supported", "backchannel_logout_session_supported"),
        is_true(
            lambda world: world.registers(
                backchannel_logout_uri="https://p.example.gov.cn/out", metadata={"backchannel_logout_session_required": True}
            )
        ),
    ),
    "pre-authorized_grant_anonymous_access_supported": is_true(_serves_nameless_wallets),
    **dict.fromkeys(("client_attestation_signing_alg_values_supported", "client_attestation_pop_signing_alg_values_supported"), told_elsewhere),
    **dict.fromkeys(
        (
            "claims_supported",
            "claim_types_supported",
            "verified_claims_supported",
            "trust_frameworks_supported",
            "evidence_supported",
            "documents_supported",
            "documents_check_methods_supported",
            "electronic_records_supported",
            "claims_in_verified_claims_supported",
            "protected_resources",
        ),
        told_elsewhere,
    ),
}


@pytest.fixture
def world(app: Flask, client: FlaskClient) -> World:
    with app.app_context():
        apply_catalogue()
    with app.app_context(), transaction() as session:
        portal = new_portal(session, scopes=PEOPLE, metadata={"authorization_details_types": [OPENID_CREDENTIAL]})
    return World(app, client, portal, dict(client.get(DOCUMENT).json or {}))


def test_every_member_has_its_knock_and_both_addresses_give_the_same(world: World) -> None:
    assert set(world.document) == set(KNOCKS)
    assert world.http.get("/.well-known/oauth-authorization-server").json == world.document


@pytest.mark.parametrize("member", KNOCKS)
def test_what_is_announced_answers_and_nothing_else_does(world: World, member: str) -> None:
    KNOCKS[member](world, member)


@pytest.mark.parametrize("path", ["/par", "/device_authorization", "/backchannel-authentication"])
def test_where_no_methods_of_its_own_are_announced_clients_prove_themselves_as_at_the_token_endpoint(world: World, path: str) -> None:
    """RFC 9126 section 2, RFC 8628 section 3.1, CIBA section 7.1."""
    announced = set(world.document["token_endpoint_auth_methods_supported"])
    assert {method for method in clients.AUTH_METHODS if _is_known_by(world, method, path)} == announced - {"attest_jwt_client_auth"}


def test_no_door_of_clients_is_left_unannounced(world: World) -> None:
    doors = set()
    for rule in world.app.url_map.iter_rules():
        view: Any = world.app.view_functions[rule.endpoint]
        module = getattr(view, "__wrapped__", view).__module__
        if module.startswith("idp.oauth.") and module.endswith("_api") and not rule.rule.startswith("/.well-known/"):
            doors.add(rule.rule)
    announced = {urlsplit(at).path for name, at in world.document.items() if name.endswith("_endpoint")}
    assert {"/token", "/par"} <= doors
    assert doors - MANAGEMENT <= announced
