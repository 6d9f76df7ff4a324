"""Documents of hot paths: a form with files comes only where one may, an empty body is an empty document, and what is no JSON is none."""

import io
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from runtime.database import transaction
from tests.world_clients import bearer, new_system, token_of
from tests.world_wallet import new_department

MISSING = {"/api/v1/licences": {"type", "holder", "fields", "valid_from"}, "/api/v1/verifications": {"cause"}}
SCOPES = ("licences:issue", "verifications")


@pytest.fixture
def headers(app: Flask, client: FlaskClient) -> dict[str, str]:
    with app.app_context(), transaction() as session:
        system = new_system(session, department=new_department(issue=["driving-licence"], verify=["driving-licence"]), scopes=SCOPES)
    return {**bearer(token_of(client, system, " ".join(SCOPES))), "Accept-Language": "en"}


def test_a_form_with_files_is_read_where_one_may_come(client: FlaskClient, headers: dict[str, str]) -> None:
    sent = {"presented": (io.BytesIO(b"x"), "licence.pdf"), "cause.text": "测试"}
    assert client.post("/api/v1/verifications", data=sent, headers=headers).json["code"] == "code-unknown"


def test_of_a_form_with_files_where_none_may_come_nothing_is_looked_at(client: FlaskClient, headers: dict[str, str]) -> None:
    sent = {"type": "driving-licence", "file": (io.BytesIO(b"x"), "licence.pdf")}
    answer = client.post("/api/v1/licences", data=sent, headers=headers).json
    assert MISSING["/api/v1/licences"] <= {one["field"] for one in answer["errors"]}


@pytest.mark.parametrize("path", ["/api/v1/licences", "/api/v1/verifications"])
@pytest.mark.parametrize(
    ("sent", "status"),
    [({"data": b"", "content_type": "application/json"}, 422), ({"data": b"{}", "content_type": "text/plain"}, 415), ({"data": b""}, 422)],
    ids=["nothing", "a text", "nothing of no kind"],
)
def test_an_empty_body_lacks_its_members_and_another_kind_is_refused(
    client: FlaskClient, headers: dict[str, str], path: str, sent: dict[str, Any], status: int
) -> None:
    answer = client.post(path, headers=headers, **sent)
    assert answer.status_code == status, answer.text
    if status == 422:
        assert {one["field"] for one in answer.json["errors"]} >= MISSING[path]


def test_each_document_is_described_with_the_scope_that_it_takes(client: FlaskClient) -> None:
    described = client.get("/api/openapi.json").json
    for path, scope in (("/api/v1/licences", "licences:issue"), ("/api/v1/verifications", "verifications")):
        operation = described["paths"][path]["post"]
        assert operation["security"] == [{"department": [scope]}]
        assert operation["requestBody"]["content"]
        assert "201" in operation["responses"]
