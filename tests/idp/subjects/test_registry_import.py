import re
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from idp.subjects import directory, registries
from idp.subjects.commands import registry
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.database import transaction
from tests.world_people import citizen_number, credit_code


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(registry, args=["import", *arguments])


def find(app: Flask, number: str) -> registries.Record | None:
    with app.app_context(), transaction() as session:
        return registries.open_registry(session).find(parse_number(number))


def test_a_file_is_taken_and_a_bad_line_never_costs_a_good_one(app: Flask, tmp_path: Path) -> None:
    good, other, last = (citizen_number() for _ in range(3))
    file = tmp_path / "people.csv"
    lines = [
        "number,name,born,sex,address",
        f"{good},王建国,1970-01-02,男,东营市垦利区",
        f"{other[:-1]}{'1' if other[-1] != '1' else '2'},李文秀,,,",
        "379999900101001,张思远,,,",
        f"{citizen_number()},,,,",
        f"{good},王建国,,,",
        f"{credit_code()},卡包有限公司,,,",
        f"{citizen_number()},赵海燕,昨天,,",
        f"{citizen_number()},赵海燕,,无,",
        f"{citizen_number()},{'长' * 201},,,",
        f" {last.lower()} ,孙晓明,20000229",
    ]
    file.write_text("\n".join(lines), encoding="utf-8-sig")
    result = run(app, "people", str(file))
    assert (result.exit_code, result.stdout.strip()) == (1, "2 taken, 8 left out")
    reported = [line for line in result.stderr.splitlines() if line.startswith("people.csv:")]
    assert [int(line.split(":")[1]) for line in reported] == [3, 4, 5, 6, 7, 8, 9, 10]
    for line, words in zip(
        reported,
        ("check character", "first-generation", "name is missing", "line 2", "wrong kind", "not a date", "male or female", "longer"),
        strict=True,
    ):
        assert words in line
    assert "王" not in result.stderr
    assert good not in result.stderr
    record = find(app, good)
    assert record is not None
    assert (record.name, record.detail) == ("王建国", {"born": "1970-01-02", "sex": "male", "address": "东营市垦利区"})
    found = find(app, last)
    assert found is not None
    assert found.detail == {"born": "2000-02-29"}


@pytest.mark.parametrize("born", ["9999-12-31", "1849-12-31", "2001111", "1"])
def test_a_birth_that_is_none_is_left_out(app: Flask, tmp_path: Path, born: str) -> None:
    number, file = citizen_number(), tmp_path / "people.csv"
    file.write_text(f"number,name,born\n{number},王建国,{born}\n", encoding="utf-8")
    result = run(app, "people", str(file))
    assert (result.exit_code, result.stdout.strip()) == (1, "0 taken, 1 left out")
    assert "born: not a date" in result.stderr


def test_an_operator_sees_how_a_number_stands_and_nobodys_name(app: Flask, tmp_path: Path) -> None:
    former, number, file = citizen_number(), citizen_number(), tmp_path / "people.csv"
    file.write_text(f"number,name\n{former},王建国\n", encoding="utf-8")
    assert run(app, "people", str(file)).exit_code == 0
    assert shown(app, former).splitlines() == [f"registry: {former[:3]}***********{former[-4:]}, active", "here: never met"]
    with app.app_context(), transaction() as session:
        subject_id = directory.ensure_subject(session, parse_number(former), now=now()).id
    file.write_text(f"number,name,former_number,state,ended_on\n{number},王建军,{former},死亡,2026-03-01\n", encoding="utf-8")
    assert run(app, "people", str(file)).exit_code == 0
    for asked, registered in ((number, f"{number[:3]}***********{number[-4:]}, deceased"), (former, "no such number")):
        said = shown(app, asked)
        assert said.startswith(f"registry: {registered}\nhere: person {number[:3]}***********{number[-4:]}, deceased since ")
        assert f"subject: {subject_id}\nformer number: {former[:3]}***********{former[-4:]}\n" in said
        assert re.findall(r"UTC: (\w+) changed, told by registry(, of [0-9-]+)?", said) == [
            ("state", ", of 2026-03-01"),
            ("name", ", of 2026-03-01"),
            ("number", ", of 2026-03-01"),
        ]
        assert not any(secret in said for secret in (former, number, "王"))
    assert "length" in shown(app, "123", exit_code=1)


