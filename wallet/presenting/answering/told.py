"""What a request says of its own purpose, in its verifier's words: shown as words of theirs, and believed by nobody.

Only a verifier that is trusted is quoted on the basis that it claims; a stranger's words are shown as a stranger's.
"""

from dataclasses import dataclass
from typing import Any

from runtime.languages import Text
from schemas.causes import is_readable
from wallet.presenting.answering.request_objects import RequestObject

LONGEST = 300
CAUSE_FORMAT = "urn:kabao:cause"


@dataclass(frozen=True, slots=True)
class Told:
    """By what name a verifier goes, why it asks, and on what basis; each None where it does not say."""

    name: str | None
    cause: str | None
    basis: Text | None


def told_by(request: RequestObject) -> Told:
    """Return what a request says of itself; what is no plain text of some length is left out."""
    metadata, infos = request.payload.get("client_metadata"), request.payload.get("verifier_info")
    found = [one.get("data") for one in infos[:8] if isinstance(one, dict) and one.get("format") == CAUSE_FORMAT] if isinstance(infos, list) else []
    cause = next((one for one in found if isinstance(one, dict)), {})
    basis, english = (_plain(cause.get(name)) for name in ("basis", "basis#en"))
    name = _plain(metadata.get("client_name") if isinstance(metadata, dict) else None)
    return Told(name, _plain(cause.get("text")), Text(basis, english or basis) if basis else None)


def said(name: str) -> Text:
    """Return a text of theirs as it stands in both languages."""
    return Text(name, name)


def _plain(unverified: Any) -> str | None:
    return unverified if isinstance(unverified, str) and 1 <= len(unverified) <= LONGEST and is_readable(unverified) else None
