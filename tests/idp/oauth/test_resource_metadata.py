"""What is told of the resources that are ours, and that a client finds it by a refusal (RFC 9728)."""

import re
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from idp.oauth import callers, resources, scopes
from idp.oauth.requests import detail_scopes
from idp.oauth.resource_metadata_api import api_metadata_of, issuer_metadata_of
from runtime.database import transaction
from runtime.settings import Settings
from tests.idp.oauth.journeys import Journey
from tests.idp.oauth.pushing import push
from tests.world_clients import ISSUER, System, ask, bearer, new_portal, new_system, token_of
from tests.world_proofs import Prover
from tests.world_wallet import apply_catalogue
from wallet.issuing.credential_details import OPENID_CREDENTIAL

EVENTS, WELL_KNOWN = "/api/v1/events", "/.well-known/oauth-protected-resource"
API, CREDENTIALS = f"{ISSUER}/api", ISSUER
DESCRIBED = re.compile(r'resource_metadata="([^"]*)"')


class Caller(FlaskClient):
    """Somebody who calls by the public address."""

    def open(self, *arguments: Any, base_url: str = ISSUER, **more: Any) -> TestResponse:
        return super().open(*arguments, base_url=base_url, **more)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return Caller(app, app.response_class)


def described(client: FlaskClient, resource: str) -> dict[str, Any]:
    """Return what is told at the address that a resource's name makes (section 3.1)."""
    found = client.get(WELL_KNOWN + urlsplit(resource).path)
    assert (found.status_code, found.mimetype) == (200, "application/json")
    return dict(found.json or {})


def system(app: Flask) -> System:
    with app.app_context(), transaction() as session:
        return new_system(session, scopes=("events",))


@pytest.mark.parametrize("resource", [API, CREDENTIALS])
def test_each_resource_is_described_where_its_name_says_and_both_servers_name_each_other(client: FlaskClient, resource: str) -> None:
    """Sections 3.3 and 4, RFC 8414 section 3.3."""
    told = described(client, resource)
    (server,) = told["authorization_servers"]
    found = client.get("/.well-known/oauth-authorization-server").json
    assert (told["resource"], found["issuer"]) == (resource, server)
    assert resource in found["protected_resources"]
    assert [] not in told.values(), "section 3.2: what has no elements MUST be omitted"


def test_nothing_else_is_described(client: FlaskClient) -> None:
    assert {*client.get("/.well-known/openid-configuration").json["protected_resources"]} == {API, CREDENTIALS}
    assert {client.get(f"{WELL_KNOWN}/{path}").status_code for path in ("api/v1", "userinfo", "API", "api/..", "credential")} == {404}


@pytest.mark.parametrize(("path", "resource"), [(EVENTS, API), ("/credential", CREDENTIALS), ("/deferred", CREDENTIALS)])
def test_whoever_shows_no_token_hears_by_each_scheme_where_the_resource_is_described(client: FlaskClient, path: str, resource: str) -> None:
    """Section 5.1; the resource is a beginning of the address that was asked."""
    refused = client.open(path, method="GET" if path == EVENTS else "POST")
    assert refused.status_code == 401
    told = DESCRIBED.findall(refused.headers["WWW-Authenticate"])
    assert told == [ISSUER + WELL_KNOWN + urlsplit(resource).path] * 2
    assert client.get(urlsplit(told[0]).path).json["resource"] == resource
    assert (ISSUER + path).startswith(f"{resource}/")


@pytest.mark.parametrize("path", ["/userinfo", "/signals/streams"])
def test_what_does_not_lie_beneath_the_resource_does_not_speak_for_it(client: FlaskClient, path: str) -> None:
    """Section 3.3: a client MUST NOT use it."""
    refused = client.get(path)
    assert refused.status_code == 401
    assert "resource_metadata" not in refused.headers["WWW-Authenticate"]


def test_by_another_name_of_ours_the_resource_is_not_spoken_for(client: FlaskClient) -> None:
    """As the name for certificates is (RFC 8705 section 5): its tokens are for the public address."""
    refused = client.get(EVENTS, base_url="http://localhost:8000")
    assert refused.status_code == 401
    assert "resource_metadata" not in refused.headers["WWW-Authenticate"]


