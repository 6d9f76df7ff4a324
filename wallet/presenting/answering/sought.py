"""Which of a wallet's licences a request is about: the newest few in force of the types that it names, whatever else the wallet holds.

Of a wallet with more of them, the others are reached by their numbers: those that the request itself names, and one that the holder looks up. Only
whole numbers are found, by their index; no licence is opened for it.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from idp.signin.sessions import SignedIn
from runtime.settings import Settings
from wallet.issuing import w3c_types
from wallet.issuing.contents import type_uri
from wallet.presenting.dcql import CredentialQuery, Query
from wallet.presenting.dcql_reading import MDOC, SD_JWT_VC, VC_JWT
from wallet.register.catalogue import all_types
from wallet.register.definitions import LicenceType
from wallet.register.licences import Licence, LicenceState, china_date, find_all_held, find_numbered, in_state, newest_held

MOST, MOST_EACH, MOST_NAMED = 100, 30, 32
LONGEST_NUMBER = 128
LICENCE_NUMBER = "licence_number"


@dataclass(frozen=True, slots=True)
class Sought:
    """The licences that a query could mean, the newest first, and the credential queries of which the wallet has more than stand here."""

    licences: tuple[Licence, ...]
    with_more: frozenset[str]


def sought_in(session: Session, settings: Settings, viewer: SignedIn, query: Query, *, now: datetime, also: Collection[UUID] = ()) -> Sought:
    """Return the licences in force of a wallet that a query could mean, within what its viewer may show; `also` some of it that were picked before.

    Each credential query has its own few, so that many licences of one type keep none of another from being found.
    """
    valid = in_state(LicenceState.VALID, today=china_date(now))
    wanted = {one.id: _codes(settings, viewer, one) for one in query.credentials}
    each = min(MOST_EACH, MOST // len(set(wanted.values())))
    found = {codes: _newest(session, viewer, codes, valid, each=each) for codes in dict.fromkeys(wanted.values()) if codes}
    few = [one for licences in found.values() for one in licences[:each]]
    few += [one for one in find_all_held(session, list(also)[:MOST_NAMED], holder_id=viewer.holder_id) if _is_showable(one, viewer, now=now)]
    few += look_up(session, viewer, list(_numbers_in(query))[:MOST_NAMED], now=now)
    ordered = sorted({one.id: one for one in few}.values(), key=lambda one: one.id, reverse=True)
    return Sought(tuple(ordered), frozenset(name for name, codes in wanted.items() if len(found.get(codes, ())) > each))


def look_up(session: Session, viewer: SignedIn, licence_numbers: Collection[str], *, now: datetime) -> list[Licence]:
    """Return the licences of a wallet with one of some numbers that its viewer may show now."""
    found = find_numbered(session, licence_numbers, holder_id=viewer.holder_id, limit=MOST_NAMED) if licence_numbers else []
    return [one for one in found if _is_showable(one, viewer, now=now)]


def is_asked(settings: Settings, query: CredentialQuery, licence_type: LicenceType) -> bool:
    """Whether a credential query takes licences of a type, in its form."""
    names = NAMES.get(query.format)
    return names is not None and query.takes_type(names(settings, licence_type))


NAMES: dict[str, Callable[[Settings, LicenceType], frozenset[str]]] = {
    SD_JWT_VC: lambda settings, one: frozenset({type_uri(settings, one)}),
    MDOC: lambda _, one: frozenset({one.doctype}),
    VC_JWT: lambda _, one: w3c_types.names_of(one.slug),
}


def _codes(settings: Settings, viewer: SignedIn, query: CredentialQuery) -> frozenset[str]:
    return frozenset(one.code for one in all_types() if viewer.allows_type(one.code) and is_asked(settings, query, one))


def _newest(session: Session, viewer: SignedIn, codes: frozenset[str], valid: Iterable[ColumnElement[bool]], *, each: int) -> list[Licence]:
    return newest_held(session, Licence.type_code.in_(sorted(codes)), *valid, holder_id=viewer.holder_id, limit=each + 1)


def _is_showable(licence: Licence, viewer: SignedIn, *, now: datetime) -> bool:
    return licence.state_at(now) is LicenceState.VALID and viewer.allows_type(licence.type_code)


def _numbers_in(query: Query) -> Iterator[str]:
    """Return the licence numbers that a query names as what will do."""
    for claim in (claim for one in query.credentials for claim in one.claims):
        if claim.path[-1] == LICENCE_NUMBER:
            yield from (value for value in claim.values or () if isinstance(value, str) and len(value) <= LONGEST_NUMBER)
