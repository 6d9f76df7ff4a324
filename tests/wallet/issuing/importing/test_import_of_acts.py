"""A file whose rows say what is to be done: some issue, some act on licences that there are, each once."""

import csv
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from runtime.database import transaction
from tests.wallet.issuing.importing.test_import import MAPPING, Importer, rejected_rows
from tests.world_people import new_person
from tests.world_wallet import new_licence
from wallet.issuing.importing.mappings import FaultyMapping, read_mapping
from wallet.register.licences import Licence, fields_of, get_licence

COLUMNS = ["业务", "证照标识", "理由", "依据", "生效日期", "住址", "有效期止", "身份证号"]
ACTS_MAPPING = """
type: driving-licence
columns:
  act: {column: 业务, choices: {扣押: suspend}}
  licence: 证照标识
  reason: 理由
  legal_basis: 依据
  effective_on: 生效日期
  fields.address: 住址
  valid_until: 有效期止
  holder.number: 身份证号
constants:
  fields.nationality: CHN
"""


@pytest.fixture
def importer(app: Flask, tmp_path: Path) -> Importer:
    return Importer(app, tmp_path)


@pytest.fixture
def licences(app: Flask, importer: Importer) -> list[Licence]:
    with app.app_context(), transaction() as session:
        people = [new_person(session) for _ in range(6)]
        return [new_licence(session, type="driving-licence", department=importer.department, number=one.number) for one in people]


def row(act: str, licence: Licence | str, **more: str) -> list[str]:
    given = {"业务": act, "证照标识": licence if isinstance(licence, str) else licence.identifier, "理由": "批量测试", "依据": "《办法》第一条"}
    return [{**given, **more}.get(name, "") for name in COLUMNS]


def run(importer: Importer, tmp_path: Path, rows: list[list[str]], *options: str, mapping: str = ACTS_MAPPING) -> tuple[Any, list[list[str]]]:
    file, written, out = tmp_path / "acts.csv", tmp_path / "acts.yaml", tmp_path / "rejected.csv"
    with file.open("w", newline="", encoding="utf-8") as text:
        csv.writer(text).writerows([COLUMNS, *rows])
    written.write_text(mapping, encoding="utf-8")
    done = importer.run(file, "--rejected", str(out), *options, mapping=written)
    return done, rejected_rows(out)[1:] if out.exists() else []


def states(app: Flask, licences: list[Licence]) -> list[str]:
    with app.app_context(), transaction() as session:
        return [get_licence(session, UUID(str(one.id))).state for one in licences]


def test_rows_do_what_they_say_by_code_by_name_and_by_a_word_of_the_files_own(
    app: Flask, importer: Importer, licences: list[Licence], tmp_path: Path
) -> None:
    rows = [
        row("扣押", licences[0]),
        row("吊销", licences[1], 生效日期=""),
        row("Cancel", str(licences[2].id)),
        row("变更", licences[3], 住址="新路3号"),
        row("transfer-in", licences[4]),
        row("改名", licences[5]),
    ]
    done, rejected = run(importer, tmp_path, rows)
    assert done.exit_code == 1, done.output
    assert "4 rows have their licences, 2 were rejected." in done.output
    assert [one[9] for one in rejected] == ["证照标识：没有此证照。", "业务：没有此项业务。"]
    assert states(app, licences) == ["suspended", "revoked", "cancelled", "lapsed", "valid", "valid"]
    with app.app_context(), transaction() as session:
        changed = get_licence(session, licences[3].id)
        assert fields_of(get_licence(session, UUID(str(changed.successor_id))))["address"] == "新路3号"
    again, _ = run(importer, tmp_path, rows)
    assert "4 rows have their licences, 2 were rejected." in again.output
    assert states(app, licences) == ["suspended", "revoked", "cancelled", "lapsed", "valid", "valid"]


def test_what_an_act_does_not_take_is_refused_by_its_column(app: Flask, importer: Importer, licences: list[Licence], tmp_path: Path) -> None:
    rows = [row("暂扣", licences[0], 住址="新路3号"), row("暂扣", licences[1], 理由=""), row("暂扣", licences[2], 生效日期="2999-01-01")]
    done, rejected = run(importer, tmp_path, rows)
    assert done.exit_code == 1, done.output
    assert [one[9].split("：")[0] for one in rejected] == ["住址", "理由", "生效日期"]
    assert "此项业务不需要该列" in rejected[0][9]
    assert states(app, licences) == ["valid"] * 6


def test_a_dry_run_acts_on_nothing(app: Flask, importer: Importer, licences: list[Licence], tmp_path: Path) -> None:
    done, _ = run(importer, tmp_path, [row("吊销", one) for one in licences], "--dry-run")
    assert "6 rows could be taken, 0 not; nothing was issued." in done.output
    assert states(app, licences) == ["valid"] * 6


def test_one_act_for_all_rows_is_a_constant(app: Flask, importer: Importer, licences: list[Licence], tmp_path: Path) -> None:
    mapping = """
type: driving-licence
columns: {licence: 证照标识, reason: 理由}
constants: {act: 暂扣, legal_basis: 《办法》第一条}
"""
    done, _ = run(importer, tmp_path, [row("", one) for one in licences], mapping=mapping)
    assert done.exit_code == 0, done.output
    assert states(app, licences) == ["suspended"] * 6


def test_the_same_act_in_another_file_is_done_once_unless_meant(app: Flask, importer: Importer, licences: list[Licence], tmp_path: Path) -> None:
    first, second = row("暂扣", licences[0]), row("恢复", licences[0])
    assert run(importer, tmp_path, [first, second])[0].exit_code == 0
    done, rejected = run(importer, tmp_path, [second, first])
    assert (done.exit_code, len(rejected)) == (1, 2)
    assert run(importer, tmp_path, [first, row("暂扣", licences[1])], "--again")[0].exit_code == 0
    assert states(app, licences[:2]) == ["suspended", "suspended"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(("  licence: 证照标识\n", ""), "licence is required", id="no licence"),
        pytest.param(("  reason: 理由\n", ""), "reason is required", id="no reason"),
        pytest.param(("  act: {column: 业务, choices: {扣押: suspend}}\n", ""), "licence: driving-licence has no such member", id="no act"),
        pytest.param(("constants:", "constants:\n  to: x\n  too: y"), "too: driving-licence has no such member", id="an unknown member"),
        pytest.param(("constants:", "constants:\n  act: suspend"), "both a column and a constant", id="an act twice"),
    ],
)
def test_a_mapping_of_acts_that_cannot_be_used_is_named(context: None, importer: Importer, change: tuple[str, str], said: str) -> None:
    with pytest.raises(FaultyMapping, match=said):
        read_mapping(ACTS_MAPPING.replace(*change))


def test_an_unknown_act_for_all_is_named(context: None, importer: Importer) -> None:
    with pytest.raises(FaultyMapping, match="there is no act explode"):
        read_mapping("type: driving-licence\ncolumns: {licence: a, reason: b, legal_basis: c}\nconstants: {act: explode}")


def test_a_mapping_that_only_issues_is_as_it_was(context: None, importer: Importer) -> None:
    assert read_mapping(MAPPING.read_text()).acts is False
