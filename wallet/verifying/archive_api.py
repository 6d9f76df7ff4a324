"""For departments' systems: an archive of the department's receipts."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from flask import Response, current_app, g, request, stream_with_context

from idp.oauth.callers import bearer
from idp.signin import throttle
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.openapi import FILE, ApiBlueprint
from runtime.pages import csrf
from runtime.seats import take_long_seat
from runtime.settings import Settings
from schemas.receipts import ArchiveQuerySchema
from wallet.verifying import archiving
from wallet.verifying.archiving import Period

archives_api = ApiBlueprint("archives", __name__, description="Archives of receipts.")
csrf.exempt(archives_api)
MEDIA_TYPE, DOOR = "application/zip", "/api/v1/receipts:bundle"


@archives_api.route("/receipts:bundle", methods=["GET"])
@allow(bearer("receipts"))
@archives_api.doc(security=[{"department": ["receipts"]}])
@archives_api.arguments(ArchiveQuerySchema, location="query")
@archives_api.response(200, FILE, content_type=MEDIA_TYPE)
def bundle(query: dict[str, Any]) -> Response:
    """Give the department's receipts of some time as a ZIP for its electronic archive, 10,000 at most, that `kabao receipt verify` checks offline.

    In it: each receipt, its proof, the checkpoints, certificates, revocation lists and roots, and a signed manifest of digests.
    """
    period = Period(g.token.department, query["since"], query["until"])
    return give(period, actor=f"department:{g.token.department}", account=g.token.client_id)


def give(period: Period, *, actor: str, account: str) -> Response:
    """Return the archive of a period as it is made; raises what `archiving.begin` does, SlowDown."""
    settings: Settings = current_app.extensions["kabao_settings"]
    moment = now()
    with transaction() as session:
        throttle.count(session, throttle.Try("archive", account, request.remote_addr or ""), now=moment)
    with transaction() as session:
        period = archiving.begin(session, period, actor=actor, now=moment)
    headers = {"Content-Disposition": f'attachment; filename="{_file_name(period)}"', "Cache-Control": "no-store"}
    seat = take_long_seat(DOOR)
    pieces: Iterator[bytes] = stream_with_context(seat.leave_after(archiving.write(settings, period, now=moment)))
    return seat.leave_with(Response(pieces, content_type=MEDIA_TYPE, headers=headers))


def _file_name(period: Period) -> str:
    return f"receipts-{_day(period.since)}-{_day(period.until)}.zip"


def _day(moment: datetime) -> str:
    return f"{moment:%Y%m%dT%H%M}"
