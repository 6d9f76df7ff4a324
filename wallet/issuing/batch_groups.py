"""Working at the lines of a batch, a group a transaction: one bad line costs itself alone, and what is answered is durable.

The lines of a group are checked one by one by the same list of checks as a single request, and written together. If the group as a whole fails,
each of its lines is tried in a transaction of its own. No transaction is open while a result is on its way to the caller.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from idp.subjects.directory import recall
from idp.subjects.numbers import Number, NumberRefused, parse_number
from runtime.database import transaction
from runtime.gathering import Gathered
from runtime.languages import Text
from runtime.lines import problem_of
from runtime.problems import Refusal
from runtime.settings import Settings
from wallet.issuing import batch_acts, batches
from wallet.issuing.batch_acts import Held
from wallet.issuing.batch_lines import Line
from wallet.issuing.batch_trying import LineFailed, try_together
from wallet.issuing.batches import Before, LineChanged, Outcome
from wallet.issuing.life import issue_licence
from wallet.issuing.records import gathering_licences
from wallet.issuing.requests import ActRequest, LicenceRequest
from wallet.register.licences import Licence

log = structlog.get_logger(__name__)
GROUP = 200
GROUP_SECONDS = 2.0


class LineRepeated(Refusal):
    """The very same line was done before, in this file or another."""

    code, status = "line-repeated", 409
    title = Text("相同内容的行七日内已经导入。", "The very same line was imported within the last seven days.")


class _Undone(Exception):
    """Takes a transaction back in which everything was only tried."""


@dataclass(frozen=True)
class Work:
    """A batch at work, for a caller and its department.

    `describe` says how a refusal is kept. `once`: a line whose content the caller has imported before, on any line of any batch, is refused.
    `dry`: everything is done, and taken back.
    """

    settings: Settings
    batch_id: UUID
    caller: str
    department: str
    describe: Callable[[Refusal], dict[str, Any]] = problem_of
    once: bool = False
    dry: bool = False

    @cached_property
    def pepper(self) -> bytes:
        """The key of the digests by which lines are known again."""
        return self.settings.derived_key("batches")

    def take(self, lines: Sequence[Line], *, now: datetime) -> Iterator[list[Outcome]]:
        """Work at lines, in groups, and yield what became of each group once it is durable; raises OperationalError if the database is away."""
        left = list(lines)
        while left:
            done = self._group(left[:GROUP], now=now)
            del left[: len(done)]
            yield done

    def _group(self, lines: Sequence[Line], *, now: datetime) -> list[Outcome]:
        return try_together(lines, work=partial(self._together, now=now), fail=self._failed)

    def _failed(self, line: Line, error: Exception) -> Outcome:
        """Say in the log why a line failed, and keep for its sender that it did."""
        log.error("a line failed", error=type(error).__name__, exc_info=error)
        outcome = Outcome(line.number, line.ref, problem=self.describe(LineFailed("failed")))
        if self.dry:
            return outcome
        with transaction() as session:
            batches.hold(session, self.batch_id)
            batches.keep(session, self.batch_id, [outcome], batches.lines_before(session, self.batch_id, [line.number]))
        return outcome

    def _together(self, lines: Sequence[Line], *, now: datetime) -> list[Outcome]:
        outcomes: list[Outcome] = []
        with suppress(_Undone), transaction() as session:
            if self.once:
                batches.hold_caller(session, self.caller)
            batches.hold(session, self.batch_id)
            before = batches.lines_before(session, self.batch_id, [line.number for line in lines])
            recall(session, [number for line in lines if isinstance(line.request, LicenceRequest) for number in _numbers(line.request.holder_number)])
            held = batch_acts.hold(session, [line for line in lines if not _is_done(before.get(line.number))], department=self.department)
            with gathering_licences(session, len(lines)) as gathered:
                outcomes = self._each(session, lines, before, held, gathered, now=now)
            batches.keep(session, self.batch_id, outcomes, before)
            if self.dry:
                raise _Undone
        return outcomes

    def _each(
        self, session: Session, lines: Sequence[Line], before: dict[int, Before], held: Held, gathered: Gathered, *, now: datetime
    ) -> list[Outcome]:
        """Take line after line until the group's time is up; whoever reads of a holder finds what the lines before did."""
        outcomes: list[Outcome] = []
        met: set[tuple[bool, object]] = set()
        digests = {line.number: batches.digest_of_line(line.document, pepper=self.pepper) for line in lines if line.request}
        issued = batches.issued_before(session, caller=self.caller, digests=digests.values()) if self.once else {}
        until = time.monotonic() + GROUP_SECONDS
        for line in lines:
            if outcomes and time.monotonic() > until:
                break
            about = _about(line, held)
            if about in met or any(one[0] != about[0] for one in met):
                gathered.flush(session)
                met.clear()
            met.add(about)
            digest = digests.get(line.number, b"")
            outcome = self._take(session, line, before.get(line.number), held, gathered, digest=digest, is_repeated=digest in issued, now=now)
            if self.once and outcome.is_good:
                issued[digest] = self.batch_id, line.number
            outcomes.append(outcome)
        return outcomes

    def _take(
        self,
        session: Session,
        line: Line,
        before: Before | None,
        held: Held,
        gathered: Gathered,
        *,
        digest: bytes,
        is_repeated: bool,
        now: datetime,
    ) -> Outcome:
        if line.request is None:
            assert line.fault is not None
            return Outcome(line.number, line.ref, problem=self.describe(line.fault))
        if before is not None and before.licence is not None:
            changed = self.describe(LineChanged(field="line")) if before.row.digest != digest else None
            return Outcome(line.number, line.ref, before.licence, changed, digest)
        if is_repeated:
            return Outcome(line.number, line.ref, problem=self.describe(LineRepeated("repeated")))
        mark = gathered.mark()
        try:
            licence = self._do(session, line, held, now=now)
        except Refusal as refusal:
            gathered.cut(mark)
            return Outcome(line.number, line.ref, problem=self.describe(refusal))
        return Outcome(line.number, line.ref, licence, digest=digest)

    def _do(self, session: Session, line: Line, held: Held, *, now: datetime) -> Licence:
        if isinstance(line.request, ActRequest):
            return batch_acts.act(session, self.settings, held.get(line), line.request, department=self.department, now=now)
        assert line.request is not None
        return issue_licence(session, self.settings, line.request, department=self.department, now=now)


def _about(line: Line, held: Held) -> tuple[bool, object]:
    """Return whom a line is about: whether it acts, and a number of the holder's, or the holder."""
    if isinstance(line.request, LicenceRequest):
        return False, line.request.holder_number
    licence = held.licences.get(line.licence or "")
    return line.request is not None, licence.holder_id if licence else line.number


def _is_done(before: Before | None) -> bool:
    return before is not None and before.licence is not None


def _numbers(unverified: str) -> Iterator[Number]:
    with suppress(NumberRefused):
        yield parse_number(unverified)
