"""Yes or no, without what is behind it: over 18, over 60, holds a valid licence of a kind, may act for an organisation; a small statement of the
service's own.

Each is made for one code or one request: an SD-JWT VC of a type of ours, signed with a key that signs nothing else, bound to one verifier and one
moment by a holder's key that is made for it and forgotten. It names no licence, no person and no date, and is over within minutes. What it answers
is its type, so that it is asked for like any credential, and a wallet that knows nothing of it simply has none.
"""

import hashlib
import hmac
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt

from keys import ring, suites
from runtime import base64url
from runtime.languages import Text
from runtime.settings import Settings
from wallet.holding.cards import A_YES_OR_NO, LABELS_OF_EVERY_LICENCE
from wallet.issuing import sd_jwt, sd_jwt_vc
from wallet.register.catalogue import LicenceTypeNotFound, all_types, get_type

OVER_18, OVER_60, HOLDS, REPRESENTS = "over_18", "over_60", "holds", "represents"
ORGANISATION_NAME, ORGANISATION_CODE = "organisation_name", "organisation_code"
KINDS = {kind: LABELS_OF_EVERY_LICENCE[kind] for kind in (OVER_18, OVER_60, HOLDS, REPRESENTS)}
AGES = {OVER_18: 18, OVER_60: 60}
CLAIMS = {**{kind: (kind,) for kind in KINDS}, REPRESENTS: (REPRESENTS, ORGANISATION_NAME, ORGANISATION_CODE)}
TYPE_PREFIX = "urn:kabao:answer:"
NAME = A_YES_OR_NO
PURPOSE = "statement-subjects"


@dataclass(frozen=True, slots=True)
class Question:
    """What a statement answers: one of `KINDS`, and of `HOLDS` the short name of the type of licence."""

    kind: str
    slug: str | None = None

    @property
    def vct(self) -> str:
        """The type of every statement that answers it."""
        return TYPE_PREFIX + self.kind + (f":{self.slug}" if self.slug else "")

    @property
    def name(self) -> Text:
        """The question in words."""
        if self.slug is None:
            return KINDS[self.kind]
        held = get_type(self.slug).name
        return Text(f"是否持有有效的{held.zh}", f"Whether they hold: {held.en}, and it is valid")

    @property
    def type_code(self) -> str | None:
        """The type of licence that it is about, by its code."""
        return get_type(self.slug).code if self.slug else None


@dataclass(frozen=True, slots=True)
class Statement:
    """An answer to a question, before it is signed; `organisation` is the name and the credit code of whom the person may act for."""

    question: Question
    says: bool
    organisation: tuple[str, str] | None = None

    def __str__(self) -> str:
        """What it is chosen by."""
        return "-".join(part for part in (self.question.kind, self.question.slug, self.organisation and self.organisation[1]) if part)

    @property
    def claims(self) -> dict[str, bool | str]:
        """What it says."""
        names = dict(zip((ORGANISATION_NAME, ORGANISATION_CODE), self.organisation, strict=True)) if self.organisation else {}
        return {self.question.kind: self.says, **names}


def questions() -> list[Question]:
    """Return every question that there is."""
    plain = [Question(kind) for kind in KINDS if kind != HOLDS]
    return plain + [Question(HOLDS, one.slug) for one in all_types()]


def find_question(vct: str) -> Question | None:
    """Return what statements of a type answer, None if it is no type of ours or about no licence that is known."""
    if not vct.startswith(TYPE_PREFIX):
        return None
    kind, colon, slug = vct.removeprefix(TYPE_PREFIX).partition(":")
    if kind not in KINDS or bool(colon) != (kind == HOLDS):
        return None
    try:
        return Question(kind, get_type(slug).slug if slug else None) if not colon or slug else None
    except LicenceTypeNotFound:
        return None


def issuer(settings: Settings) -> str:
    """Return the `iss` of every statement, a name in the certificate of the key that signs them."""
    return f"{settings.public_url}/jwks/{ring.ANSWERS}"


def subject_of(settings: Settings, holder_id: UUID, nonce: str) -> str:
    """Return what a statement calls its holder: another word each time, by which only this service can tell whose answer it is."""
    told = hmac.digest(settings.derived_key(PURPOSE), holder_id.bytes + nonce.encode(), hashlib.sha256)
    return base64url.write(told)


def is_of_age(kind: str, *, born: date, today: date) -> bool:
    """Return whether someone is as old as a question says. Whoever was born on 29 February comes of age on 1 March."""
    return (today.year - AGES[kind], today.month, today.day) >= (born.year, born.month, born.day)


def make(
    settings: Settings,
    statement: Statement,
    *,
    holder_id: UUID,
    shown: Collection[str],
    audience: str,
    nonce: str,
    now: datetime,
    lifetime: timedelta,
) -> str:
    """Return a statement with what is `shown` of it, bound to a verifier and a moment; raises KeyNotReady."""
    holder = suites.ES256.generate()
    present = int(now.timestamp())
    claims: dict[str, Any] = {
        "iss": issuer(settings),
        "vct": statement.question.vct,
        "sub": subject_of(settings, holder_id, nonce),
        "iat": present,
        "exp": int((now + lifetime).timestamp()),
        "cnf": {"jwk": suites.public_jwk(holder.public_key())},
        "status": {},
        **statement.claims,
    }
    payload, disclosures = sd_jwt.conceal(claims, hidden=statement.claims)
    signed = ring.signer(ring.ANSWERS).sign(payload, typ=sd_jwt_vc.TYPE)
    text = sd_jwt.combine(signed, [one for one in disclosures if one.name in shown])
    binding = {"iat": present, "aud": audience, "nonce": nonce, "sd_hash": sd_jwt.sd_hash(text)}
    return text + jwt.encode(binding, holder, algorithm=suites.ES256.name, headers={"typ": "kb+jwt"})
