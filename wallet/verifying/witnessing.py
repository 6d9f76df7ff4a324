"""Watching a ledger from outside: whether each of its checkpoints goes on from the one that was seen before. Pure: no database, no network.

Of a ledger that was changed nobody can prove that, whoever holds its keys. What is left then are two signed checkpoints that contradict each other:
evidence against whoever signed them. RFC 9162 section 2.1.4.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509

from keys.paths import CertificateRevoked
from runtime import merkle
from wallet.verifying.archives import CHECKPOINT_TYPE, LEDGER_SIGNER, UNREADABLE, NotAsSigned, NotVouchedFor, read_signed

MOST_ROWS = 2**63 - 1


class NotACheckpoint(ValueError):
    """It is no checkpoint that a service under one of the roots signed."""


class GoesNotOn(ValueError):
    """Two checkpoints of one service cannot both be of one ledger that only grew."""


class OldCheckpoint(ValueError):
    """A true checkpoint, of a moment before the one that was seen: an answer that somebody kept, and no word against the ledger."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A believed statement: the ledger of a service had this many rows and this root at this time. `signed` is the statement itself."""

    service: str
    size: int
    root: bytes
    sealed_at: datetime
    signed: str = field(repr=False)


def read_checkpoint(unverified: str, *, roots: tuple[x509.Certificate, ...]) -> Checkpoint:
    """Read a checkpoint that a service under one of the roots signed; raises NotACheckpoint."""
    try:
        told = read_signed(unverified, typ=CHECKPOINT_TYPE, signer=LEDGER_SIGNER, roots=roots, revoked_of=lambda _: {})
        size, root = told["size"], base64.b64decode(told["root"], validate=True)
        if not (type(size) is int and 0 < size <= MOST_ROWS and len(root) == len(merkle.EMPTY)):
            raise NotACheckpoint("it tells of no ledger")
        return Checkpoint(told["kabao:signer"], size, root, datetime.fromtimestamp(told["iat"], UTC), unverified)
    except (NotAsSigned, NotVouchedFor, CertificateRevoked) as error:
        raise NotACheckpoint(str(error)) from error
    except (OSError, *UNREADABLE) as error:  # OSError: a time that no calendar has
        raise NotACheckpoint("it cannot be read" if not isinstance(error, NotACheckpoint) else str(error)) from error


def check_goes_on(before: Checkpoint, after: Checkpoint, *, path: Sequence[bytes]) -> None:
    """Check that a checkpoint is of the same ledger as one before, with nothing taken from it or changed; raises GoesNotOn."""
    if after.service != before.service:
        raise GoesNotOn(f"it is the ledger of {after.service}, not of {before.service}")
    if after.size < before.size:
        raise GoesNotOn(f"there are {after.size} rows, where {before.size} were signed before")
    if not merkle.verify_consistency(before.root, after.root, first=before.size, second=after.size, path=path):
        raise GoesNotOn(f"its {after.size} rows do not begin with the {before.size} that were signed before")


def may_be_old(before: Checkpoint, after: Checkpoint) -> bool:
    """Whether a checkpoint with fewer rows than one that was seen was signed no later, so that both may be true."""
    return after.service == before.service and after.size < before.size and after.sealed_at <= before.sealed_at


def check_not_old(before: Checkpoint, after: Checkpoint, *, path: Sequence[bytes]) -> None:
    """Check that it is not proven that the rows seen before begin with those of a smaller checkpoint; raises OldCheckpoint where it is.

    Whoever took rows away cannot prove that, and whoever did not can.
    """
    if merkle.verify_consistency(after.root, before.root, first=after.size, second=before.size, path=path):
        raise OldCheckpoint(f"it tells of {after.size} rows, and the {before.size} that were signed before begin with them")