def shown(app: Flask, number: str, *, exit_code: int = 0) -> str:
    result = app.test_cli_runner().invoke(registry, ["show", number])
    assert result.exit_code == exit_code
    return result.output


def test_chinese_headings_and_an_older_encoding_are_understood(app: Flask, tmp_path: Path) -> None:
    number, firm = citizen_number(), credit_code()
    people, firms = tmp_path / "人口.csv", tmp_path / "法人.csv"
    people.write_text(f"姓名,公民身份号码\n郑轩,{number}\n", encoding="gb18030")
    firms.write_text(f"统一社会信用代码,名称,法定代表人证件号码\n{firm},黄河口食品有限公司,{number}\n", encoding="gb18030")
    assert run(app, "people", str(people), "--encoding", "gb18030").exit_code == 0
    assert run(app, "organisations", str(firms), "--encoding", "gb18030").exit_code == 0
    with app.app_context(), transaction() as session:
        assert [record.name for record in registries.open_registry(session).represented_by(parse_number(number))] == ["黄河口食品有限公司"]
    assert run(app, "people", str(people)).exit_code != 0


def test_a_file_loaded_again_changes_what_changed(app: Flask, tmp_path: Path) -> None:
    number, file = citizen_number(), tmp_path / "people.csv"
    for name in ("何文", "何雨"):
        file.write_text(f"number,name\n{number},{name}\n")
        assert run(app, "people", str(file)).exit_code == 0
    record = find(app, number)
    assert record is not None
    assert record.name == "何雨"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no column"),
        (b"name\nx\n", "no column 'number'"),
        (b"number,name\n\x00\xff,\x00\n", "left out"),
        (b'number,name\n"' + b"1" * 200_000 + b'",x\n', "cannot be read as CSV"),
    ],
    ids=["empty", "no number column", "binary", "endless cell"],
)
def test_a_file_that_is_none_is_refused_in_a_sentence(app: Flask, tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(content)
    result = run(app, "people", str(file))
    assert result.exit_code == 1
    assert words in result.output


def test_an_organisation_without_a_representative_is_reported(app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "firms.csv"
    file.write_text(f"number,name,representative\n{credit_code()},某公司,\n{credit_code()},某公司,{credit_code()}\n")
    result = run(app, "organisations", str(file))
    assert result.stdout.strip() == "0 taken, 2 left out"


def test_a_row_with_more_cells_than_columns_is_left_out_and_a_column_nobody_knows_is_named(app: Flask, tmp_path: Path) -> None:
    """What would shift by one cell is not believed; a heading that was mistyped says so, for what it was to tell is not heard."""
    shifted, trailing, file = citizen_number(), citizen_number(), tmp_path / "people.csv"
    file.write_text(f"number,name,adress,state,\n{shifted},何文,东营市,垦利区,,deceased\n{trailing},何雨,东营市,,,\n")
    result = run(app, "people", str(file))
    assert (result.exit_code, result.stdout.strip()) == (1, "1 taken, 1 left out")
    assert "people.csv:2: " in result.stderr
    assert "more cells than there are columns" in result.stderr
    assert "people.csv: columns that are not known and not used: adress" in result.stderr
    assert find(app, shifted) is None


@pytest.mark.parametrize("cells", [",2026-01-01", "active,2026-01-01"])
def test_whoever_has_a_day_of_death_and_is_not_said_to_have_died_is_left_out(app: Flask, tmp_path: Path, cells: str) -> None:
    number, file = citizen_number(), tmp_path / "people.csv"
    file.write_text(f"number,name,state,ended_on\n{number},何文,{cells}\n")
    result = run(app, "people", str(file))
    assert (result.exit_code, "neither deceased nor dissolved" in result.stderr) == (1, True)
    assert find(app, number) is None
    file.write_text(f"number,name,state,ended_on\n{number},何文,死亡,2026-01-01\n")
    assert run(app, "people", str(file)).exit_code == 0
