"""What waits under a dynamic code, together with how its licence stands, and whoever of its holders made the code: read by one statement, which
spends nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, select

from idp.subjects.directory import Subject
from runtime.straight import Alone, Straight
from wallet.issuing.credentials import Credential
from wallet.issuing.status_lists import StatusEntry
from wallet.presenting import qr_codes
from wallet.presenting.qr_codes import STANDS_FOR, STILL_WAITS, Presentation, Redeemed
from wallet.register.licences import Licence
from wallet.verifying.standings import STANDS, Entry, Known, Standing
from wallet.verifying.trusting import current_trust

# One row for each credential of the licence, which is one but for old wallets; with nothing but the first columns if it has none.
WAITING = Straight(
    "waiting_code",
    select(*STANDS_FOR, Licence.identifier, StatusEntry.list_id, StatusEntry.index, *STANDS)
    .select_from(Presentation)
    .outerjoin(Credential, and_(Credential.holder_id == Presentation.holder_id, Credential.licence_id == Presentation.licence_id))
    .outerjoin(StatusEntry, and_(StatusEntry.list_id == Credential.status_list, StatusEntry.index == Credential.status_index))
    .outerjoin(Licence, Licence.id == Presentation.licence_id)
    .outerjoin(Subject, Subject.id == Presentation.holder_id)
    .where(*STILL_WAITS),
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a code stands for as long as nobody spends it, and what was found with it."""

    code_hash: bytes
    redeemed: Redeemed
    known: Known


def find_all_waiting(asked: Sequence[tuple[bytes, datetime]]) -> list[Waiting | None]:
    """Return what waits under some codes, each as of a moment, by their hashes; None for one under which nothing does."""
    with Alone() as alone:
        found = alone.run_all([(WAITING, {"hash": code_hash, "at": at}) for code_hash, at in asked])
    return [_waiting(code_hash, rows) if rows else None for (code_hash, _), rows in zip(asked, found, strict=True)]


def _waiting(code_hash: bytes, rows: list[tuple[Any, ...]]) -> Waiting:
    own, named = len(STANDS_FOR), len(STANDS_FOR) + 3
    standings: dict[Entry, Standing | None] = {row[own:named]: Standing(*row[named:]) for row in rows if None not in row[own:named]}
    return Waiting(code_hash, qr_codes.redeemed(code_hash, rows[0][:own]), Known(current_trust(), standings))
