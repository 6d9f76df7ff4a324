"""Changing licence types on pages: who may, what is shown before it is kept, and what becomes of two who do it at once."""

import io
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from idp.signin import sessions
from idp.signin.operators import add_operator
from idp.subjects.directory import ensure_subject
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.database import transaction
from runtime.ledger import LedgerEntry
from tests.world_people import BROWSER, Person, come_in, new_person, open_account, sign_in
from tests.world_verifying import new_browser
from tests.world_wallet import DEFINITIONS, make_officer, new_department
from wallet.register import catalogue, type_edit_pages, type_forms
from wallet.register.definitions import LicenceType, document_of, read_definition
from wallet.register.type_files import lean_document, write_file


class Inputs(HTMLParser):
    """What a browser would post of a page's form."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.posted: list[tuple[str, str]] = []
        self._area: str | None = None
        self._select: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("name") or ""
        if (tag == "input" and given.get("type") not in ("checkbox", "file")) or (tag == "input" and "checked" in given):
            self.posted.append((name, given.get("value") or ""))
        elif tag == "textarea":
            self._area = name
            self.posted.append((name, ""))
        elif tag == "select":
            self._select = name
        elif tag == "option" and "selected" in given and self._select:
            self.posted.append((self._select, given.get("value") or ""))

    def handle_data(self, data: str) -> None:
        if self._area:
            self.posted[-1] = (self._area, self.posted[-1][1] + data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._area = None


class Editor:
    """Someone at the catalogue's pages."""

    def __init__(self, app: Flask, person: Person) -> None:
        self.client: FlaskClient = come_in(new_browser(app), person)
        with app.app_context(), transaction() as session:
            theirs = sessions.SigninSession.subject_id == ensure_subject(session, parse_number(person.number), now=now()).id
            session.execute(update(sessions.SigninSession).where(theirs).values(amr=["pwd", "otp", "mfa"]))

    def get(self, path: str) -> TestResponse:
        return self.client.get(path, headers=BROWSER)

    def form(self, path: str) -> MultiDict[str, str]:
        page = self.get(path)
        assert page.status_code == 200, page.text[:300]
        return MultiDict(Inputs(page.text).posted)

    def post(self, path: str, form: MultiDict[str, str], act: str, **changes: Any) -> TestResponse:
        form = form.copy()
        for name, value in {"act": act, **changes}.items():
            form.setlist(name, value if isinstance(value, list) else [value])
        return self.client.post(path, data=form, headers=BROWSER)


class World:
    """A department that defines a type, and one that does not."""

    def __init__(self, app: Flask, digits: str) -> None:
        self.app = app
        with app.app_context():
            self.department, other = new_department(), new_department()
            document = lean_document(DEFINITIONS["driving-licence"])
            authority = {"code": self.department, "name": {"zh": "示例局", "en": "Example Office"}}
            self.slug = f"test-edited-{digits}"
            document |= {"code": f"{self.department}001", "slug": self.slug, "defining_authority": authority}
            with transaction() as session:
                catalogue.apply(session, [document], now=now())
        self.own, self.foreign = self.officer(self.department), self.officer(other)
        self.path = f"/desk/types/{self.slug}/edit"

    def officer(self, department: str | None) -> Person:
        with self.app.app_context(), transaction() as session:
            person = new_person(session)
            subject_id = open_account(session, person)
            if department:
                make_officer(session, department=department, person=person)
            else:
                add_operator(session, subject_id, now=now())
        return person

    @property
    def type(self) -> LicenceType:
        with self.app.app_context():
            return catalogue.get_type(self.slug)


@pytest.fixture
def world(app: Flask, request: pytest.FixtureRequest) -> World:
    return World(app, re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[-40:].strip("-"))


@pytest.mark.parametrize("slug", sorted(DEFINITIONS))
def test_a_form_that_is_sent_back_as_it_is_changes_nothing(app: Flask, slug: str) -> None:
    licence_type = DEFINITIONS[slug]
    values = type_forms.values_of(document_of(licence_type))
    posted: MultiDict[str, str] = MultiDict()
    for name, value in values.items():
        if name == "rows":
            rows = {f"field-{n}-{key}": one for n, row in enumerate(value) for key, one in row.items()}
            posted.update({key: "on" if one is True else one for key, one in rows.items() if one is not False})
        elif isinstance(value, list):
            if not value:
                continue
            posted.setlist(name, value)
        elif value is not False:
            posted[name] = "on" if value is True else value
    assert read_definition(type_forms.document_from(posted)) == licence_type


