"""A presentation in an answer, ready for the checks: of which form, and to what it must be bound. OpenID4VP 1.0 section 8.6 and appendix B."""

import base64
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from keys import suites
from runtime.settings import Settings
from wallet.issuing import sd_jwt
from wallet.presenting.dcql import CredentialQuery
from wallet.presenting.dcql_reading import MDOC, SD_JWT_VC
from wallet.presenting.handovers import transcript
from wallet.verifying.checks import SKEW, Expected
from wallet.verifying.mdoc_reading import MdocPresentation, read_mdoc
from wallet.verifying.openid4vp import acts, references
from wallet.verifying.openid4vp.requests import PresentationRequest
from wallet.verifying.presentations import Presentation
from wallet.verifying.sd_jwt_reading import SdJwtPresentation
from wallet.verifying.vp_jwt_reading import read_jwt

BASE64URL = re.compile(r"[A-Za-z0-9_-]+")


def read(unverified: str, form: str, *, transcript: bytes) -> Presentation:
    """Return a presentation of a form; what cannot be taken apart fails the first check."""
    if form == SD_JWT_VC:
        return SdJwtPresentation(unverified)
    if form != MDOC:
        return read_jwt(unverified)
    try:
        if not BASE64URL.fullmatch(unverified):
            raise ValueError("not base64url")
        return read_mdoc(base64.urlsafe_b64decode(unverified + "=" * (-len(unverified) % 4)), transcript=transcript)
    except ValueError:
        return MdocPresentation({}, transcript=transcript)


def expected_of(row: PresentationRequest, wanted: CredentialQuery, shown: Presentation, transaction: list[str], *, now: datetime) -> Expected:
    """Return what a presentation must be; one that is bound without need must be bound rightly all the same."""
    types = {name for alternative in wanted.types for name in alternative}
    return Expected(
        binding=wanted.binding or _is_bound(shown),
        audience=row.verifier,
        nonce=row.nonce,
        vcts=frozenset(types) if types and wanted.format in (SD_JWT_VC, MDOC) else None,
        binding_age=now - row.asked_at + SKEW,
        query=wanted,
        confirming=acts.confirmed_by(transaction, wanted.id),
    )


def transcript_of(settings: Settings, row: PresentationRequest) -> bytes:
    """Return the session transcript that a mobile document is bound to."""
    key = row.key
    thumbprint = suites.thumbprint(suites.public_jwk(key.public_key())) if key is not None else None
    return transcript(row.verifier, row.nonce, thumbprint, references.response_uri(settings, row.id))


def fields_of(shown: Presentation, wanted: CredentialQuery, *, left_out: frozenset[str]) -> dict[str, Any]:
    """Return what was asked for of a presentation that passed, by the names of its fields; what came besides is left behind."""
    steps = [one.path[-1] if wanted.format == MDOC else _name(one.path, wanted.format) for one in wanted.claims]
    claims = _subject(shown) if wanted.format not in (SD_JWT_VC, MDOC) else shown.claims
    return {step: claims[step] for step in steps if isinstance(step, str) and step in claims and step not in left_out}


def digest_of(act: str) -> str:
    """Return the hash of an act that a holder's key signs over."""
    return sd_jwt.sd_hash(act)


def _name(path: tuple[str | int | None, ...], form: str) -> str | int | None:
    return path[0] if form == SD_JWT_VC or len(path) == 1 else path[1]


def _subject(shown: Presentation) -> Mapping[str, Any]:
    found = shown.queried.get("credentialSubject")
    return found if isinstance(found, Mapping) else {}


def _is_bound(shown: Presentation) -> bool:
    try:
        return shown.is_bound
    except ValueError:
        return False
