"""Departments as they are published."""

from marshmallow import Schema, fields

from schemas.licence_types import TextSchema

CREDIT_CODE = "113799990000100228"


class DepartmentNameSchema(Schema):
    """A department by its name."""

    code = fields.String(metadata={"description": "Its credit code.", "example": CREDIT_CODE})
    name = fields.Nested(TextSchema, metadata={"description": "Its name."})
    uri = fields.String(metadata={"description": "The `iss` of its credentials.", "example": f"https://id.example.gov.cn/departments/{CREDIT_CODE}"})


class DepartmentSchema(DepartmentNameSchema):
    """A department, with the certificate by which its credentials are known."""

    certificate = fields.String(metadata={"description": "Its certificate, PEM.", "example": "-----BEGIN CERTIFICATE-----"})
    jwks = fields.Dict(metadata={"description": "Its keys that verify, as a JWK Set.", "example": {"keys": []}})


class DepartmentsSchema(Schema):
    """Every department."""

    departments = fields.List(fields.Nested(DepartmentNameSchema), metadata={"description": "By code."})
