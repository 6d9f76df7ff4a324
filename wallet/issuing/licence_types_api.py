"""The catalogue, for departments and portals."""

from typing import Any

from runtime.guard import allow, anyone
from runtime.openapi import ApiBlueprint
from runtime.pages import csrf
from schemas.licence_types import LicenceTypeSchema, LicenceTypesSchema
from wallet.register.catalogue import all_types, get_type
from wallet.register.definitions import LicenceType, document_of

licence_types = ApiBlueprint("licence_types", __name__, description="The catalogue of licence types.")
csrf.exempt(licence_types)


@licence_types.route("/licence-types", methods=["GET"])
@allow(anyone)
@licence_types.response(200, LicenceTypesSchema)
def listed() -> dict[str, list[dict[str, Any]]]:
    """Give every licence type in force."""
    return {"licence_types": [_document(one) for one in all_types()]}


@licence_types.route("/licence-types/<name>", methods=["GET"])
@allow(anyone)
@licence_types.response(200, LicenceTypeSchema)
def one(name: str) -> dict[str, Any]:
    """Give a licence type by its code or its short name."""
    return _document(get_type(name))


def _document(licence_type: LicenceType) -> dict[str, Any]:
    return {**document_of(licence_type), "version": licence_type.version}
