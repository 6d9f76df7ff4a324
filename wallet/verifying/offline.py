"""Verifying without a network, for departments' own systems: `from wallet.verifying.offline import read_bundle, verify`.

Needs no web framework and no database, only the checks and a trust bundle (docs/recipes/offline.md). What it finds is as old as the bundle: a
licence revoked since is still found good. A dynamic QR code cannot be opened offline, by anyone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from runtime.clock import now as present
from wallet.issuing.copy_marks import Marking
from wallet.verifying import brought
from wallet.verifying.brought import NotBrought as NotBrought
from wallet.verifying.bundles import ANSWER
from wallet.verifying.bundles import BadBundle as BadBundle
from wallet.verifying.bundles import Bundle as Bundle
from wallet.verifying.bundles import BundleOver as BundleOver
from wallet.verifying.bundles import read_bundle as read_bundle
from wallet.verifying.checks import Expected, NotVerified, Verified
from wallet.verifying.checks import verify as run_checks
from wallet.verifying.compact_reading import ChainsOf
from wallet.verifying.conclusions import CANNOT_TELL, Conclusion, conclude
from wallet.verifying.files import FileUnusable as FileUnusable
from wallet.verifying.files import Found, SealedPresentation, read_file
from wallet.verifying.outcomes import Outcome
from wallet.verifying.presentations import Presentation

BINDING_AGE = timedelta(minutes=5)
FILES = (b"%PDF-", b"\x89PNG", b"\xff\xd8\xff")


class OnlineOnly(NotBrought):
    """It is a dynamic code, a secret that only the service that made it can open."""


class OfOneRequest(NotBrought):
    """It is a bare yes or no, which counts for the request that it was made for, and for nobody else: nonce and audience must be given."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found. `fields` are what the licence shows, none unless it is valid; `issuer` and `type` its names, None if not believed.

    `marking` says of a marked copy (加注件) for whom, why and until when it was made.
    """

    conclusion: Conclusion
    outcomes: tuple[Outcome, ...]
    issuer: Mapping[str, str] | None = None
    type: Mapping[str, str] | None = None
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)
    marking: Marking | None = None

    @property
    def is_valid(self) -> bool:
        """Whether no check failed; what could not be asked stands in `outcomes`, with its reason."""
        return self.conclusion is Conclusion.VALID

    @property
    def cannot_tell(self) -> bool:
        """Whether nothing is wrong but that the status could not be told."""
        return self.conclusion in CANNOT_TELL


def verify(
    unverified: str | bytes, bundle: Bundle, *, nonce: str | None = None, audience: str | None = None, transcript: bytes | None = None
) -> Answer:
    """Verify what was brought, as text or as the bytes of a file (text, sealed PDF, PNG or JPEG of a code).

    A holder's binding is asked for if a nonce, or the session transcript of a mobile document, is given; a bare yes or no must be bound. Raises
    NotBrought for what is of no form that a licence has (OnlineOnly for a dynamic code, OfOneRequest for a yes or no without nonce and audience),
    FileUnusable, and BundleOver if the bundle has run out since it was read.
    """
    moment = present()
    if moment >= bundle.ends_at:
        raise BundleOver("the bundle has run out; fetch a newer one")
    shown = presentation_of(unverified, chains_of=bundle.chains_of, transcript=transcript)
    if _is_bare(shown) and (nonce is None or audience is None):
        raise OfOneRequest("a yes or no counts for one request alone: give its nonce and its audience")
    expected = Expected(nonce is not None or transcript is not None, audience, nonce, None, BINDING_AGE)

    def status_of(claims: Mapping[str, Any]) -> str:
        return bundle.status_of(claims, now=moment)

    try:
        verified = run_checks(shown, expected=expected, trust=bundle.trust, status_of=status_of, now=moment)
    except NotVerified as failure:
        return _answer(bundle, failure, failure.claims or {}, {})
    fields = {name: verified.claims[name] for name in ("licence_identifier", *verified.disclosed) if name in verified.claims}
    return _answer(bundle, verified, verified.claims, fields)


def presentation_of(unverified: str | bytes, *, chains_of: ChainsOf, transcript: bytes | None = None) -> Presentation:
    """Return what was brought, as text or as the bytes of a file, before the checks; raises NotBrought, OnlineOnly, FileUnusable, FilesBusy."""
    found = _found(unverified)
    if found.seal is not None:
        return SealedPresentation(found.text, found.seal)
    text = brought.tidy(found.text)
    if brought.is_code(text):
        raise OnlineOnly("a dynamic code")
    return brought.read_text(text, chains_of=chains_of, transcript=transcript)


def _is_bare(shown: Presentation) -> bool:
    """Whether it says that it is a yes or no; what cannot be read fails the first check."""
    try:
        return (shown.type or "").startswith(ANSWER)
    except ValueError:
        return False


def _found(unverified: str | bytes) -> Found:
    if isinstance(unverified, str):
        return Found(unverified)
    return read_file(unverified) if unverified.startswith(FILES) else Found(unverified.decode("utf-8", "replace"))


def _answer(bundle: Bundle, found: Verified | NotVerified, claims: Mapping[str, Any], fields: Mapping[str, Any]) -> Answer:
    listed = next((one for one in bundle.trust.listed.values() if one.uri == claims.get("iss")), None)
    issuer = listed.name if listed else bundle.names.get(str(claims.get("iss")))
    return Answer(conclude(found.outcomes), found.outcomes, issuer, bundle.names.get(str(claims.get("vct"))), fields, found.marking)
