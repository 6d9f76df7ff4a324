"""A client of ping mode hears that there is an answer, and nothing of what it is (CIBA Core section 10.2)."""

import json
from uuid import UUID

import structlog
from flask import current_app
from sqlalchemy.orm import Session

from idp.oauth.apart.waiting import TABLE, ApartRequest
from idp.oauth.clients import find_client
from keys import sealing
from runtime import jobs, outbound
from runtime.clock import now
from runtime.database import transaction
from runtime.settings import Settings

log = structlog.get_logger(__name__)
TIMEOUT = 8.0


class PingNotDelivered(Exception):
    """A client could not be told that there is an answer; the job is run again."""


def ask_for_ping(session: Session, row: ApartRequest) -> None:
    """Have the client told once this transaction commits, if it wants to be."""
    if row.ping_sealed is not None:
        jobs.defer(session, "ping_client", request_id=str(row.id))


@jobs.outward
def ping_client(request_id: str) -> None:
    """Tell a client of its answer; raises PingNotDelivered, to be run again, if it does not hear. Redirects are not followed."""
    with transaction() as session:
        row = session.get(ApartRequest, UUID(request_id))
    if row is None or row.ping_sealed is None or row.spent_at is not None or row.expires_at <= now():
        return
    client = find_client(row.client_id)
    uri = client.metadata.backchannel_client_notification_endpoint if client else None
    if uri is None:
        return
    told = json.loads(sealing.unseal(row.ping_sealed, table=TABLE, column="ping", row=row.id))
    status = _tell(uri, told, client_id=row.client_id)
    if status >= 500 or status == 429:
        raise PingNotDelivered(f"{row.client_id}: {status}")
    if status not in (200, 204):
        log.warning("a ping was refused by the client", client=row.client_id, status=status)


def _tell(uri: str, told: dict[str, str], *, client_id: str) -> int:
    settings: Settings = current_app.extensions["kabao_settings"]
    headers = {"Authorization": f"Bearer {told['token']}", "Content-Type": "application/json"}
    body = json.dumps({"auth_req_id": told["auth_req_id"]}).encode()
    try:
        return outbound.fetch("POST", uri, body=body, headers=headers, allowed=outbound.allowed_by(settings), timeout=TIMEOUT, limit=0).status
    except outbound.NoAnswer as none:
        raise PingNotDelivered(f"{client_id}: {none}") from none
