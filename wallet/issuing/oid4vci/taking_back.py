"""A holder takes a licence back from a wallet: its credentials become invalid, and the wallet cannot fetch new ones by itself."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from idp.oauth import cutoffs, refresh_tokens
from idp.oauth.grantees import Grantee
from idp.oauth.refresh_tokens import RefreshFamily
from idp.oauth.terms import Terms
from idp.subjects import mandates
from idp.subjects.mandates import GivenMandate
from wallet.issuing.credential_details import CONFIGURATION
from wallet.issuing.oid4vci import elsewhere
from wallet.issuing.oid4vci.configurations import of_type
from wallet.register.catalogue import get_type
from wallet.register.licences import Licence, hold_licence


def take_back(session: Session, licence: Licence, grantee: Grantee, *, client_id: str, now: datetime) -> int:
    """End a licence's credentials in a wallet and the tokens by which it would fetch more; returns how many credentials that were.

    The licence is held, so that what is just being issued to the wallet ends as well.
    """
    hold_licence(session, licence.id)
    forms = {one.id for one in of_type(get_type(licence.type_code))}
    theirs = (RefreshFamily.holder_id == grantee.holder_id, RefreshFamily.client_id == client_id, RefreshFamily.ended_at.is_(None))
    for family in session.scalars(select(RefreshFamily).where(*theirs)).all():
        if _is_for(family.terms, forms):
            refresh_tokens.end_family(session, family.id, why="credential taken back", now=now)
    cutoffs.cut_consent(session, grantee.holder_id, client_id, now=now)  # and the ten minutes of those that began with no family
    who = {"holder_id": grantee.holder_id, "person_id": grantee.person_id}
    return elsewhere.take_back(session, licence_id=licence.id, client_id=client_id, now=now, **who)


def _is_for(terms: Terms, forms: set[str]) -> bool:
    return any(one.get(CONFIGURATION) in forms for one in terms.authorization_details)


def _on_mandate_end(session: Session, given: GivenMandate, now: datetime) -> None:
    """Take from a person's wallets what they fetched for whom they may act for no longer."""
    elsewhere.end_of_hand(session, holder_id=given.holder_id, person_id=given.person_id, now=now)


mandates.on_mandate_end.append(_on_mandate_end)
