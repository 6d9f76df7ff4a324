"""The ledger (存证账本): one row an act, written in the act's own transaction, and sealed into a Merkle tree.

Rows hold who did what to which object and when, by opaque ids: never a number, a name or a field of a licence. The
sealing job gives each committed row its place in the tree and signs a checkpoint (size and root); after that a
change of any row is detected by `verify`, and an inclusion proof shows that a row was there. The database refuses
to update or delete a row (see the first migration).
"""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Index, SmallInteger, Uuid, bindparam, column, func, insert, select, text, tuple_, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from runtime import gathering, merkle, straight
from runtime.copying import Copy
from runtime.database import Base
from runtime.ids import new_id
from runtime.straight import Straight

SEALING_LOCK = 0x6B616261
BATCH = 5_000
NODES_AT_ONCE = 2_000
Sign = Callable[[dict[str, Any]], str]
VerifySignature = Callable[[str], dict[str, Any]]
# What a person did in another's name; in the index's own words, or it would not be used.
ABOUT_ANOTHER = text("subject_id IS NOT NULL AND starts_with(actor, 'subject:') AND actor <> 'subject:' || subject_id::text")
# Of an act that stands in an organisation's name, such as a mandate given: the person whom it is given to.
PERSON_CONCERNED = text("(detail ->> 'person')")
CONCERNS_ANOTHER = text("detail ? 'person'")


class LedgerEntry(Base):
    """One act. `position` is the leaf number, given once by the sealing job."""

    __tablename__ = "ledger_entries"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    recorded_at: Mapped[datetime]
    act: Mapped[str]
    actor: Mapped[str]
    subject_id: Mapped[UUID | None]
    object_id: Mapped[str]
    detail: Mapped[dict[str, Any]]
    position: Mapped[int | None] = mapped_column(BigInteger, unique=True)
    __table_args__ = (
        Index("ix_ledger_entries_unsealed", "id", postgresql_where=text("position IS NULL")),
        Index("ix_ledger_entries_subject", "subject_id", "id", postgresql_where=text("subject_id IS NOT NULL")),
        Index("ix_ledger_entries_actor", "actor", "id", postgresql_where=ABOUT_ANOTHER),
        Index("ix_ledger_entries_person", PERSON_CONCERNED, "id", postgresql_where=CONCERNS_ANOTHER),
    )

    def leaf(self) -> bytes:
        """Return the leaf hash of the row, over its canonical JSON."""
        return merkle.leaf_of(self.members())

    def members(self) -> dict[str, Any]:
        """Return what is hashed of the row, as JSON has it."""
        return {
            "id": str(self.id),
            "recorded_at": self.recorded_at.astimezone(UTC).isoformat(timespec="microseconds"),
            "act": self.act,
            "actor": self.actor,
            "subject_id": str(self.subject_id) if self.subject_id else None,
            "object_id": self.object_id,
            "detail": self.detail,
        }


class LedgerNode(Base):
    """The hash of one complete subtree."""

    __tablename__ = "ledger_nodes"
    level: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    index: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    hash: Mapped[bytes]


class LedgerCheckpoint(Base):
    """A signed statement: the tree had this size and this root at this time."""

    __tablename__ = "ledger_checkpoints"
    size: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    root: Mapped[bytes]
    sealed_at: Mapped[datetime]
    signed: Mapped[str]


