"""The second step: by which further ways than the password a person can prove who they are, and what two proofs are together."""

from collections.abc import Callable, Iterable
from uuid import UUID

from sqlalchemy.orm import Session

from idp.signin import contacts

TOTP, RECOVERY, EMAIL, SMS, PASSKEY = "totp", "recovery", "email", "sms", "passkey"
OF_KIND = {contacts.EMAIL: EMAIL, contacts.PHONE: SMS}
more_ways: list[Callable[[Session, UUID], Iterable[str]]] = []


def ways_of(session: Session, subject_id: UUID) -> list[str]:
    """Return the second ways that a person has: of `totp`, `recovery`, `email`, `sms` and `passkey`, the strongest first."""
    found = {way for more in more_ways for way in more(session, subject_id)}
    found |= {OF_KIND[contact.kind] for contact in contacts.verified_of(session, subject_id)}
    return [way for way in (PASSKEY, TOTP, SMS, EMAIL, RECOVERY) if way in found]


def together(before: list[str], fresh: list[str]) -> list[str]:
    """Return the `amr` of two proofs: with `mfa` where something known and something held were both shown (RFC 8176)."""
    amr = [*before, *(way for way in fresh if way not in before)]
    two = "pwd" in amr and any(way in amr for way in ("otp", "sms", "email", "swk", "hwk"))
    return [*amr, "mfa"] if two and "mfa" not in amr else amr
