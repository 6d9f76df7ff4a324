"""Faces: that every type can be drawn, that nothing covered is said by them, and what they look like as pages."""

import re
from datetime import date

import pytest
from flask import Flask, render_template_string
from flask.testing import FlaskClient

from runtime.languages import Text
from tests.world_wallet import DEFINITIONS, apply_catalogue
from wallet.register.definitions import LicenceType, read_definition
from wallet.register.drawn_faces import dates_on_face, draw, example_values
from wallet.register.type_files import lean_document

TODAY = date(2026, 3, 1)
PAGE = '{% from "register/drawn_face.html" import draw with context %}{{ draw(face) }}'
DRIVING = DEFINITIONS["driving-licence"]
HOSTILE = '<script>alert("x")</script>{holder_name}'


def drawn(app: Flask, licence_type: LicenceType, values: dict[str, Text], **more: object) -> str:
    with app.test_request_context("/"):
        return render_template_string(PAGE, face=draw(licence_type, values, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize("licence_type", DEFINITIONS.values(), ids=DEFINITIONS)
def test_every_type_has_a_face(app: Flask, licence_type: LicenceType) -> None:
    page = drawn(app, licence_type, example_values(licence_type, today=TODAY))
    assert f"face--{licence_type.face.layout} tone--{licence_type.colour}" in page
    assert (licence_type.face.title or licence_type.name).zh in page
    assert "{" not in page
    assert not re.search(r"\sstyle=|<style|<script", page)


def test_a_value_cannot_bring_markup_or_braces_of_its_own(app: Flask) -> None:
    licence_type = DEFINITIONS["graduation-certificate"]
    page = drawn(app, licence_type, example_values(licence_type, today=TODAY) | {"major": Text(HOSTILE, HOSTILE), "issuer": Text(HOSTILE, HOSTILE)})
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "{holder_name}" in page, "what a value holds is not filled in again"


def test_what_is_not_known_is_left_out_and_a_dash_in_a_sentence(app: Flask) -> None:
    face = draw(DEFINITIONS["graduation-certificate"], {"holder_name": Text("甲", "A")})
    assert face.front == ()
    assert face.statement is not None
    assert face.statement.zh.startswith("学生甲，性别——")


def test_what_is_covered_says_so(app: Flask) -> None:
    page = drawn(app, DRIVING, {"holder_name": Text("欧*", "O*")}, covered={"holder_name"})
    assert 'class="masked"' in page
    assert "（已遮盖）" in page


def test_a_type_without_a_face_shows_its_holder_and_all_its_fields() -> None:
    bare = read_definition({name: value for name, value in lean_document(DRIVING).items() if name != "face"})
    names = [line.name for line in draw(bare, example_values(bare, today=TODAY)).front]
    assert names == ["holder_name", "licence_number", *(one.name for one in bare.fields), "validity"]


def test_dates_are_written_as_on_paper() -> None:
    dates = dates_on_face(issued_on=TODAY, valid_from=TODAY, valid_until=None)
    assert (dates["issued_on"].zh, dates["issued_on"].en) == ("2026年3月1日", "1 March 2026")
    assert (dates["validity"].zh, dates["validity"].en) == ("长期", "No expiry")


@pytest.fixture(scope="module", autouse=True)
def catalogue(app: Flask) -> None:
    with app.app_context():
        apply_catalogue()


@pytest.mark.parametrize("path", ["/licence-types", "/licence-types?search=%E9%A9%BE%E9%A9%B6", "/licence-types/driving-licence"])
def test_everyone_may_read_what_licence_types_there_are(client: FlaskClient, path: str) -> None:
    for lang, name in (("zh", "机动车驾驶证"), ("en", "Driving licence")):
        answer = client.get(path, query_string={"lang": lang} if "?" not in path else None, headers={"Accept-Language": lang})
        assert answer.status_code == 200
        assert name in answer.text or "?" in path
        assert "/desk/" not in answer.text


@pytest.mark.parametrize("search", ["", "zzz", "<script>", "x" * 500, "11100000000013127D", "%"])
def test_whatever_is_searched_for_is_answered(client: FlaskClient, search: str) -> None:
    answer = client.get("/licence-types", query_string={"search": search, "lang": "en"})
    assert answer.status_code == 200
    assert "<script>" not in answer.text
    assert (("Nothing found" in answer.text) == (search not in ("", "11100000000013127D"))) or search == "%"


def test_a_type_is_given_as_a_file(client: FlaskClient) -> None:
    answer = client.get("/licence-types/driving-licence.yaml")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="driving-licence.yaml"'
    assert answer.text.startswith("code: 11100000000013127D011\n")


@pytest.mark.parametrize("path", ["nothing", "nothing.yaml", "driving-licence/versions/99", f"driving-licence/versions/{10**30}", "x" * 500])
def test_a_page_of_no_type_is_not_found(client: FlaskClient, path: str) -> None:
    assert client.get(f"/licence-types/{path}", headers={"Accept": "text/html"}).status_code == 404
