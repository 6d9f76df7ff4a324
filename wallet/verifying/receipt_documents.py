"""A receipt as a document to file: a PDF of A4 that carries the signed receipt and its proof inside, under the service's own seal (PAdES B-LT).

It is made from what is kept, anew each time it is asked for, and kept nowhere.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from keys import ring
from runtime import ledger
from runtime.languages import Text
from runtime.ledger import InclusionProof
from runtime.settings import Settings
from wallet.verifying import reading
from wallet.verifying.judging import address_of
from wallet.verifying.receipts import Receipt

MEDIA_TYPE = "application/pdf"
JWS_NAME, PROOF_NAME = "receipt.jws", "ledger-proof.json"
REASON = "核验回执 Receipt of a verification"


@dataclass(frozen=True, slots=True)
class Filed:
    """What a document is made of: the receipt's number and text, what it says, and its proof once the ledger is sealed."""

    number: UUID
    jws: str
    claims: dict[str, Any]
    proof: InclusionProof | None


def filed(session: Session, receipt: Receipt) -> Filed:
    """Return what the document of a receipt is made of."""
    return Filed(receipt.id, receipt.jws, receipt.claims, ledger.prove(session, receipt.ledger_entry_id))


def make_document(settings: Settings, what: Filed, *, now: datetime) -> bytes:
    """Return the sealed document of a receipt; raises KeyNotReady, ModuleAway, TimeStampUnavailable.

    To be called outside any transaction: a security module or a time stamp may be slow, and no connection waits for them.
    """
    from wallet.issuing.documents import pades, writing  # here, since what writes and signs documents takes half a second to load
    from wallet.issuing.documents.writing import About, Attached
    from wallet.verifying import receipt_layout

    proof = what.proof
    attached = [Attached(JWS_NAME, what.jws.encode(), "application/jwt", "签名回执 The signed receipt", "Source")]
    if proof is not None:
        whole = json.dumps({**proof.as_json(), "row": proof.row}, ensure_ascii=False, indent=1).encode()
        attached.append(Attached(PROOF_NAME, whole, "application/json", "存证证明 Proof that it stands in the ledger"))
    place = (proof.position, proof.size) if proof else None
    address = address_of(settings, what.number, what.jws)
    canvas = receipt_layout.draw(receipt_layout.Paper(reading.read_claims(what.claims), address, place))
    title: Text = receipt_layout.TITLE
    about = About(f"{title.zh} {title.en}", settings.host, title.zh, str(what.number), now)
    return pades.seal_by(writing.write(canvas, about, attached), settings, use=ring.RECEIPT, reason=REASON, now=now)