def test_the_page_shows_the_face_and_the_difference_and_then_keeps_it(world: World) -> None:
    editor = Editor(world.app, world.own)
    form = editor.form(world.path)
    looked = editor.post(world.path, form, "preview", name_en="Licence to drive", colour="green")
    assert looked.status_code == 200
    assert "<del>Driving licence</del>" in looked.text
    assert "<ins>Licence to drive</ins>" in looked.text
    assert "face--card tone--green" in looked.text
    assert world.type.version == 1, "a look keeps nothing"
    kept = editor.post(world.path, MultiDict(Inputs(looked.text).posted), "save")
    assert (kept.status_code, kept.headers["Location"]) == (303, f"/desk/types/{world.slug}?saved=1")
    assert (world.type.version, world.type.name.en, world.type.colour) == (2, "Licence to drive", "green")
    shown = editor.get(f"/desk/types/{world.slug}?saved=1").text
    assert "第2版" in shown
    assert "<ins>Licence to drive</ins>" in shown
    with world.app.app_context(), transaction() as session:
        entries = session.query(LedgerEntry).filter_by(object_id=f"{world.department}001").order_by(LedgerEntry.id).all()
    assert [entry.actor.split(":")[0] for entry in entries] == ["operator", "officer"]


def test_what_was_not_seen_is_not_kept(world: World) -> None:
    editor = Editor(world.app, world.own)
    looked = editor.post(world.path, editor.form(world.path), "preview", colour="green")
    changed = editor.post(world.path, MultiDict(Inputs(looked.text).posted), "save", colour="red")
    assert changed.status_code == 409
    assert "tone--red" in changed.text
    assert editor.post(world.path, editor.form(world.path), "save", colour="red").status_code == 409
    assert world.type.version == 1


def test_of_two_editors_the_second_is_told_and_loses_nothing(world: World) -> None:
    first, second = Editor(world.app, world.own), Editor(world.app, world.officer(world.department))
    looks = [one.post(world.path, one.form(world.path), "preview", colour=colour) for one, colour in ((first, "green"), (second, "red"))]
    forms = [MultiDict(Inputs(one.text).posted) for one in looks]
    assert first.post(world.path, forms[0], "save").status_code == 303
    told = second.post(world.path, forms[1], "save")
    assert told.status_code == 409
    assert "已被他人更改" in told.text
    assert "<del>green</del>" in told.text, "the difference is now from what the first one kept"
    assert second.post(world.path, MultiDict(Inputs(told.text).posted), "save").status_code == 303
    assert (world.type.version, world.type.colour) == (3, "red")


def test_a_fault_is_said_where_it_is_and_what_was_typed_stays(world: World) -> None:
    editor = Editor(world.app, world.own)
    answer = editor.post(world.path, editor.form(world.path), "preview", **{"field-1-example": "yesterday", "name_en": "Kept"})
    assert answer.status_code == 422
    assert 'href="#field-1"><code>fields.first_issued.example</code>' in answer.text
    assert 'value="yesterday"' in answer.text
    assert 'value="Kept"' in answer.text


def test_what_changes_the_meaning_of_a_field_takes_a_tick(world: World) -> None:
    editor = Editor(world.app, world.own)
    looked = editor.post(world.path, editor.form(world.path), "preview", **{"field-7-tag": "KZ_OTHER"})
    assert 'id="breaks"' in looked.text
    form = MultiDict(Inputs(looked.text).posted)
    assert editor.post(world.path, form, "save").status_code == 422
    assert world.type.version == 1
    assert editor.post(world.path, form, "save", breaking="on").status_code == 303


