"""Officers hand in the table of a type; good rows are issued, bad ones come back with their reasons."""

import csv
import io
import re
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from runtime.clock import now
from runtime.settings import Settings
from tests.wallet.issuing.desk.conftest import TYPES, Officer, new_officer
from tests.wallet.issuing.desks import YEAR
from tests.world_people import Person
from tests.world_wallet import DEFINITIONS, new_department
from wallet.issuing.desk import tables
from wallet.issuing.importing import uploads
from wallet.issuing.importing.mappings import read_mapping


def hand_in(officer: Officer, content: bytes, *, name: str = "名单.csv", slug: str = "driving-licence", **changes: Any) -> Any:
    page = officer.get("/desk/batches").text
    csrf = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert csrf is not None
    form = {"csrf_token": csrf[1], "type": slug, "file": (io.BytesIO(content), name), **changes}
    return officer.browser.post("/desk/batches", data=form, content_type="multipart/form-data")


def table(*people: Person, slug: str = "driving-licence", **changes: str) -> bytes:
    """Return a filled table, a row a person."""
    licence_type = DEFINITIONS[slug]
    (names, example) = list(csv.reader(io.StringIO(tables.blank_table(licence_type, year=YEAR).removeprefix(tables.BOM))))
    out = io.StringIO()
    lines = csv.writer(out)
    lines.writerow(names)
    for person in people:
        row = dict(zip(names, example, strict=True)) | {tables.NUMBER: person.number, tables.NAME: person.name} | changes
        lines.writerow(row.values())
    return out.getvalue().encode()


def work(app: Flask, settings: Settings, location: str) -> None:
    with app.app_context():
        while uploads.work_at_next(settings, UUID(location.rsplit("/", 1)[1]), now=now()):
            continue


@pytest.mark.parametrize("slug", sorted(DEFINITIONS))
def test_the_table_of_each_type_fits_its_mapping(app: Flask, department: str, slug: str) -> None:
    licence_type = DEFINITIONS[slug]
    with app.app_context():
        mapping = read_mapping(tables.mapping_of(licence_type))
        acts = read_mapping(tables.mapping_of_acts(licence_type))
    names = next(csv.reader(io.StringIO(tables.blank_table(licence_type, year=YEAR).removeprefix(tables.BOM))))
    assert acts.acts
    assert acts.missing(list(tables.columns_of_acts(licence_type).values())) == []
    assert mapping.missing(names) == []
    assert len(set(names)) == len(names)


def test_good_rows_are_issued_and_bad_ones_come_back(app: Flask, officer: Officer, person: Person, settings: Settings) -> None:
    bad = Person("379999199013450021", "无此人")
    answer = hand_in(officer, table(person, bad))
    assert answer.status_code == 303, answer.text[:900]
    before = officer.get(answer.location)
    assert before.headers["Refresh"]
    work(app, settings, answer.location)
    after = officer.get(answer.location)
    assert "Refresh" not in after.headers
    assert re.search(r'id="issued">1<', after.text)
    assert re.search(r'id="rejected">1<', after.text)
    rejected = officer.post(f"{answer.location}/rejected", answer.location)
    assert rejected.headers["Content-Disposition"] == 'attachment; filename="kabao-rejected.csv"'
    assert bad.number in rejected.text
    assert person.number not in rejected.text
    issued = officer.post(f"{answer.location}/issued", answer.location)
    assert person.number in issued.text
    assert "1.2.156.3005.2." in issued.text


def test_the_table_of_acts_is_told_by_its_columns_and_does_what_it_says(app: Flask, officer: Officer, person: Person, settings: Settings) -> None:
    page = officer.issued(person)
    blank = officer.get("/desk/batches/tables/driving-licence?acts=1")
    assert blank.headers["Content-Disposition"] == 'attachment; filename="kabao-driving-licence-acts.csv"'
    names, example = csv.reader(io.StringIO(blank.text.removeprefix(tables.BOM)))
    row = dict(zip(names, example, strict=True)) | {tables.IDENTIFIER: page.rsplit("/", 1)[1]}
    out = io.StringIO()
    csv.writer(out).writerows([names, row.values(), (row | {tables.ACT: "改名"}).values()])
    answer = hand_in(officer, out.getvalue().encode())
    assert answer.status_code == 303, answer.text[:900]
    work(app, settings, answer.location)
    after = officer.get(answer.location).text
    assert (re.search(r'id="issued">1<', after) is not None, re.search(r'id="rejected">1<', after) is not None) == (True, True)
    assert "没有此项业务" in officer.post(f"{answer.location}/rejected", answer.location).text
    assert "state--suspended" in officer.get(page).text


def test_no_connection_is_held_while_a_file_is_read(app: Flask, officer: Officer, person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    seal, held = uploads._seal_rows, []

    def watched(*table: Any) -> Any:
        held.append(app.extensions["kabao_engine"].pool.checkedout())
        return seal(*table)

    monkeypatch.setattr(uploads, "_seal_rows", watched)
    assert hand_in(officer, table(person)).status_code == 303
    assert held == [0]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no file": ({"file": ""}, "file"),
    "another kind of file": ({"name": "名单.exe"}, "file"),
    "no type": ({"slug": ""}, "type"),
    "a type of another department": ({"slug": "business-licence"}, "type"),
    "columns missing": ({"content": "姓名\n张三\n".encode()}, "file"),
    "nothing": ({"content": b""}, "file"),
    "no table": ({"content": b"\x00\x01\x02" * 50}, "file"),
    "no workbook": ({"content": b"PK\x03\x04" + b"\x00" * 90, "name": "名单.xlsx"}, "file"),
}


@pytest.mark.parametrize(("changes", "control"), WRONG.values(), ids=WRONG)
def test_a_file_that_cannot_be_used_is_told_so(officer: Officer, person: Person, changes: dict[str, Any], control: str) -> None:
    answer = hand_in(officer, changes.pop("content", table(person)), **changes)
    assert answer.status_code in (400, 413, 422), answer.status_code
    assert f'id="{control}-error"' in answer.text


def test_no_form_of_another_site_hands_anything_in(officer: Officer, person: Person) -> None:
    assert hand_in(officer, table(person), csrf_token="").status_code == 400


def test_another_departments_import_is_not_found(app: Flask, officer: Officer, person: Person) -> None:
    location = hand_in(officer, table(person)).location
    with app.app_context():
        other = new_officer(app, new_department(issue=TYPES))
    assert other.get(location).status_code == 404
    assert other.post(f"{location}/rejected", "/desk/licences").status_code == 404


def test_a_large_file_is_taken_and_a_huge_one_refused(officer: Officer, person: Person) -> None:
    padded = table(person) + b"\n" * (2 * 1024 * 1024)
    assert hand_in(officer, padded).status_code == 303
    assert hand_in(officer, b"x" * (33 * 1024 * 1024)).status_code in (413, 422)
