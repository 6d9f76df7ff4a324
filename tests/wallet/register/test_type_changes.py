"""What differs between versions, and what a new version may not silently change."""

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from runtime.clock import now
from runtime.database import transaction
from tests.world_wallet import DEFINITIONS
from wallet.register import catalogue, commands
from wallet.register.catalogue import BreakingChange, FaultyDefinition, StaleEdit
from wallet.register.definitions import document_of, read_definition
from wallet.register.type_changes import breaks_of, differences_of
from wallet.register.type_files import lean_document, write_file

DRIVING = DEFINITIONS["driving-licence"]
Alteration = Callable[[dict[str, Any]], Any]


def altered(change: Alteration) -> dict[str, Any]:
    document = copy.deepcopy(document_of(DRIVING))
    change(document)
    return document


def field(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in document["fields"] if one["name"] == name)
    return found


def as_a_number(document: dict[str, Any]) -> None:
    found = field(document, "file_number")
    found.update(type="integer", example=1)
    del found["max_length"], found["pattern"]


def with_another_sex(document: dict[str, Any]) -> None:
    field(document, "sex")["choices"]["x"] = {"zh": "未说明", "en": "Unknown"}


def with_a_reused_tag(document: dict[str, Any]) -> None:
    document["fields"][5] = new_field("home", "KZ_ZZ")
    document["face"]["front"] = []


def new_field(name: str, tag: str, **members: Any) -> dict[str, Any]:
    return {"name": name, "label": {"zh": "新", "en": "New"}, "tag": tag, "type": "string", "max_length": 9, "example": "x", **members}


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        pytest.param(lambda d: d.update(colour="green"), ["~ colour: slate -> green"], id="a colour"),
        pytest.param(lambda d: d["name"].update(en="Driver's"), ["~ name.en: Driving licence -> Driver's"], id="a name in one language"),
        pytest.param(lambda d: field(d, "address").update(max_length=200), ["~ fields.address.max_length: 120 -> 200"], id="a limit"),
        pytest.param(lambda d: d["validity"].update(max_years=10), ["+ validity.max_years: 10"], id="a limit where there was none"),
        pytest.param(lambda d: d["fields"].reverse(), None, id="the order of fields"),
        pytest.param(
            lambda d: field(d, "sex").update(choices=dict(reversed(field(d, "sex")["choices"].items()))),
            ["~ fields.sex.choices (order): [male, female] -> [female, male]"],
            id="the order of choices",
        ),
        pytest.param(with_another_sex, ["+ fields.sex.choices.x: 未说明 / Unknown"], id="a choice"),
    ],
)  # fmt: skip
def test_each_place_that_differs_is_shown_old_and_new(change: Alteration, lines: list[str] | None) -> None:
    after = read_definition(altered(change))
    shown = [str(one) for one in differences_of(DRIVING, after)]
    assert shown == lines or (lines is None and [one.startswith("~ fields (order)") for one in shown] == [True])
    assert breaks_of([DRIVING], after) == []


@pytest.mark.parametrize(
    ("change", "member"),
    [
        pytest.param(as_a_number, "fields.file_number.type", id="a field of another type"),
        pytest.param(lambda d: field(d, "address").update(tag="KZ_NEW"), "fields.address.tag", id="a field with another tag"),
        pytest.param(with_a_reused_tag, "fields.home.tag", id="a tag that was another field's"),
        pytest.param(lambda d: d["fields"].pop(5) and d["face"].update(front=[]), "fields.address", id="a field that is gone"),
        pytest.param(lambda d: field(d, "sex")["choices"]["male"].update(zh="其他"), "fields.sex.choices.male", id="a code of another meaning"),
        pytest.param(lambda d: d.update(holder="organisation"), "holder", id="other holders"),
        pytest.param(lambda d: d.update(doctype="org.example.1"), "doctype", id="another mobile document"),
        pytest.param(lambda d: d.update(number_rule="issuer"), "number_rule", id="another rule for numbers"),
        pytest.param(lambda d: d.update(proves_identity=True), "proves_identity", id="a licence that comes to prove identity"),
    ],
)  # fmt: skip
def test_what_would_change_the_meaning_of_old_words_is_named(change: Alteration, member: str) -> None:
    assert member in [name for name, _ in breaks_of([DRIVING], read_definition(altered(change)))]


