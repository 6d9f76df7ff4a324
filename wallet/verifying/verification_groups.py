"""Working at a batch of verifications, a group a transaction: what is answered is durable, and one bad line costs itself alone.

What many lines need is asked and written together: how the licences stand, the licences that are only named, what was answered before, and the rows
that remain. The checks are those of a single verification, one presentation after the other. A line that does more than look, since a QR code is
spent by it, has a savepoint of its own; but not one whose code is unknown, spent or over as the group begins, since after a savepoint that is undone
every statement is prepared again.
If a group as a whole fails, each of its lines is tried in a transaction of its own.
"""

import hashlib
import hmac
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, partial
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from runtime import base64url, compact_json, idempotency
from runtime.compact_json import Fragment
from runtime.copying import Copy
from runtime.database import transaction
from runtime.idempotency import IdempotencyKey, KeyReused
from runtime.ids import new_id
from runtime.ledger import LedgerEntry
from runtime.lines import problem_of
from runtime.problems import Refusal
from runtime.settings import Settings
from wallet.holding.uses import Use
from wallet.issuing.batch_trying import LineFailed, try_together
from wallet.presenting import qr_codes
from wallet.verifying import named, receipts
from wallet.verifying.attesting import Asker, Attested, Finding, attested
from wallet.verifying.receipts import Receipt, ReceiptNotFound
from wallet.verifying.standings import Entry, know, unverified_entry_of
from wallet.verifying.trusting import current_trust
from wallet.verifying.verification import (
    Register,
    Shown,
    VerificationRequest,
    check_may_name,
    check_may_see,
    find,
    is_code,
    is_looked_at_only,
    look,
    read_shown,
)
from wallet.verifying.verification_lines import Line

log = structlog.get_logger(__name__)
GROUP = 100
GROUP_SECONDS = 2.0
ENTRIES = Copy(LedgerEntry, ("id", "recorded_at", "act", "actor", "subject_id", "object_id", "detail"))
RECEIPTS, USES, KEYS = (Copy(table, table.__table__.columns.keys()) for table in (Receipt, Use, IdempotencyKey))


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a line: an answer with its receipt, as JSON, or a problem."""

    line: int
    ref: str | None = field(default=None, repr=False)
    receipt_id: UUID | None = None
    answer: Fragment | None = field(default=None, repr=False)
    problem: dict[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Opened:
    """A line with what it shows, where only looking at that is asked, and the licence and status entry that it names."""

    line: Line
    shown: Shown | None = None
    entry: Entry | None = None


@dataclass(frozen=True)
class Work:
    """A batch at work for a caller: known by its key, under which each line is done once."""

    settings: Settings
    client_id: str
    key: str
    asker: Asker

    @property
    def caller(self) -> str:
        """Whose keys the lines' are."""
        return f"batch:{self.client_id}"

    @cached_property
    def pepper(self) -> bytes:
        """The key of the digests by which lines are known again."""
        return self.settings.derived_key("idempotency")

    def key_of(self, line: int) -> str:
        """Return the key of one line."""
        return f"{self._hashed_key}:{line}"

    @cached_property
    def _hashed_key(self) -> str:
        return base64url.write(hashlib.sha256(self.key.encode()).digest())

    def take(self, lines: Sequence[Line], *, now: datetime) -> Iterator[list[Done]]:
        """Work at lines and yield what became of them, as soon as it is durable; raises DBAPIError if the database is away."""
        left = list(lines)
        while left:
            done = try_together(left, work=partial(self._together, now=now), fail=_failed)
            del left[: len(done)]
            yield done

    def _together(self, lines: Sequence[Line], *, now: datetime) -> list[Done]:
        opened = [_opened(self.settings, line) for line in lines]
        done: list[Done] = []
        with transaction() as session:
            idempotency.hold(session, caller=self.caller, key=self.key)
            group = Group(self, session, opened, now)
            until = time.monotonic() + GROUP_SECONDS
            for one in opened:
                done.append(group.take(one))
                if time.monotonic() > until:
                    break
            group.write()
        return done


