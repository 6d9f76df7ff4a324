"""Whose word counts besides ours: identity systems of departments whose signed assertions a client may bring (RFC 7521, RFC 7523).

The operator says who: one row an issuer and client, with the issuer's keys and the scopes that its word is good for. Kept in the process
and cleared by a change. An assertion is no proof of a sign-in: it says who someone is, and what the person consented to says the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.oauth import scopes
from idp.oauth.clients import JWT_BEARER, find_client
from idp.oauth.key_sets import ClientKey, read_key_set
from runtime import cache, ledger
from runtime.database import Base, transaction
from runtime.languages import Text
from runtime.problems import Refusal

TOPIC = "trusted issuers"
LONGEST = 200
WANTED = {
    "issuer": "1 to 200 printable characters",
    "client_id": "a client that is open, with the grant jwt-bearer",
    "scopes": "some that the client has, too",
    "jwks": "a key set of one to ten public keys",
}


class IssuerRefused(Refusal):
    """An issuer cannot be trusted like this; `field` says why."""

    code, status, title = "issuer-refused", 422, Text("受信任签发方的登记信息有误。", "This issuer cannot be trusted so.")


class TrustedIssuer(Base):
    """An issuer whose assertions one client may bring, and what they are good for at most."""

    __tablename__ = "trusted_issuers"
    client_id: Mapped[str] = mapped_column(primary_key=True)
    issuer: Mapped[str] = mapped_column(primary_key=True)
    jwks: Mapped[dict[str, Any]]
    scopes: Mapped[list[str]]
    added_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Trust:
    """What the word of an issuer is good for at one client."""

    issuer: str
    keys: tuple[ClientKey, ...]
    scopes: tuple[str, ...]


def find_trust(client_id: str, issuer: str) -> Trust | None:
    """Return the trust in an issuer at a client, kept in the process, or None."""
    return cache.get(TOPIC, (client_id, issuer), lambda: _load(client_id, issuer))


def trust(session: Session, *, issuer: str, client_id: str, jwks: dict[str, Any], asked: Sequence[str], now: datetime) -> None:
    """Trust an issuer at a client from now on, or on other terms than before; raises IssuerRefused."""
    client = find_client(client_id)
    wrong = {
        "issuer": not 0 < len(issuer) <= LONGEST or not issuer.isprintable(),
        "client_id": client is None or not client.check_grant_type(JWT_BEARER),
        "scopes": client is None or not asked or not set(asked) <= set(client.scopes) & set(scopes.ALL),
        "jwks": not _are_keys(jwks),
    }
    for field, is_wrong in wrong.items():
        if is_wrong:
            raise IssuerRefused(f"{field} is not acceptable: {WANTED[field]}", field=field)
    values = {"jwks": jwks, "scopes": list(asked), "added_at": now}
    row = insert(TrustedIssuer).values(client_id=client_id, issuer=issuer, **values)
    session.execute(row.on_conflict_do_update(index_elements=["client_id", "issuer"], set_=values))
    ledger.record(session, "issuer.trusted", actor="operator", object_id=client_id, now=now, issuer=issuer, scopes=list(asked))
    cache.changed(session, TOPIC)


def distrust(session: Session, *, issuer: str, client_id: str, now: datetime) -> None:
    """Trust an issuer no longer at a client; raises IssuerRefused if it never was."""
    gone = delete(TrustedIssuer).where(TrustedIssuer.client_id == client_id, TrustedIssuer.issuer == issuer).returning(TrustedIssuer.issuer)
    if session.scalar(gone) is None:
        raise IssuerRefused("no such issuer at this client", field="issuer")
    ledger.record(session, "issuer.distrusted", actor="operator", object_id=client_id, now=now, issuer=issuer)
    cache.changed(session, TOPIC)


def listed(session: Session) -> list[TrustedIssuer]:
    """Return every trust, by client and issuer."""
    return list(session.scalars(select(TrustedIssuer).order_by(TrustedIssuer.client_id, TrustedIssuer.issuer)))


def _are_keys(jwks: dict[str, Any]) -> bool:
    try:
        return bool(read_key_set(jwks).signing)
    except ValueError:
        return False


def _load(client_id: str, issuer: str) -> Trust | None:
    with transaction() as session:
        row = session.get(TrustedIssuer, (client_id, issuer))
    return Trust(row.issuer, read_key_set(row.jwks).signing, tuple(row.scopes)) if row is not None else None
