"""A request's body as it comes, read by a thread of its own, so that a caller who stops sending is noticed. Pure but for the thread.

A few small pieces wait at most; whoever sends faster is held back. The server reads a piece whole or to the body's end.
"""

import queue
import threading
from collections.abc import Iterator
from typing import Protocol

from werkzeug.exceptions import HTTPException

from runtime.languages import Text
from runtime.problems import Refusal

PIECE, WAITING = 16 * 1024, 4
PATIENCE = 60.0


class StoppedSending(Refusal):
    """Nothing came for a while, or the rest never will."""

    code, status = "stopped-sending", 408
    title = Text("长时间未收到数据，批次已停止；请用同一幂等键继续。", "Nothing came for too long; go on with the same key.")


class BodyTooLarge(Refusal):
    """The body is larger than a batch may be."""

    code, status, title = "body-too-large", 413, Text("提交的内容或文件过大。", "What was sent is too large.")


class Stream(Protocol):
    """What a body is read from."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, none at the end."""


class Arriving:
    """The pieces of a stream, in order; raises StoppedSending or BodyTooLarge where they end before their time."""

    def __init__(self, stream: Stream, *, patience: float = PATIENCE) -> None:
        self._stream, self._patience = stream, patience
        self._pieces: queue.Queue[bytes | Refusal] = queue.Queue(WAITING)
        self._is_over = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        threading.Thread(target=self._read, name="kabao-batch", daemon=True).start()
        while True:
            try:
                piece = self._pieces.get(timeout=self._patience)
            except queue.Empty:
                self._is_over.set()
                raise StoppedSending("nothing came") from None
            if isinstance(piece, Refusal):
                raise piece
            if not piece:
                return
            yield piece

    def close(self) -> None:
        """Let the thread end, whatever is still to come."""
        self._is_over.set()

    def _read(self) -> None:
        piece: bytes | Refusal = b"-"
        while piece and not isinstance(piece, Refusal):
            piece = self._next()
            while not self._is_over.is_set():
                try:
                    self._pieces.put(piece, timeout=1)
                    break
                except queue.Full:
                    continue
            if self._is_over.is_set():
                return

    def _next(self) -> bytes | Refusal:
        try:
            return self._stream.read(PIECE)
        except HTTPException as error:
            return BodyTooLarge("too large") if error.code == 413 else StoppedSending("cut off")
        except OSError:
            return StoppedSending("cut off")
