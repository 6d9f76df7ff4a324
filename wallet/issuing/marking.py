"""What the credentials of a licence say of it after an act, in the status lists: those of every holder, wherever they are kept, and of documents."""

from sqlalchemy.orm import Session

from wallet.issuing import status_lists
from wallet.issuing.credentials import credentials_of
from wallet.issuing.documents import kept
from wallet.issuing.oid4vci import elsewhere
from wallet.register.acts import CredentialStatus
from wallet.register.licences import Licence

STATUSES: dict[CredentialStatus, int] = {"valid": status_lists.VALID, "suspended": status_lists.SUSPENDED, "invalid": status_lists.INVALID}


def mark(session: Session, licence: Licence, status: CredentialStatus | None) -> None:
    """Change the status of every credential of a licence; None changes nothing, and what is invalid stays so."""
    if status is None:
        return
    places = (*(one.place for one in credentials_of(session, licence)), *elsewhere.places_of(session, licence), *kept.places_of(session, licence))
    status_lists.set_statuses(session, places, STATUSES[status])
