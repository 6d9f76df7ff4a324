"""A person mutes what they do not want to hear of, and never what keeps their account safe."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from idp.signin import closing, notice_choices, notices
from idp.signin.notice_choices import CHOICES
from idp.signin.notice_texts import NOTICES
from runtime.clock import now
from runtime.database import transaction
from tests.idp.signin.test_contacts import person_of
from tests.world_people import BROWSER, new_person, open_account, post_form, sign_in

PORTAL = {"portal": "示例门户"}


def told(session: Session, person: object) -> list[str]:
    return [one.kind for one in notices.latest(session, person)]  # type: ignore[arg-type]


def test_what_is_muted_is_not_told_until_it_is_wanted_again(session: Session) -> None:
    person = person_of(session)
    for wanted, kinds in (({"asked"}, ["request-waits"]), (set[str](), ["request-waits"]), ({"asked"}, ["request-waits"] * 2)):
        notice_choices.choose(session, person, wanted, now=now())
        notices.tell(session, person, "request-waits", now=now(), **PORTAL)
        assert told(session, person) == kinds


def test_one_person_s_choice_is_no_other_s_and_silence_is_the_usual(session: Session) -> None:
    deaf, other = person_of(session), person_of(session)
    notice_choices.choose(session, deaf, [], now=now())
    assert notice_choices.choices_of(session, other) == {name: choice.usual for name, choice in CHOICES.items()}
    assert notice_choices.who_want(session, [deaf, other], "drawn") == {other}
    assert notice_choices.who_want(session, [deaf, other], "shown") == set()


def test_nobody_can_mute_what_keeps_an_account_safe() -> None:
    mutable = {kind for choice in CHOICES.values() for kind in choice.kinds}
    assert mutable <= NOTICES.keys()
    assert {kind for kind in mutable if not kind.startswith("licence.")} == {"request-waits"}


@pytest.mark.parametrize("form", [{"wanted": "new"}, {"wanted": "nonsense"}, {"wanted": "x" * 5000}, {}], ids=["one", "unknown", "huge", "none"])
def test_the_page_keeps_what_is_ticked_and_nothing_else(app: Flask, client: FlaskClient, form: dict[str, str]) -> None:
    with app.app_context(), transaction() as session:
        person = new_person(session)
        subject_id = open_account(session, person)
    assert sign_in(client, person).status_code == 303
    answer = post_form(client, "/account/notices", form)
    assert (answer.status_code, answer.location) == (303, "/account/notices")
    with app.app_context(), transaction() as session:
        assert {name for name, wanted in notice_choices.choices_of(session, subject_id).items() if wanted} == {form.get("wanted")} & set(CHOICES)
    page = client.get("/account/notices", headers=BROWSER).text
    assert ("checked" in page) == (form.get("wanted") == "new")


def test_who_closes_their_account_leaves_no_choice_behind(session: Session) -> None:
    person = person_of(session)
    notice_choices.choose(session, person, ["new"], now=now())
    closing.close(session, person, now=now())
    assert notice_choices.choices_of(session, person)["drawn"] is True