class Group:
    """Some lines in one transaction: what was asked ahead for all of them, and the rows that are to be written of them."""

    def __init__(self, work: Work, session: Session, opened: Sequence[Opened], now: datetime) -> None:
        self.work, self.session, self.now = work, session, now
        keys = [work.key_of(one.line.number) for one in opened if one.line.request]
        self.before = idempotency.claimed_before(session, caller=work.caller, keys=keys)
        self.answers = receipts.answers_of(session, [result_id for _, result_id in self.before.values()]) if self.before else {}
        codes = [one.line.request.presented for one in opened if one.line.request and is_code(one.line.request)]
        self.refusals = qr_codes.refusals_of(session, codes, now=now)
        named.recall(session, [one.line.request.named for one in opened if one.line.request and one.line.request.named])
        self.known = know(session, {one.entry for one in opened if one.entry}, trust=current_trust())
        self.made: list[Attested] = []
        self.keys: list[dict[str, Any]] = []

    def take(self, one: Opened) -> Done:
        """Verify what a line shows, or answer what was answered before."""
        line = one.line
        if line.request is None:
            assert line.fault is not None
            return Done(line.number, line.ref, problem=problem_of(line.fault))
        digest, key = line.digest(self.work.pepper), self.work.key_of(line.number)
        try:
            if key in self.before:
                return Done(line.number, line.ref, self.before[key][1], self._answered(key, digest))
            finding = self._find(one, line.request)
        except Refusal as refusal:
            return Done(line.number, line.ref, problem=problem_of(refusal))
        receipt_id = new_id()
        made = attested(self.work.settings, finding, asker=self.work.asker, receipt_id=receipt_id, now=self.now)
        self.made.append(made)
        self.keys.append({"caller": self.work.caller, "key": key, "digest": digest, "result_id": receipt_id, "made_at": self.now})
        return Done(line.number, line.ref, receipt_id, compact_json.written(made.answer))

    def write(self) -> None:
        """Write what remains of the lines."""
        ENTRIES.write(self.session, (one.entry for one in self.made))
        RECEIPTS.write(self.session, (one.receipt for one in self.made))
        USES.write(self.session, (use for one in self.made for use in one.uses))
        KEYS.write(self.session, self.keys)

    def _find(self, one: Opened, request: VerificationRequest) -> Finding:
        if is_code(request) and request.presented in self.refusals:
            raise self.refusals[request.presented]
        with self.session.begin_nested() if is_code(request) else nullcontext():
            if one.shown is None:
                check_may_name(self.session, request, asker=self.work.asker, now=self.now)
                finding = find(self.session, self.work.settings, request, now=self.now)
            else:
                finding = look(Register(self.session, self.work.settings, self.now, self.known), one.shown, request)
            check_may_see(finding, asker=self.work.asker, now=self.now)
        return finding

    def _answered(self, key: str, digest: bytes) -> Fragment:
        former, receipt_id = self.before[key]
        if not hmac.compare_digest(former, digest):
            raise KeyReused(field="line")
        answer = self.answers.get(receipt_id)
        if answer is None:
            raise ReceiptNotFound("the answer is forgotten")
        return answer


def _opened(settings: Settings, line: Line) -> Opened:
    """Read what a line shows, as far as that needs no database: nothing of it is believed, it only says what to ask the register for."""
    if line.request is None or not is_looked_at_only(line.request):
        return Opened(line)
    try:
        shown = read_shown(settings, line.request)
    except Refusal as refusal:
        return Opened(replace(line, request=None, fault=refusal))
    return Opened(line, shown, unverified_entry_of(settings, shown.presentation))


def _failed(line: Line, error: Exception) -> Done:
    log.error("a line failed", error=type(error).__name__, exc_info=error)
    return Done(line.number, line.ref, problem=problem_of(LineFailed("failed")))
