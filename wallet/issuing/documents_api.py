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
from runtime.languages import Text
from runtime.openapi import FILE, ApiBlueprint
from runtime.pages import csrf
from schemas.documents import DocumentQuerySchema
from wallet.issuing.documents import kept
from wallet.issuing.documents.kept import MEDIA_TYPE
from wallet.register.licences import Licence, LicenceNotFound, get_licence, type_of

documents = ApiBlueprint("documents", __name__, description="Sealed documents of licences, for the departments that issue them.")
csrf.exempt(documents)
MARKED = "marked-copy"
ENDINGS = {"card": Text("（卡面）", " (card)"), MARKED: Text("（加注件）", " (marked copy)")}


@documents.route("/licences/<uuid:licence_id>/document", methods=["GET"])
@allow(bearer("licences:issue", "licences:read"))
@documents.arguments(DocumentQuerySchema(), location="query")
@documents.response(200, FILE, content_type=MEDIA_TYPE)
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
    return as_file(made, licence, form=query["kind"])


def as_file(made: bytes, licence: Licence, *, form: str) -> Response:
    """Return a document as a file to keep, named by the licence's type, in the reader's language too (RFC 6266), and by nothing of its holder.

    Of one licence a sheet, a card and a marked copy (`form`) have each a name of their own, so that none takes another's place in a folder.
    """
    one, ending = type_of(licence), ENDINGS.get(form)
    plain, read = (f"{one.slug}-{form}", f"{one.name}{ending}") if ending is not None else (one.slug, str(one.name))
    named = f"attachment; filename=\"{plain}.pdf\"; filename*=UTF-8''{quote(read, safe='')}.pdf"
    headers = {"Content-Disposition": named, "Cache-Control": "no-store"}
    return Response(made, content_type=MEDIA_TYPE, headers=headers)
