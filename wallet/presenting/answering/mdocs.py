"""Showing a licence as a mobile document (ISO/IEC 18013-5): the chosen elements, and the device's signature over this session.

The wallet here keeps no mobile documents: each is made for the answer in which it goes, by the issuer's key, over the place in the status list that
the licence has here, with a device key that is made for it and forgotten. So no two answers share a key, a salt or a digest. OpenID4VP 1.0 B.2.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

import cbor2
from sqlalchemy.orm import Session

from keys import certificates, cose, ring, suites
from runtime import base64url
from runtime.settings import Settings
from wallet.issuing import credentials, mdoc
from wallet.issuing.contents import content_of
from wallet.presenting import handovers
from wallet.presenting.answering.request_objects import RequestObject
from wallet.register.licences import Licence

VERSION, OK = "1.0", 0


def elements_of(session: Session, settings: Settings, licence: Licence, *, holder_id: UUID) -> dict[str, dict[str, Any]]:
    """Return the elements of a licence by their name space, as a query sees them: dates are texts."""
    content = content_of(session, settings, licence, holder_id=holder_id)
    told = {name: one.value if isinstance(one, cbor2.CBORTag) else one for name, one in mdoc.elements_of(content).items()}
    return {content.licence_type.doctype: told}


def chain_of(licence: Licence) -> list[str]:
    """Return the certificates by which the issuer of a licence signs now; raises KeyNotReady."""
    return ring.signer(certificates.department_use(licence.issuer_code)).chain or []


def present(
    session: Session, settings: Settings, licence: Licence, names: Collection[str], request: RequestObject, *, holder_id: UUID, now: datetime
) -> str:
    """Return a `DeviceResponse` with one document that shows some elements, in base64url; raises KeyNotReady, CredentialNotFound."""
    content, key = content_of(session, settings, licence, holder_id=holder_id), suites.ES256.generate()
    place = credentials.credential_of(session, licence, holder_id=holder_id).place
    raw = mdoc.make(settings, content, holder_key=suites.public_jwk(key.public_key()), place=place, now=now)
    doctype, signed = content.licence_type.doctype, cbor2.loads(raw)
    items = [one for one in signed["nameSpaces"][doctype] if cbor2.loads(one.value)["elementIdentifier"] in names]
    shown = {"nameSpaces": {doctype: items}} if items else {}
    document = {"docType": doctype, "issuerSigned": {**shown, "issuerAuth": signed["issuerAuth"]}, "deviceSigned": _proof(key, doctype, request)}
    response = cbor2.dumps({"version": VERSION, "documents": [document], "status": OK})
    return base64url.write(response)


def _proof(key: suites.PrivateKey, doctype: str, request: RequestObject) -> dict[str, Any]:
    """Return what the device states, which is nothing, and its signature over the session."""
    thumbprint = suites.thumbprint(dict(request.recipient.jwk)) if request.recipient is not None else None
    transcript = handovers.transcript(request.client_id, request.nonce, thumbprint, request.response_uri)
    names = cbor2.CBORTag(handovers.EMBEDDED, cbor2.dumps({}))
    over = handovers.signed_by_device(transcript, doctype=doctype, names=names)
    return {"nameSpaces": names, "deviceAuth": {"deviceSignature": cose.sign1(cose.KeySigner(key), over, is_detached=True)}}
