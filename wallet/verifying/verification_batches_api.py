"""For departments that were shown many licences: up to ten thousand verifications in one request, a line each (NDJSON), with a result a line.

The request is read as it comes and the answer is written as it is made; neither is ever held whole. A caller that reads while it writes gets
results at once (`interleave=true`); for all others they follow the last line, and rest as receipts in the database until then.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import structlog
from flask import Response, current_app, g, request, stream_with_context
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import UnsupportedMediaType

from idp.oauth.access_tokens import AccessToken, InvalidToken, check_not_ended
from idp.oauth.callers import bearer
from runtime import compact_json, idempotency
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.openapi import ApiBlueprint
from runtime.pages import csrf
from runtime.problems import Refusal
from runtime.seats import take_long_seat
from runtime.settings import Settings
from schemas.verification_batches import VerificationBatchKeySchema, VerificationBatchQuerySchema, VerificationResultSchema
from wallet.issuing.arriving import Arriving
from wallet.issuing.batch_lines import problem_of
from wallet.issuing.batches import KeyRequired
from wallet.issuing.batches_api import LONGEST, NDJSON, TookTooLong, Unavailable
from wallet.register.departments import get_department
from wallet.verifying import receipts
from wallet.verifying.attesting import Asker
from wallet.verifying.verification_groups import GROUP, GROUP_BYTES, Done, Work
from wallet.verifying.verification_lines import Line, Lines

log = structlog.get_logger(__name__)
MOST_BYTES = 256 * 1024 * 1024
PAGE = 100
DESCRIBED = (
    "A body of `POST /api/v1/verifications` a line, at most 10,000 lines of 256 KiB; `ref` may name each. A first line that holds `cause` alone, "
    '`{"cause": {"text": "…"}}`, says why all those lines are looked at that have no cause of their own; it is not counted and gets no result.'
)
verification_batches = ApiBlueprint("verification_batches", __name__, description="Verifications by the thousand.")
csrf.exempt(verification_batches)


@verification_batches.route("/verifications:batch", methods=["POST"])
@allow(bearer("verifications"))
@verification_batches.arguments(VerificationBatchQuerySchema(), location="query")
@verification_batches.arguments(VerificationBatchKeySchema(), location="headers")
@verification_batches.response(200, VerificationResultSchema, content_type=NDJSON[0])
@verification_batches.doc(
    security=[{"department": ["verifications"]}],
    requestBody={"required": True, "content": {NDJSON[0]: {"schema": {"type": "string", "description": DESCRIBED}}}},
)
def verify(query: dict[str, Any], headers: dict[str, Any]) -> Response:
    """Verify what a line shows, each with a receipt of its own; a line sent again under its Idempotency-Key is answered as before.

    So a batch that was cut off anywhere is sent again and goes on, although its QR codes are spent. Where it stops before its end, a last line
    without a number says why.
    """
    if request.mimetype not in NDJSON or request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMediaType
    if headers["key"] is None:
        raise KeyRequired(field="Idempotency-Key")
    idempotency.check_key(headers["key"])
    request.max_content_length = MOST_BYTES
    settings: Settings = current_app.extensions["kabao_settings"]
    asker = Asker(g.token.department, get_department(g.token.department).name, system=g.token.client_id)
    work = Work(settings, g.token.client_id, headers["key"], asker)
    answer = Answer(work, Arriving(request.stream), token=g.token, first=query["first_line"])
    seat = take_long_seat()
    lines = answer.as_they_come() if query["interleave"] else answer.after_all()
    response = Response(stream_with_context(seat.leave_after(lines)), mimetype=NDJSON[0])
    response.headers.update({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
    return seat.leave_with(response)


class Answer:
    """The result lines of a batch."""

    def __init__(self, work: Work, body: Arriving, *, token: AccessToken, first: int) -> None:
        self.work, self.body, self.token = work, body, token
        self.lines = iter(Lines(body, first=first))
        self.ended: Refusal | None = None

    def as_they_come(self) -> Iterator[bytes]:
        """Yield the results of each group as soon as it is durable."""
        for group in self._groups():
            yield b"".join(_written(done, done.answer) for done in group)
        yield from self._end()

    def after_all(self) -> Iterator[bytes]:
        """Take every line, then yield the results: until then only receipts' numbers and problems are held here."""
        kept = [replace(done, answer=None) for group in self._groups() for done in group]
        for at in range(0, len(kept), PAGE):
            yield from self._page(kept[at : at + PAGE])
        yield from self._end()

    def _groups(self) -> Iterator[list[Done]]:
        """Work at group after group, until the body ends or something ends the batch."""
        until, count = now() + LONGEST, 0
        try:
            while group := self._next():
                check_not_ended(self.token)
                for done in self.work.take(group, now=now()):
                    count += len(done)
                    yield done
                if now() > until:
                    raise TookTooLong("half an hour")
        except (TookTooLong, InvalidToken) as refusal:
            self.ended = refusal
        except (DBAPIError, PoolTimeout) as error:
            self._away(error)
        finally:
            self.body.close()
            log.info("batch of verifications", lines=count, stopped=self.ended and self.ended.code)

    def _next(self) -> list[Line]:
        """Return the next group; what came before the body broke off is worked at like any other."""
        group: list[Line] = []
        size = 0
        try:
            while self.ended is None and len(group) < GROUP and size < GROUP_BYTES and (line := next(self.lines, None)) is not None:
                group.append(line)
                size += line.size
        except Refusal as refusal:
            self.ended = refusal
        return group

    def _page(self, kept: list[Done]) -> Iterator[bytes]:
        if isinstance(self.ended, Unavailable):
            return
        try:
            with transaction() as session:
                answers = receipts.answers_of(session, [done.receipt_id for done in kept if done.receipt_id])
        except (DBAPIError, PoolTimeout) as error:
            self._away(error)
            return
        yield b"".join(_written(done, answers.get(done.receipt_id) if done.receipt_id else None) for done in kept)

    def _away(self, error: Exception) -> None:
        log.error("database unavailable", error=type(error).__name__)
        self.ended = Unavailable("away")

    def _end(self) -> Iterator[bytes]:
        if self.ended is not None:
            yield compact_json.write(problem_of(self.ended)) + b"\n"


def _written(done: Done, answer: dict[str, Any] | None) -> bytes:
    named = {"line": done.line, **({"ref": done.ref} if done.ref is not None else {})}
    said = {"status": 201, "verification": answer} if done.problem is None else done.problem
    return compact_json.write({**named, **said}) + b"\n"
