"""Licences counted: how many of a department's stand how, by type; how many end on which day; how many of each act it did on which day.

The database counts: triggers on `licences` write what a statement changed, in its own transaction, whoever sent it. A job adds the changes up;
whoever reads adds what is not added up yet, so that a figure is always of this moment, and nobody who issues waits for a row that others count in.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import BigInteger, ColumnElement, CompoundSelect, Identity, Subquery, select, text, union_all
from sqlalchemy.orm import Mapped, Session, mapped_column

from runtime.database import Base

STANDING, ENDING, ACT = "standing", "ending", "act"
NO_DAY = date(1, 1, 1)
TAKEN_AT_ONCE = 20_000


class LicenceCount(Base):
    """A number that was added up: `what` is a state, an act, or nothing; `day` that of an act in China, a licence's last one, or NO_DAY."""

    __tablename__ = "licence_counts"
    department: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    what: Mapped[str] = mapped_column(primary_key=True)
    type_code: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)


class LicenceCountChange(Base):
    """By how much a statement changed a number."""

    __tablename__ = "licence_count_changes"
    department: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    kind: Mapped[str]
    what: Mapped[str]
    type_code: Mapped[str]
    day: Mapped[date]
    change: Mapped[int] = mapped_column(BigInteger)


@dataclass(frozen=True, slots=True)
class Difference:
    """A number that is not what the register says."""

    department: str
    kind: str
    what: str
    day: date | None
    type_code: str
    counted: int
    is_so: int


def counted(*, department: str, kind: str, since: date = NO_DAY, until: date = date.max) -> Subquery:
    """Return the numbers of a kind as a table of `what`, `day`, `type_code` and `number`, the latest changes among them; to be summed."""
    arms = [
        select(one.what, one.day, one.type_code, number.label("number")).where(
            one.department == department, one.kind == kind, one.day >= since, one.day <= until
        )
        for one, number in ((LicenceCount, LicenceCount.count), (LicenceCountChange, LicenceCountChange.change))
    ]
    whole: CompoundSelect[str, date, str, int] = union_all(*arms)
    return whole.subquery("counted")


def add_up(session: Session) -> int:
    """Add up some of the changes, and return how many; those that others add up are theirs. For a job."""
    return int(session.scalar(ADD_UP, {"most": TAKEN_AT_ONCE}) or 0)


def has_changes(now: datetime) -> ColumnElement[bool]:
    """Return the condition that there is something to add up."""
    return select(LicenceCountChange.id).exists()


def recount(session: Session, *, mend: bool = False) -> Iterator[Difference]:
    """Count every licence and turn anew, and return where the numbers differ from that; `mend` writes the difference as a change.

    It is one statement, and so all of one moment; what is issued meanwhile counts as always.
    """
    session.execute(text("SET LOCAL statement_timeout = 0"))
    for row in session.execute(MEND if mend else COMPARE):
        day = None if row.day == NO_DAY else row.day
        yield Difference(row.department, row.kind, row.what, day, row.type_code, int(row.counted), int(row.is_so))


ADD_UP = text("""
WITH taken AS (
    DELETE FROM licence_count_changes WHERE ctid = ANY (ARRAY(SELECT ctid FROM licence_count_changes LIMIT :most FOR UPDATE SKIP LOCKED))
    RETURNING department, kind, day, what, type_code, change
), added AS (
    INSERT INTO licence_counts AS known (department, kind, day, what, type_code, count)
    SELECT department, kind, day, what, type_code, sum(change) FROM taken GROUP BY 1, 2, 3, 4, 5 HAVING sum(change) <> 0 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (department, kind, day, what, type_code) DO UPDATE SET count = known.count + excluded.count
)
SELECT count(*) FROM taken
""")
TRUTH = """
WITH truth AS (
    SELECT l.issuer_code AS department, counted.kind, counted.day, counted.what, l.type_code, count(*) AS number
    FROM licences l CROSS JOIN LATERAL (VALUES
        ('standing', l.state, DATE '0001-01-01'),
        ('ending', '', CASE WHEN l.successor_id IS NULL AND (l.state = 'valid' OR l.state = 'lapsed' AND l.act = 'expire') THEN l.valid_until END),
        ('act', 'issue', (l.issued_at AT TIME ZONE INTERVAL '+08:00')::date)
    ) counted (kind, what, day) WHERE counted.day IS NOT NULL GROUP BY 1, 2, 3, 4, 5
    UNION ALL
    SELECT l.issuer_code, 'act', (t.at AT TIME ZONE INTERVAL '+08:00')::date, t.act, l.type_code, count(*)
    FROM licence_turns t JOIN licences l ON l.holder_id = t.holder_id AND l.id = t.licence_id WHERE t.turn > 1 GROUP BY 1, 2, 3, 4, 5
), known AS (
    SELECT department, kind, day, what, type_code, sum(number) AS number FROM (
        SELECT department, kind, day, what, type_code, count AS number FROM licence_counts
        UNION ALL SELECT department, kind, day, what, type_code, change FROM licence_count_changes
    ) every_one GROUP BY 1, 2, 3, 4, 5
), differing AS (
    SELECT department, kind, day, what, type_code, coalesce(known.number, 0) AS counted, coalesce(truth.number, 0) AS is_so
    FROM truth FULL JOIN known USING (department, kind, day, what, type_code)
    WHERE coalesce(truth.number, 0) <> coalesce(known.number, 0)
)"""
COMPARE = text(f"{TRUTH} SELECT * FROM differing ORDER BY department, kind, day, what, type_code")  # noqa: S608 (all of it stands here)
MEND = text(f"""{TRUTH}, mended AS (
    INSERT INTO licence_count_changes (department, kind, day, what, type_code, change)
    SELECT department, kind, day, what, type_code, is_so - counted FROM differing
) SELECT * FROM differing ORDER BY department, kind, day, what, type_code""")  # noqa: S608