def test_every_other_refusal_of_a_token_says_it_as_well(app: Flask, client: FlaskClient) -> None:
    machine, prover = system(app), Prover()
    token = token_of(client, machine, "events")
    refused = [
        client.get(EVENTS, headers=bearer("x.y.z")),
        client.get(EVENTS, headers={"Authorization": f"DPoP {token}"}),
        client.get(EVENTS, headers=prover.show(token, "GET", EVENTS)),
        client.get("/api/v1/receipts", headers=bearer(token)),
        client.post("/credential", headers=bearer(token)),
    ]
    assert [one.status_code for one in refused] == [401, 401, 401, 403, 401]
    told = [DESCRIBED.findall(one.headers["WWW-Authenticate"]) for one in refused]
    assert told == [[f"{ISSUER}{WELL_KNOWN}/api"]] * 4 + [[f"{ISSUER}{WELL_KNOWN}"]]


def test_a_token_for_the_resource_that_is_described_opens_it(app: Flask, client: FlaskClient) -> None:
    told = described(client, API)
    answer = ask(client, system(app), grant_type="client_credentials", scope="events", resource=told["resource"]).json
    assert client.get(EVENTS, headers=bearer(answer["access_token"])).status_code == 200
    assert told["bearer_methods_supported"] == ["header"]
    assert client.get(EVENTS, query_string={"access_token": answer["access_token"]}).status_code == 401


def test_the_scopes_of_the_api_are_those_that_open_a_door_or_tell_a_claim(app: Flask, client: FlaskClient) -> None:
    doors = [getattr(view, "allowed_caller", None) for view in app.view_functions.values()]
    opening = {scope for door in doors if isinstance(door, callers.Bearer) for scope in door.scopes}
    assert set(described(client, API)["scopes_supported"]) == opening | {*scopes.CLAIMS, scopes.ASSURANCE}


def test_what_is_announced_of_credentials_may_be_asked_for(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        apply_catalogue()
        with transaction() as session:
            portal = new_portal(session, scopes=(), metadata={"authorization_details_types": [OPENID_CREDENTIAL]})
        every = detail_scopes.every()
    told = described(client, CREDENTIALS)
    assert told["scopes_supported"] == every
    scope = told["scopes_supported"][0]
    assert push(client, portal, Journey(portal, scope=scope).parameters(resource=told["resource"])).status_code == 201


def test_the_resources_take_the_details_and_the_proofs_that_the_server_announces(client: FlaskClient) -> None:
    both, server = [described(client, API), described(client, CREDENTIALS)], client.get("/.well-known/oauth-authorization-server").json
    assert sorted(kind for one in both for kind in one["authorization_details_types_supported"]) == server["authorization_details_types_supported"]
    assert {tuple(one["dpop_signing_alg_values_supported"]) for one in both} == {tuple(server["dpop_signing_alg_values_supported"])}


def test_certificates_are_announced_where_they_are_seen_and_keys_as_needed_where_they_are(app: Flask, settings: Settings) -> None:
    """Section 2; under HAIP no wallet has a token that is not bound by DPoP."""
    seen = replace(settings, client_certificate_header="X-SSL-Client-Cert")
    haip = replace(seen, haip_required=True)
    with app.app_context():
        told = [make(one) for one in (settings, seen, haip) for make in (api_metadata_of, issuer_metadata_of)]
    assert [one.get("tls_client_certificate_bound_access_tokens") for one in told] == [None, None, True, True, True, None]
    assert [one.get("dpop_bound_access_tokens_required") for one in told] == [None] * 5 + [True]
    assert [one.get("bearer_methods_supported") for one in told] == [["header"]] * 5 + [None]


def test_a_resource_has_a_name_in_both_languages_and_a_page_for_developers(client: FlaskClient) -> None:
    """Section 2.1."""
    told = described(client, API)
    assert told["resource_name"] == told["resource_name#zh"] != told["resource_name#en"]
    assert client.get(urlsplit(told["resource_documentation"]).path).status_code == 200
    assert resources.own(client.application.extensions["kabao_settings"]) == API
