"""What people say of a use of their licences (好差评): one to five and a few words, once, answered by the department where it was bad.

Licences that were used together, such as those under one code, are rated together: the rating has the id of the first of these uses.

The department and the operator see figures; the words are for the department alone, and it is not told whose they are. The answer is for whoever
gave the rating. Both rest sealed.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import Index, SmallInteger, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.signin import notices
from idp.signin.notice_texts import NOTICES, NoticeText
from idp.signin.sessions import SignedIn
from keys import sealed_tables, sealing
from runtime import ledger
from runtime.database import Base
from runtime.languages import Text
from runtime.problems import Refusal
from wallet.holding.uses import Use, Way, act_of, alongside
from wallet.register.departments import DepartmentNotFound, get_department
from wallet.register.licences import find_held

TABLE = "ratings"
SCORES = {
    5: Text("非常满意", "Very good"),
    4: Text("满意", "Good"),
    3: Text("基本满意", "Fair"),
    2: Text("不满意", "Bad"),
    1: Text("非常不满意", "Very bad"),
}
WORST = 2  # so much or less is a complaint, which the department answers
LONGEST = 200
RATED_WITHIN, COUNTED = timedelta(days=90), timedelta(days=365)
RATED = frozenset({Way.PRESENTATION, Way.BROUGHT, Way.ANSWER, Way.DRAW, Way.CONSENT, Way.REGISTER})
PAGE = 50
NOTICES["rating.answered"] = NoticeText(
    Text("部门答复了您的评价", "A department answered your rating"),
    Text("{department}已答复您对一次用证的评价。", "{department} has answered what you said of a use of your licence."),
    Text("查看答复", "Read it"),
)


class UseNotFound(Refusal):
    """There is no such use of the holder's, or none that is rated."""

    code, status, title = "use-not-found", 404, Text("没有此使用记录，或不能评价。", "There is no such use, or none that is rated.")


class AlreadyRated(Refusal):
    """A use is rated once, with those beside it."""

    code, status, title = "already-rated", 409, Text("这次使用已评价过，刚才的没有记下。", "It was rated already; what you said now was not taken.")


class RatingOver(Refusal):
    """The use was too long ago."""

    code, status, title = "rating-over", 409, Text("已超过90天，不能再评价。", "It was more than 90 days ago; it can no longer be rated.")


class RatingNotFound(Refusal):
    """The department has no such rating to answer."""

    code, status, title = "rating-not-found", 404, Text("没有待答复的此评价。", "There is no such rating that waits for an answer.")


class AlreadyAnswered(Refusal):
    """A colleague answered it first, or the officer did in another window."""

    code, status, title = "already-answered", 409, Text("此评价已有答复，您写的没有发出。", "It was answered already; what you wrote was not sent.")


class Rating(Base):
    """What was said of a use; its id is that of the first use of the same act. `type_code` is that of the licence by which it was rated, empty where
    that is not issued yet.

    The department knows it by `reference`, which is random: a use's id tells its moment, by which a receipt could be found.
    """

    __tablename__ = TABLE
    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    reference: Mapped[UUID]
    department: Mapped[str]
    type_code: Mapped[str]
    person_id: Mapped[UUID]
    score: Mapped[int] = mapped_column(SmallInteger)
    words_sealed: Mapped[bytes | None]
    used_at: Mapped[datetime]
    at: Mapped[datetime]
    answer_sealed: Mapped[bytes | None]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[UUID | None]
    __table_args__ = (
        Index("ix_ratings_department", "department", "at"),
        Index("ix_ratings_complaints", "department", "at", postgresql_where="score <= 2"),
    )

    @property
    def words(self) -> str:
        """What was said besides; empty where nothing was."""
        return self._open("words_sealed", self.words_sealed)

    @property
    def answer(self) -> str:
        """What the department answered; empty where it did not."""
        return self._open("answer_sealed", self.answer_sealed)

    @property
    def is_complaint(self) -> bool:
        """Whether the department is to answer it."""
        return self.score <= WORST

    def _open(self, column: str, sealed: bytes | None) -> str:
        return sealing.unseal(sealed, table=TABLE, column=column, row=self.id) if sealed is not None else ""


