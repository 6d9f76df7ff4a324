"""How a licence stood on a day, against a model that knows nothing of timelines: a day's state is what the newest turn says that covers it."""

from datetime import date, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from runtime.clock import now
from runtime.database import transaction
from tests.world_people import new_person
from tests.world_wallet import new_department, new_licence
from wallet.register.acts import Act
from wallet.register.licences import CHINA, Licence, LicenceState, beginning_of
from wallet.register.turns import Cause, LicenceTurn, MomentRefused, moment_of, standing, suspensions, take

ISSUED = datetime(2024, 3, 1, 9, tzinfo=CHINA)
ENDS = date(2026, 2, 28)
ACTS = {
    "suspend": "suspended",
    "resume": "valid",
    "revoke": "revoked",
    "annul": "annulled",
    "cancel": "cancelled",
    "lapse": "lapsed",
    "expire": "lapsed",
}


def licence_with(*, valid_until: date | None = ENDS) -> Licence:
    return Licence(valid_from=date(2024, 2, 1), valid_until=valid_until)


def turn(number: int, act: str, state: str, at: datetime, effective_at: datetime) -> LicenceTurn:
    return LicenceTurn(turn=number, act=act, state=state, at=at, effective_at=effective_at)


hours = st.integers(0, 24 * 1100).map(lambda count: ISSUED + timedelta(hours=count))


@st.composite
def lives(draw: st.DrawFn) -> list[LicenceTurn]:
    """Turns in the order in which they were written, each in effect at its writing or before."""
    turns = [turn(1, "issue", "valid", ISSUED, beginning_of(date(2024, 2, 1)))]
    for number, at in enumerate(sorted(draw(st.lists(hours, max_size=8))), 2):
        act = draw(st.sampled_from(sorted(ACTS)))
        back = draw(st.integers(0, 24 * 400))
        turns.append(turn(number, act, ACTS[act], at, max(turns[0].effective_at, at - timedelta(hours=back))))
    return turns


def by_calendar(state: str, act: str, at: datetime) -> str:
    day = at.astimezone(CHINA).date()
    if act == "expire":
        return "expired"
    if state != "valid":
        return state
    return "not-yet-valid" if day < date(2024, 2, 1) else "expired" if day > ENDS else state


def model(turns: list[LicenceTurn], at: datetime) -> str | None:
    for one in reversed(turns):
        if one.effective_at <= at:
            return by_calendar(one.state, one.act, at)
    return None


def recorded_model(turns: list[LicenceTurn], at: datetime) -> str | None:
    written = [one for one in turns if one.at <= at]
    return by_calendar(written[-1].state, written[-1].act, at) if written else None


@given(lives(), hours, st.integers(-2000, 2000))
def test_a_licence_stood_as_the_newest_turn_has_it_that_covers_the_moment(turns: list[LicenceTurn], at: datetime, shift: int) -> None:
    moment = at + timedelta(hours=shift)
    stood = standing(licence_with(), turns, at=moment)
    assert (stood.state.value if stood.state else None) == model(turns, moment)
    assert (stood.recorded.value if stood.recorded else None) == recorded_model(turns, moment)


@given(lives(), hours)
def test_it_was_suspended_in_just_the_periods_that_are_told(turns: list[LicenceTurn], at: datetime) -> None:
    within = any(begins <= at and (ends is None or at < ends) for begins, ends in suspensions(turns))
    assert within == (model(turns, at) == "suspended")


def test_what_was_written_later_does_not_change_what_the_register_told_then() -> None:
    turns = [turn(1, "issue", "valid", ISSUED, ISSUED), turn(2, "annul", "annulled", ISSUED + timedelta(days=90), ISSUED)]
    stood = standing(licence_with(), turns, at=ISSUED + timedelta(days=30))
    assert (stood.state, stood.recorded) == (LicenceState.ANNULLED, LicenceState.VALID)


@pytest.mark.parametrize(
    ("at", "meant"),
    [
        pytest.param(date(2024, 5, 1), datetime(2024, 5, 1, 23, 59, 59, 999999, tzinfo=CHINA), id="a day as it ends"),
        pytest.param(date(2024, 6, 1), datetime(2024, 6, 1, 12, tzinfo=CHINA), id="today until now"),
        pytest.param(ISSUED, ISSUED, id="a moment as it is"),
    ],
)
def test_a_day_is_meant_as_it_ends_in_china(at: date, meant: datetime) -> None:
    assert moment_of(at, now=datetime(2024, 6, 1, 12, tzinfo=CHINA)) == meant


@pytest.mark.parametrize("at", [date(2024, 6, 2), date.max, datetime.max.replace(tzinfo=CHINA)], ids=["tomorrow", "the last day", "the last moment"])
def test_the_future_cannot_be_asked_about(at: date) -> None:
    with pytest.raises(MomentRefused):
        moment_of(at, now=datetime(2024, 6, 1, 12, tzinfo=CHINA))


@pytest.fixture
def suspended(app: Flask) -> UUID:
    """A licence with two turns."""
    with app.app_context(), transaction() as session:
        department = new_department(issue=["driving-licence"])
        licence = new_licence(session, type="driving-licence", department=department, number=new_person(session).number)
        return take(session, licence, Act.SUSPEND, Cause("测试", "测试", "operator"), now=now()).id


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("UPDATE licence_turns SET state = 'valid' WHERE licence_id = %s", id="changed"),
        pytest.param("UPDATE licence_turns SET effective_at = now() WHERE licence_id = %s", id="moved"),
        pytest.param("UPDATE licence_turns SET reason_sealed = NULL WHERE licence_id = %s", id="silenced"),
        pytest.param("DELETE FROM licence_turns WHERE licence_id = %s", id="deleted"),
    ],
)
def test_the_database_itself_keeps_a_turn_as_it_is(suspended: UUID, database_url: str, statement: str) -> None:
    with psycopg.connect(database_url) as connection, pytest.raises(psycopg.errors.RestrictViolation):
        connection.execute(statement, (suspended,))
