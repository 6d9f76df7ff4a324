"""Departments as they are published."""

from marshmallow import Schema, fields

from schemas.licence_types import TextSchema

CREDIT_CODE = "113799990000100228"


class DepartmentSchema(Schema):
    """A department: its name, and the certificate by which its credentials are known."""

    code = fields.String(metadata={"description": "Its credit code.", "example": CREDIT_CODE})
    name = fields.Nested(TextSchema, metadata={"description": "Its name."})
    uri = fields.String(metadata={"description": "The `iss` of its credentials.", "example": f"https://id.example.gov.cn/departments/{CREDIT_CODE}"})
    certificate = fields.String(metadata={"description": "Its certificate, PEM.", "example": "-----BEGIN CERTIFICATE-----"})
    jwks = fields.Dict(metadata={"description": "Its keys that verify, as a JWK Set.", "example": {"keys": []}})


class DepartmentsSchema(Schema):
    """Every department."""

    departments = fields.List(fields.Nested(DepartmentSchema(only=("code", "name", "uri"))), metadata={"description": "By code."})
