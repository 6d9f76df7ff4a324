"""Acts that a holder confirms by showing a licence (`transaction_data`): one kind, whose words the wallet shows and the holder's key signs over.

OpenID4VP 1.0 sections 5.1 and 8.4, appendix B.3.3. Pure.
"""

import json
from typing import Any

from runtime import base64url

CONFIRMATION, HASH = "urn:kabao:transaction:confirmation", "sha-256"


def encode(text: str, *, credential_id: str) -> str:
    """Return an act as it is sent and signed over, to be confirmed with the presentation of one credential query."""
    content = {"type": CONFIRMATION, "credential_ids": [credential_id], "transaction_data_hashes_alg": [HASH], "text": text}
    return base64url.write(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode())


def confirmed_by(acts: list[str], credential_id: str) -> tuple[str, ...]:
    """Return those of our own acts that the presentation of a credential query must confirm."""
    return tuple(one for one in acts if credential_id in _read(one)["credential_ids"])


def text_of(act: str) -> str:
    """Return the words of an act of ours."""
    return str(_read(act)["text"])


def _read(act: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(base64url.read(act))
    return content
