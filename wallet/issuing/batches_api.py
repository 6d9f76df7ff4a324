"""For issuing departments: many licences, or acts on them, in one request, a line each (NDJSON), with a result a line.

The request is read as it comes and the answer is written as it is made; neither is ever held whole. A caller that reads while it writes gets
results at once (`interleave=true`); for all others they follow the last line, since who does not read yet would make both sides wait for ever.
"""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import structlog
from flask import Response, current_app, g, request, stream_with_context
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import UnsupportedMediaType

from idp.oauth.access_tokens import AccessToken, InvalidToken, check_not_ended
from idp.oauth.callers import bearer
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.languages import Text
from runtime.openapi import ApiBlueprint
from runtime.pages import csrf
from runtime.problems import UNAVAILABLE, Refusal
from runtime.seats import take_long_seat
from runtime.settings import Settings
from schemas.batches import BatchKeySchema, BatchQuerySchema, BatchResultSchema
from schemas.licences import LicenceSchema
from wallet.issuing import batches
from wallet.issuing.arriving import Arriving
from wallet.issuing.batch_groups import GROUP, Work
from wallet.issuing.batch_lines import MOST_LINES, Line, TooManyLines, problem_of, read_line, split
from wallet.issuing.batches import Outcome
from wallet.issuing.licence_documents import document_of

log = structlog.get_logger(__name__)
NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl")
MOST_BYTES = 512 * 1024 * 1024
LINES = "A licence to issue a line; or `act`, `licence` (id or identifier), and what the single request of the act takes."
LONGEST = timedelta(minutes=30)
SCHEMA = LicenceSchema()
batches_api = ApiBlueprint("batches", __name__, description="Licences by the hundred thousand, for the departments that issue them.")
csrf.exempt(batches_api)


class Unavailable(Refusal):
    """The database is away; what was answered stands."""

    code, status, title = "unavailable", 503, UNAVAILABLE


class TookTooLong(Refusal):
    """The batch has gone on for half an hour."""

    code, status = "batch-too-long", 503
    title = Text("批次处理时间过长，已停止；请用同一幂等键继续。", "The batch went on for too long and was stopped; go on with the same key.")


@batches_api.route("/licences:batch", methods=["POST"])
@allow(bearer("licences:issue"))
@batches_api.arguments(BatchQuerySchema(), location="query")
@batches_api.arguments(BatchKeySchema(), location="headers")
@batches_api.response(200, BatchResultSchema, content_type=NDJSON[0])
@batches_api.doc(
    security=[{"department": ["licences:issue"]}],
    requestBody={"required": True, "content": {NDJSON[0]: {"schema": {"type": "string", "description": LINES}}}},
)
def issue(query: dict[str, Any], headers: dict[str, Any]) -> Response:
    """Issue a licence a line, or do an act; the same Idempotency-Key and line do it once: a batch cut off anywhere is sent again and goes on."""
    if request.mimetype not in NDJSON or request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMediaType
    request.max_content_length = MOST_BYTES
    settings: Settings = current_app.extensions["kabao_settings"]
    with transaction() as session:
        batch = batches.open_batch(session, caller=g.token.client_id, key=headers["key"], department=g.token.department, now=now())
    work = Work(settings, batch.id, caller=batch.caller, department=g.token.department)
    answer = _Answer(work, Arriving(request.stream), token=g.token, first=query["first_line"])
    seat = take_long_seat()
    lines = answer.as_they_come() if query["interleave"] else answer.after_all()
    response = Response(stream_with_context(seat.leave_after(lines)), mimetype=NDJSON[0])
    response.headers.update({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
    return seat.leave_with(response)


class _Answer:
    """The result lines of a batch. Where it stops before its end, a last line without a number says why: the end of its token's right, too."""

    def __init__(self, work: Work, body: Arriving, *, token: AccessToken, first: int) -> None:
        self.work, self.body, self.token, self.first = work, body, token, first
        self.last = first - 1
        self.issued = self.refused = 0
        self.ended: Refusal | None = None

    def as_they_come(self) -> Iterator[bytes]:
        """Yield the results of each group as soon as it is durable."""
        for done in self._groups():
            yield _written(done)
        yield from self._end()

    def after_all(self) -> Iterator[bytes]:
        """Take every line, then yield the results as they were kept."""
        for _ in self._groups():
            pass
        yield from self._kept()
        yield from self._end()

    def _groups(self) -> Iterator[list[Outcome]]:
        """Work at group after group, until the body ends or something ends the batch."""
        until = now() + LONGEST
        try:
            lines = self._lines()
            while group := self._next(lines):
                check_not_ended(self.token)
                for done in self.work.take(group, now=now()):
                    self._count(done)
                    yield done
                if now() > until:
                    raise TookTooLong("half an hour")
        except (TookTooLong, InvalidToken) as refusal:
            self.ended = refusal
        except (DBAPIError, PoolTimeout) as error:
            log.error("database unavailable", error=type(error).__name__)
            self.ended = Unavailable("away")
        finally:
            self.body.close()
            log.info("batch", lines=self.last, issued=self.issued, refused=self.refused, stopped=self.ended and self.ended.code)

    def _next(self, lines: Iterator[Line]) -> list[Line]:
        """Return the next group; what came before the body broke off is worked at like any other."""
        group: list[Line] = []
        try:
            for line in islice(lines, GROUP):
                group.append(line)  # noqa: PERF402 (what was read stays, if reading on fails)
        except Refusal as refusal:
            self.ended = refusal
        return group

    def _lines(self) -> Iterator[Line]:
        for number, raw in split(self.body):
            if number + self.first - 1 > MOST_LINES:
                raise TooManyLines("too many")
            yield read_line(number + self.first - 1, raw)

    def _count(self, done: list[Outcome]) -> None:
        self.last = done[-1].line
        self.issued += sum(one.is_good for one in done)
        self.refused += sum(not one.is_good for one in done)

    def _kept(self) -> Iterator[bytes]:
        after = self.first - 1
        try:
            while page := self._page(after):
                yield _written(page)
                after = page[-1].line
        except (DBAPIError, PoolTimeout) as error:
            log.error("database unavailable", error=type(error).__name__)
            self.ended = Unavailable("away")

    def _page(self, after: int) -> list[Outcome]:
        with transaction() as session:
            return batches.results(session, self.work.batch_id, after=after, until=self.last)

    def _end(self) -> Iterator[bytes]:
        if self.ended is not None:
            yield _line(problem_of(self.ended))


def _written(outcomes: list[Outcome]) -> bytes:
    moment = now()
    return b"".join(_line(_result(one, moment)) for one in outcomes)


def _result(outcome: Outcome, moment: datetime) -> dict[str, Any]:
    named = {"line": outcome.line, **({"ref": outcome.ref} if outcome.ref is not None else {})}
    if outcome.problem is not None:
        return {**named, **outcome.problem}
    assert outcome.licence is not None
    return {**named, "status": 201, "licence": SCHEMA.dump(document_of(outcome.licence, now=moment))}


def _line(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
