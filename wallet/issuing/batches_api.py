"""For issuing departments: many licences, or acts on them, in one request, a line each (NDJSON), with a result a line.

Each line is done once, and what became of it is kept (`batches`).
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from flask import Response, current_app, g, request

from idp.oauth.access_tokens import AccessToken
from idp.oauth.callers import bearer
from runtime.arriving import Arriving
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.lines import NDJSON
from runtime.openapi import ApiBlueprint
from runtime.pages import csrf
from runtime.settings import Settings
from schemas.batches import BatchKeySchema, BatchQuerySchema, BatchResultSchema
from schemas.licences import LicenceSchema
from wallet.issuing import batches
from wallet.issuing.batch_answers import Answer, check_is_lines, respond
from wallet.issuing.batch_groups import GROUP, Work
from wallet.issuing.batch_lines import Line, read_lines
from wallet.issuing.batches import Outcome
from wallet.issuing.licence_documents import document_of

MOST_BYTES = 512 * 1024 * 1024
LINES = "A licence to issue a line; or `act`, `licence` (id or identifier), and what the single request of the act takes."
SCHEMA = LicenceSchema()
batches_api = ApiBlueprint("batches", __name__, description="Licences by the hundred thousand, for the departments that issue them.")
csrf.exempt(batches_api)


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
    check_is_lines(longest=MOST_BYTES)
    settings: Settings = current_app.extensions["kabao_settings"]
    with transaction() as session:
        batch = batches.open_batch(session, caller=g.token.client_id, key=headers["key"], department=g.token.department, now=now())
    work = Work(settings, batch.id, caller=batch.caller, department=g.token.department)
    return respond(_Answer(work, Arriving(request.stream), token=g.token, first=query["first_line"]), interleave=query["interleave"])


class _Answer(Answer[Line, Outcome]):
    """The result lines of a batch, which rest in the database until they are asked for."""

    def __init__(self, work: Work, body: Arriving, *, token: AccessToken, first: int) -> None:
        super().__init__(body, read_lines(body, first=first), token=token, group=GROUP)
        self.work, self.first, self.last = work, first, first - 1
        self.issued = self.refused = 0

    def take(self, group: list[Line]) -> Iterator[list[Outcome]]:
        """Do what the lines ask for."""
        return self.work.take(group, now=now())

    def written(self, done: list[Outcome]) -> bytes:
        """Return the lines of some outcomes."""
        return _written(done)

    def count(self, done: list[Outcome]) -> None:
        """Count them; each is kept in the database already."""
        self.last = done[-1].line
        self.issued += sum(one.is_good for one in done)
        self.refused += sum(not one.is_good for one in done)

    def kept(self) -> Iterator[bytes]:
        """Yield the lines of what was kept, a page at a time."""
        after = self.first - 1
        while page := self._page(after):
            yield _written(page)
            after = page[-1].line

    def said(self) -> dict[str, Any]:
        """Return how many there were."""
        return {"lines": self.last, "issued": self.issued, "refused": self.refused}

    def _page(self, after: int) -> list[Outcome]:
        with transaction() as session:
            return batches.results(session, self.work.batch_id, after=after, until=self.last)


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
