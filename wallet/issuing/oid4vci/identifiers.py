"""Credential identifiers: one for each licence of a holder in each form (OpenID4VCI 1.0 section 6.2).

A licence's own id, and the format where it is not the usual one. Where the holder has none of a type, the configuration's identifier stands for
the one that they will have: a wallet that was allowed a type before the licence is issued need not ask the person again.
"""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from wallet.issuing.oid4vci.configurations import Configuration, suffix_of
from wallet.register.licences import Licence, LicenceState, find_held, held_by

MOST = 10
MOST_SUCCESSORS = 50
PRESENT = (LicenceState.VALID.value, LicenceState.SUSPENDED.value)


def of_licence(licence_id: UUID, configuration: Configuration) -> str:
    """Return the identifier of a licence in a form."""
    return f"{licence_id}{suffix_of(configuration.format.name)}"


def of_holder(session: Session, configuration: Configuration, *, holder_id: UUID) -> list[str]:
    """Return the identifiers of the licences of a type that a holder has, the newest first and at most ten; never none."""
    fitting = (Licence.type_code == configuration.licence_type.code, Licence.state.in_(PRESENT))
    found = session.scalars(select(Licence.id).where(held_by(holder_id, *fitting), *fitting).order_by(Licence.id.desc()).limit(MOST))
    return [of_licence(licence_id, configuration) for licence_id in found] or [configuration.id]


def followed(session: Session, named: Iterable[str], *, holder_id: UUID) -> list[str]:
    """Return identifiers that were given before, each licence that another has succeeded replaced by that one: what a wallet is to have now."""
    return [_followed(session, one, holder_id=holder_id) for one in named]


def licence_of(identifier: str, configuration: Configuration) -> UUID | None:
    """Return the id of the licence that an identifier of a configuration is for; None if it stands for whichever there is."""
    text = identifier.removesuffix(suffix_of(configuration.format.name))
    try:
        return UUID(text)
    except ValueError:
        return None


def _followed(session: Session, identifier: str, *, holder_id: UUID) -> str:
    text, dot, form = identifier.partition(".")
    try:
        licence = find_held(session, UUID(text), holder_id=holder_id)
    except ValueError:
        return identifier
    for _ in range(MOST_SUCCESSORS):
        following = find_held(session, licence.successor_id, holder_id=holder_id) if licence is not None and licence.successor_id else None
        if following is None:
            break
        licence = following
    return f"{licence.id}{dot}{form}" if licence is not None else identifier