def test_a_type_may_open_itself_to_holders_of_both_kinds() -> None:
    assert breaks_of([DRIVING], read_definition(altered(lambda d: d.update(holder="either")))) == []


def test_what_any_older_version_said_still_counts(context: None) -> None:
    gone = read_definition(altered(lambda d: d["fields"].pop(5) and d["face"].update(front=[])))
    again = read_definition(altered(with_a_reused_tag))
    assert [name for name, _ in breaks_of([DRIVING, gone], again)] == ["fields.home.tag"]


CODE = "11100000000013127D9"


def stored(digits: str) -> dict[str, Any]:
    document = lean_document(DRIVING) | {"code": CODE + digits, "slug": f"test-changes-{digits}"}
    with transaction() as session:
        catalogue.apply(session, [document], now=now())
    return document


def test_a_breaking_change_needs_a_word_of_its_own(context: None) -> None:
    document = stored("10") | {"holder": "organisation"}
    with pytest.raises(BreakingChange) as raised, transaction() as session:
        catalogue.apply(session, [document], now=now())
    assert raised.value.field == "holder"
    with transaction() as session:
        [change] = catalogue.apply(session, [document], now=now(), breaking=True)
    assert change.licence_type.version == 2


def test_the_address_of_a_type_stays_whatever_is_said(context: None) -> None:
    document = stored("11") | {"slug": "test-moved"}
    with pytest.raises(FaultyDefinition, match="slug"), transaction() as session:
        catalogue.apply(session, [document], now=now(), breaking=True)


def test_of_two_editors_the_second_is_told(context: None) -> None:
    document = stored("12")
    with transaction() as session:
        catalogue.apply(session, [document | {"colour": "green"}], now=now(), expected=1)
    with pytest.raises(StaleEdit), transaction() as session:
        catalogue.apply(session, [document | {"colour": "red"}], now=now(), expected=1)
    assert catalogue.get_type(document["code"]).colour == "green"


def test_of_many_who_save_at_once_one_wins(app: Flask) -> None:
    with app.app_context():
        document = stored("15")
    colours = ("green", "red", "blue", "teal", "brown", "rose")

    def save(colour: str) -> bool:
        with app.app_context():
            try:
                with transaction() as session:
                    catalogue.apply(session, [document | {"colour": colour}], now=now(), expected=1)
            except StaleEdit:
                return False
        return True

    with ThreadPoolExecutor(len(colours)) as pool:
        assert sorted(pool.map(save, colours)) == [False] * (len(colours) - 1) + [True]
    with app.app_context():
        assert catalogue.get_type(document["code"]).version == 2


def test_the_same_file_again_changes_nothing_even_written_out_in_full(context: None) -> None:
    document = stored("13")
    with transaction() as session:
        assert catalogue.differences(session, [document_of(read_definition(document))]) == []


def run(app: Flask, folder: Any, *arguments: str) -> Result:
    result: Result = app.test_cli_runner().invoke(commands.licence_type, ["apply", str(folder), *arguments])
    return result


def test_the_command_shows_the_difference_before_it_applies_it(app: Flask, tmp_path: Any) -> None:
    with app.app_context():
        document = stored("14")
    file = tmp_path / "test-changes-14.yaml"
    file.write_text(write_file(read_definition(document | {"colour": "green"})), encoding="utf-8")
    looked = run(app, tmp_path, "--dry-run")
    assert "    ~ colour: slate -> green" in looked.output.splitlines()
    assert "1 of 1 types changed." not in looked.output
    assert "1 of 1 types changed." in run(app, tmp_path, "--yes").output
    file.write_text(write_file(read_definition(document | {"holder": "organisation"})), encoding="utf-8")
    refused = run(app, tmp_path, "--yes")
    assert refused.exit_code == 1
    assert "    ! holder: " in refused.output
    assert run(app, tmp_path, "--yes", "--breaking").exit_code == 0


def test_a_faulty_file_is_named_and_nothing_is_applied(app: Flask, tmp_path: Any) -> None:
    (tmp_path / "one.yaml").write_text("a: &x [*x]", encoding="utf-8")
    refused = run(app, tmp_path, "--yes")
    assert refused.exit_code == 1
    assert "one.yaml: file" in refused.output
