"""Pre-authorized codes: they come with a credential offer, and a wallet redeems one without a browser (OpenID4VCI 1.0 sections 3.5 and 6.1).

256 random bits, kept only as their hash, good for five minutes and once. An offer that travels by another way than its transaction code has
one: six digits, kept as an HMAC under the code itself, so that the table alone does not give them away; five wrong ones end the code.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import SmallInteger, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.oauth.grantees import Grantee
from idp.oauth.terms import Terms, read_terms
from runtime.database import Base, prune

LIFETIME = timedelta(minutes=5)  # less than the cuts of access tokens are remembered, which count for codes too
REMEMBERED = timedelta(hours=1)
CODE_BYTES, TX_DIGITS, TRIES = 32, 6, 5
OPENID_CREDENTIAL = "openid_credential"


class PreAuthorizedCode(Base):
    """A code that stands in an offer. `client_id` is the one wallet that may redeem it, None for any; `tries` counts wrong transaction codes."""

    __tablename__ = "pre_authorized_codes"
    code_hash: Mapped[bytes] = mapped_column(primary_key=True)
    client_id: Mapped[str | None]
    holder_id: Mapped[UUID]
    person_id: Mapped[UUID]
    agreed: Mapped[dict[str, Any]]
    tx_code_mac: Mapped[bytes | None]
    tries: Mapped[int] = mapped_column(SmallInteger)
    issued_at: Mapped[datetime] = mapped_column(index=True)
    spent_at: Mapped[datetime | None]

    @property
    def terms(self) -> Terms:
        """What the offer was for."""
        return read_terms(self.agreed)

    @property
    def grantee(self) -> Grantee:
        """Whom the offer was made to."""
        return Grantee(self.holder_id, self.person_id)


class Offered(NamedTuple):
    """What an offer is made of: the code, and the transaction code that its holder is told by another way."""

    code: str
    tx_code: str | None


def issue(
    session: Session,
    grantee: Grantee,
    *,
    client_id: str | None,
    authorization_details: Sequence[Mapping[str, Any]],
    tx_code: bool,
    now: datetime,
) -> Offered:
    """Make a code for credentials of a holder; only hashes are kept.

    Each of the details is of type `openid_credential` and has `credential_configuration_id` and `credential_identifiers` (section 6.2):
    whoever offers knows which licences it offers.
    """
    for detail in authorization_details:
        assert detail["type"] == OPENID_CREDENTIAL
        assert detail["credential_configuration_id"]
        assert detail["credential_identifiers"]
    code = secrets.token_urlsafe(CODE_BYTES)
    digits = f"{secrets.randbelow(10**TX_DIGITS):0{TX_DIGITS}}" if tx_code else None
    session.add(
        PreAuthorizedCode(
            code_hash=_hash(code),
            client_id=client_id,
            holder_id=grantee.holder_id,
            person_id=grantee.person_id,
            agreed=Terms(authorization_details=tuple(authorization_details)).as_json(),
            tx_code_mac=_mac(code, digits) if digits else None,
            tries=0,
            issued_at=now,
            spent_at=None,
        )
    )
    return Offered(code, digits)


def find(session: Session, unverified_code: str, *, now: datetime) -> PreAuthorizedCode | None:
    """Return a code that may still be redeemed, without using it up."""
    live = (PreAuthorizedCode.spent_at.is_(None), PreAuthorizedCode.issued_at > now - LIFETIME, PreAuthorizedCode.tries < TRIES)
    return session.scalar(select(PreAuthorizedCode).where(PreAuthorizedCode.code_hash == _hash(unverified_code), *live))


def redeem(session: Session, unverified_code: str, unverified_tx_code: str | None, *, now: datetime) -> PreAuthorizedCode | None:
    """Spend a code and return what it stands for; None if it is unknown, spent or expired, or the transaction code is wrong.

    A try is counted, in one statement that locks the row, before the transaction code is looked at: two hundred who guess at once have
    five tries between them. Of those who are right one spends the code.
    """
    mine = PreAuthorizedCode.code_hash == _hash(unverified_code)
    live = (PreAuthorizedCode.spent_at.is_(None), PreAuthorizedCode.issued_at > now - LIFETIME, PreAuthorizedCode.tries < TRIES)
    counted = update(PreAuthorizedCode).where(mine, *live).values(tries=PreAuthorizedCode.tries + 1)
    found = session.scalars(counted.returning(PreAuthorizedCode).execution_options(populate_existing=True)).one_or_none()
    if found is None or not _is_right(found, unverified_code, unverified_tx_code):
        return None
    spent = update(PreAuthorizedCode).where(mine, PreAuthorizedCode.spent_at.is_(None)).values(spent_at=now)
    return session.scalars(spent.returning(PreAuthorizedCode)).one_or_none()


def forget(*, now: datetime) -> None:
    """Forget codes that nobody can bring any more."""
    prune(PreAuthorizedCode, PreAuthorizedCode.issued_at < now - REMEMBERED)


def _is_right(code: PreAuthorizedCode, unverified_code: str, unverified_tx_code: str | None) -> bool:
    if code.tx_code_mac is None:
        return unverified_tx_code is None
    return unverified_tx_code is not None and hmac.compare_digest(code.tx_code_mac, _mac(unverified_code, unverified_tx_code))


def _hash(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()


def _mac(code: str, tx_code: str) -> bytes:
    return hmac.digest(code.encode(), tx_code.encode(), hashlib.sha256)
