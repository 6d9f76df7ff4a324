"""Status list tokens of the issuer of `presented`, right or wrong, in both forms."""

from typing import Any

import cbor2

from keys import cose
from tests.wallet.verifying.presented import NOW, encode, key, leaf, sign
from wallet.issuing.status_packing import compress, pack, to_base64url

URI = "https://kabao.example/status/1"
PRESENT = int(NOW.timestamp())


def status_token(levels: dict[int, int], *, typ: str = "statuslist+jwt", by: str = "leaf", bits: Any = 2, ends: Any = 1000, **changes: Any) -> bytes:
    """Return a JWT; `changes` are claims, of which None takes one away."""
    lst = to_base64url(compress(pack(levels.items(), bits=2, size=256)))
    ends = PRESENT + ends if isinstance(ends, int) else ends
    payload = {"sub": URI, "iat": PRESENT, "exp": ends, "ttl": 60, "status_list": {"bits": bits, "lst": lst}, **changes}
    payload = {name: value for name, value in payload.items() if value is not None}
    return sign(payload, by, {"typ": typ, "x5c": [encode(leaf())]}).encode()


def status_cwt(levels: dict[int, int], *, typ: str = "application/statuslist+cwt", by: str = "leaf", tag: bool = True, **changes: Any) -> bytes:
    """Return a CWT; `changes` are claims by their names in JSON."""
    lst = compress(pack(levels.items(), bits=2, size=256))
    claims = {"sub": URI, "iat": PRESENT, "exp": PRESENT + 1000, "ttl": 60, "status_list": {"bits": 2, "lst": lst}, **changes}
    labels = {"sub": 2, "aud": 3, "exp": 4, "nbf": 5, "iat": 6, "ttl": 65534, "status_list": 65533}
    payload = cbor2.dumps({labels[name]: value for name, value in claims.items() if value is not None})
    message = cose.sign1(cose.KeySigner(key(by), chain=[encode(leaf())]), payload, protected={cose.TYPE: typ})
    return cose.to_bytes(message) if tag else cbor2.dumps(message)
