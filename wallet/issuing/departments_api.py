"""Departments as anyone may know them: name, certificate and keys, at the URI that their credentials carry as `iss`."""

import base64
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from flask import Blueprint, Response, current_app, jsonify

from keys import certificates, ring
from runtime.database import transaction
from runtime.guard import allow, anyone
from runtime.openapi import ApiBlueprint
from runtime.pages import csrf
from runtime.settings import Settings
from schemas.departments import DepartmentSchema, DepartmentsSchema
from wallet.register.departments import Department, all_departments, get_department

MAX_AGE = 300
departments = ApiBlueprint("departments", __name__, description="Departments.")
csrf.exempt(departments)
department_metadata = Blueprint("department_metadata", __name__)


@departments.route("/departments", methods=["GET"])
@allow(anyone)
@departments.response(200, DepartmentsSchema)
def listed() -> dict[str, list[dict[str, Any]]]:
    """Give every department."""
    with transaction() as session:
        return {"departments": [_named(one) for one in all_departments(session)]}


@departments.route("/departments/<code>", methods=["GET"])
@allow(anyone)
@departments.response(200, DepartmentSchema)
def one(code: str) -> dict[str, Any]:
    """Give a department with its certificate and keys."""
    return _document(get_department(code))


@department_metadata.get("/departments/<code>")
@allow(anyone)
def metadata(code: str) -> Response:
    """Give what a credential's `iss` leads to."""
    response = jsonify(_document(get_department(code)))
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE}"
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


@department_metadata.get("/.well-known/jwt-vc-issuer/departments/<code>")
@allow(anyone)
def issuer_metadata(code: str) -> Response:
    """Give the keys of an issuer by the way of those who trust addresses rather than certificates (SD-JWT VC, JWT VC Issuer Metadata)."""
    document = _document(get_department(code))
    response = jsonify(issuer=document["uri"], jwks=document["jwks"])
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE}"
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


def _named(department: Department) -> dict[str, Any]:
    settings: Settings = current_app.extensions["kabao_settings"]
    return {"code": department.code, "name": department.name.as_json(), "uri": certificates.department_uri(settings, department.code)}


def _document(department: Department) -> dict[str, Any]:
    use = certificates.department_use(department.code)
    keys = [{**key.jwk, "kid": key.kid, "alg": key.suite, "use": "sig"} for key in ring.verifying_keys(use).values()]
    chain = ring.signer(use).chain or []
    pem = "".join(x509.load_der_x509_certificate(base64.b64decode(one)).public_bytes(Encoding.PEM).decode() for one in chain)
    return {**_named(department), "certificate": pem, "jwks": {"keys": keys}}
