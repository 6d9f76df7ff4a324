"""Credential offers: a holder, or the department that has just issued, invites a wallet to fetch a licence (OpenID4VCI 1.0 section 4).

An offer is good for five minutes. By reference it is fetched at an address of 256 random bits, five times at most, so that a picture that
somebody has taken is soon worth nothing; by value it stands in the link itself. With a pre-authorized code the wallet needs no sign-in, and the
transaction code that goes with it is told by another way; with an `issuer_state` alone the person signs in, and what they then allow is this licence.
"""

import hashlib
import json
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.oauth import resources
from idp.oauth.clients import AUTHORIZATION_CODE, PRE_AUTHORIZED_CODE
from idp.oauth.exchange import pre_authorized
from idp.oauth.exchange.pre_authorized import PreAuthorizedCode
from idp.oauth.grantees import Grantee
from idp.oauth.requests import authorization_details
from idp.oauth.requests.authorization_details import Detail, Details
from idp.oauth.server import OAuthRequest
from keys import sealed_tables, sealing
from runtime import ledger
from runtime.database import Base, prune
from runtime.ids import new_id
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings
from wallet.issuing.credential_details import CONFIGURATION, IDENTIFIERS, OPENID_CREDENTIAL
from wallet.issuing.oid4vci import identifiers
from wallet.issuing.oid4vci.configurations import find_configuration, of_type
from wallet.register.catalogue import get_type
from wallet.register.licences import Licence

LIFETIME, REMEMBERED = pre_authorized.LIFETIME, timedelta(hours=1)
MOST_FETCHES = 5
REFERENCE_BYTES = 32
REFERENCE = re.compile(r"[A-Za-z0-9_-]{43}")
SCHEMES = ("openid-credential-offer://", "haip-vci://")
CODE = "code_sealed"
TX_CODE = Text("六位数字，显示在您领取凭证的页面上", "Six digits, shown on the page where you asked for the credential")


class OfferNotFound(Refusal):
    """There is no such offer, or it is over."""

    code, status, title = "offer-not-found", 404, Text("没有此领取邀请，或已失效。", "There is no such offer, or it is over.")


class CredentialOffer(Base):
    """An offer: of which licence, to whom, with which code, and how often it was fetched. Of its reference only the hash is kept."""

    __tablename__ = "credential_offers"
    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    licence_id: Mapped[UUID]
    person_id: Mapped[UUID]
    reference_hash: Mapped[bytes] = mapped_column(unique=True)
    configurations: Mapped[list[str]]
    code_sealed: Mapped[bytes | None]
    code_hash: Mapped[bytes | None]
    has_tx_code: Mapped[bool]
    fetches: Mapped[int]
    made_at: Mapped[datetime] = mapped_column(index=True)
    taken_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]


sealed_tables.declare(CredentialOffer, sealed={CODE: CODE})


@dataclass(frozen=True, slots=True)
class Made:
    """An offer as whoever made it is given it: its reference, and the transaction code, which nobody is given twice."""

    id: UUID
    reference: str
    tx_code: str | None
    document: dict[str, Any]

    def uri(self, settings: Settings) -> str:
        """Return the address that the offer is fetched at."""
        return _uri(self.reference, settings)

    def link(self, settings: Settings, scheme: str = SCHEMES[0]) -> str:
        """Return the link that hands the offer to a wallet, by reference."""
        return link_to(self.reference, settings, scheme)

    def link_by_value(self, scheme: str = SCHEMES[0]) -> str:
        """Return the link that carries the whole offer."""
        return f"{scheme}?{urlencode({'credential_offer': json.dumps(self.document, separators=(',', ':'))})}"


def link_to(reference: str, settings: Settings, scheme: str = SCHEMES[0]) -> str:
    """Return the link to an offer, by a wallet's own scheme or at its https address."""
    return f"{scheme}?{urlencode({'credential_offer_uri': _uri(reference, settings)})}"


def make(session: Session, licence: Licence, grantee: Grantee, *, pre_authorize: bool, settings: Settings, actor: str, now: datetime) -> Made:
    """Make an offer of a licence in all its forms, to one of its holders; one of the same licence to them that still waited is withdrawn by it."""
    withdraw_waiting(session, holder_id=grantee.holder_id, licence_id=licence.id, now=now)
    configurations = of_type(get_type(licence.type_code))
    details = [{"type": OPENID_CREDENTIAL, CONFIGURATION: one.id, IDENTIFIERS: [identifiers.of_licence(licence.id, one)]} for one in configurations]
    offer_id, reference = new_id(), secrets.token_urlsafe(REFERENCE_BYTES)
    code, tx_code = None, None
    if pre_authorize:
        code, tx_code = pre_authorized.issue(session, grantee, client_id=None, authorization_details=details, tx_code=True, now=now)
    row = CredentialOffer(
        holder_id=grantee.holder_id,
        id=offer_id,
        licence_id=licence.id,
        person_id=grantee.person_id,
        reference_hash=_hash(reference),
        configurations=[one.id for one in configurations],
        code_sealed=sealing.seal(code, table=CredentialOffer.__tablename__, column=CODE, row=offer_id) if code else None,
        code_hash=_hash(code) if code else None,
        has_tx_code=tx_code is not None,
        fetches=0,
        made_at=now,
        taken_at=None,
        withdrawn_at=None,
    )
    session.add(row)
    ledger.record(session, "credential.offered", actor=actor, object_id=licence.id, subject_id=grantee.holder_id, now=now, type=licence.type_code)
    return Made(offer_id, reference, tx_code, _document(row, code, reference, settings))


