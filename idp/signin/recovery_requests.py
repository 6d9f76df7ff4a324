"""Asking for a recovery with what the registry knows: the request does the same work whoever asks, a job behind it does the rest.

The page keeps nothing but a sealed note for the job, and shows a code; whether there is an account, whether all matched and whether
too many asked today, is found out later and told to nobody but the account's owner. Of what could not be asked of the registry for long, or was
overtaken by its owner, nothing comes any more.
"""

import base64
import json
import unicodedata
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from idp.signin import accounts, recovery, stated
from idp.subjects import registries
from idp.subjects.numbers import Number, parse_number
from idp.subjects.registries import Record
from keys import sealing
from runtime import jobs, ledger
from runtime.clock import now as clock_now
from runtime.database import transaction
from runtime.ids import new_id

log = structlog.get_logger(__name__)
TABLE, COLUMN = "jobs", "begin_recovery"
OVERDUE = timedelta(hours=12)  # the queue tries for three hours, and an operator may try again for a week: by then whoever asked went elsewhere


@dataclass(frozen=True, slots=True)
class Claim:
    """What someone says of themself, to be held beside the registry's record."""

    number: str
    name: str
    address: str

    def __repr__(self) -> str:
        return "Claim()"


def ask(session: Session, *, number: Number, name: str, address: str, now: datetime) -> str:
    """Ask for a recovery, and return the code that will set a new password a day from now, if all is right."""
    recovery_id, code = new_id(), recovery.new_code(recovery.REGISTRY)
    note = json.dumps(asdict(Claim(number.value, name, address)), ensure_ascii=False)
    sealed = sealing.seal(note, table=TABLE, column=COLUMN, row=recovery_id)
    arguments: dict[str, Any] = {"sealed": base64.b64encode(sealed).decode(), "code_hash": recovery.hash_of(recovery_id, code).hex()}
    jobs.defer(session, "begin_recovery", recovery_id=str(recovery_id), asked_at=now.isoformat(), **arguments)
    return code


@jobs.outward
def begin_recovery(recovery_id: str, sealed: str, code_hash: str, asked_at: str | None = None) -> None:
    """Begin what was asked for, if it is right and not too old; raises RegistryUnavailable, to be run again."""
    present = clock_now()
    asked = datetime.fromisoformat(asked_at) if asked_at else present  # one that waited while this was upgraded does not say
    if present - asked > OVERDUE:
        log.info("recovery asked for", begun=False, late=True)
        return
    claim = Claim(**json.loads(sealing.unseal(base64.b64decode(sealed), table=TABLE, column=COLUMN, row=recovery_id)))
    with transaction() as session:
        begun = jobs.is_first_run(session) and _begin(session, claim, UUID(recovery_id), bytes.fromhex(code_hash), asked_at=asked, now=present)
    log.info("recovery asked for", begun=begun)


def matches(record: Record | None, claim: Claim) -> bool:
    """Whether all that is claimed is what the registry says; a registry that knows no address proves nobody."""
    if record is None or not record.detail.get("address"):
        return False
    same_name = registries.is_same_name(record.name, claim.name)
    return registries.is_same_name(address_key(record.detail["address"]), address_key(claim.address)) and same_name


def address_key(address: str) -> str:
    """Return the form of an address in which addresses are compared: letters and digits alone."""
    return "".join(character for character in unicodedata.normalize("NFKC", address) if character.isalnum())


def _begin(session: Session, claim: Claim, recovery_id: UUID, code_hash: bytes, *, asked_at: datetime, now: datetime) -> bool:
    number = parse_number(claim.number)
    account = accounts.find_account(session, number)
    if account is None or account.closed_at is not None or stated.is_stated(session, account.subject_id):
        return False  # a number that someone only said is theirs is not won back: whoever the registry knows opens an account of their own
    if account.password_changed_at > asked_at:
        return False  # whoever changes the password ends what was asked for before, under way or not
    if not matches(registries.open_registry(session).find(number), claim):
        subject_id = account.subject_id
        ledger.record(session, "recovery.mismatched", actor="anyone", object_id=subject_id, subject_id=subject_id, now=now)
        return False
    return recovery.begin_by_registry(session, subject_id=account.subject_id, recovery_id=recovery_id, code_hash=code_hash, now=now)
