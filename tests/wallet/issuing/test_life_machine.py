"""The life of a licence as a machine: whatever is done in whatever order, the register is where the table says, and knows how it came there."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from flask import Flask, current_app
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import select

from runtime.clock import now
from runtime.database import transaction
from runtime.events import Event
from tests.world_people import new_person
from tests.world_types import FIELDS, new_type
from tests.world_wallet import new_department
from wallet.issuing import status_lists
from wallet.issuing.credentials import credentials_of
from wallet.issuing.expiry import lapse_expired
from wallet.issuing.life import act_on, issue_licence
from wallet.issuing.requests import ActRequest, LicenceRequest
from wallet.issuing.validity import NotRenewable
from wallet.register.acts import PLAIN_ACTS, TURNS, Act
from wallet.register.licences import Licence, LicenceState, china_date, get_licence
from wallet.register.turns import WrongState, state_on, turns_of

STATUSES = {"valid": status_lists.VALID, "suspended": status_lists.SUSPENDED, "invalid": status_lists.INVALID}
YEAR = timedelta(days=365)


@dataclass
class Modelled:
    """What a licence should be; `past` holds the states with the moments since which they were recorded."""

    id: UUID
    issuer: str
    version: int
    ends: datetime
    state: LicenceState = LicenceState.VALID
    status: int = status_lists.VALID
    act: Act = Act.ISSUE
    successor: UUID | None = None
    receiver: str | None = None
    past: list[tuple[datetime, LicenceState]] = field(default_factory=list)

    def state_at(self, at: datetime) -> LicenceState:
        return self.seen(self.state, self.act, at)

    def seen(self, state: LicenceState, act: Act, at: datetime) -> LicenceState:
        if state is LicenceState.VALID and china_date(at) > china_date(self.ends):
            return LicenceState.EXPIRED
        return LicenceState.EXPIRED if act is Act.EXPIRE else state


class LifeOfALicence(RuleBasedStateMachine):
    """Two departments, a chain of licences, and a clock that only goes forward."""

    app: ClassVar[Flask]

    def __init__(self) -> None:
        super().__init__()
        self.context = self.app.app_context()
        self.context.push()
        if not hasattr(type(self), "departments"):
            slug, _ = new_type(validity={"rule": "dated", "renewable_days_before": 90, "renewable_days_after": 30})
            type(self).slug, type(self).departments = slug, [new_department(issue=[slug]) for _ in range(2)]
        self.clock = now()
        with transaction() as session:
            number = new_person(session).number
            ends = china_date(self.clock + YEAR)
            request = LicenceRequest(self.slug, number, FIELDS, china_date(self.clock), ends)
            licence = issue_licence(session, self.settings, request, department=self.departments[0], now=self.clock)
        self.licences = [Modelled(licence.id, self.departments[0], 1, self.clock + YEAR)]
        self.note(self.licences[0])

    slug: ClassVar[str]
    departments: ClassVar[list[str]]

    @property
    def settings(self) -> Any:
        return current_app.extensions["kabao_settings"]

    @property
    def newest(self) -> Modelled:
        return self.licences[-1]

    def note(self, one: Modelled) -> None:
        one.past.append((self.clock, one.state))

    def attempt(self, one: Modelled, act: Act, **members: Any) -> Licence | None:
        """Do an act as the department that may, and return what came of it, or None if it was refused."""
        self.clock += timedelta(seconds=1)
        department = (one.receiver or self.departments[1]) if act is Act.TRANSFER_IN else one.issuer
        request = ActRequest(act, "测试", "测试", **members)
        allowed = one.successor is None and one.state_at(self.clock) in TURNS[act].states
        try:
            with transaction() as session:
                done = act_on(session, self.settings, get_licence(session, one.id), request, department=department, now=self.clock)
        except NotRenewable:
            return None
        except WrongState:
            allowed = not allowed
            done = None
        if done is None:
            assert allowed, f"no {act} from {one.state_at(self.clock)}"
            return None
        assert allowed, f"{act} from {one.state_at(self.clock)}"
        self.moved(one, act)
        return done

    def moved(self, one: Modelled, act: Act) -> None:
        turn = TURNS[act]
        one.state, one.act = turn.state, act
        if turn.credentials is not None and one.status != status_lists.INVALID:
            one.status = STATUSES[turn.credentials]
        self.note(one)

    @rule(hours=st.integers(1, 24 * 60))
    def time_goes_by(self, hours: int) -> None:
        self.clock += timedelta(hours=hours)

    @rule(act=st.sampled_from(PLAIN_ACTS), which=st.integers(0, 9))
    def act_plainly(self, act: Act, which: int) -> None:
        self.attempt(self.licences[which % len(self.licences)], act)

    @rule(act=st.sampled_from([Act.CHANGE, Act.REPLACE]), which=st.integers(0, 9))
    def write_anew(self, act: Act, which: int) -> None:
        one = self.licences[which % len(self.licences)]
        self.succeed(one, self.attempt(one, act), one.issuer, one.ends)

    @rule(which=st.integers(0, 9))
    def renew(self, which: int) -> None:
        one, ends = self.licences[which % len(self.licences)], self.clock + YEAR
        self.succeed(one, self.attempt(one, Act.RENEW, valid_until=china_date(ends)), one.issuer, ends)

    @rule()
    def transfer_out(self) -> None:
        one = self.newest
        receiver = next(department for department in self.departments if department != one.issuer)
        if self.attempt(one, Act.TRANSFER_OUT, to=receiver) is not None:
            one.receiver = receiver

    @precondition(lambda self: self.newest.state is LicenceState.TRANSFERRED)
    @rule()
    def transfer_in(self) -> None:
        one = self.newest
        self.succeed(one, self.attempt(one, Act.TRANSFER_IN), str(one.receiver), one.ends)

    @rule()
    def the_calendar_is_written_down(self) -> None:
        self.clock += timedelta(seconds=1)
        with transaction() as session:
            while lapse_expired(session, now=self.clock):
                continue
        for one in self.licences:
            if one.state is LicenceState.VALID and one.state_at(self.clock) is LicenceState.EXPIRED:
                self.moved(one, Act.EXPIRE)

    def succeed(self, one: Modelled, successor: Licence | None, issuer: str, ends: datetime) -> None:
        if successor is None:
            return
        one.successor = successor.id
        self.licences.append(Modelled(successor.id, issuer, one.version + 1, ends))
        self.note(self.newest)
        assert successor.predecessor_id == one.id

    @invariant()
    def the_register_is_as_the_table_has_it(self) -> None:
        with transaction() as session:
            for one in self.licences:
                licence = get_licence(session, one.id)
                assert (licence.state, licence.successor_id, licence.issuer_code) == (one.state.value, one.successor, one.issuer)
                assert licence.state_at(self.clock) is one.state_at(self.clock)
                assert int(licence.identifier.split(".")[-2]) == one.version
                assert [status_lists.state_of(session, each.place) for each in credentials_of(session, licence)] == [one.status]

    @invariant()
    def every_turn_is_remembered_once_and_told_once(self) -> None:
        with transaction() as session:
            for one in self.licences:
                licence = get_licence(session, one.id)
                turns = turns_of(session, licence)
                assert [turn.state for turn in turns] == [state.value for _, state in one.past]
                assert [turn.turn for turn in turns] == list(range(1, licence.turn + 1))
                told = session.scalars(select(Event.id).where(Event.object_id == str(one.id))).all()
                assert len(told) == len(turns)
                for at, state in one.past[:-1]:
                    assert state_on(session, licence, at=at).recorded is one.seen(state, Act.ISSUE, at)

    def teardown(self) -> None:
        self.context.pop()


def test_whatever_is_done_with_a_licence_it_is_where_the_table_says(app: Flask) -> None:
    LifeOfALicence.app = app
    run_state_machine_as_test(
        LifeOfALicence,
        settings=settings(max_examples=15, stateful_step_count=12, deadline=None, suppress_health_check=[HealthCheck.too_slow]),
    )
