"""What anyone may read: the catalogue, departments, and the metadata of credentials' types."""

from dataclasses import replace

import pytest
from cryptography import x509
from flask import Flask
from flask.testing import FlaskClient

from keys import certificates
from runtime.clock import now
from runtime.database import transaction
from tests.wallet.issuing.desks import Desk
from tests.world_people import credit_code
from tests.world_wallet import DEFINITIONS
from wallet.issuing import type_metadata
from wallet.issuing.type_metadata import integrity_of
from wallet.register import catalogue
from wallet.register.definitions import read_definition
from wallet.register.type_files import lean_document


def test_the_catalogue_is_given_whole_and_as_its_files_have_it(client: FlaskClient, desk: Desk) -> None:
    given = {one["slug"]: one for one in client.get("/api/v1/licence-types").json["licence_types"]}
    assert set(DEFINITIONS) <= set(given)
    for slug, definition in DEFINITIONS.items():
        version, elements = given[slug].pop("version"), given[slug].pop("elements")
        assert (elements["CertificateTypeCode"], elements["CertificateTypeName"]) == (definition.code, definition.name.zh)
        assert read_definition(given[slug], version=version).fields == definition.fields


@pytest.mark.parametrize("name", ["driving-licence", DEFINITIONS["driving-licence"].code])
def test_a_licence_type_is_found_by_its_code_and_by_its_short_name(client: FlaskClient, desk: Desk, name: str) -> None:
    found = client.get(f"/api/v1/licence-types/{name}").json
    assert (found["slug"], found["name"]["en"]) == ("driving-licence", "Driving licence")
    assert [one["name"] for one in found["fields"]][:2] == ["vehicle_class", "first_issued"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/licence-types/{}",
        "/types/{}",
        "/types/{}/schema",
        "/.well-known/jwt-vc-issuer/departments/{}",
        "/departments/{}",
        "/api/v1/departments/{}",
    ],
)
@pytest.mark.parametrize("name", ["nothing", "x" * 500, "%00", "%F0%9F%98%80", "11379999000010014D"])
def test_what_there_is_not_is_not_found(client: FlaskClient, desk: Desk, path: str, name: str) -> None:
    answer = client.get(path.format(name))
    assert answer.status_code == (400 if name == "%00" else 404)
    assert answer.mimetype == "application/problem+json"


def test_a_department_is_known_by_its_certificate(app: Flask, client: FlaskClient, desk: Desk) -> None:
    found = client.get(f"/departments/{desk.department}")
    assert found.headers["Cache-Control"] == "public, max-age=300"
    leaf = x509.load_pem_x509_certificate(found.json["certificate"].encode())
    with app.app_context():
        leaf.verify_directly_issued_by(certificates.root_certificate())
    assert found.json["uri"] == f"http://127.0.0.1:8000/departments/{desk.department}"
    assert [key["kty"] for key in found.json["jwks"]["keys"]] == ["EC"]
    assert not any("d" in key for key in found.json["jwks"]["keys"])
    assert client.get(f"/api/v1/departments/{desk.department}").json == found.json
    assert {"code": desk.department, "name": found.json["name"], "uri": found.json["uri"]} in client.get("/api/v1/departments").json["departments"]


def test_a_department_that_was_never_added_is_not_found(client: FlaskClient) -> None:
    assert client.get(f"/departments/{credit_code(kind='11')}").status_code == 404


def test_type_metadata_says_how_a_credential_is_shown_and_what_is_hidden(client: FlaskClient, desk: Desk) -> None:
    metadata = client.get("/types/driving-licence").json
    assert metadata["vct"] == "http://127.0.0.1:8000/types/driving-licence"
    assert [one["locale"] for one in metadata["display"]] == ["zh-CN", "en"]
    claims = {one["path"][0]: one for one in metadata["claims"]}
    assert {one["sd"] for one in claims.values()} == {"always"}
    assert claims["vehicle_class"]["display"] == [{"locale": "zh-CN", "label": "准驾车型"}, {"locale": "en", "label": "Vehicle class"}]
    simple = metadata["display"][0]["rendering"]["simple"]
    assert (simple["background_color"], simple["text_color"]) == ("#4b5870", "#ffffff")
    assert integrity_of(client.get(simple["logo"]["uri"].removeprefix("http://127.0.0.1:8000")).data) == simple["logo"]["uri#integrity"]


