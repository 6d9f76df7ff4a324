"""What a registry's word does, wherever the subject is met: one transaction, at once, and kept for good."""

from threading import Thread
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, select, text

from idp.oauth.access_tokens import InvalidToken, verify_access_token
from idp.signin import entering
from idp.signin.entering import Browser
from idp.subjects import changes, directory, history, registries, registry_import
from idp.subjects.directory import SubjectEnded, TwoSubjects
from idp.subjects.history import Told
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.database import transaction
from runtime.ledger import LedgerEntry
from runtime.settings import Settings
from tests.idp.oauth.journeys import Journey
from tests.wallet.issuing.desks import Desk, body_for
from tests.world_clients import new_portal
from tests.world_people import BROWSER, PASSWORD, Person, citizen_number, new_organisation, new_person, open_account, post_form, sign_in
from tests.world_wallet import example_fields


def told() -> Told:
    return Told("registry", now())


def load(app: Flask, **row: str) -> None:
    """Take one row of people, as a file says it."""
    with app.app_context(), transaction() as session:
        assert not registry_import.load_people(session, [row])


def die(app: Flask, person: Person) -> None:
    load(app, number=person.number, name=person.name, state="死亡", ended_on="2026-11-01")


def subject_id_of(app: Flask, number: str) -> UUID:
    with app.app_context(), transaction() as session:
        subject = directory.find_subject(session, parse_number(number))
        assert subject is not None
        return subject.id


@pytest.fixture
def person(app: Flask) -> Person:
    """Someone with an account."""
    with app.app_context(), transaction() as session:
        person = new_person(session)
        open_account(session, person)
    return person


def is_signed_in(client: FlaskClient) -> bool:
    return client.get("/account", headers=BROWSER).status_code == 200


def test_a_new_name_is_kept_with_the_one_before(context: None) -> None:
    with transaction() as session:
        person = new_person(session, name="许静")
        subject_id = directory.ensure_subject(session, parse_number(person.number), now=now()).id
        for name in ("许静怡", "许静怡"):
            registry_import.load_people(session, [{"number": person.number, "name": name}])
    with transaction() as session:
        (change,) = history.changes_of(session, subject_id)
        assert (change.what, change.before, change.after, change.told.by) == ("name", "许静", "许静怡", "registry")
        acts = session.scalars(select(LedgerEntry.act).where(LedgerEntry.subject_id == subject_id)).all()
        assert acts.count("subject.renamed") == 1
        rows = session.scalars(select(history.SubjectChange.values_sealed).where(history.SubjectChange.subject_id == subject_id))
        assert not any("许静".encode() in sealed for sealed in rows)


