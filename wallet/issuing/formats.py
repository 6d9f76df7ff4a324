"""The forms in which a licence can be signed, by the names that OpenID4VCI gives them: from one content, each made the same way."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from runtime.settings import Settings
from wallet.issuing import sd_jwt_vc
from wallet.issuing.contents import Content
from wallet.issuing.status_lists import Place

SD_JWT_VC = sd_jwt_vc.TYPE


class Maker(Protocol):
    """Makes a credential of a content, bound to the holder's public key where one is given; raises KeyNotReady."""

    def __call__(self, settings: Settings, content: Content, *, holder_key: dict[str, Any] | None, place: Place, now: datetime) -> bytes | str:
        """Return the credential."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format: its name, and who makes it."""

    name: str
    make: Maker


FORMATS: Mapping[str, Format] = {one.name: one for one in (Format(SD_JWT_VC, sd_jwt_vc.make),)}
