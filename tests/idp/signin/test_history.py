"""The history of an account, and that every act the code records about a person has its sentence."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, text

from idp.signin import history
from idp.signin.acts import ACTS, SOMETHING
from idp.subjects import appointments, directory, mandates
from idp.subjects.numbers import parse_number
from idp.subjects.rights import Right
from runtime import ledger
from runtime.clock import now
from runtime.database import transaction
from runtime.ids import new_id
from tests.world_people import BROWSER, Person, act_for, new_organisation, new_person, open_account, sign_in
from wallet.register.acts import KINDS

ROOT = Path(__file__).parents[3]
SOURCES = sorted(path for package in ("idp", "wallet") for path in (ROOT / package).rglob("*.py"))
# Acts of the operator and of departments that concern no person.
OF_NOBODY = {
    *(
        "act.approved",
        "act.refused",
        "act.requested",
        "authority.granted",
        "authority.withdrawn",
        "client.changed",
        "client.deleted",
        "client.disabled",
        "client.enabled",
        "client.registered",
        "client.secret-rotated",
        "department.added",
        "draws.flag-seen",
        "import.started",
        "job.dropped",
        "job.retried",
        "issuer.distrusted",
        "issuer.trusted",
        "licence-type.applied",
        "matter.fields-removed",
        "matter.fields-set",
        "receipts.archived",
        "registration-policy.applied",
        "registration-policy.removed",
        "registration-token.issued",
        "registration-token.revoked",
        "registry.told",
        "resource.disabled",
        "resource.registered",
        "statement-issuer.distrusted",
        "statement-issuer.trusted",
        "stream.changed",
        "stream.dropped",
        "stream.ended",
        "stream.made",
        "stream.replayed",
        "stream.status",
        "wallet-maker.distrusted",
        "wallet-maker.trusted",
    ),
}
FIRST_WORDS = {act.partition(".")[0] for act in ACTS} - {"code"}


def acts_of(path: Path) -> Iterator[str]:
    """Return every act that a file records, as it is written there; of an f-string what is fixed, with `*` for the rest."""
    source = path.read_text()
    if "ledger.re" not in source and "ledger.row_of" not in source:
        return
    for node in ast.walk(ast.parse(source)):
        name = (node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")) if isinstance(node, ast.Call) else ""
        for argument in node.args if isinstance(node, ast.Call) and name.strip("_") in ("record", "row_of") else ():
            yield from (act for each in ast.walk(argument) for act in written_acts(each))
        yield from (act for act in written_acts(node) if act.partition(".")[0] in FIRST_WORDS)


def written_acts(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.JoinedStr):
        written = "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values)
    else:
        written = str(getattr(node, "value", ""))
    if re.fullmatch(r"(?:\*|[a-z-]+)\.(?:\*|[a-z_-]+)", written):
        yield written


def has_sentence(act: str) -> bool:
    before, star, after = act.partition("*")
    return act in ACTS if not star else any(known.startswith(before) and known.endswith(after) for known in ACTS)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_act_about_a_person_has_a_sentence(path: Path) -> None:
    assert [act for act in acts_of(path) if act not in OF_NOBODY and not has_sentence(act)] == []


def test_the_acts_are_found_where_they_are_written() -> None:
    found = {act for path in SOURCES for act in acts_of(path)}
    assert {"account.opened", "session.begun", "portal.signed_in", "consent.given", "acting.ended", "licence.found", "*.made"} <= found
    assert set(KINDS) <= set(ACTS), "every act on a licence concerns its holder"


@pytest.mark.parametrize("act", ACTS)
def test_a_sentence_says_the_same_in_both_languages(act: str) -> None:
    sentence = ACTS[act]
    assert sentence.zh
    assert sentence.en
    assert ("{what}" in sentence.zh) == ("{what}" in sentence.en)


def test_no_sentence_is_about_something_without_a_name() -> None:
    kinds = {act.partition(".")[0] for act, sentence in ACTS.items() if "{what}" in sentence.zh}
    assert kinds - SOMETHING.keys() - history.namers.keys() == set()


def subject_of(person: Person) -> UUID:
    with transaction() as session:
        subject = directory.find_subject(session, parse_number(person.number))
        assert subject is not None
        return subject.id


def test_the_page_tells_what_happened_in_words_and_no_number(client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    page = client.get("/account/history", headers=BROWSER).text
    assert "登录（密码）" in page
    assert "开通账号" in page
    assert "操作方：登记库" in page
    assert person.number not in page
    assert "Signed in (password)" in client.get("/account/history?lang=en", headers=BROWSER).text


def test_what_i_did_in_anothers_name_is_in_my_history_too(app: Flask, client: FlaskClient, person: Person) -> None:
    with app.app_context(), transaction() as session:
        firm = new_organisation(session, representative=person)
        firm_id = directory.ensure_subject(session, parse_number(firm.number), now=now()).id
    sign_in(client, person)
    act_for(client, firm_id)
    assert "开始代表" in client.get("/account/history", headers=BROWSER).text


def test_what_was_given_to_me_in_an_organisations_name_is_in_my_history_too(app: Flask, client: FlaskClient, person: Person) -> None:
    with app.app_context(), transaction() as session:
        owner = new_person(session)
        owner_id = open_account(session, owner)
        firm = new_organisation(session, representative=owner)
        firm_id = directory.ensure_subject(session, parse_number(firm.number), now=now()).id
        appointments.claim(session, person_id=owner_id, organisation_id=firm_id, now=now())
        wanted = appointments.Appointment(mandates.HANDLER, Right(None, None, now(), None))
        appointments.appoint(
            session, by=owner_id, organisation_id=firm_id, number=parse_number(person.number), name=person.name, wanted=wanted, now=now()
        )
    sign_in(client, person)
    page = client.get("/account/history", headers=BROWSER).text
    assert f"授予办事权限：{firm.name}，办事人员" in page
    assert "操作方：另一位用户" in page


def test_the_history_is_found_by_indexes_alone(app: Flask, person: Person) -> None:
    plans: list[str] = []
    with app.app_context():
        subject_id = subject_of(person)
        with transaction() as session:
            session.execute(text("SET LOCAL enable_seqscan = off"))
            statements: list[Any] = []
            event.listen(session, "do_orm_execute", lambda state: statements.append(state.statement))
            history.history_of(session, subject_id)
            for statement in statements[:3]:
                compiled = statement.compile(session.connection(), compile_kwargs={"literal_binds": True})
                plans.append("\n".join(session.scalars(text(f"EXPLAIN {str(compiled).replace(':', chr(92) + ':')}"))))
    for plan, index in zip(plans, ("subject", "actor", "person"), strict=True):
        assert f"ix_ledger_entries_{index}" in plan, plan


def test_the_history_is_paged_without_a_gap(app: Flask, client: FlaskClient, person: Person) -> None:
    with app.app_context():
        subject_id = subject_of(person)
        with transaction() as session:
            for _ in range(history.PAGE + 5):
                ledger.record(session, "passkey.renamed", actor=f"subject:{subject_id}", object_id=new_id(), subject_id=subject_id, now=now())
        with transaction() as session:
            first = history.history_of(session, subject_id)
            second = history.history_of(session, subject_id, before=first[-1].id)
            whole = history.history_of(session, subject_id, limit=200)
    assert [entry.id for entry in first + second] == [entry.id for entry in whole]
    sign_in(client, person)
    page = client.get("/account/history", headers=BROWSER).text
    assert 'id="older"' in page
    older = page.split('href="/account/history?before=')[1].split('"')[0]
    assert 'id="older"' not in client.get(f"/account/history?before={older}", headers=BROWSER).text
    assert client.get("/account/history?before=x", headers=BROWSER).status_code == 200


def test_nobody_reads_anothers_history(app: Flask, client: FlaskClient, person: Person) -> None:
    with app.app_context(), transaction() as session:
        other = new_person(session)
        other_id = directory.ensure_subject(session, parse_number(other.number), now=now()).id
    sign_in(client, person)
    with app.app_context(), transaction() as session:
        theirs = {entry.id for entry in history.history_of(session, other_id)}
    assert theirs
    assert not any(str(entry) in client.get("/account/history", headers=BROWSER).text for entry in theirs)


def test_a_name_with_braces_is_not_filled_twice(app: Flask, person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    from runtime.languages import Text

    monkeypatch.setitem(history.namers, "portal", lambda *_: Text("{what}{0}", "{what}{0}"))
    with app.app_context():
        subject_id = subject_of(person)
        with transaction() as session:
            ledger.record(session, "portal.signed_in", actor=f"subject:{subject_id}", object_id="x", subject_id=subject_id, now=now())
        with transaction() as session:
            assert history.history_of(session, subject_id)[0].sentence.en == "Signed in to {what}{0}"
