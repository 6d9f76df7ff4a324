"""What wallets tell of credentials that they were issued (OpenID4VCI 1.0 section 11): stored, not stored, or turned down by the person.

What was not stored is of no use to anyone: its places are set to invalid, so that it takes no room from those that live.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.orm import Session

from idp.oauth.compact import NotCompact, read_object
from wallet.issuing.oid4vci import elsewhere
from wallet.issuing.oid4vci.elsewhere import DELETED, FAILED, CredentialElsewhere
from wallet.issuing.oid4vci.errors import InvalidNotificationId, InvalidNotificationRequest
from wallet.issuing.oid4vci.issuing import Wallet

ACCEPTED = "credential_accepted"
ENDING = {"credential_failure": FAILED, "credential_deleted": DELETED}
EVENTS = (ACCEPTED, *ENDING)
LONGEST = 16 * 1024
DESCRIPTION = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]{0,1000}")


@dataclass(frozen=True, slots=True)
class Told:
    """A notification: of which issuance, and what happened."""

    unverified_id: str
    event: str


def read(body: bytes, *, mimetype: str) -> Told:
    """Read a notification; raises InvalidNotificationRequest. The description is looked at and not kept: a stranger may write anything into it."""
    try:
        document = read_object(body) if len(body) <= LONGEST and mimetype == "application/json" else {}
    except NotCompact as error:
        raise InvalidNotificationRequest("The notification is not one JSON object.") from error
    notification_id, event = document.get("notification_id"), document.get("event")
    if not isinstance(notification_id, str) or not notification_id:
        raise InvalidNotificationRequest("notification_id is missing; send application/json.")
    if event not in EVENTS:
        raise InvalidNotificationRequest("event is none of " + ", ".join(EVENTS) + ".")
    if not _is_description(document.get("event_description", "")):
        raise InvalidNotificationRequest("event_description is no ASCII text, or too long.")
    return Told(notification_id, str(event))


def note(session: Session, told: Told, *, wallet: Wallet, now: datetime) -> None:
    """Note what a wallet told, as often as it tells it; raises InvalidNotificationId where the issuance is not its own."""
    try:
        batch_id = UUID(told.unverified_id)
    except ValueError as error:
        raise InvalidNotificationId() from error
    mine = (CredentialElsewhere.holder_id == wallet.holder_id, CredentialElsewhere.batch_id == batch_id)
    noted = update(CredentialElsewhere).where(*mine, CredentialElsewhere.client_id == wallet.client_id).values(told=told.event)
    if not session.execute(noted.returning(CredentialElsewhere.id).execution_options(synchronize_session=False)).all():
        raise InvalidNotificationId()
    if told.event in ENDING:
        elsewhere.end_batch(session, holder_id=wallet.holder_id, batch_id=batch_id, why=ENDING[told.event], now=now)


def _is_description(value: Any) -> bool:
    return isinstance(value, str) and DESCRIPTION.fullmatch(value) is not None
