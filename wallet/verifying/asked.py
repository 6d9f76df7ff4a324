"""What a department asks, from its document: the content of a QR code, a presentation, a file or a name becomes a request to verify."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

from marshmallow import ValidationError

from runtime.languages import Text
from runtime.problems import Refusal, TooManyRequests
from schemas.verifications import REQUIRED
from wallet.verifying import brought
from wallet.verifying.files import FilesBusy, FileUnusable, Found, read_file, read_frame, read_strangers_file
from wallet.verifying.named import Named
from wallet.verifying.verification import VerificationRequest

RETRY_AFTER = 5


class FileRefused(Refusal):
    """Nothing can be read in a file; `shown` says why."""

    code, status, title = "file-unusable", 422, Text("无法从该文件读取证照。", "No licence can be read in the file.")


FAULTS = {
    "too-large": Text("文件、图像或页数过大。", "The file is too large, or has too many pixels or pages."),
    "unknown": Text("请提供PDF、PNG或JPEG文件。", "Give a PDF, PNG or JPEG."),
    "no-code": Text("图中未找到二维码。", "There is no QR code in the picture."),
    "many-codes": Text("图中有多个二维码，请只拍摄一个。", "There are several codes in the picture; take one alone."),
    "not-sealed": Text("该PDF没有部门签章或证照数据。", "The PDF has no department's seal, or no licence inside."),
    "not-one-seal": Text("该PDF有多个签章。", "The PDF has more than one seal."),
    "encrypted": Text("该PDF已加密。", "The PDF is encrypted."),
    "broken": Text("文件已损坏或无法读取。", "The file is broken or cannot be read."),
}


def request_of(body: dict[str, Any]) -> VerificationRequest:
    """Return a request from its document; a file is read before any transaction. Raises FileRefused, TooManyRequests, ValidationError."""
    transcript, named = body.get("session_transcript"), body.get("licence")
    found = open_file(_decoded(body["file"], "file", urlsafe=False)) if "file" in body else Found(body.get("presented", ""))
    return VerificationRequest(
        presented=found.text,
        cause=body["cause"],
        binding=body["binding"] == REQUIRED,
        nonce=body.get("nonce"),
        audience=body.get("audience"),
        transcript=_decoded(transcript, "session_transcript", urlsafe=True) if transcript else None,
        seal=found.seal,
        named=Named(**named) if named else None,
        at=_moment(body["at"]) if "at" in body else None,
    )


def request_of_shown(found: Found, cause: dict[str, str]) -> VerificationRequest:
    """Return the request to look at what somebody has before them: only a dynamic code is bound to the occasion, and it always is."""
    is_dynamic = found.seal is None and brought.is_dynamic(found.text)
    return VerificationRequest(found.text, cause, binding=is_dynamic, seal=found.seal)


def open_file(unverified: bytes) -> Found:
    """Return what a file holds; raises FileRefused, TooManyRequests."""
    with _said_in_words():
        return read_file(unverified)


def open_strangers_file(unverified: bytes) -> Found:
    """Return what a file of somebody unknown holds; raises FileRefused, TooManyRequests."""
    with _said_in_words():
        return read_strangers_file(unverified)


def open_frame(unverified: bytes) -> str | None:
    """Return the text of the code that a camera sees, None while it sees none; raises FileRefused, TooManyRequests."""
    with _said_in_words():
        return read_frame(unverified)


@contextmanager
def _said_in_words() -> Iterator[None]:
    try:
        yield
    except FilesBusy as error:
        raise TooManyRequests("files are being read", retry_after=RETRY_AFTER) from error
    except FileUnusable as fault:
        raise FileRefused(fault.why, field="file", shown=FAULTS[fault.why]) from fault


def _decoded(text: str, name: str, *, urlsafe: bool) -> bytes:
    padded = text + "=" * (-len(text) % 4)
    try:
        return base64.b64decode(padded, altchars=b"-_" if urlsafe else None, validate=True)
    except ValueError as error:
        raise ValidationError({name: ["It is not base64."]}) from error


def _moment(text: str) -> date | datetime:
    try:
        return datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)
    except ValueError as error:
        raise ValidationError({"at": ["It is no day or moment."]}) from error
