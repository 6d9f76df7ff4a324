import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from idp.signin import notices
from idp.signin.notice_texts import NOTICES
from idp.signin.notices import Notice
from runtime.clock import now
from runtime.database import transaction
from runtime.languages import Text
from tests.idp.signin.test_contacts import person_of


def test_a_notice_is_kept_in_both_languages_and_sealed(session: Session) -> None:
    person = person_of(session)
    notices.tell(session, person, "totp-added", now=now(), name=Text("手机", "phone"))
    (told,) = notices.latest(session, person)
    assert "“手机”" in told.body.zh
    assert "“phone”" in told.body.en
    row = session.scalars(select(Notice).where(Notice.subject_id == person)).one()
    assert "手机".encode() not in row.values_sealed


def test_a_moment_is_written_as_each_language_writes_it(session: Session) -> None:
    person = person_of(session)
    notices.tell(session, person, "level-ends", now=now(), until=datetime(2026, 11, 29, 16, 5, tzinfo=UTC))
    (told,) = notices.latest(session, person)
    assert "2026-11-30 00:05" in told.body.zh
    assert "30 Nov 2026, 00:05" in told.body.en


def test_the_newest_notice_comes_first(session: Session) -> None:
    person, present = person_of(session), now()
    for number in range(7):
        notices.tell(session, person, "recovery-codes-few", now=present + timedelta(seconds=number), left=number)
    assert [re.findall(r"\d+", told.body.zh) for told in notices.latest(session, person)] == [["6"], ["5"], ["4"], ["3"], ["2"]]


def test_a_notice_lacking_a_value_is_an_error_of_who_tells(session: Session) -> None:
    with pytest.raises(KeyError):
        notices.tell(session, person_of(session), "totp-added", now=now())


def test_where_there_is_more_stands_on_the_page_too_as_long_as_the_notice(context: None) -> None:
    present = now()
    with transaction() as session:
        person = person_of(session)
        notices.tell(session, person, "request-waits", now=present, page="/account/requests", portal=Text("门户", "Portal"))
    notices.forget(now=present + timedelta(hours=25))
    with transaction() as session:
        (told,) = notices.latest(session, person)
        row = session.scalars(select(Notice).where(Notice.subject_id == person)).one()
        found = notices.find(session, person, row.id)
        assert found is not None
    assert (told.link, found.link) == ("/account/requests", "/account/requests")
    assert "/account" not in told.body.zh + told.body.en


def test_a_link_with_a_secret_is_only_for_sending_and_forgotten_after_a_day(context: None) -> None:
    present = now()
    with transaction() as session:
        person = person_of(session)
        notices.tell(session, person, "password-changed", now=present, link="/signin/not-me/secret")
    with transaction() as session:
        row = session.scalars(select(Notice).where(Notice.subject_id == person)).one()
        found = notices.find(session, person, row.id)
        assert found is not None
        assert found.link == "/signin/not-me/secret"
        assert notices.latest(session, person)[0].link is None
    notices.forget(now=present + timedelta(hours=25))
    with transaction() as session:
        found = notices.find(session, person, row.id)
        assert found is not None
        assert found.link is None
    notices.forget(now=present + timedelta(days=200))
    with transaction() as session:
        assert notices.latest(session, person) == []


@pytest.mark.parametrize("kind", NOTICES)
def test_both_languages_fill_in_the_same_values(kind: str) -> None:
    text = NOTICES[kind]
    assert set(re.findall(r"\{(\w+)\}", text.body.zh)) == set(re.findall(r"\{(\w+)\}", text.body.en))
