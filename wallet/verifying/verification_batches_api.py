"""For departments that were shown many licences: up to ten thousand verifications in one request, a line each (NDJSON), with a result a line.

Answers that are not read at once rest as receipts in the database until they are.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from flask import Response, current_app, g, request

from idp.oauth.access_tokens import AccessToken
from idp.oauth.callers import bearer
from runtime import compact_json, idempotency
from runtime.arriving import Arriving
from runtime.clock import now
from runtime.compact_json import Fragment
from runtime.database import transaction
from runtime.guard import allow
from runtime.lines import NDJSON
from runtime.openapi import ApiBlueprint
from runtime.pages import csrf
from runtime.settings import Settings
from schemas.verification_batches import VerificationBatchKeySchema, VerificationBatchQuerySchema, VerificationResultSchema
from wallet.issuing.batch_answers import Answer, check_is_lines, respond
from wallet.issuing.batches import KeyRequired
from wallet.register.departments import get_department
from wallet.verifying import receipts
from wallet.verifying.attesting import Asker
from wallet.verifying.verification_groups import GROUP, Done, Work
from wallet.verifying.verification_lines import Line, Lines

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
    check_is_lines(longest=MOST_BYTES)
    if headers["key"] is None:
        raise KeyRequired(field="Idempotency-Key")
    idempotency.check_key(headers["key"])
    settings: Settings = current_app.extensions["kabao_settings"]
    asker = Asker(g.token.department, get_department(g.token.department).name, system=g.token.client_id)
    work = Work(settings, g.token.client_id, headers["key"], asker)
    return respond(_Answer(work, Arriving(request.stream), token=g.token, first=query["first_line"]), interleave=query["interleave"])


class _Answer(Answer[Line, Done]):
    """The result lines of a batch; until the last line only receipts' numbers and problems are held here."""

    def __init__(self, work: Work, body: Arriving, *, token: AccessToken, first: int) -> None:
        super().__init__(body, Lines(body, first=first), token=token, group=GROUP)
        self.work, self.lines = work, 0
        self._kept: list[Done] = []

    def take(self, group: list[Line]) -> Iterator[list[Done]]:
        """Verify what the lines show."""
        return self.work.take(group, now=now())

    def size_of(self, line: Line) -> int:
        """Return how many bytes a line has."""
        return line.size

    def written(self, done: list[Done]) -> bytes:
        """Return the lines of some answers."""
        return b"".join(_written(one, one.answer) for one in done)

    def count(self, done: list[Done]) -> None:
        """Count them."""
        self.lines += len(done)

    def keep(self, done: list[Done]) -> None:
        """Keep the numbers."""
        self._kept += [replace(one, answer=None) for one in done]

    def kept(self) -> Iterator[bytes]:
        """Yield the lines, the answers from where they rest sealed, a page at a time."""
        for at in range(0, len(self._kept), PAGE):
            page = self._kept[at : at + PAGE]
            with transaction() as session:
                answers = receipts.answers_of(session, [one.receipt_id for one in page if one.receipt_id])
            yield b"".join(_written(one, answers.get(one.receipt_id) if one.receipt_id else None) for one in page)

    def said(self) -> dict[str, Any]:
        """Return how many there were."""
        return {"of": "verifications", "lines": self.lines}


def _written(done: Done, answer: Fragment | None) -> bytes:
    named = {"line": done.line, **({"ref": done.ref} if done.ref is not None else {})}
    said = {"status": 201, "verification": answer} if done.problem is None else done.problem
    return compact_json.write({**named, **said}) + b"\n"
