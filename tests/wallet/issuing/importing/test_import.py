"""`kabao licence import`: each good row once, each bad row back with its reasons."""

import base64
import csv
import os
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from idp.subjects.directory import find_subject
from idp.subjects.numbers import parse_number
from runtime.database import transaction
from runtime.settings import Settings
from tests.conftest import MASTER_KEY, ROOT
from tests.wallet.issuing.desks import YEAR
from tests.workbooks import write
from tests.world_people import Person, citizen_number, credit_code, new_person
from tests.world_wallet import new_department
from wallet.issuing.importing.mappings import FaultyMapping, read_mapping
from wallet.issuing.importing.reasons import harmless
from wallet.register.licences import fields_of, licences_of

SAMPLE = ROOT / "docs" / "recipes" / "batches"
MAPPING = SAMPLE / "driving-licences.yaml"
COLUMNS = ["身份证号", "姓名", "准驾车型", "初次领证日期", "性别", "出生日期", "住址", "档案编号", "有效期起", "有效期止"]


def row_for(person: Person, **changes: str) -> list[str]:
    dates = f"{YEAR}年1月1日", f"{YEAR + 6}/1/1"
    row = [person.number, person.name, "小型汽车", "01/07/2012", "女", "1990-06-15", "示例路1号", "379900123456", *dates]
    return [changes.get(name, cell) for name, cell in zip(COLUMNS, row, strict=True)]


class Importer:
    """A department's officer at a terminal."""

    def __init__(self, app: Flask, folder: Path) -> None:
        self.app, self.folder = app, folder
        with app.app_context():
            self.department = new_department(issue=["driving-licence"])

    def file(self, rows: list[list[str]], name: str = "a.csv", **options: Any) -> Path:
        path = self.folder / name
        with path.open("w", newline="", **{"encoding": "utf-8", **options}) as out:
            csv.writer(out).writerows([COLUMNS, *rows])
        return path

    def run(self, file: Path, *options: str, mapping: Path = MAPPING, department: str | None = None) -> Any:
        arguments = ["licence", "import", str(file), "--mapping", str(mapping), "--department", department or self.department, *options]
        return self.app.test_cli_runner().invoke(args=arguments[1:], cli=_group())

    def held(self, person: Person) -> list[dict[str, Any]]:
        with self.app.app_context(), transaction() as session:
            subject = find_subject(session, parse_number(person.number))
            return [] if subject is None else [fields_of(one) for one in licences_of(session, holder_id=subject.id)]


def _group() -> Any:
    from wallet.issuing.importing.commands import licence

    return licence


@pytest.fixture
def importer(app: Flask, tmp_path: Path) -> Importer:
    return Importer(app, tmp_path)


@pytest.fixture
def people(app: Flask) -> list[Person]:
    with app.app_context(), transaction() as session:
        return [new_person(session) for _ in range(4)]


def rejected_rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as out:
        return list(csv.reader(out))


def test_each_row_becomes_a_licence(importer: Importer, people: list[Person]) -> None:
    done = importer.run(importer.file([row_for(one) for one in people], encoding="gb18030"))
    assert done.exit_code == 0, done.output
    assert "4 rows have their licences, 0 were rejected." in done.output
    assert importer.held(people[0]) == [
        {
            "vehicle_class": "C1",
            "first_issued": "2012-07-01",
            "sex": "female",
            "birth_date": "1990-06-15",
            "nationality": "CHN",
            "address": "示例路1号",
            "file_number": "379900123456",
            "record_status": "normal",
        }
    ]


def test_a_workbook_is_taken_like_a_file_of_text(importer: Importer, people: list[Person], tmp_path: Path) -> None:
    rows: list[list[Any]] = [row_for(one, 有效期止="长期") for one in people]
    rows[0][8] = date(2026, 1, 1)
    done = importer.run(write(tmp_path / "a.xlsx", [COLUMNS, *rows]), "--sheet", "名单")
    assert done.exit_code == 0, done.output
    assert [len(importer.held(one)) for one in people] == [1] * 4


