"""Page by page a timeline tells just what a wallet's licences went through, those that are shared with others among them, in its order."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import insert, or_, select, tuple_
from sqlalchemy.orm import Session

from runtime.clock import now
from runtime.database import transaction
from runtime.ids import new_id
from tests.wallet.holding.test_paging import more_like
from tests.wallet.holding.test_piles import Viewer
from tests.wallet.holding.test_wallet_pages import licensed, someone, writing
from wallet.holding import timeline
from wallet.holding.timeline import Place, timeline_of
from wallet.register.catalogue import get_type
from wallet.register.licences import Licence, LicenceHolder, beginning_of, china_date
from wallet.register.turns import LicenceTurn
from wallet.register.turns import timeline_of as in_effect

SLUGS = ("driving-licence", "degree-certificate")
EACH, MOMENTS = 6, 8
LATER = ("suspend", "resume", "renew", "revoke")


@pytest.fixture(scope="module")
def viewer(app: Flask) -> Viewer:
    """The holder of licences of two types, some of them after another; whatever happened to them happened as one of few days began."""
    own, theirs = licensed(app, someone(app).number, *SLUGS), licensed(app, someone(app).number, *SLUGS)
    dice, today = random.Random(53), china_date(now())
    moments = [beginning_of(today - timedelta(days=each)) for each in range(MOMENTS)]
    with writing(app) as session:
        for model in (*own, *theirs):
            for licence_id in more_like(session, model, EACH):
                _live(session, model.holder_id, licence_id, dice, moments)
                if model in theirs:
                    shared = {"holder_id": own[0].holder_id, "licence_id": licence_id, "first_holder_id": model.holder_id, "place": 2}
                    session.execute(insert(LicenceHolder).values(shared))
    return Viewer(own[0].holder_id, own[0].holder_id)


def _live(session: Session, holder_id: UUID, licence_id: UUID, dice: random.Random, moments: list[datetime]) -> None:
    for turn in range(2, 2 + dice.randrange(4)):
        what = {"act": dice.choice(LATER), "state": "suspended", "at": now(), "effective_at": dice.choice(moments), "actor": "department:test"}
        session.execute(insert(LicenceTurn).values(holder_id=holder_id, id=new_id(), licence_id=licence_id, turn=turn, **what))


def expected(session: Session, viewer: Viewer) -> list[tuple[datetime, UUID]]:
    """Return when and by which turn a wallet's licences went through something, all of it read and put in order here."""
    shared = select(LicenceHolder.licence_id).where(LicenceHolder.holder_id == viewer.holder_id)
    mine = session.scalars(select(Licence).where(or_(Licence.holder_id == viewer.holder_id, Licence.id.in_(shared)))).all()
    found = []
    for one in mine:
        turns = session.scalars(
            select(LicenceTurn)
            .where(tuple_(LicenceTurn.holder_id, LicenceTurn.licence_id) == tuple_(one.holder_id, one.id))
            .order_by(LicenceTurn.turn)
        ).all()
        if viewer.types is None or one.type_code in viewer.types:
            found += [turn for turn in in_effect(turns) if turn.turn == 1 or turn.act not in timeline.HANDED_OVER]
    return sorted((turn.effective_at, turn.id) for turn in found)


def walked(session: Session, viewer: Viewer, *, backwards: bool) -> Iterator[list[tuple[datetime, UUID]]]:
    after: Place | None = None
    while True:
        rows = timeline._turns(session, viewer, backwards=backwards, after=after)  # type: ignore[arg-type]
        yield [(turn.effective_at, turn.id) for turn, _ in rows[: timeline.PAGE]]
        place = timeline_of(session, viewer, now=now(), backwards=backwards, after=after).after  # type: ignore[arg-type]
        if place is None:
            return
        after = Place.read(str(place))


@pytest.mark.parametrize("slugs", [None, SLUGS[:1]], ids=["all types", "one type"])
@pytest.mark.parametrize("backwards", [False, True], ids=["from the first year", "from the last year"])
def test_its_pages_together_are_the_timeline(
    app: Flask, viewer: Viewer, monkeypatch: pytest.MonkeyPatch, slugs: tuple[str, ...] | None, *, backwards: bool
) -> None:
    monkeypatch.setattr(timeline, "PAGE", 7)
    with app.app_context(), transaction() as session:
        who = Viewer(viewer.holder_id, viewer.subject_id, frozenset(get_type(one).code for one in slugs) if slugs else None)
        pages = list(walked(session, who, backwards=backwards))
        wanted = expected(session, who)
        assert len(wanted) > 2 * timeline.PAGE
        assert [one for page in pages for one in page] == (wanted[::-1] if backwards else wanted)
        seen = timeline_of(session, who, now=now())  # type: ignore[arg-type]
        assert seen.begins == china_date(wanted[0][0]).year
