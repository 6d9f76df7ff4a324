"""Issuing to a wallet: one credential for each key, each with its own place, salts and signature, and nothing between them to be linked by.

The licence's row is locked while that is done, so that a revocation finds every credential, and a credential every revocation.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from keys import certificates, ring, suites
from keys.ring import KeyNotReady
from runtime import ledger
from runtime.ids import new_id
from runtime.settings import Settings
from wallet.issuing import status_lists
from wallet.issuing.contents import Content, content_of
from wallet.issuing.formats import as_text
from wallet.issuing.oid4vci import elsewhere
from wallet.issuing.oid4vci.configurations import Configuration
from wallet.issuing.oid4vci.errors import CredentialRequestDenied
from wallet.issuing.status_lists import Place
from wallet.issuing.status_places import take_one
from wallet.register.catalogue import LicenceType
from wallet.register.licences import Licence


@dataclass(frozen=True, slots=True)
class Issued:
    """What a wallet gets: its credentials, as they are sent, and what they are called together."""

    batch_id: UUID
    credentials: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the response (section 8.3)."""
        return {"credentials": [{"credential": one} for one in self.credentials], "notification_id": str(self.batch_id)}


class NotReady(Exception):
    """The credential cannot be issued yet: the wallet is to come again."""


@dataclass(frozen=True, slots=True)
class Wallet:
    """Who asks: the client, the holder whose licence it is, and the person in whose hand the wallet is."""

    client_id: str
    holder_id: UUID
    person_id: UUID


def warm(settings: Settings, licence_type: LicenceType, issuer: str | None, *, now: datetime) -> None:
    """Have at hand what issuing needs besides the licence, before its row is locked.

    What this process does not keep is read by a connection of its own: whoever held the row and waited for one, while all the others were held by
    those who wait for the row, would wait for ever.
    """
    status_lists.open_list(settings, now=now, bits=status_lists.bits_for(licence_type))
    with suppress(KeyNotReady):
        ring.signer(certificates.department_use(issuer or ""))


def issue(
    session: Session,
    settings: Settings,
    licence: Licence,
    configuration: Configuration,
    *,
    keys: Iterable[dict[str, str]],
    wallet: Wallet,
    now: datetime,
    claims: frozenset[str] | None = None,
) -> Issued:
    """Issue a credential of a licence, whose row the caller has locked, for each key; raises CredentialRequestDenied, NotReady.

    It says of the licence no more than the `claims` that were allowed, where not all were.
    """
    bound, batch_id = list(keys), new_id()
    if not elsewhere.make_room(session, licence, holder_id=wallet.holder_id, client_id=wallet.client_id, count=len(bound), now=now):
        raise CredentialRequestDenied("The licence is in as many wallets as it may be: its holder has to take it back from one.")
    content = _within(content_of(session, settings, licence, holder_id=wallet.holder_id), claims)
    list_id = status_lists.open_list(settings, now=now, bits=status_lists.bits_for(content.licence_type))
    ends = [one for one in (content.expires_at, now + settings.credential_lifetime) if one is not None]
    rows, texts = [], []
    for key in bound:
        place = take_one(session, list_id)
        texts.append(_make(settings, content, configuration, key=key, place=place, now=now))
        rows.append(_row(licence, configuration, batch_id=batch_id, key=key, place=place, wallet=wallet, now=now) | {"expires_at": min(ends)})
    elsewhere.add(session, rows)
    ledger.record(
        session,
        "credential.issued",
        actor=f"client:{wallet.client_id}",
        object_id=licence.id,
        subject_id=wallet.holder_id,
        now=now,
        format=configuration.format.name,
        count=len(rows),
        type=licence.type_code,
    )
    return Issued(batch_id, tuple(texts))


def _within(content: Content, claims: frozenset[str] | None) -> Content:
    """Return as much of a content as was allowed."""
    if claims is None:
        return content
    return replace(content, values={name: value for name, value in content.values.items() if name in claims})


def _make(settings: Settings, content: Content, configuration: Configuration, *, key: dict[str, str], place: Place, now: datetime) -> str:
    try:
        return as_text(configuration.format.make(settings, content, holder_key=dict(key), place=place, now=now))
    except KeyNotReady as error:
        raise NotReady from error


def _row(licence: Licence, configuration: Configuration, *, batch_id: UUID, key: dict[str, str], place: Place, wallet: Wallet, now: datetime) -> Any:
    return {
        "holder_id": wallet.holder_id,
        "id": new_id(),
        "licence_id": licence.id,
        "batch_id": batch_id,
        "client_id": wallet.client_id,
        "person_id": wallet.person_id,
        "format": configuration.format.name,
        "key_thumbprint": suites.thumbprint(key),
        "status_list": place.list_id,
        "status_index": place.index,
        "issued_at": now,
        "told": None,
        "ended_at": None,
        "ended_why": None,
    }
