"""What people bring, as text: which form it is of. Pure; nothing is trusted."""

import base64
import re
import unicodedata

from wallet.issuing import sd_jwt
from wallet.verifying.compact_reading import ChainsOf, CompactPresentation, is_compact
from wallet.verifying.mdoc_reading import read_mdoc
from wallet.verifying.presentations import Presentation
from wallet.verifying.sd_jwt_reading import SdJwtPresentation
from wallet.verifying.vp_jwt_reading import read_jwt

BASE64URL = re.compile(r"[A-Za-z0-9_-]+={0,2}")
LONGEST_CODE = 200
CODE = re.compile(r"(KABAO1:)?[A-Z0-8]{32}")


class NotBrought(ValueError):
    """The text is of no form that a licence has."""


def tidy(unverified: str) -> str:
    """Return a text as it was meant by whoever pasted it: without the spaces and lines that a page put in. In a compact code a space is a letter."""
    stripped = unverified.strip()
    return stripped if is_compact(stripped) else "".join(stripped.split())


def is_dynamic(unverified: str) -> bool:
    """Tell whether a text is meant as the content of a dynamic QR code, which only the service that made it can open."""
    return len(unverified) <= LONGEST_CODE and "~" not in unverified and not is_compact(unverified)


def is_code(unverified: str) -> bool:
    """Tell whether a text is of the form that a dynamic code has, however it was typed; whether there is such a code only its service knows."""
    letters = re.sub(r"[\s\-‐-―]", "", unicodedata.normalize("NFKC", unverified[:LONGEST_CODE]))
    return CODE.fullmatch(letters.upper()) is not None


def read_text(unverified: str, *, chains_of: ChainsOf, transcript: bytes | None = None) -> Presentation:
    """Return what is shown, of whichever form but a dynamic code; raises NotBrought."""
    if "~" in unverified:
        return SdJwtPresentation(unverified)
    if is_compact(unverified):
        return CompactPresentation(unverified, chains_of=chains_of)
    if sd_jwt.is_compact_jws(unverified):
        return read_jwt(unverified)
    if not BASE64URL.fullmatch(unverified):
        raise NotBrought("of no form that is known")
    try:
        raw = base64.urlsafe_b64decode(unverified.rstrip("=") + "=" * (-len(unverified.rstrip("=")) % 4))
        return read_mdoc(raw, transcript=transcript)
    except ValueError as error:
        raise NotBrought("not a mobile document") from error
