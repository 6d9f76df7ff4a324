"""The API describes itself as it is."""

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from runtime.guard import anyone, caller_of

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture
def described(client: FlaskClient) -> dict[str, Any]:
    spec: dict[str, Any] = client.get("/api/openapi.json").json
    return spec


def operations(spec: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(method.upper(), path): operation for path, found in spec["paths"].items() for method, operation in found.items() if method in METHODS}


def test_an_error_is_described_as_a_problem(described: dict[str, Any], client: FlaskClient) -> None:
    for name, response in described["components"]["responses"].items():
        assert list(response["content"]) == ["application/problem+json"], name
    schema = described["components"]["schemas"]["Problem"]
    problem = client.post("/api/v1/receipts/check", json={"unknown": 1})
    assert problem.mimetype == "application/problem+json"
    assert set(schema["required"]) <= problem.json.keys() <= schema["properties"].keys()
    assert {"type": "integer", "example": 422}.items() <= schema["properties"]["status"].items()


def test_every_operation_that_needs_a_token_says_so(described: dict[str, Any], app: Flask) -> None:
    found = operations(described)
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/api/v1/"):
            path = re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", rule.rule)
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                is_open = caller_of(app, rule.endpoint) is anyone
                assert ("security" not in found[method, path]) == is_open, (method, path)