_PLACES = func.unnest(bindparam("ids", type_=ARRAY(Uuid)), bindparam("positions", type_=ARRAY(BigInteger)))
_PLACED = _PLACES.table_valued(column("id", Uuid), column("position", BigInteger), name="placed").render_derived()
_PLACE = Straight("place", update(LedgerEntry).where(LedgerEntry.id == _PLACED.c.id).values(position=_PLACED.c.position))
_NODES = Copy(LedgerNode, ("level", "index", "hash"))
_RECORD = insert(LedgerEntry)  # made once: every act runs it
_RECORD_ONE = straight.insert_one("record", LedgerEntry, ("id", "recorded_at", "act", "actor", "subject_id", "object_id", "detail"))
hears: dict[str, list[Callable[[Session, dict[str, Any]], None]]] = {}  # by act: who hears of it, in the act's own transaction


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """Where a row stands in the tree, the path to the root, the checkpoint that signs the root, and the row itself."""

    position: int
    size: int
    path: list[bytes]
    leaf: bytes
    checkpoint: str
    row: dict[str, Any] = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """Return the proof as anyone may have it: of the row its hash alone; hashes in base64."""
        encoded = [base64.b64encode(sibling).decode() for sibling in self.path]
        return {
            "position": self.position,
            "size": self.size,
            "path": encoded,
            "leaf": base64.b64encode(self.leaf).decode(),
            "checkpoint": self.checkpoint,
        }


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in the ledger that is not as it was signed."""

    position: int
    what: str


def record(
    session: Session,
    act: str,
    *,
    actor: str,
    object_id: UUID | str,
    now: datetime,
    subject_id: UUID | None = None,
    entry_id: UUID | None = None,
    **detail: Any,
) -> UUID:
    """Write down an act in its own transaction and return the row's id.

    `actor` is `kind:id` (`department:…`, `subject:…`, `operator`); `detail` takes ids, codes, counts and digests only. `entry_id` is
    given by who names the row in what it records, such as a receipt.
    """
    entry = row_of(act, actor=actor, object_id=object_id, now=now, subject_id=subject_id, entry_id=entry_id, **detail)
    write(session, entry)
    found: UUID = entry["id"]
    return found


def write(session: Session, entry: dict[str, Any]) -> None:
    """Write a row down that `row_of` made."""
    gathering.write(session, _RECORD, entry, alone=_RECORD_ONE)
    let_hear(session, entry)


def let_hear(session: Session, entry: dict[str, Any]) -> None:
    """Let those hear of a row who do so in its own transaction; for who writes the row by a statement of its own."""
    for hear in hears.get(entry["act"], ()):
        hear(session, entry)


def row_of(
    act: str, *, actor: str, object_id: UUID | str, now: datetime, subject_id: UUID | None = None, entry_id: UUID | None = None, **detail: Any
) -> dict[str, Any]:
    """Return the row that `record` would write, for a statement that writes it together with others."""
    who = {"act": act, "actor": actor, "subject_id": subject_id, "object_id": str(object_id)}
    return {"id": entry_id or new_id(), "recorded_at": now, **who, "detail": detail}


def seal(session: Session, *, sign: Sign, now: datetime) -> int:
    """Place the committed rows that have no place yet, sign a checkpoint, and return how many were placed.

    One sealer works at a time; a second returns 0 at once.
    """
    if not session.scalar(select(func.pg_try_advisory_xact_lock(SEALING_LOCK))):
        return 0
    entries = session.scalars(select(LedgerEntry).where(LedgerEntry.position.is_(None)).order_by(LedgerEntry.id).limit(BATCH)).all()
    if not entries:
        return 0
    size = session.scalar(select(func.coalesce(func.max(LedgerCheckpoint.size), 0))) or 0
    node = _Nodes(session)
    for position, entry in enumerate(entries, size):
        for level, index, digest in merkle.complete_nodes(position, entry.leaf(), node):
            node.add(level, index, digest)
    straight.run(session, _PLACE, {"ids": [entry.id for entry in entries], "positions": range(size, size + len(entries))})
    size += len(entries)
    _NODES.write(session, node.added)
    top = merkle.root(size, node)
    signed = sign({"size": size, "root": base64.b64encode(top).decode(), "iat": int(now.timestamp())})
    session.add(LedgerCheckpoint(size=size, root=top, sealed_at=now, signed=signed))
    return len(entries)


def has_unsealed(now: datetime) -> ColumnElement[bool]:
    """Return the condition that rows wait to be sealed."""
    return select(LedgerEntry.id).where(LedgerEntry.position.is_(None)).exists()


def prove(session: Session, entry_id: UUID) -> InclusionProof | None:
    """Return the proof that a row is in the ledger, or None while it is not sealed yet."""
    return prove_all(session, [entry_id]).get(entry_id)


def prove_all(session: Session, entry_ids: list[UUID]) -> dict[UUID, InclusionProof]:
    """Return the proofs of those rows that are sealed, all under the newest checkpoint."""
    found = select(LedgerEntry).where(LedgerEntry.id.in_(entry_ids), LedgerEntry.position.is_not(None))
    anew = {"populate_existing": True}  # whoever saw a row before it was sealed has it in the session without its place
    entries = session.scalars(found.order_by(LedgerEntry.position), execution_options=anew).all()
    if not entries:
        return {}
    checkpoint = newest_checkpoint(session)
    assert checkpoint is not None, "a row has its place with a checkpoint"
    nodes = _Nodes(session)
    if len(entries) > 1:
        nodes.load(lambda node: [merkle.inclusion_path(one.position, checkpoint.size, node) for one in entries if one.position is not None])
    return {one.id: _proof(one, checkpoint, nodes) for one in entries}


def _proof(entry: LedgerEntry, checkpoint: LedgerCheckpoint, nodes: "_Nodes") -> InclusionProof:
    assert entry.position is not None
    path = merkle.inclusion_path(entry.position, checkpoint.size, nodes)
    return InclusionProof(entry.position, checkpoint.size, path, entry.leaf(), checkpoint.signed, entry.members())


def newest_checkpoint(session: Session) -> LedgerCheckpoint | None:
    """Return the newest checkpoint; None before the first row was sealed."""
    return session.scalars(select(LedgerCheckpoint).order_by(LedgerCheckpoint.size.desc()).limit(1)).one_or_none()


def prove_consistency(session: Session, first: int, second: int) -> list[bytes]:
    """Return the proof that the tree of `second` rows begins with that of `first`; 0 < first <= second, and so many rows are sealed."""
    nodes = _Nodes(session)
    nodes.load(lambda node: merkle.consistency_path(first, second, node))
    return merkle.consistency_path(first, second, nodes)


def verify(session: Session, *, verify_signature: VerifySignature) -> Iterator[Fault | int]:
    """Hash the whole ledger again and compare it with every checkpoint.

    Yields each Fault found and, now and then, how many rows were read, so that a caller can show progress.
    """
    checkpoints = {row.size: row for row in session.scalars(select(LedgerCheckpoint))}
    nodes: dict[tuple[int, int], bytes] = {}
    position = 0
    sealed = select(LedgerEntry).where(LedgerEntry.position.is_not(None)).order_by(LedgerEntry.position)
    for entry in session.scalars(sealed.execution_options(yield_per=1000)):
        if entry.position != position:
            yield Fault(position, "a row is missing")
            return
        for level, index, digest in merkle.complete_nodes(position, entry.leaf(), lambda at, which: nodes[at, which]):
            nodes[level, index] = digest
            for child in ((level - 1, 2 * index), (level - 1, 2 * index + 1)):
                nodes.pop(child, None)  # only the right edge of the tree is needed from here on
        position += 1
        if position in checkpoints:
            yield from _compare(checkpoints.pop(position), merkle.root(position, lambda at, which: nodes[at, which]), verify_signature)
        if position % 1000 == 0:
            yield position
    for size in checkpoints:
        yield Fault(size, "a checkpoint signs rows that are gone")
    yield position


def _compare(checkpoint: LedgerCheckpoint, found: bytes, verify_signature: VerifySignature) -> Iterator[Fault]:
    signed = verify_signature(checkpoint.signed)
    if signed["size"] != checkpoint.size or base64.b64decode(signed["root"]) != found or checkpoint.root != found:
        yield Fault(checkpoint.size, "the rows do not hash to the root that was signed")


class _Nodes:
    """Hashes of complete subtrees, read from the table once each, with those just made on top."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.known: dict[tuple[int, int], bytes] = {}
        self.added: list[dict[str, Any]] = []

    def add(self, level: int, index: int, digest: bytes) -> None:
        self.known[level, index] = digest
        self.added.append({"level": level, "index": index, "hash": digest})

    def load(self, make: Callable[[merkle.Node], Any]) -> None:
        """Read all that something is made of, in few statements."""
        wanted: set[tuple[int, int]] = set()

        def note(level: int, index: int) -> bytes:
            wanted.add((level, index))
            return merkle.EMPTY

        make(note)
        ordered = sorted(wanted)
        for at in range(0, len(ordered), NODES_AT_ONCE):
            rows = select(LedgerNode).where(tuple_(LedgerNode.level, LedgerNode.index).in_(ordered[at : at + NODES_AT_ONCE]))
            self.known |= {(row.level, row.index): row.hash for row in self.session.scalars(rows)}

    def __call__(self, level: int, index: int) -> bytes:
        if (level, index) not in self.known:
            self.known[level, index] = self.session.execute(
                select(LedgerNode.hash).where(LedgerNode.level == level, LedgerNode.index == index)
            ).scalar_one()
        return self.known[level, index]