def test_rejected_rows_come_back_with_their_reasons_and_are_imported_once_corrected(importer: Importer, people: list[Person], tmp_path: Path) -> None:
    unknown = Person(citizen_number(), "=HYPERLINK(0)")
    rows = [
        row_for(people[0]),
        row_for(people[1], 准驾车型="Z9", 住址="@SUM(A1)"),
        row_for(unknown),
        row_for(people[2], 出生日期="昨天", 有效期起="2026-13-01"),
        [*row_for(people[3]), "more"],
    ]
    out = tmp_path / "rejected.csv"
    done = importer.run(importer.file(rows), "--rejected", str(out))
    assert (done.exit_code, [len(importer.held(one)) for one in people]) == (1, [1, 0, 0, 0]), done.output
    assert out.stat().st_mode & 0o777 == 0o600
    head, *back = rejected_rows(out)
    assert head == [*COLUMNS, "行号 line", "原因", "reason"]
    assert [row[10] for row in back] == ["3", "4", "5", "6"]
    assert back[0][2:7] == ["Z9", "01/07/2012", "女", "1990-06-15", "'@SUM(A1)"]
    assert back[0][11].startswith("准驾车型：应为下列之一")
    assert back[0][12].startswith("准驾车型: It must be one of")
    assert back[1][1] == "'=HYPERLINK(0)"
    assert (back[1][11], back[1][12]) == ("身份证号：登记库中查不到该号码。", "身份证号: The registry has no record of this number.")
    assert back[2][11] == "出生日期：不是日期。；有效期起：不是日期。"
    assert back[3][11] == "该行的单元格多于列名。"
    back[0][2], back[2][5], back[2][8] = "C2", "1990-06-15", f"{YEAR}-01-01"
    corrected = tmp_path / "corrected.csv"
    with corrected.open("w", newline="", encoding="utf-8-sig") as text:
        csv.writer(text).writerows([head, *back])
    done = importer.run(corrected)
    assert done.exit_code == 1
    assert "3 rows have their licences, 1 were rejected." in done.output
    assert importer.held(people[1])[0]["address"] == "@SUM(A1)"


def test_the_same_file_again_issues_nothing_and_neither_does_the_same_row_in_another(importer: Importer, people: list[Person]) -> None:
    rows = [row_for(one) for one in people]
    assert importer.run(importer.file(rows)).exit_code == 0
    assert importer.run(importer.file(rows)).exit_code == 0
    changed = importer.file([*rows[:2], rows[0], row_for(people[2], 准驾车型="C2")])
    done = importer.run(changed)
    assert "1 rows have their licences, 3 were rejected." in done.output
    assert [len(importer.held(one)) for one in people] == [1, 1, 2, 1]
    assert importer.run(changed, "--again").exit_code == 0
    assert [len(importer.held(one)) for one in people] == [3, 2, 2, 1]


def test_a_dry_run_says_what_would_be_and_issues_nothing(importer: Importer, people: list[Person], tmp_path: Path) -> None:
    file, out = importer.file([row_for(people[0]), row_for(people[1], 性别="?")]), tmp_path / "rejected.csv"
    done = importer.run(file, "--dry-run", "--rejected", str(out))
    assert done.exit_code == 1
    assert "1 rows could be taken, 1 not; nothing was issued." in done.output
    assert len(rejected_rows(out)) == 2
    assert importer.held(people[0]) == []
    assert importer.run(file).exit_code == 1
    assert len(importer.held(people[0])) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(("type: driving-licence", "type: nothing"), "there is no licence type", id="an unknown type"),
        pytest.param(("fields.sex: 性别", "fields.size: 性别"), "fields.size", id="an unknown field"),
        pytest.param(("holder.number: 身份证号", "holder.name2: 身份证号"), "holder.name2", id="an unknown member"),
        pytest.param(("  holder.number: 身份证号\n", ""), "holder.number is required", id="no holder"),
        pytest.param(("  fields.sex: 性别\n", ""), "fields.sex is required", id="a required field left out"),
        pytest.param(("  fields.nationality: CHN", "  fields.sex: male"), "both a column and a constant", id="a column and a constant"),
        pytest.param(("姓名", "[a, b]"), "columns", id="a list for a column"),
        pytest.param(("type: driving-licence", "typ: x"), "type", id="a misspelt member"),
        pytest.param(("columns:", "columns: ["), "no YAML", id="no YAML"),
        pytest.param(("type: driving-licence", "type: !!python/object/apply:os.system [id]"), "no YAML", id="YAML that would run something"),
    ],
)
def test_a_faulty_mapping_is_named_by_its_member(context: None, importer: Importer, change: tuple[str, str], said: str) -> None:
    text = MAPPING.read_text().replace(*change)
    with pytest.raises(FaultyMapping, match=said):
        read_mapping(text)


