"""What rests sealed or indexed, table by table: each feature declares its own beside its table, so that a rotation finds everything.

`declare` names the sealed columns of a table with the name that each has in its place, how the row is named there, and how the value of
an index column is found again from what is sealed. A column that is declared nowhere fails a test of the house.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from keys.sealing import SEAL, Sealer, place_of, prefix_of
from runtime.database import Base

Texts = Mapping[str, str | None]
Values = Mapping[str, Any]
ValueOf = Callable[[Texts], str | None]


@dataclass(frozen=True)
class SealedTable:
    """A table with something sealed or indexed.

    `row` names the column by which places name a row, `sealed` maps each sealed column to its name in places, `indexed` maps each index
    column to the function that finds its value in the opened sealed columns, and `left` says why an index column is not carried over.
    """

    table: type[Base]
    row: str
    sealed: Mapping[str, str] = field(default_factory=dict)
    indexed: Mapping[str, ValueOf] = field(default_factory=dict)
    left: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The table's name."""
        return str(self.table.__tablename__)

    def columns_of(self, purpose: str) -> list[str]:
        """Return the columns that stand under the keys of a purpose."""
        return list(self.sealed if purpose == SEAL else self.indexed)

    def renewed(self, values: Values, purpose: str, version: int, *, sealer: Sealer) -> dict[str, bytes]:
        """Return the columns of one row as they are under a key version, those that change; raises SealBroken.

        Where places name the row by an index, what is sealed moves with it.
        """
        if purpose == SEAL:
            return {column: self._resealed(values, column, values, sealer) for column in self.sealed if is_old(values[column], version)}
        texts = _Opened(self, values, sealer)
        changed = {column: self._reindexed(texts, column, version, sealer) for column in self.indexed if is_old(values[column], version)}
        if self.row in changed:
            moved = {**values, **changed}
            changed |= {column: self._resealed(values, column, moved, sealer) for column in self.sealed if values[column] is not None}
        return changed

    def text(self, values: Values, column: str, *, sealer: Sealer) -> str | None:
        """Return what is sealed in a column of a row, or None if nothing is; raises SealBroken."""
        sealed = values[column]
        return None if sealed is None else sealer.unseal(sealed, place=self._place(values, column)).decode()

    def _resealed(self, values: Values, column: str, moved: Values, sealer: Sealer) -> bytes:
        return sealer.seal(sealer.unseal(values[column], place=self._place(values, column)), place=self._place(moved, column))

    def _reindexed(self, texts: Texts, column: str, version: int, sealer: Sealer) -> bytes:
        value = self.indexed[column](texts)
        if value is None:
            raise LookupError(f"{self.name}.{column} has an index of a value that the row does not hold")
        return sealer.index(value, version)

    def _place(self, values: Values, column: str) -> bytes:
        row: bytes | UUID | str = values[self.row]
        return place_of(self.name, self.sealed[column], row.hex() if isinstance(row, bytes) else row)


class _Opened(Texts):
    """The sealed columns of a row, each opened when it is asked for."""

    def __init__(self, table: SealedTable, row: Values, sealer: Sealer) -> None:
        self.table, self.row, self.sealer = table, row, sealer

    def __getitem__(self, column: str) -> str | None:
        return self.table.text(self.row, column, sealer=self.sealer)

    def __iter__(self) -> Iterator[str]:
        return iter(self.table.sealed)

    def __len__(self) -> int:
        return len(self.table.sealed)


declared: dict[str, SealedTable] = {}


def declare(
    table: type[Base],
    *,
    row: str = "id",
    sealed: Mapping[str, str] | None = None,
    indexed: Mapping[str, ValueOf] | None = None,
    left: Mapping[str, str] | None = None,
) -> None:
    """Let a table take part in rotations; see SealedTable."""
    declared[table.__tablename__] = SealedTable(table, row, sealed or {}, indexed or {}, left or {})


def is_old(value: bytes | None, version: int) -> bool:
    """Whether a sealed or indexed value stands under another key version."""
    return value is not None and not value.startswith(prefix_of(version))