sealed_tables.declare(Rating, sealed={name: name for name in ("words_sealed", "answer_sealed")})


@dataclass(frozen=True, slots=True)
class Figures:
    """How often each score was given."""

    counts: Mapping[int, int]

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.counts.values())

    @property
    def average(self) -> float | None:
        """The mean, or None where there is none."""
        return sum(score * count for score, count in self.counts.items()) / self.total if self.total else None

    @property
    def complaints(self) -> int:
        """How many of them are bad."""
        return sum(count for score, count in self.counts.items() if score <= WORST)


@dataclass(frozen=True, slots=True)
class Overview:
    """A department as the operator sees it: its figures, how many complaints wait, and since when the first of them does."""

    department: str
    figures: Figures
    waiting: int
    waiting_since: datetime | None


def is_rated(way: str) -> bool:
    """Whether uses of a kind are rated: those by others."""
    return way in RATED


def get_use(session: Session, use_id: UUID, viewer: SignedIn) -> Use:
    """Return a use that its viewer may see and rate, or one of the same act that they may; raises UseNotFound."""
    use = session.get(Use, (viewer.holder_id, use_id))
    if use is None or not is_rated(use.way):
        raise UseNotFound
    seen = uses_together(session, use, viewer)
    if not seen:
        raise UseNotFound("beyond the mandate")
    return use if use in seen else seen[0]


def uses_together(session: Session, use: Use, viewer: SignedIn) -> list[Use]:
    """Return the uses of the same act that a viewer may see, the oldest first."""
    several = _act(session, use)
    return several if viewer.types is None else [one for one in several if viewer.allows_type(type_of_use(session, one))]


def find_by_receipt(session: Session, receipt_id: UUID, viewer: SignedIn) -> UUID | None:
    """Return the use that a receipt is for, as a notice names it, or None where its viewer may see none."""
    found = session.scalars(select(Use.id).where(Use.holder_id == viewer.holder_id, Use.receipt_id == receipt_id)).first()
    try:
        return get_use(session, found, viewer).id if found is not None else None
    except UseNotFound:
        return None


def type_of_use(session: Session, use: Use) -> str:
    """Return the code of the type of licence that was used; empty for one that is not issued yet."""
    licence = find_held(session, use.licence_id, holder_id=use.holder_id)
    return licence.type_code if licence is not None else ""


def find_rating(session: Session, use: Use) -> Rating | None:
    """Return what was said of a use, or of another of the same act, or None."""
    several = [one.id for one in _act(session, use)]
    found = select(Rating).where(Rating.holder_id == use.holder_id, Rating.id.in_(several)).order_by(Rating.id != use.id, Rating.id)
    return session.scalars(found.limit(1)).one_or_none()


def _act(session: Session, use: Use) -> list[Use]:
    return alongside(session, [use], holder_id=use.holder_id)[act_of(use)]


def rate(session: Session, use: Use, *, score: int, words: str, person_id: UUID, now: datetime) -> None:
    """Write down what is said of a use; of two at once the first counts. Raises AlreadyRated, RatingOver."""
    if use.at < now - RATED_WITHIN:
        raise RatingOver
    if find_rating(session, use) is not None:
        raise AlreadyRated
    rating_id = _act(session, use)[0].id
    row = {
        "holder_id": use.holder_id,
        "id": rating_id,
        "reference": uuid4(),
        "department": use.department,
        "type_code": type_of_use(session, use),
        "person_id": person_id,
        "score": score,
        "words_sealed": sealing.seal(words, table=TABLE, column="words_sealed", row=rating_id) if words else None,
        "used_at": use.at,
        "at": now,
    }
    if session.execute(insert(Rating).values(row).on_conflict_do_nothing().returning(Rating.id)).first() is None:
        raise AlreadyRated
    ledger.record(session, "use.rated", actor=f"subject:{person_id}", object_id=rating_id, subject_id=use.holder_id, now=now, score=score)