def test_what_cannot_be_used_ends_with_status_2_and_issues_nothing(importer: Importer, people: list[Person], tmp_path: Path) -> None:
    file, broken = importer.file([row_for(people[0])]), tmp_path / "broken.yaml"
    broken.write_text("type: nothing")
    bare = tmp_path / "bare.csv"
    bare.write_text("a,b\n1,2\n")
    for done in (
        importer.run(file, mapping=broken),
        importer.run(bare),
        importer.run(file, department=credit_code(kind="11")),
        importer.run(file, "--rejected", str(file)),
        importer.run(file, "--encoding", "nothing"),
        importer.run(file, "--separator", "ab"),
    ):
        assert done.exit_code == 2, done.output
        assert "Traceback" not in done.output
    assert importer.held(people[0]) == []


def test_a_department_without_the_authority_issues_nothing(app: Flask, importer: Importer, people: list[Person], tmp_path: Path) -> None:
    with app.app_context():
        other = new_department(issue=["marriage-certificate"])
    out = tmp_path / "rejected.csv"
    done = importer.run(importer.file([row_for(people[0])]), "--rejected", str(out), department=other)
    assert done.exit_code == 1
    assert "权限" in rejected_rows(out)[1][11]
    assert importer.held(people[0]) == []


@pytest.mark.parametrize("cell", ["=1", "+1", "-1", "@a", "\t=1", "\r=1", "'=1"])
def test_a_cell_that_would_run_goes_out_harmless(cell: str) -> None:
    assert harmless(cell) == f"'{cell}"
    assert harmless("a=1") == "a=1"


def test_the_sample_of_the_recipe_is_read(context: None, importer: Importer) -> None:
    assert read_mapping(MAPPING.read_text()).licence_type.slug == "driving-licence"
    done = importer.run(SAMPLE / "driving-licences.csv", "--dry-run")
    assert "登记库中查不到该号码" in done.output or done.exit_code == 0


@pytest.mark.slow
def test_an_import_killed_half_way_and_started_again_issues_each_good_row_once(app: Flask, settings: Settings, importer: Importer) -> None:
    with app.app_context(), transaction() as session:
        crowd = [new_person(session) for _ in range(1000)]
    file = importer.file([row_for(one, 性别="?" if number % 100 == 50 else "男") for number, one in enumerate(crowd)])
    environ = {
        **os.environ,
        "KABAO_DATABASE_URL": settings.database_url,
        "KABAO_MASTER_KEY": base64.urlsafe_b64encode(MASTER_KEY).decode(),
        "KABAO_ENVIRONMENT": "development",
    }
    command = [sys.executable, "-m", "wsgi", "licence", "import", str(file), "--mapping", str(MAPPING), "--department", importer.department]
    running = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not importer.held(crowd[399]) and running.poll() is None:
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not importer.held(crowd[-1])
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "990 rows have their licences, 10 were rejected." in done.stdout
    assert [len(importer.held(one)) for one in crowd] == [0 if number % 100 == 50 else 1 for number in range(1000)]
