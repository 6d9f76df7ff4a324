"""A receipt as a document to file: a PDF of A4 that carries the signed receipt and its proof inside, under the service's own seal (PAdES B-LT).

It is made from what is kept, anew each time it is asked for, and kept nowhere.
"""

import json
from datetime import datetime

from sqlalchemy.orm import Session

from keys import ring
from runtime import ledger
from runtime.languages import Text
from runtime.settings import Settings
from wallet.verifying import reading
from wallet.verifying.judging import address_of
from wallet.verifying.receipts import Receipt

MEDIA_TYPE = "application/pdf"
JWS_NAME, PROOF_NAME = "receipt.jws", "ledger-proof.json"
REASON = "核验回执 Receipt of a verification"


def make_document(session: Session, settings: Settings, receipt: Receipt, *, now: datetime) -> bytes:
    """Return the sealed document of a receipt; raises KeyNotReady, ModuleAway, TimeStampUnavailable."""
    from wallet.issuing.documents import pades, writing  # here, since what writes and signs documents takes half a second to load
    from wallet.issuing.documents.writing import About, Attached
    from wallet.verifying import receipt_layout

    proof = ledger.prove(session, receipt.ledger_entry_id)
    attached = [Attached(JWS_NAME, receipt.jws.encode(), "application/jwt", "签名回执 The signed receipt", "Source")]
    if proof is not None:
        whole = json.dumps({**proof.as_json(), "row": proof.row}, ensure_ascii=False, indent=1).encode()
        attached.append(Attached(PROOF_NAME, whole, "application/json", "存证证明 Proof that it stands in the ledger"))
    place = (proof.position, proof.size) if proof else None
    address = address_of(settings, receipt.id, receipt.jws)
    canvas = receipt_layout.draw(receipt_layout.Paper(reading.read_claims(receipt.claims), address, place))
    title: Text = receipt_layout.TITLE
    about = About(f"{title.zh} {title.en}", settings.host, title.zh, str(receipt.id), now)
    return pades.seal_by(writing.write(canvas, about, attached), settings, use=ring.RECEIPT, reason=REASON, now=now)