def test_fields_are_added_moved_and_removed(world: World) -> None:
    editor = Editor(world.app, world.own)
    blank = editor.post(world.path, editor.form(world.path), "row")
    n = len(world.type.fields)
    new = {
        "name": "points",
        "tag": "KZ_JF",
        "label_zh": "积分",
        "label_en": "Points",
        "type": "integer",
        "example": "12",
        "minimum": "0",
        "place": "0",
    }
    changes = {f"field-{n}-{name}": value for name, value in new.items()} | {"field-0-example": "C2"}
    looked = editor.post(world.path, MultiDict(Inputs(blank.text).posted), "preview", **changes)
    assert looked.status_code == 200, re.findall(r'id="fault">.*', looked.text)
    assert editor.post(world.path, MultiDict(Inputs(looked.text).posted), "save").status_code == 303
    assert world.type.fields[0].name == "points"
    assert world.type.fields[0].example == 12


def test_only_the_department_that_defines_a_type_and_operators_may_change_it(world: World) -> None:
    foreign, operator = Editor(world.app, world.foreign), Editor(world.app, world.officer(None))
    assert foreign.get(world.path).status_code == 403
    assert world.path not in foreign.get(f"/desk/types/{world.slug}").text
    form = operator.form(world.path)
    answer = foreign.post(world.path, form, "preview", csrf_token=foreign.form("/desk/types/new")["csrf_token"])
    assert answer.status_code == 403
    looked = operator.post(world.path, form, "preview", proves_identity="on")
    assert operator.post(world.path, MultiDict(Inputs(looked.text).posted), "save", breaking="on").status_code == 303
    assert world.type.proves_identity


def test_the_desks_menu_stays_where_an_officer_looks_at_types_and_an_operator_has_none(world: World) -> None:
    officer, operator = Editor(world.app, world.own), Editor(world.app, world.officer(None))
    for path in ("/desk/types", f"/desk/types/{world.slug}", world.path, "/desk/types/new", "/desk/types/upload"):
        assert 'id="room-types" href="/desk/types" aria-current="page"' in officer.get(path).text, path
    assert 'id="room-types"' not in operator.get("/desk/types").text
    assert 'id="room-types"' not in officer.get("/licence-types").text


def test_a_department_cannot_let_its_type_prove_who_people_are_nor_change_its_address(world: World) -> None:
    editor = Editor(world.app, world.own)
    form = editor.form(world.path)
    assert editor.post(world.path, form, "preview", proves_identity="on").status_code == 422
    looked = editor.post(
        world.path, form, "preview", slug="elsewhere", code="11100000000013127D001", authority_code="11100000000013127D", colour="red"
    )
    assert editor.post(world.path, MultiDict(Inputs(looked.text).posted), "save").status_code == 303
    assert world.type.code == f"{world.department}001"


def test_a_department_cannot_give_its_type_the_name_of_a_document_that_the_world_knows_and_operators_can(world: World) -> None:
    editor, operator = Editor(world.app, world.own), Editor(world.app, world.officer(None))
    form, named = editor.form(world.path), f"org.example.{world.slug}"
    answer = editor.post(world.path, form, "preview", doctype=named)
    assert (answer.status_code, "<code>doctype</code>" in answer.text) == (422, True)
    looked = operator.post(world.path, operator.form(world.path), "preview", doctype=named)
    assert operator.post(world.path, MultiDict(Inputs(looked.text).posted), "save", breaking="on").status_code == 303
    assert world.type.doctype == named
    kept = editor.post(world.path, editor.form(world.path), "preview", colour="red")
    assert editor.post(world.path, MultiDict(Inputs(kept.text).posted), "save").status_code == 303


def test_one_factor_reads_and_does_not_write(world: World) -> None:
    client = world.app.test_client()
    assert sign_in(client, world.own).status_code == 303
    assert client.get(f"/desk/types/{world.slug}", headers=BROWSER).status_code == 200
    led = client.get(world.path, headers=BROWSER)
    assert (led.status_code, led.headers["Location"].split("?")[0]) == (303, "/signin/step-up")


def test_a_new_type_is_the_departments_own(world: World) -> None:
    editor = Editor(world.app, world.own)
    document = document_of(world.type) | {"slug": f"{world.slug}-new"[:60], "code": f"{world.department}002"}
    del document["doctype"]  # it follows from the code
    sent = editor.client.post("/desk/types/upload", data={**token(editor), "file": file_of(read_definition(document))}, headers=BROWSER)
    assert sent.status_code == 200
    assert "新增一个证照类型" in sent.text
    assert editor.post("/desk/types/new", MultiDict(Inputs(sent.text).posted), "save").status_code == 303
    foreign = document | {"code": "11100000000013127D955", "defining_authority": document_of(DEFINITIONS["driving-licence"])["defining_authority"]}
    refused = editor.client.post("/desk/types/upload", data={**token(editor), "file": file_of(read_definition(foreign))}, headers=BROWSER)
    assert refused.status_code == 403