def scores_of(session: Session, holder_id: UUID, uses: Collection[Use]) -> dict[UUID, tuple[int, bool]]:
    """Return the score of each of some uses that has one, its own or that of its act, and whether it was answered."""
    acts = alongside(session, uses, holder_id=holder_id)
    named = [one.id for several in acts.values() for one in several]
    query = select(Rating.id, Rating.score, Rating.answered_at).where(Rating.holder_id == holder_id, Rating.id.in_(named)).order_by(Rating.id)
    said = {row.id: (row.score, row.answered_at is not None) for row in session.execute(query)} if named else {}
    rated = {act: next((said[one.id] for one in several if one.id in said), None) for act, several in acts.items()}
    found = {use.id: said.get(use.id) or rated[act_of(use)] for use in uses}
    return {use_id: one for use_id, one in found.items() if one is not None}


def figures_of(session: Session, department: str, *, now: datetime) -> dict[str, Figures]:
    """Return a department's figures of the last year, by the code of the licence type."""
    lately = Rating.department == department, Rating.at > now - COUNTED
    query = select(Rating.type_code, Rating.score, func.count()).where(*lately).group_by(Rating.type_code, Rating.score)
    found: dict[str, dict[int, int]] = {}
    for type_code, score, count in session.execute(query):
        found.setdefault(type_code, {})[score] = count
    return {type_code: Figures(counts) for type_code, counts in found.items()}


def total_of(figures: Collection[Figures]) -> Figures:
    """Return several figures as one."""
    return Figures({score: sum(one.counts.get(score, 0) for one in figures) for score in SCORES})


def complaints_of(session: Session, department: str) -> list[Rating]:
    """Return a department's complaints: those that wait, the oldest first, then the newest of those that are answered; at most a page."""
    bad = select(Rating).where(Rating.department == department, Rating.score <= WORST)
    waiting = list(session.scalars(bad.where(Rating.answered_at.is_(None)).order_by(Rating.at).limit(PAGE)))
    answered = bad.where(Rating.answered_at.is_not(None)).order_by(Rating.at.desc()).limit(PAGE - len(waiting))
    return [*waiting, *session.scalars(answered)]


def answer(session: Session, reference: UUID, *, department: str, officer_id: UUID, words: str, now: datetime) -> None:
    """Answer a complaint, once, and tell whoever made it; raises RatingNotFound, for another department's too, and AlreadyAnswered."""
    own = Rating.reference == reference, Rating.department == department, Rating.score <= WORST
    row = session.scalars(select(Rating).where(*own).with_for_update()).one_or_none()
    if row is None:
        raise RatingNotFound
    if row.answered_at is not None:
        raise AlreadyAnswered
    row.answer_sealed = sealing.seal(words, table=TABLE, column="answer_sealed", row=row.id)
    row.answered_at, row.answered_by = now, officer_id
    ledger.record(session, "rating.answered", actor=f"subject:{officer_id}", object_id=row.id, subject_id=row.holder_id, now=now)
    try:
        name: Text = get_department(department).name
    except DepartmentNotFound:
        name = Text(department, department)
    notices.tell(session, row.person_id, "rating.answered", now=now, page=f"/wallet/history/{row.id}/rating", department=name)


def overview(session: Session, *, now: datetime) -> list[Overview]:
    """Return every department that was rated in the last year: those with the most complaints that wait first."""
    lately = Rating.at > now - COUNTED
    counts: dict[str, dict[int, int]] = {}
    for department, score, count in session.execute(
        select(Rating.department, Rating.score, func.count()).where(lately).group_by(Rating.department, Rating.score)
    ):
        counts.setdefault(department, {})[score] = count
    waits = select(Rating.department, func.count(), func.min(Rating.at)).where(Rating.score <= WORST, Rating.answered_at.is_(None))
    waiting = {department: (count, since) for department, count, since in session.execute(waits.group_by(Rating.department))}
    known = counts.keys() | waiting.keys()
    found = [Overview(one, Figures(counts.get(one, {})), *waiting.get(one, (0, None))) for one in known]
    return sorted(found, key=lambda one: (-one.waiting, one.department))
