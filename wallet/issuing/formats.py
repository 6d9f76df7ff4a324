"""The forms in which a licence can be signed, by the names that OpenID4VCI gives them: from one content, each made the same way."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from runtime import base64url
from runtime.languages import Text
from runtime.settings import Settings
from wallet.issuing import mdoc, sd_jwt_vc, vc_jwt
from wallet.issuing.contents import Content
from wallet.issuing.status_lists import Place

SD_JWT_VC, MDOC, VC_JWT, VC_JWT_1_1 = sd_jwt_vc.TYPE, mdoc.FORMAT, vc_jwt.FORMAT, vc_jwt.FORMAT_1_1


class Maker(Protocol):
    """Makes a credential of a content, for a wallet elsewhere, bound to the holder's public key where one is given."""

    def __call__(self, settings: Settings, content: Content, *, holder_key: dict[str, Any] | None, place: Place, now: datetime) -> bytes | str:
        """Return the credential; raises KeyNotReady if the department has no key."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format: its name, who makes it, and whether it cannot do without a holder's key."""

    name: str
    make: Maker
    needs_key: bool = False


FORMATS: Mapping[str, Format] = {
    one.name: one
    for one in (
        Format(SD_JWT_VC, sd_jwt_vc.make),
        Format(MDOC, mdoc.make, needs_key=True),
        Format(VC_JWT, vc_jwt.make),
        Format(VC_JWT_1_1, vc_jwt.make_1_1),
    )
}


WORDS: Mapping[str, Text] = {
    SD_JWT_VC: Text("可选择披露的凭证（SD-JWT VC）", "selective disclosure (SD-JWT VC)"),
    MDOC: Text("移动文档（mdoc）", "mobile document (mdoc)"),
    VC_JWT_1_1: Text("W3C凭证", "W3C credential"),
}


def as_text(credential: bytes | str) -> str:
    """Return a credential as it is sent in JSON: text as it is, bytes in base64url without padding."""
    return credential if isinstance(credential, str) else base64url.write(credential)
