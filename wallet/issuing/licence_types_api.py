"""The catalogue, for departments and portals."""

from typing import Any

from runtime.database import transaction
from runtime.guard import allow, anyone
from runtime.openapi import ApiBlueprint
from runtime.pages import csrf
from schemas.licence_types import LicenceTypeSchema, LicenceTypesSchema, LicenceTypeVersionsSchema
from wallet.register.catalogue import all_types, get_type, get_version, versions_of
from wallet.register.definitions import LicenceType, document_of
from wallet.register.metadata import elements_of

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


@licence_types.route("/licence-types/<name>/versions", methods=["GET"])
@allow(anyone)
@licence_types.response(200, LicenceTypeVersionsSchema)
def versions(name: str) -> dict[str, list[dict[str, Any]]]:
    """Give every version of a licence type that was ever in force, the newest first."""
    code = get_type(name).code
    with transaction() as session:
        return {"versions": [_document(one) for one in reversed(versions_of(session, code))]}


@licence_types.route("/licence-types/<name>/versions/<int:version>", methods=["GET"])
@allow(anyone)
@licence_types.response(200, LicenceTypeSchema)
def version(name: str, version: int) -> dict[str, Any]:
    """Give a licence type as it was in a version, by which the licences issued under it are read."""
    return _document(get_version(get_type(name).code, version))


def _document(licence_type: LicenceType) -> dict[str, Any]:
    return {**document_of(licence_type), "version": licence_type.version, "elements": elements_of(licence_type)}
