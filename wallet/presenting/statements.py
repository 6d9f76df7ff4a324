"""Yes or no, without what is behind it: over 18, over 60, holds a valid licence of a kind; a small statement of the service's own.

Each is made for one code: an SD-JWT VC of a type of ours, signed with a key that signs nothing else, bound to one verifier and one moment by a
holder's key that is made for it and forgotten. It names no licence, no number and no date, and is over with the code.
"""

from datetime import date, datetime, timedelta

import jwt

from keys import ring, suites
from runtime.languages import Text
from runtime.settings import Settings
from wallet.issuing import sd_jwt, sd_jwt_vc

OVER_18, OVER_60, HOLDS = "over_18", "over_60", "holds"
KINDS = {
    OVER_18: Text("是否已满18周岁", "Whether over 18"),
    OVER_60: Text("是否已满60周岁", "Whether over 60"),
    HOLDS: Text("持有有效的此类证照", "Holds a valid licence of this kind"),
}
AGES = {OVER_18: 18, OVER_60: 60}
TYPE_PREFIX = "urn:kabao:answer:"
NAME = Text("是否答复（不含证照内容）", "A yes or no, without the licence")


def issuer(settings: Settings) -> str:
    """Return the `iss` of every statement, a name in the certificate of the key that signs them."""
    return f"{settings.public_url}/jwks/{ring.ANSWERS}"


def offered_for(born: date | None) -> tuple[str, ...]:
    """Return the kinds of statement that can be made of a holder."""
    return tuple(kind for kind in KINDS if kind not in AGES or born is not None)


def value_of(kind: str, *, born: date | None, licence_name: Text, today: date) -> bool | str:
    """Return what a statement says: yes or no, or the kind of licence that is held. Whoever was born on 29 February comes of age on 1 March."""
    if kind == HOLDS:
        return licence_name.zh
    assert born is not None
    return (today.year - AGES[kind], today.month, today.day) >= (born.year, born.month, born.day)


def make(settings: Settings, kind: str, value: bool | str, *, audience: str, nonce: str, now: datetime, lifetime: timedelta) -> str:  # noqa: FBT001
    """Return a statement, bound to a verifier and a moment; raises KeyNotReady."""
    holder = suites.ES256.generate()
    present = int(now.timestamp())
    claims = {
        "iss": issuer(settings),
        "vct": TYPE_PREFIX + kind,
        "iat": present,
        "exp": int((now + lifetime).timestamp()),
        "cnf": {"jwk": suites.public_jwk(holder.public_key())},
        "status": {},
        kind: value,
    }
    payload, disclosures = sd_jwt.conceal(claims, hidden=[kind])
    text = sd_jwt.combine(ring.signer(ring.ANSWERS).sign(payload, typ=sd_jwt_vc.TYPE), disclosures)
    binding = {"iat": present, "aud": audience, "nonce": nonce, "sd_hash": sd_jwt.sd_hash(text)}
    return text + jwt.encode(binding, holder, algorithm=suites.ES256.name, headers={"typ": "kb+jwt"})