def fetch(session: Session, unverified_reference: str, *, settings: Settings, now: datetime) -> dict[str, Any]:
    """Return an offer to whoever knows its reference, five times at most, counted in one statement; raises OfferNotFound."""
    if not REFERENCE.fullmatch(unverified_reference):
        raise OfferNotFound
    mine = (CredentialOffer.reference_hash == _hash(unverified_reference), CredentialOffer.fetches < MOST_FETCHES)
    counted = update(CredentialOffer).where(*mine, *_open(now)).values(fetches=CredentialOffer.fetches + 1).returning(CredentialOffer)
    row = session.scalars(counted.execution_options(populate_existing=True)).one_or_none()
    if row is None:
        raise OfferNotFound
    code = sealing.unseal(row.code_sealed, table=row.__tablename__, column=CODE, row=row.id) if row.code_sealed is not None else None
    return _document(row, code, unverified_reference, settings)


def take(session: Session, unverified_state: str, *, holder_id: UUID, now: datetime) -> CredentialOffer | None:
    """Use the offer up that an authorization request names as `issuer_state`, once; None if it is not an open one to this holder.

    Who brings it need not have been given it (section 5.1.3): it narrows what a person allows, and gives nothing by itself.
    """
    if not REFERENCE.fullmatch(unverified_state):
        return None
    mine = (CredentialOffer.holder_id == holder_id, CredentialOffer.reference_hash == _hash(unverified_state), CredentialOffer.code_hash.is_(None))
    taken = update(CredentialOffer).where(*mine, CredentialOffer.taken_at.is_(None), *_open(now)).values(taken_at=now).returning(CredentialOffer)
    return session.scalars(taken.execution_options(populate_existing=True)).one_or_none()


def withdraw_waiting(session: Session, *, holder_id: UUID, licence_id: UUID, now: datetime) -> None:
    """Withdraw the offers of a licence that still wait, and their codes with them."""
    waiting = (CredentialOffer.holder_id == holder_id, CredentialOffer.licence_id == licence_id, CredentialOffer.taken_at.is_(None))
    gone = update(CredentialOffer).where(*waiting, *_open(now)).values(withdrawn_at=now).returning(CredentialOffer.code_hash)
    hashes = [one for one in session.scalars(gone) if one is not None]
    if hashes:
        theirs = (PreAuthorizedCode.code_hash.in_(hashes), PreAuthorizedCode.spent_at.is_(None))
        session.execute(update(PreAuthorizedCode).where(*theirs).values(spent_at=now))


def forget(*, now: datetime) -> None:
    """Forget offers that are long over."""
    prune(CredentialOffer, CredentialOffer.made_at < now - REMEMBERED)


def find(session: Session, offer_id: UUID, *, holder_id: UUID) -> CredentialOffer | None:
    """Return an offer of a holder's."""
    return session.get(CredentialOffer, (holder_id, offer_id))


def is_taken(session: Session, offer: CredentialOffer) -> bool:
    """Whether a wallet has taken an offer up."""
    if offer.code_hash is None:
        return offer.taken_at is not None
    spent = select(PreAuthorizedCode.spent_at).where(PreAuthorizedCode.code_hash == offer.code_hash)
    return offer.withdrawn_at is None and session.scalar(spent) is not None


def narrow(request: OAuthRequest, details: Details) -> Details:
    """Return what a person allowed a wallet, narrowed to the licence of the offer that the request names, if it is one to them."""
    state = request.payload.data.get("issuer_state")
    offer = take(request.session, state, holder_id=request.user.holder_id, now=request.now) if state else None
    if offer is None:
        return details
    return tuple(_narrowed(one, offer) for one in details)


def _narrowed(detail: Detail, offer: CredentialOffer) -> Detail:
    configuration = find_configuration(detail.get(CONFIGURATION, "")) if detail["type"] == OPENID_CREDENTIAL else None
    if configuration is None or configuration.id not in offer.configurations:
        return detail
    return {**detail, IDENTIFIERS: [identifiers.of_licence(offer.licence_id, configuration)]}


def _uri(reference: str, settings: Settings) -> str:
    return f"{settings.public_url}/offers/{reference}"


def _open(now: datetime) -> tuple[Any, ...]:
    return CredentialOffer.made_at > now - LIFETIME, CredentialOffer.withdrawn_at.is_(None)


def _document(row: CredentialOffer, code: str | None, reference: str, settings: Settings) -> dict[str, Any]:
    """Return the offer (section 4.1.1)."""
    grant: dict[str, Any] = {"issuer_state": reference}
    if code is not None:
        wanted = {"length": pre_authorized.TX_DIGITS, "input_mode": "numeric", "description": f"{TX_CODE.zh} / {TX_CODE.en}"}
        grant = {"pre-authorized_code": code, **({"tx_code": wanted} if row.has_tx_code else {})}
    return {
        "credential_issuer": resources.credential_issuer(settings),
        "credential_configuration_ids": row.configurations,
        "grants": {PRE_AUTHORIZED_CODE if code is not None else AUTHORIZATION_CODE: grant},
    }


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


authorization_details.narrowing.append(narrow)
