"""Acts that a holder confirms by showing a licence (`transaction_data`): which kinds are known, and how the holder's key says so.

A request with one of a kind that is not known is refused whole: nobody confirms what they were not shown. OpenID4VP 1.0 sections 5.1 and B.3.3.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

from runtime import base64url
from runtime.languages import Text, text_of
from schemas.causes import is_readable
from wallet.issuing import sd_jwt
from wallet.presenting.answering.refusals import INVALID_TRANSACTION, UNSUPPORTED, RequestRefused
from wallet.presenting.dcql import Query
from wallet.presenting.dcql_reading import SD_JWT_VC
from wallet.presenting.statements import TYPE_PREFIX

CONFIRMATION = "urn:kabao:transaction:confirmation"
HASH = "sha-256"
MOST, LONGEST, LONGEST_TEXT = 8, 8 * 1024, 1000
MEMBERS = frozenset({"type", "credential_ids", "transaction_data_hashes_alg", "text"})


@dataclass(frozen=True, slots=True)
class Transaction:
    """An act to confirm: its words, the credential queries of which one may confirm it, and the letters that are signed over."""

    text: Text
    credential_ids: tuple[str, ...]
    encoded: str
    names_hash: bool

    @property
    def digest(self) -> str:
        """The hash over the text as it was received."""
        return base64url.write(hashlib.sha256(self.encoded.encode()).digest())


def read(unverified: Any, query: Query) -> tuple[Transaction, ...]:
    """Return the acts that a request would have confirmed; raises RequestRefused if one of them is not understood in full."""
    if not isinstance(unverified, list) or not 1 <= len(unverified) <= MOST:
        _refuse("transaction_data")
    return tuple(_read(one, query) for one in unverified)


def claims_of(confirmed: Iterable[Transaction]) -> dict[str, Any]:
    """Return what the holder's key binding says of the acts that it confirms."""
    acts = list(confirmed)
    if not acts:
        return {}
    named = {"transaction_data_hashes_alg": HASH} if any(one.names_hash for one in acts) else {}
    return {"transaction_data_hashes": [one.digest for one in acts], **named}


def _read(unverified: Any, query: Query) -> Transaction:
    if not isinstance(unverified, str) or len(unverified) > LONGEST:
        _refuse("transaction_data")
    try:
        content = sd_jwt.read_json(unverified)
    except sd_jwt.MalformedSdJwt:
        _refuse("transaction_data")
    if not isinstance(content, dict) or content.get("type") != CONFIRMATION or not content.keys() <= MEMBERS:
        _refuse("a transaction of another kind")
    names, hashes = content.get("credential_ids"), content.get("transaction_data_hashes_alg", [HASH])
    asked = {one.id for one in query.credentials}
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name in asked for name in names):
        _refuse("credential_ids")
    if not any(_confirms(query, name) for name in names):
        _refuse("nothing that could confirm")
    if not isinstance(hashes, list) or HASH not in hashes:
        _refuse("transaction_data_hashes_alg")
    return Transaction(_text(content.get("text")), tuple(names), unverified, "transaction_data_hashes_alg" in content)


def _confirms(query: Query, name: str) -> bool:
    """Whether a licence in the form that is asked for can say what its holder confirms; of a mobile document no issuer lets a device say so."""
    wanted = query.find(name)
    vcts = [vct for one in wanted.types for vct in one] if wanted is not None else []
    return wanted is not None and wanted.format == SD_JWT_VC and not any(vct.startswith(TYPE_PREFIX) for vct in vcts)


def _text(unverified: Any) -> Text:
    forms = {"zh": unverified, "en": unverified} if isinstance(unverified, str) else unverified
    if not isinstance(forms, dict) or set(forms) != {"zh", "en"}:
        _refuse("text")
    if not all(isinstance(one, str) and 1 <= len(one) <= LONGEST_TEXT and is_readable(one) for one in forms.values()):
        _refuse("text")
    return text_of(forms)


def _refuse(reason: str) -> NoReturn:
    raise RequestRefused(reason, error=INVALID_TRANSACTION, shown=UNSUPPORTED)
