"""For departments that were shown a licence: one address for the content of a QR code and for a presentation itself."""

from typing import Any

from flask import current_app, g

from idp.oauth.callers import bearer
from runtime import documents
from runtime.clock import now
from runtime.database import transaction
from runtime.documents import Document
from runtime.guard import allow
from runtime.idempotency import claim, digest_of
from runtime.ids import new_id
from runtime.lean import Posted
from runtime.openapi import ApiBlueprint
from runtime.pages import csrf
from runtime.settings import Settings
from runtime.together import APART, Steps
from schemas.verifications import VERIFICATION_FORM, IdempotencyKeySchema, VerificationRequestSchema, VerificationSchema, read_plainly
from wallet.register.departments import get_department
from wallet.verifying.asked import request_of
from wallet.verifying.attesting import Asker
from wallet.verifying.files import MOST_BYTES
from wallet.verifying.receipts import answered_before
from wallet.verifying.verification import is_code_alone, is_looked_at_only, verify_presented, verify_shown, verify_waiting

MOST_FIELDS = 256 * 1024
verifications = ApiBlueprint("verifications", __name__, description="Verifying what a holder shows.")
csrf.exempt(verifications)


@documents.post(
    verifications,
    "/verifications",
    takes=VerificationRequestSchema(),
    gives=VerificationSchema(),
    headers=IdempotencyKeySchema(),
    scope="verifications",
    longest_form=MOST_BYTES + MOST_FIELDS,
    form=VERIFICATION_FORM,
    short=read_plainly,
)
@allow(bearer("verifications"))
def verify(body: dict[str, Any], posted: Posted) -> Steps[Document]:
    """Verify a licence that was shown, with a cause; the answer carries a receipt, whatever the verdict.

    A file may come as it is, in a form (`multipart/form-data`) whose other fields are named as the members here, `cause.text` for the text of the
    cause. The same Idempotency-Key and body get the same answer again, although the QR code is spent.
    """
    settings: Settings = current_app.extensions["kabao_settings"]
    moment, receipt_id, key, token = now(), new_id(), posted.headers.get("Idempotency-Key"), g.token
    asker = Asker(token.department, get_department(token.department).name, system=token.client_id)
    request = request_of(body)
    if key is None and is_looked_at_only(request):
        return Document((yield from verify_shown(settings, request, asker=asker, receipt_id=receipt_id, now=moment)))
    if key is None and is_code_alone(request):
        answer = yield from verify_waiting(settings, request, asker=asker, receipt_id=receipt_id, now=moment)
        if answer is not None:
            return Document(answer)
        yield APART  # what follows waits for whoever has the code in hand
        moment = now()  # of a code that was withdrawn meanwhile, what held before does not count
    with transaction() as session:
        if key is not None:
            digest = digest_of(body, pepper=settings.derived_key("idempotency"))
            before = claim(session, caller=token.client_id, key=key, digest=digest, result_id=receipt_id, now=moment)
            if before is not None:
                return Document(answered_before(session, before))
        return Document(verify_presented(session, settings, request, asker=asker, receipt_id=receipt_id, now=moment, is_last=True))
