"""For issuing departments: the sealed document of a licence of their own."""

from typing import Any
from urllib.parse import quote
from uuid import UUID

from flask import Response, current_app, g, request

from idp.oauth.callers import bearer
from idp.signin import throttle
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.openapi import ApiBlueprint
from runtime.pages import csrf
from schemas.documents import DocumentQuerySchema
from wallet.issuing.documents import kept
from wallet.issuing.documents.kept import MEDIA_TYPE
from wallet.register.licences import Licence, LicenceNotFound, get_licence, type_of

documents = ApiBlueprint("documents", __name__, description="Sealed documents of licences, for the departments that issue them.")
csrf.exempt(documents)


@documents.route("/licences/<uuid:licence_id>/document", methods=["GET"])
@allow(bearer("licences:issue", "licences:read"))
@documents.arguments(DocumentQuerySchema(), location="query")
@documents.response(200, content_type=MEDIA_TYPE)
@documents.doc(security=[{"department": ["licences:issue", "licences:read"]}])
def document(query: dict[str, Any], licence_id: UUID) -> Response:
    """Make a licence of the caller's department as a PDF under its signature (PAdES B-LT), with the licence's data inside; each is a new one."""
    moment, settings = now(), current_app.extensions["kabao_settings"]
    with transaction() as session:
        throttle.count(session, throttle.Try("document", g.token.client_id, request.remote_addr or ""), now=moment)
    with transaction() as session:
        licence = get_licence(session, licence_id)
        if licence.issuer_code != g.token.department:
            raise LicenceNotFound("another department's")
        draft = kept.draft(session, settings, licence, kind=query["kind"], now=moment)
    made = draft.seal(settings)
    with transaction() as session:
        kept.keep(session, draft, actor=f"department:{g.token.department}", now=now())
    return as_file(made, licence)


def as_file(made: bytes, licence: Licence) -> Response:
    """Return a document as a file to keep, named by the licence's type, in the reader's language too (RFC 6266), and by nothing of its holder."""
    one = type_of(licence)
    named = f"attachment; filename=\"{one.slug}.pdf\"; filename*=UTF-8''{quote(str(one.name), safe='')}.pdf"
    headers = {"Content-Disposition": named, "Cache-Control": "no-store"}
    return Response(made, content_type=MEDIA_TYPE, headers=headers)
