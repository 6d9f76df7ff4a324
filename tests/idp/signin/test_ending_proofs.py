"""A month before a proof ends its owner is told, once, and only of the one that their level rests on."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select

from idp.signin import ending_proofs, proofs
from idp.signin.notices import Notice
from idp.signin.proofs import Method
from runtime.clock import now
from runtime.database import transaction
from tests.world_people import new_person, open_account


@pytest.fixture
def subject_id(context: None) -> UUID:
    with transaction() as session:
        return open_account(session, new_person(session))


def tell(*, after: timedelta) -> None:
    """Let so much time pass, and let the job run; other tests' people are told along."""
    while ending_proofs.tell_some(now=now() + after) == ending_proofs.BATCH:
        pass


def told(subject_id: UUID) -> int:
    with transaction() as session:
        return session.scalar(select(func.count()).where(Notice.subject_id == subject_id, Notice.kind == "level-ends")) or 0


def test_people_are_told_a_month_before_and_once(subject_id: UUID) -> None:
    tell(after=timedelta(days=690))
    assert told(subject_id) == 0
    tell(after=timedelta(days=705))
    tell(after=timedelta(days=706))
    assert told(subject_id) == 1


def test_nobody_is_told_of_a_proof_that_another_outlasts(subject_id: UUID) -> None:
    with transaction() as session:
        proofs.prove(session, subject_id, method=Method.COUNTER, now=now())
    tell(after=timedelta(days=705))
    assert told(subject_id) == 0


def test_a_proof_ends_and_may_be_made_again(subject_id: UUID) -> None:
    later = now() + timedelta(days=731)
    with transaction() as session:
        assert proofs.ial_of(session, subject_id, now=now() + timedelta(days=729)) == 2
        assert proofs.ial_of(session, subject_id, now=later) == 1
        proofs.prove(session, subject_id, method=Method.REGISTRY, now=later)
        assert proofs.ial_of(session, subject_id, now=later) == 2


def test_what_was_proven_above_a_level_is_withdrawn(subject_id: UUID) -> None:
    with transaction() as session:
        proofs.prove(session, subject_id, method=Method.COUNTER, now=now())
        assert proofs.ial_of(session, subject_id, now=now()) == 3
        proofs.lower(session, subject_id, why="recovered", now=now())
        assert proofs.ial_of(session, subject_id, now=now()) == 2