def test_with_a_death_every_session_and_token_ends(app: Flask, client: FlaskClient, person: Person, settings: Settings) -> None:
    with app.app_context(), transaction() as session:
        portal = new_portal(session, scopes=("openid", "profile", "offline_access"))
    sign_in(client, person)
    tokens = Journey(portal, scope="openid profile offline_access").tokens(client)
    die(app, person)
    assert not is_signed_in(client)
    with app.app_context(), pytest.raises(InvalidToken):
        verify_access_token(tokens["access_token"], settings=settings, now=now())
    form = {**portal.proof(), "grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert client.post("/token", data=form).json["error"] == "invalid_grant"
    with app.app_context(), transaction() as session:
        (change,) = history.changes_of(session, subject_id_of(app, person.number))
        assert (change.what, change.after, str(change.told.on)) == ("state", "deceased", "2026-11-01")


def test_a_dead_person_s_password_is_answered_as_that_of_someone_unknown(app: Flask, client: FlaskClient, person: Person) -> None:
    die(app, person)
    answers = [sign_in(client, Person(number, ""), password) for number in (person.number, citizen_number()) for password in (PASSWORD, "x" * 12)]
    assert {answer.status_code for answer in answers} == {422}
    assert len({answer.text.count("号码或密码不正确") for answer in answers}) == 1


def test_a_restored_person_signs_in_again_and_finds_no_session(app: Flask, client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    die(app, person)
    load(app, number=person.number, name=person.name, state="正常")
    assert not is_signed_in(client)
    assert sign_in(client, person).status_code == 303
    with app.app_context(), transaction() as session:
        assert [change.after for change in history.changes_of(session, subject_id_of(app, person.number))] == ["active", "deceased"]


def test_a_file_without_a_state_neither_kills_nor_revives(app: Flask, person: Person) -> None:
    die(app, person)
    load(app, number=person.number, name=person.name)
    with app.app_context(), transaction() as session:
        subject = directory.get_subject(session, subject_id_of(app, person.number))
        assert (subject.state, subject.is_active) == ("deceased", False)
        record = registries.open_registry(session).find(parse_number(person.number))
        assert record is not None
        assert record.state == "deceased"


REGISTRATIONS = {"the right name": (None, "去世"), "another name": ("不是此人", "不相符")}


@pytest.mark.parametrize(("name", "words"), REGISTRATIONS.values(), ids=REGISTRATIONS)
def test_that_someone_has_died_is_said_only_to_who_knows_number_and_name(app: Flask, client: FlaskClient, name: str | None, words: str) -> None:
    with app.app_context(), transaction() as session:
        person = new_person(session)
    die(app, person)
    form = {"number": person.number, "name": name or person.name, "password": PASSWORD, "repeat": PASSWORD}
    page = post_form(client, "/account/new", form)
    assert (page.status_code, words in page.text) == (422, True)


def test_whoever_signs_in_while_death_is_being_told_is_out_afterwards(app: Flask, client: FlaskClient, person: Person) -> None:
    """The session's row waits for the registry's transaction, and is then refused."""
    subject_id, outcome = subject_id_of(app, person.number), []

    def enter() -> None:
        with app.app_context():
            try:
                with transaction() as session:
                    entering.enter(session, subject_id=subject_id, amr=["pwd"], browser=Browser("127.0.0.9", ""), now=now())
                outcome.append("in")
            except SubjectEnded:
                outcome.append("refused")

    with app.app_context(), transaction() as session:
        changes.set_state(session, directory.get_subject(session, subject_id), "deceased", told=told())
        thread = Thread(target=enter)
        thread.start()
        thread.join(0.3)
        assert outcome == []
    thread.join(5)
    assert outcome == ["refused"]
    with app.app_context(), transaction() as session:
        count = session.scalar(text("SELECT count(*) FROM signin_sessions WHERE subject_id = :id"), {"id": subject_id})
    assert count == 0


def test_a_licence_is_refused_to_the_dead_and_the_dissolved_naming_the_holder(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        person, boss = new_person(session), new_person(session)
        firm = new_organisation(session, representative=boss)
        registry_import.load_people(session, [{"number": person.number, "name": person.name, "state": "deceased"}])
        row = {"number": firm.number, "name": firm.name, "representative": boss.number, "state": "注销"}
        assert not registry_import.load_organisations(session, [row])
    dates = {"valid_from": f"{now().year}-01-01", "valid_until": f"{now().year + 4}-12-31"}
    for holder, slug, state in ((person, "driving-licence", "deceased"), (firm, "food-business-licence", "dissolved")):
        body = body_for(Person(holder.number, holder.name), type=slug, fields=example_fields(slug), **dates)
        answer = Desk(app, client).post("/licences", body)
        assert (answer.status_code, answer.json["code"], answer.json["field"], answer.json["state"]) == (422, "subject-ended", "holder.number", state)


def test_a_former_number_leads_to_the_same_subject_at_every_door(app: Flask, client: FlaskClient, person: Person) -> None:
    old, new = person.number, citizen_number()
    before = subject_id_of(app, old)
    load(app, number=new, name=person.name, former_number=old)
    assert subject_id_of(app, old) == subject_id_of(app, new) == before
    assert sign_in(client, Person(new, person.name)).status_code == 303
    assert "原号码" not in client.get("/account", headers=BROWSER).text
    assert sign_in(client, person, next="/account").status_code == 303
    assert "原号码" in client.get("/account", headers=BROWSER).text
    desk = Desk(app, client)
    answers = [desk.post("/licences", body_for(Person(number, person.name))) for number in (old, new)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert [answer.json.get("holder_number_changed") for answer in answers] == [True, None]
    form = {"number": old, "name": person.name, "password": PASSWORD, "repeat": PASSWORD}
    again = post_form(app.test_client(), "/account/new", form)
    assert (again.status_code, "已经变更" in again.text) == (409, True)
    assert post_form(app.test_client(), "/account/new", {**form, "name": "别人"}).status_code == 422


def test_numbers_change_again_and_back_and_are_told_twice(app: Flask) -> None:
    a, b, c = (citizen_number() for _ in range(3))
    with app.app_context(), transaction() as session:
        registry_import.load_people(session, [{"number": a, "name": "许静"}])
        known = directory.ensure_subject(session, parse_number(a), now=now()).id
    for former, number in ((a, b), (a, b), (b, c), (a, b), (c, a)):
        with app.app_context(), transaction() as session:
            directory.renumber(session, parse_number(former), parse_number(number), told=told())
    with app.app_context(), transaction() as session:
        subjects = {number: directory.find_subject(session, parse_number(number)) for number in (a, b, c)}
        assert {subject.id for subject in subjects.values() if subject} == {known}
        subject = directory.get_subject(session, known)
        assert directory.number_of(subject).value == a
        assert [change.after for change in history.changes_of(session, known)] == [a, c, b]
        assert [directory.is_former(subject, parse_number(number)) for number in (a, b, c)] == [False, True, True]


def test_two_known_subjects_are_never_made_one_by_a_file(app: Flask) -> None:
    a, b = citizen_number(), citizen_number()
    with app.app_context(), transaction() as session:
        registry_import.load_people(session, [{"number": each, "name": "许静"} for each in (a, b)])
        for each in (a, b):
            directory.ensure_subject(session, parse_number(each), now=now())
        (fault,) = registry_import.load_people(session, [{"number": b, "name": "许静", "former_number": a}])
        assert "两个主体" in fault.why.zh
        with pytest.raises(TwoSubjects):
            directory.renumber(session, parse_number(a), parse_number(b), told=told())


def test_a_representative_keeps_the_organisation_with_a_new_number_whatever_an_older_file_says(app: Flask) -> None:
    heard: list[UUID] = []
    directory.on_representative_change.append(lambda session, organisation_id, moment: heard.append(organisation_id))
    with app.app_context(), transaction() as session:
        boss = new_person(session)
        firm = new_organisation(session, representative=boss)
        directory.ensure_subject(session, parse_number(boss.number), now=now())
        directory.ensure_subject(session, parse_number(firm.number), now=now())
    new = citizen_number()
    load(app, number=new, name=boss.name, former_number=boss.number)
    with app.app_context(), transaction() as session:
        assert [each.number.value for each in registries.open_registry(session).represented_by(parse_number(new))] == [firm.number]
        row = {"number": firm.number, "name": firm.name, "representative": boss.number}
        assert not registry_import.load_organisations(session, [row])
        assert [each.number.value for each in registries.open_registry(session).represented_by(parse_number(new))] == [firm.number]
    assert heard == []
    directory.on_representative_change.pop()


def test_another_representative_is_heard_of_once_with_the_history(app: Flask) -> None:
    heard: list[UUID] = []
    directory.on_representative_change.append(lambda session, organisation_id, moment: heard.append(organisation_id))
    with app.app_context(), transaction() as session:
        before, after = new_person(session), new_person(session)
        firm = new_organisation(session, representative=before)
        firm_id = directory.ensure_subject(session, parse_number(firm.number), now=now()).id
        for _ in range(2):
            row = {"number": firm.number, "name": firm.name, "representative": after.number}
            assert not registry_import.load_organisations(session, [row])
        (change,) = history.changes_of(session, firm_id)
        assert (change.what, change.before, change.after) == ("representative", before.number, after.number)
    assert heard == [firm_id]
    directory.on_representative_change.pop()


ROWS: dict[str, tuple[dict[str, str], str | None]] = {
    "guardians": ({"guardians": "{a}；{b}"}, None),
    "no guardians": ({"guardians": "无"}, None),
    "a guardian of oneself": ({"guardians": "{number}"}, "never the person"),
    "an organisation as a guardian": ({"guardians": "11100000000013338W"}, "wrong kind"),
    "five guardians": ({"guardians": "{a} {b} {c} {d} {e}"}, "at most four"),
    "a state in words": ({"state": "正常"}, None),
    "a state that people do not have": ({"state": "注销"}, "does not dissolve"),
    "an unknown state": ({"state": "冻结"}, "active, deceased or dissolved"),
    "a day that there is not": ({"state": "死亡", "ended_on": "2026-02-30"}, "ended_on: not a date"),
    "a former number that is the number": ({"former_number": "{number}"}, "the same as the number"),
    "a former number that is none": ({"former_number": "123"}, "former_number:"),
    "a former number of an organisation": ({"former_number": "11100000000013338W"}, "wrong kind"),
    "a phone": ({"phone": "13800000000"}, None),
}


@pytest.mark.parametrize(("columns", "words"), ROWS.values(), ids=ROWS)
def test_the_further_columns_are_read_or_reported(context: None, columns: dict[str, str], words: str | None) -> None:
    numbers = {name: citizen_number() for name in ("number", *"abcde")}
    row: dict[str, Any] = {"number": numbers["number"], "name": "方小满", **{name: value.format(**numbers) for name, value in columns.items()}}
    with transaction() as session:
        faults = registry_import.load_people(session, [row])
        assert [words in fault.why.en for fault in faults if words] == ([True] if words else [])
        if words is None and "guardians" in row:
            record = registries.open_registry(session).find(parse_number(numbers["number"]))
            assert record is not None
            assert [each.value for each in record.guardians] == ([numbers["a"], numbers["b"]] if "；" in row["guardians"] else [])


def test_issuing_asks_for_its_holder_in_one_query_by_either_number(app: Flask, person: Person) -> None:
    load(app, number=(new := citizen_number()), name=person.name, former_number=person.number)
    for number in (new, person.number):
        with app.app_context(), transaction() as session:
            statements: list[str] = []
            event.listen(session.connection(), "before_cursor_execute", lambda *given, into=statements: into.append(str(given[2])))
            assert directory.ensure_subject(session, parse_number(number), now=now())
            assert len(statements) == 1
