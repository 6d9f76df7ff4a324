"""Files that people bring: a photo or screenshot of a QR code (PNG, JPEG), or a sealed PDF. Read in a process of their own (`file_process.py`),
bounded in bytes, pixels, pages, memory and time; at most two at once, so that a crowd of them leaves the service its cores. No web, no database.
"""

import json
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wallet.issuing import compact_text
from wallet.verifying.file_process import JPEG, PNG
from wallet.verifying.file_process import MOST_BYTES as MOST_BYTES
from wallet.verifying.vc_jwt_reading import VcJwtPresentation

PROCESS = Path(__file__).with_name("file_process.py")
SECONDS, PATIENCE = 15.0, 5.0
AT_ONCE = 2
MOST_FRAME = 1024 * 1024
PREFIXES = ("KABAO1:", compact_text.PREFIX)
_free = threading.Semaphore(AT_ONCE)
_free_for_frames = threading.Semaphore(1)  # cameras ask all the time: they never take both
_free_for_strangers = threading.Semaphore(1)  # nor does anyone whom nobody knows: departments come to their turn


class FileUnusable(ValueError):
    """Nothing can be read in the file; `why` is a code, one of FAULTS."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class FilesBusy(Exception):
    """Others' files are being read; come again."""


FAULTS = ("too-large", "unknown", "no-code", "many-codes", "not-sealed", "not-one-seal", "encrypted", "broken")


@dataclass(frozen=True, slots=True)
class Seal:
    """The department's signature under a document, as the document's own bytes tell of it; nothing is trusted yet."""

    chain: list[str]
    is_intact: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What a file holds: a text as scanned, or the licence's data with the seal over the document."""

    text: str = field(repr=False)
    seal: Seal | None = None


class SealedPresentation(VcJwtPresentation):
    """A sealed document: the credential inside, and the seal around it, which must be whole and by the same issuer."""

    def __init__(self, unverified: str, seal: Seal) -> None:
        super().__init__(unverified)
        self.seal = seal

    @property
    def further_chains(self) -> tuple[list[str], ...]:
        """The certificates of the seal."""
        return (self.seal.chain,)

    def is_signed(self, key: Any) -> bool:
        """Whether the key signed the credential, and the seal fits the document and covers all of it."""
        return super().is_signed(key) and self.seal.is_intact


def read_file(unverified: bytes) -> Found:
    """Return what a file holds; raises FileUnusable, FilesBusy."""
    if len(unverified) > MOST_BYTES:
        raise FileUnusable("too-large")
    if not _free.acquire(timeout=PATIENCE):
        raise FilesBusy
    try:
        answer = _ask(unverified)
    finally:
        _free.release()
    if "fault" in answer:
        raise FileUnusable(answer["fault"])
    if "codes" in answer:
        return Found(_one(answer["codes"]))
    return Found(answer["data"], Seal(answer["chain"], answer["is_intact"]))


def read_strangers_file(unverified: bytes) -> Found:
    """Return what the file of somebody unknown holds, one at a time; raises FileUnusable, and FilesBusy at once if another's is read."""
    if not _free_for_strangers.acquire(blocking=False):
        raise FilesBusy
    try:
        return read_file(unverified)
    finally:
        _free_for_strangers.release()


def read_frame(unverified: bytes) -> str | None:
    """Return the text of the code that a camera sees, None while it sees none; raises FileUnusable, FilesBusy at once if another camera is read."""
    if len(unverified) > MOST_FRAME:
        raise FileUnusable("too-large")
    if not unverified.startswith((PNG, JPEG)):
        raise FileUnusable("unknown")
    if not _free_for_frames.acquire(blocking=False):
        raise FilesBusy
    try:
        return read_file(unverified).text
    except FileUnusable as fault:
        if fault.why == "no-code":
            return None
        raise
    finally:
        _free_for_frames.release()


def _ask(unverified: bytes) -> dict[str, Any]:
    try:
        command = [sys.executable, "-I", str(PROCESS)]
        quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "env": {}}
        done = subprocess.run(command, input=unverified, timeout=SECONDS, check=True, **quiet)  # type: ignore[call-overload]  # noqa: S603 (our reader)
        answer: dict[str, Any] = json.loads(done.stdout)
    except (subprocess.SubprocessError, ValueError) as error:
        raise FileUnusable("broken") from error
    return answer


def _one(codes: list[str]) -> str:
    """Return the one code; of several the only one that is a licence's."""
    ours = [one for one in codes if one.startswith(PREFIXES)] if len(codes) > 1 else codes
    if len(ours) != 1:
        raise FileUnusable("many-codes")
    return ours[0]
