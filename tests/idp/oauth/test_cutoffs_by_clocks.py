"""Access tokens end by one clock, whatever each machine's own shows: what was issued where it is ahead ends with all else, and what is given after
somebody ended all there is good."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask

from idp.oauth import cutoffs
from idp.oauth.access_tokens import InvalidToken, sign_access_token, verify_access_token
from idp.oauth.clients import find_client
from idp.oauth.grantees import Grantee
from idp.subjects.directory import ensure_subject
from idp.subjects.numbers import parse_number
from keys import sealing
from runtime.clock import now, shifted
from runtime.database import transaction
from tests.world_clients import System
from tests.world_people import Person

Machine = Callable[[timedelta], AbstractContextManager[None]]


@pytest.fixture
def machine(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine whose clock is so much ahead of the database's, and knows it."""
    with app.app_context():
        known = sealing.sealer()

    @contextmanager
    def ahead(by: timedelta) -> Iterator[None]:
        with monkeypatch.context() as there, app.app_context(), shifted(by):
            there.setattr(sealing, "_sealer", lambda: replace(known, ahead=-by))
            yield

    return ahead


@pytest.fixture
def holder_id(app: Flask, person: Person) -> UUID:
    with app.app_context(), transaction() as session:
        return ensure_subject(session, parse_number(person.number), now=now()).id


HOUR = timedelta(hours=1)


def signed(app: Flask, portal: System, holder_id: UUID) -> str:
    client = find_client(portal.client_id)
    assert client is not None
    return sign_access_token(client, scopes="openid", settings=app.extensions["kabao_settings"], now=now(), grantee=Grantee(holder_id, holder_id))


def is_good(app: Flask, token: str) -> bool:
    try:
        verify_access_token(token, settings=app.extensions["kabao_settings"], now=now())
    except InvalidToken:
        return False
    return True


@pytest.mark.parametrize("ahead", [HOUR, timedelta(0), -timedelta(minutes=5)], ids=["ahead", "right", "behind"])
def test_what_any_machine_issued_ends_when_a_person_s_tokens_are_cut(
    app: Flask, portal: System, holder_id: UUID, machine: Machine, ahead: timedelta
) -> None:
    with machine(ahead):
        token = signed(app, portal, holder_id)
    with machine(timedelta(0)):
        assert is_good(app, token)
        with transaction() as session:
            cutoffs.cut(session, person_id=holder_id, now=now())
        assert not is_good(app, token)


@pytest.mark.parametrize("ahead", [HOUR, timedelta(0), -HOUR], ids=["ahead", "right", "behind"])
def test_what_is_given_after_a_cut_is_good_whichever_machine_cut(
    app: Flask, portal: System, holder_id: UUID, machine: Machine, ahead: timedelta
) -> None:
    with machine(ahead), transaction() as session:
        cutoffs.cut(session, person_id=holder_id, now=now())
    with machine(timedelta(0)), shifted(timedelta(seconds=1)):
        assert is_good(app, signed(app, portal, holder_id))
