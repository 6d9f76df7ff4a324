"""The second step: which further ways to prove who they are a person has, and what two proofs are together.

Who has an authenticator or a passkey is asked for two steps. What was shown first never counts again, and a code by mail and one by SMS
never make two: with nothing but a mailbox or a phone nobody gets through. A code by mail takes the step, but is no
second factor (`mfa`): the mailbox is often open in the same browser (NIST SP 800-63B section 3.1.3.1).
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from idp.signin import contacts, notices, one_time_codes, recovery_codes, totp

PASSWORD, TOTP, RECOVERY, EMAIL, SMS, PASSKEY = "password", "totp", "recovery", "email", "sms", "passkey"
IN_ORDER = (PASSKEY, TOTP, PASSWORD, SMS, EMAIL, RECOVERY)
OF_KIND = {contacts.EMAIL: EMAIL, contacts.PHONE: SMS}
AMR = {PASSWORD: ["pwd"], TOTP: ["otp"], RECOVERY: ["otp"], EMAIL: ["email"], SMS: ["sms"], PASSKEY: ["hwk", "user", "mfa"]}
HELD = {"otp", "sms", "swk", "hwk"}
BY_MESSAGE = {"sms", "email"}
more_ways: list[Callable[[Session, UUID], Iterable[str]]] = []


def ways_of(session: Session, subject_id: UUID) -> list[str]:
    """Return the second ways that a person has: of `totp`, `recovery`, `email`, `sms` and `passkey`, the strongest first."""
    found = _further_ways(session, subject_id)
    found |= {OF_KIND[contact.kind] for contact in contacts.verified_of(session, subject_id)}
    found |= {RECOVERY} if recovery_codes.left(session, subject_id) else set()
    return [way for way in IN_ORDER if way in found]


def asks_for_two(session: Session, subject_id: UUID) -> bool:
    """Whether a person's account asks for two steps: an authenticator or a passkey is enrolled."""
    return bool(_further_ways(session, subject_id))


def is_missing(session: Session, subject_id: UUID, amr: list[str]) -> bool:
    """Whether a person's account asks for a second step that was not taken yet."""
    return not is_complete(amr) and asks_for_two(session, subject_id)


def is_complete(amr: list[str]) -> bool:
    """Whether the ways in which someone proved who they are make two steps."""
    return "mfa" in amr or "user" in amr or len(steps_of(amr)) > 1


def steps_of(amr: list[str]) -> set[str]:
    """Return the proofs that count for one each: both ways of being sent a code are one."""
    return {"message" if way in BY_MESSAGE else way for way in amr} - {"mfa", "user"}


def next_ways(session: Session, subject_id: UUID, amr: list[str]) -> list[str]:
    """Return the ways by which a sign-in that began with `amr` can be finished, the strongest first."""
    ways = [*ways_of(session, subject_id), PASSWORD]
    return [way for way in IN_ORDER if way in ways and is_complete(together(amr, AMR[way]))]


def raising_ways(session: Session, subject_id: UUID, amr: list[str], *, aal: int) -> list[str]:
    """Return the ways that make a session with `amr` fresh, at one factor or at two.

    A session that stands on two factors stays fresh by something held alone, whatever was asked for: it goes on as strong as it was, and
    who finds it open and knows the password must not make it new. Who has nothing held any more gives the password, if one factor will do.
    """
    ways = [*ways_of(session, subject_id), PASSWORD]
    enough = [way for way in IN_ORDER if way in ways and (aal < 2 or "mfa" in together(amr, AMR[way]))]
    if "mfa" not in amr:
        return enough
    held = [way for way in enough if way not in (PASSWORD, EMAIL)]
    return held if held or aal >= 2 else enough


def demanded_of(session: Session, subject_id: UUID, amr: list[str]) -> int:
    """Return how many factors a person can show beside what a session stands on, and so must, before they change how they sign in.

    Paper codes are left out, since each such act would use one up; and so is the password, which may be what they have forgotten.
    """
    further = {TOTP, PASSKEY, SMS}.intersection(raising_ways(session, subject_id, amr, aal=2))
    return 2 if further or asks_for_two(session, subject_id) else 1


def together(before: list[str], fresh: list[str]) -> list[str]:
    """Return the `amr` of two proofs: with `mfa` where something known and something held were both shown (RFC 8176)."""
    amr = [*before, *(way for way in fresh if way not in before)]
    return [*amr, "mfa"] if "pwd" in amr and not HELD.isdisjoint(amr) and "mfa" not in amr else amr


def prove(session: Session, subject_id: UUID, *, way: str, unverified: str, bound_to: UUID, now: datetime) -> list[str] | None:
    """Spend a code that proves who someone is, and return its `amr`, or None; a try must be committed in either case."""
    if way == TOTP:
        return AMR[way] if totp.accept(session, subject_id, unverified, now=now) else None
    if way == RECOVERY:
        return _by_recovery_code(session, subject_id, unverified, now=now)
    if way not in (SMS, EMAIL):
        return None
    code = one_time_codes.redeem(session, unverified, bound_to=bound_to, purpose=one_time_codes.SECOND, now=now)
    contact = contacts.find(session, subject_id, code.contact_id) if code is not None and code.contact_id else None
    return AMR[OF_KIND[contact.kind]] if contact is not None else None


def _further_ways(session: Session, subject_id: UUID) -> set[str]:
    found = {way for more in more_ways for way in more(session, subject_id)}
    return found | {TOTP} if totp.of(session, subject_id) else found


def _by_recovery_code(session: Session, subject_id: UUID, unverified: str, *, now: datetime) -> list[str] | None:
    left = recovery_codes.spend(session, subject_id, unverified, now=now)
    if left is None:
        return None
    few = left <= recovery_codes.FEW
    notices.tell(session, subject_id, "recovery-codes-few" if few else "recovery-code-used", now=now, left=left)
    return AMR[RECOVERY]