@pytest.mark.parametrize(
    "content", [b"", b"a: &x [*x]", b"[" * 100_000, b"\xff\xfe", b"code: 1", b"x" * 300_000, "code: 编号".encode("gb18030")], ids=range(7)
)
def test_a_file_that_is_none_is_refused_in_words(world: World, content: bytes) -> None:
    editor = Editor(world.app, world.own)
    answer = editor.client.post("/desk/types/upload", data={**token(editor), "file": (io.BytesIO(content), "x.yaml")}, headers=BROWSER)
    assert answer.status_code == 422
    assert 'id="file-error"' in answer.text


@pytest.mark.parametrize(
    "changes",
    [
        {"field-0-name": "x" * 5000},
        {"front": "no_such_field"},
        {"most_holders": "9" * 4000},
        {"max_years": "-1"},
        {"statement_zh": "{0.__class__}"},
        {"labels": "|||\n||"},
        {"open_to": ["issue", "verify"]},
        {"number_pattern": "(a+)+$"},
        {"rule": "", "layout": ""},
        {"name_zh": "<script>alert(1)</script>", "front": "\x00"},
        {"field-0-type": "object"},
        {"field-41-name": "x", "field-41-place": "99999999999999"},
    ],
    ids=str,
)
def test_whatever_is_typed_is_answered_with_the_fault(world: World, changes: dict[str, Any]) -> None:
    editor = Editor(world.app, world.own)
    answer = editor.post(world.path, editor.form(world.path), "preview", **changes)
    assert answer.status_code in (400, 422)
    assert "<script>alert(1)" not in answer.text
    assert world.type.version == 1


def token(editor: Editor) -> dict[str, str]:
    return {"csrf_token": editor.form("/desk/types/upload")["csrf_token"]}


def file_of(licence_type: LicenceType) -> tuple[io.BytesIO, str]:
    return io.BytesIO(write_file(licence_type).encode()), f"{licence_type.slug}.yaml"


def test_the_texts_of_pages_are_in_both_languages(world: World) -> None:
    editor = Editor(world.app, world.own)
    for path in ("/desk/types", f"/desk/types/{world.slug}", world.path, "/desk/types/new", "/desk/types/upload"):
        pages = [unescape(editor.get(f"{path}?lang={lang}").text) for lang in ("zh", "en")]
        assert pages[0] != pages[1]
        assert all(not re.search(r"\sstyle=|<style|\son[a-z]+=", page) for page in pages)


def test_no_officer_takes_the_second_pair_of_eyes_away_and_an_operator_does(world: World) -> None:
    editor, operator = Editor(world.app, world.own), Editor(world.app, world.officer(None))
    checked = editor.form(world.path)
    checked.setlist("checked_acts", ["issue", "revoke"])
    looked = editor.post(world.path, checked, "preview")
    assert editor.post(world.path, MultiDict(Inputs(looked.text).posted), "save").status_code == 303
    for path in (world.path, "/desk/types/new"):
        form = editor.form(world.path)
        form.setlist("checked_acts", ["issue"])
        for name, value in (("code", world.type.code), ("slug", world.slug), ("authority_code", world.department)):
            form[name] = value
        for act in ("preview", "save"):
            answer = editor.post(path, form, act, seen=digest_without(world, "revoke"))
            assert (answer.status_code, world.type.checked_acts) == (422, ("issue", "revoke"))
    form = operator.form(world.path)
    form.setlist("checked_acts", ["issue"])
    assert operator.post(world.path, MultiDict(Inputs(operator.post(world.path, form, "preview").text).posted), "save").status_code == 303
    assert world.type.checked_acts == ("issue",)


def digest_without(world: World, act: str) -> str:
    """Return what a page would say was seen, had it shown the type without a second pair of eyes on an act."""
    return type_edit_pages._digest(replace(world.type, checked_acts=tuple(one for one in world.type.checked_acts if one != act)))