def test_every_type_extends_one_that_says_what_each_licence_has(client: FlaskClient, desk: Desk) -> None:
    metadata = client.get("/types/driving-licence").json
    base = client.get(metadata["extends"].removeprefix("http://127.0.0.1:8000"))
    assert base.json["vct"] == metadata["extends"]
    claims = {one["path"][0]: one for one in base.json["claims"]}
    assert {name: claims[name]["sd"] for name in ("holder_name", "holder_number", "licence_number")} == dict.fromkeys(
        ("holder_name", "holder_number", "licence_number"), "always"
    )
    assert claims["licence_identifier"]["sd"] == "allowed"


def test_a_field_that_cannot_be_hidden_says_so(client: FlaskClient) -> None:
    definition = DEFINITIONS["driving-licence"]
    fields = tuple(replace(one, hideable=one.name != "vehicle_class") for one in definition.fields)
    metadata = type_metadata.metadata_of("https://id.example", replace(definition, fields=fields), vct="https://id.example/types/x")
    assert {one["path"][0]: one["sd"] for one in metadata["claims"]}["vehicle_class"] == "never"


def test_a_schema_says_what_a_w3c_credential_of_a_type_holds(client: FlaskClient, desk: Desk) -> None:
    answer = client.get("/types/driving-licence/schema")
    assert answer.mimetype == "application/schema+json"
    assert answer.json["$id"] == "http://127.0.0.1:8000/types/driving-licence/schema"
    subject = answer.json["properties"]["credentialSubject"]
    assert {"holder_name", "licence_identifier", "vehicle_class"} <= set(subject["required"])
    assert subject["properties"]["first_issued"] == {"type": "string", "format": "date", "title": "First issued"}
    assert "C1" in subject["properties"]["vehicle_class"]["enum"]


def test_an_issuers_keys_are_found_by_its_address_too(client: FlaskClient, desk: Desk) -> None:
    found = client.get(f"/.well-known/jwt-vc-issuer/departments/{desk.department}")
    assert set(found.json) == {"issuer", "jwks"}
    assert found.json["issuer"] == f"http://127.0.0.1:8000/departments/{desk.department}"
    assert found.json["jwks"] == client.get(f"/departments/{desk.department}").json["jwks"]


def test_the_interface_says_which_scope_a_caller_needs(client: FlaskClient) -> None:
    paths = client.get("/api/openapi.json").json["paths"]
    assert paths["/api/v1/licences"]["post"]["security"] == [{"department": ["licences:issue"]}]
    assert paths["/api/v1/events"]["get"]["security"] == [{"department": ["events"]}]
    assert "security" not in paths["/api/v1/licence-types"]["get"]


def test_older_versions_of_a_type_stay_readable(app: Flask, client: FlaskClient, desk: Desk) -> None:
    code, slug = "11100000000013127D920", "test-published-versions"
    document = lean_document(DEFINITIONS["driving-licence"]) | {"code": code, "slug": slug}
    with app.app_context():
        for en in ("First", "Second"):
            with transaction() as session:
                catalogue.apply(session, [document | {"name": {"zh": "证", "en": en}}], now=now())
    listed = client.get(f"/api/v1/licence-types/{slug}/versions").json["versions"]
    assert [(one["version"], one["name"]["en"]) for one in listed] == [(2, "Second"), (1, "First")]
    assert client.get(f"/api/v1/licence-types/{code}/versions/1").json["name"]["en"] == "First"
    assert client.get(f"/api/v1/licence-types/{slug}/versions/3").status_code == 404
    assert client.get(f"/api/v1/licence-types/{slug}/versions/{10**30}").status_code == 404
    newest, older = client.get(f"/types/{slug}"), client.get(f"/types/{slug}/versions/1")
    assert newest.headers["Link"] == f'<http://127.0.0.1:8000/types/{slug}/versions/1>; rel="predecessor-version"'
    assert older.headers["Link"] == f'<http://127.0.0.1:8000/types/{slug}>; rel="latest-version"'
    assert [one.json["display"][1]["name"] for one in (newest, older)] == ["Second", "First"]
    assert newest.json["vct"] == older.json["vct"]
