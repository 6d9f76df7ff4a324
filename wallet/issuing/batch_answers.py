"""Answering a batch, a line for a line, whatever is asked for in them: what each door for many of something is built on.

The request is read as it comes and the answer is written as it is made; neither is ever held whole. A caller that reads while it writes gets
results at once (`interleave=true`); for all others they follow the last line, since who does not read yet would make both sides wait for ever.
Where a batch stops before its end, a last line without a number says why: the end of its token's right, too.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any, Generic, TypeVar

import structlog
from flask import Response, request, stream_with_context
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from idp.oauth.access_tokens import AccessToken, InvalidToken, check_not_ended
from runtime import compact_json
from runtime.arriving import Arriving
from runtime.clashes import what_failed
from runtime.clock import now
from runtime.languages import Text
from runtime.lines import NDJSON, problem_of
from runtime.problems import UNAVAILABLE, Refusal
from runtime.seats import take_long_seat

log = structlog.get_logger(__name__)
LONGEST = timedelta(minutes=30)
MOST_BYTES = 4 * 1024 * 1024


class Unavailable(Refusal):
    """The database is away; what was answered stands."""

    code, status, title = "unavailable", 503, UNAVAILABLE


class NotLines(Refusal):
    """The body does not say that it is lines, or is packed."""

    code, status = "unsupported-media-type", 415
    title = Text("请求内容须为未压缩的 NDJSON（{0}）。", "The body must be lines of JSON as they are: send {0}, not compressed.").format(NDJSON[0])


class TookTooLong(Refusal):
    """The batch has gone on for half an hour."""

    code, status = "batch-too-long", 503
    title = Text("批次处理时间过长，已停止；请用同一幂等键继续。", "The batch went on for too long and was stopped; go on with the same key.")


AnyLine = TypeVar("AnyLine")
AnyDone = TypeVar("AnyDone")


class Answer(ABC, Generic[AnyLine, AnyDone]):
    """The result lines of a batch, for a caller with a token. A group of so many lines, or of `MOST_BYTES`, is read before it is worked at."""

    def __init__(self, body: Arriving, lines: Iterable[AnyLine], *, token: AccessToken, group: int) -> None:
        self._body, self._lines, self._token, self._most = body, iter(lines), token, group
        self.ended: Refusal | None = None

    @abstractmethod
    def take(self, group: list[AnyLine]) -> Iterator[list[AnyDone]]:
        """Work at a group, and yield what became of its lines as it is durable; raises DBAPIError, PoolTimeout if the database is away."""

    @abstractmethod
    def written(self, done: list[AnyDone]) -> bytes:
        """Return the result lines of a group that was just done."""

    @abstractmethod
    def count(self, done: list[AnyDone]) -> None:
        """Count a group that was just done."""

    def keep(self, done: list[AnyDone]) -> None:
        """Remember what is needed to answer a group after all others."""

    @abstractmethod
    def kept(self) -> Iterator[bytes]:
        """Yield the result lines of all groups, some at a time, from where they rest; raises DBAPIError, PoolTimeout."""

    @abstractmethod
    def said(self) -> dict[str, Any]:
        """Return what the log is to say of the batch at its end."""

    def as_they_come(self) -> Iterator[bytes]:
        """Yield the results of each group as soon as it is durable."""
        for done in self._groups():
            yield self.written(done)
        yield from self._end()

    def after_all(self) -> Iterator[bytes]:
        """Take every line, then yield the results as they were kept."""
        for done in self._groups():
            self.keep(done)
        try:
            yield from () if isinstance(self.ended, Unavailable) else self.kept()
        except (DBAPIError, PoolTimeout) as error:
            self._away(error)
        yield from self._end()

    def _groups(self) -> Iterator[list[AnyDone]]:
        """Work at group after group, until the body ends or something ends the batch."""
        until = now() + LONGEST
        try:
            while group := self._next():
                check_not_ended(self._token)
                for done in self.take(group):
                    self.count(done)
                    yield done
                if now() > until:
                    raise TookTooLong("half an hour")
        except (TookTooLong, InvalidToken) as refusal:
            self.ended = refusal
        except (DBAPIError, PoolTimeout) as error:
            self._away(error)
        finally:
            self._body.close()
            log.info("batch", **self.said(), stopped=self.ended and self.ended.code)

    def size_of(self, _: AnyLine) -> int:
        """Return how many bytes a line counts for; none where lines are so short that a group of them is never much."""
        return 0

    def _next(self) -> list[AnyLine]:
        """Return the next group; what came before the body broke off is worked at like any other."""
        group: list[AnyLine] = []
        size = 0
        try:
            while self.ended is None and len(group) < self._most and size < MOST_BYTES and (line := next(self._lines, None)) is not None:
                group.append(line)
                size += self.size_of(line)
        except Refusal as refusal:
            self.ended = refusal
        return group

    def _away(self, error: Exception) -> None:
        log.error("database unavailable", error=what_failed(error))
        self.ended = Unavailable("away")

    def _end(self) -> Iterator[bytes]:
        if self.ended is not None:
            yield compact_json.write(problem_of(self.ended)) + b"\n"


def check_is_lines(*, longest: int) -> None:
    """Check that the request's body is lines as they are, and let it be so long; raises NotLines."""
    if request.mimetype not in NDJSON or request.headers.get("Content-Encoding", "identity") != "identity":
        raise NotLines("not lines")
    request.max_content_length = longest


def respond(answer: Answer[Any, Any], *, interleave: bool) -> Response:
    """Return the response that an answer is, in a seat for what takes long; raises TooManyRequests."""
    seat = take_long_seat()
    lines = answer.as_they_come() if interleave else answer.after_all()
    response = Response(stream_with_context(seat.leave_after(lines)), mimetype=NDJSON[0])
    response.headers.update({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
    return seat.leave_with(response)
