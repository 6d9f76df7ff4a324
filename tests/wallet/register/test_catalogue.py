import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from runtime.clock import now
from runtime.database import transaction
from runtime.problems import InvalidBody
from wallet.register import catalogue
from wallet.register.catalogue import FaultyDefinition, LicenceTypeNotFound
from wallet.register.definitions import default_doctype, document_of, read_definition
from wallet.register.fields import check_values

DOCUMENTS = {document["slug"]: document for document in catalogue.read_folder()}
TYPES = [read_definition(document) for document in DOCUMENTS.values()]
DRIVING = read_definition(DOCUMENTS["driving-licence"])
VALUES = {field.name: field.example for field in DRIVING.fields}

MATTER = {"code": "CLZL-001", "name": {"zh": "车辆租赁", "en": "Hiring a car"}, "needs": ["holder_name", "vehicle_class"]}


def altered(path: str, value: Any) -> dict[str, Any]:
    """Return the driving licence's document with one member changed, or taken away (None)."""
    document = copy.deepcopy(DOCUMENTS["driving-licence"])
    *folders, last = path.split(".")
    place: Any = document
    for name in folders:
        place = place[int(name)] if name.isdigit() else place[name]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return document


def test_the_catalogue_has_its_licence_types_with_their_codes_in_use() -> None:
    codes = {one.slug: one.code for one in TYPES}
    assert len(codes) >= 60
    assert codes["real-estate-registration-proof"] == "11100000MB03271699022"
    assert codes["special-construction-operation"] == "11100000000013338W032"
    assert codes["resident-identity-card"] == "11100000000013127D001"
    assert codes["business-licence"] == "11100000MB0143028R001"
    assert codes["real-estate-certificate"] == "11100000MB03271699001"
    assert {one.family for one in TYPES} == {"identity", "life", "education-profession", "property", "enterprise"}


@pytest.mark.parametrize("licence_type", TYPES, ids=lambda one: one.slug)
def test_the_examples_of_a_type_make_a_licence_of_it(licence_type: catalogue.LicenceType) -> None:
    examples = {field.name: field.example for field in licence_type.fields}
    assert check_values(licence_type.fields, examples) == examples


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        pytest.param("code", "11100000000013127E011", "code", id="a type code with a bad check character"),
        pytest.param("code", "11100000MB0143028R001", "code", id="another authority's type code"),
        pytest.param("slug", "Driving Licence", "slug", id="a short name that is none"),
        pytest.param("name", {"zh": "驾驶证"}, "name.en", id="a name in one language"),
        pytest.param("family", "sport", "family", id="an unknown family"),
        pytest.param("colour", "#ff0000", "colour", id="a colour outside the palette"),
        pytest.param("holder", "animal", "holder", id="an unknown kind of holder"),
        pytest.param("defining_authority.code", "111000000000131270", "defining_authority.code", id="an authority with a bad code"),
        pytest.param("validity.rule", "sometimes", "validity.rule", id="an unknown validity"),
        pytest.param("summary", "shoe_size", "summary", id="a summary of no field"),
        pytest.param("most_holders", 0, "most_holders", id="held by nobody"),
        pytest.param("most_holders", "2", "most_holders", id="holders counted in text"),
        pytest.param("checked_acts", ["celebrate"], "checked_acts", id="an act that there is not"),
        pytest.param("checked_acts", ["revoke", "revoke"], "checked_acts", id="an act named twice"),
        pytest.param("open_to", ["issue"], "open_to", id="issuing open to all"),
        pytest.param("gathers", ["driving-licence"], "gathers", id="a type that gathers itself"),
        pytest.param("gathers", "vehicle-licence", "gathers", id="a text for a list"),
        pytest.param("doctype", "a b", "doctype", id="a mobile document's name with a space"),
        pytest.param("validity.ends_on", "week", "validity.ends_on", id="an end on an unknown unit"),
        pytest.param("validity.renewable_days_before", -1, "validity.renewable_days_before", id="a window that is negative"),
        pytest.param("validity", {"rule": "permanent", "renewable_days_after": 3}, "validity", id="a renewal of what has no end"),
        pytest.param("face", {"layout": "scroll"}, "face.layout", id="a layout that there is not"),
        pytest.param("face", {"front": ["shoe_size"]}, "face.front", id="a face with a field that there is not"),
        pytest.param("face", {"front": ["sex"], "back": ["sex"]}, "face.front", id="a field that stands twice on a face"),
        pytest.param("face", {"labels": {"shoe_size": {"zh": "鞋码", "en": "Size"}}}, "face.labels", id="a label of no field"),
        pytest.param("face", {"statement": {"zh": "{shoe_size}", "en": "x"}}, "face.statement", id="a statement of no field"),
        pytest.param("face", {"statement": {"zh": "{sex.__class__}", "en": "x"}}, "face.statement", id="a statement that reaches into a value"),
        pytest.param("face", {"statement": {"zh": "{sex:>9999999}", "en": "x"}}, "face.statement", id="a statement that formats"),
        pytest.param("face", {"statement": {"zh": "{", "en": "x"}}, "face.statement", id="a statement with half a brace"),
        pytest.param("face", {"html": "<b>"}, "face.html", id="a face that brings markup"),
        pytest.param("fields.5.hideable", False, "address.hidden_by_default", id="a field hidden by default that cannot be"),
        pytest.param("extra", 1, "extra", id="an unknown member"),
        pytest.param("fields", None, "fields", id="no fields"),
        pytest.param("fields.0.example", "Z9", "fields.vehicle_class.example", id="an example that does not fit"),
        pytest.param("fields.1.name", "vehicle_class", "vehicle_class stands twice", id="a name that stands twice"),
        pytest.param("fields.1.name", "holder_name", "holder_name", id="a name that every licence has"),
        pytest.param("fields.1.name", "status", "status", id="a name that credentials use for another thing"),
        pytest.param("fields.1.name", "firstIssued", "fields.1.name", id="a name in camel case"),
        pytest.param("fields.1.tag", "KZ_ZJCX", "KZ_ZJCX stands twice", id="a tag that stands twice"),
        pytest.param("fields.1.type", "moment", "fields.1.type", id="an unknown type of field"),
        pytest.param("fields.1.pattern", "x", "first_issued.pattern", id="a pattern on a date"),
        pytest.param("fields.0.choices", None, "vehicle_class.choices", id="a choice without choices"),
        pytest.param("fields.5.max_length", None, "address.max_length", id="a text without a limit"),
        pytest.param("fields.6.pattern", "[0-9", "file_number.pattern", id="a pattern that cannot be read"),
        pytest.param("fields.6.pattern", "(a+)+", "file_number.pattern", id="a pattern that never ends"),
        pytest.param("fields.6.pattern", "(a|aa){1,12}", "file_number.pattern", id="a pattern with a choice that repeats"),
        pytest.param("fields.6.pattern", r"(.)\1", "file_number.pattern", id="a pattern that refers back"),
        pytest.param("fields.6.pattern", "(?=a)a", "file_number.pattern", id="a pattern that looks ahead"),
        pytest.param("number_pattern", "[0-9]+", "number_pattern", id="a form of numbers that are the holder's"),
        pytest.param("issuer_levels", ["galaxy"], "issuer_levels", id="a level of government that there is not"),
        pytest.param("matters", [{"code": "路", "name": {"zh": "x", "en": "x"}}], "matters.0.code", id="a matter with a code that is none"),
        pytest.param("matters", [MATTER, MATTER], "matters: CLZL-001 stands twice", id="a matter that stands twice"),
        pytest.param("matters", [{**MATTER, "needs": ["shoe_size"]}], "matters.CLZL-001.needs", id="a matter that needs no field"),
        pytest.param("matters", [{**MATTER, "needs": ["sex", "sex"]}], "sex stands twice", id="a matter that needs a field twice"),
        pytest.param(
            "matters", [{**MATTER, "needs": ["licence_identifier"]}], "matters.CLZL-001.needs", id="a matter that needs what is always shown"
        ),
        pytest.param("matters", [{**MATTER, "needs": "sex"}], "matters.0.needs", id="a matter that needs a text"),
        pytest.param("defining_authority.level", "moon", "defining_authority.level", id="an authority of no level"),
    ],
)
def test_a_fault_in_a_definition_is_named(path: str, value: Any, named: str) -> None:
    with pytest.raises(FaultyDefinition) as raised:
        read_definition(altered(path, value))
    assert named in str(raised.value)


def test_a_faulty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "driving-licence.yaml").write_text("code: [", encoding="utf-8")
    with pytest.raises(FaultyDefinition, match=r"driving-licence\.yaml"):
        list(catalogue.read_folder(tmp_path))
    (tmp_path / "driving-licence.yaml").unlink()
    (tmp_path / "driving.yaml").write_text(yaml.safe_dump(DOCUMENTS["driving-licence"]), encoding="utf-8")
    with pytest.raises(FaultyDefinition, match="should be named"):
        list(catalogue.read_folder(tmp_path))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("vehicle_class", "Z9", id="a choice that there is not"),
        pytest.param("vehicle_class", ["C1"], id="a list for a choice"),
        pytest.param("first_issued", "20120701", id="a date without hyphens"),
        pytest.param("first_issued", "2012-02-30", id="a day that there is not"),
        pytest.param("first_issued", 20120701, id="a number for a date"),
        pytest.param("first_issued", None, id="null for a date"),
        pytest.param("first_issued", "２０１２-07-01", id="full-width digits"),
        pytest.param("address", "", id="an empty text"),
        pytest.param("address", "   ", id="spaces only"),
        pytest.param("address", "路" * 121, id="a text that is too long"),
        pytest.param("address", "a\x00b", id="a zero byte"),
        pytest.param("address", "a\ud800b", id="half a surrogate pair"),
        pytest.param("address", "a\u202eb", id="a change of direction"),
        pytest.param("address", {"street": "x"}, id="an object for a text"),
        pytest.param("file_number", "37990012345", id="a text that does not fit its pattern"),
        pytest.param("file_number", "３７９９００１２３４５６", id="full-width digits in a pattern"),
        pytest.param("shoe_size", "42", id="a field that there is not"),
    ],
)
def test_a_value_that_does_not_fit_is_named_by_its_path(name: str, value: Any) -> None:
    with pytest.raises(InvalidBody) as raised:
        check_values(DRIVING.fields, {**VALUES, name: value})
    assert [row["field"] for row in raised.value.more["errors"]] == [f"fields.{name}"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("building_area_m2", 98.76),
        ("building_area_m2", "1e3"),
        ("building_area_m2", "-1"),
        ("building_area_m2", "9" * 30),
        ("building_area_m2", "NaN"),
    ],
)
def test_a_decimal_is_written_as_text(name: str, value: Any) -> None:
    estate = read_definition(DOCUMENTS["real-estate-certificate"])
    with pytest.raises(InvalidBody):
        check_values(estate.fields, {field.name: field.example for field in estate.fields} | {name: value})


@pytest.mark.parametrize("value", [True, "39", 39.0, 19, 46, 10**400])
def test_a_whole_number_is_one_and_in_range(value: Any) -> None:
    birth = read_definition(DOCUMENTS["birth-certificate"])
    with pytest.raises(InvalidBody):
        check_values(birth.fields, {field.name: field.example for field in birth.fields} | {"gestation_weeks": value})


def test_a_changed_type_is_stored_as_a_new_version_and_only_then(context: None) -> None:
    document = altered("slug", "test-driving-licence") | {"code": "11100000000013127D901"}
    with transaction() as session:
        assert catalogue.apply(session, [document], now=now())[0].is_new
    with transaction() as session:
        assert catalogue.apply(session, [document], now=now()) == []
        [change] = catalogue.apply(session, [document | {"colour": "green"}], now=now())
    assert (change.parts, change.licence_type.version) == (("colour",), 2)
    assert [str(one) for one in change.differences] == ["~ colour: slate -> green"]
    assert catalogue.get_type("test-driving-licence").colour == "green"
    assert catalogue.get_type("11100000000013127D901").version == 2


def test_two_types_cannot_share_a_short_name(context: None) -> None:
    documents = [altered("code", "11100000000013127D902"), altered("code", "11100000000013127D903")]
    with pytest.raises(FaultyDefinition, match="two types"), transaction() as session:
        catalogue.apply(session, [one | {"slug": "test-twice"} for one in documents], now=now())


def test_no_type_takes_the_document_of_another_be_it_there_or_still_to_come(context: None) -> None:
    """The name says of which type a mobile document is: whoever issued under another's would be listed as one who issues that."""
    first, second = (altered("code", f"11100000000013127D98{n}") | {"slug": f"test-document-{n}"} for n in (4, 5))
    named = "org.example.test.document"
    with transaction() as session:
        catalogue.apply(session, [first | {"doctype": named}], now=now())
        catalogue.apply(session, [first | {"doctype": "org.example.test.renamed"}], now=now(), breaking=True)
    for taken in (named, "org.example.test.renamed", default_doctype(first["code"]), default_doctype("11100000000013127D999")):
        with pytest.raises(FaultyDefinition, match="doctype"), transaction() as session:
            catalogue.apply(session, [second | {"doctype": taken}], now=now())
    both = [altered("code", f"11100000000013127D98{n}") | {"slug": f"test-document-{n}", "doctype": "org.example.test.both"} for n in (6, 7)]
    with pytest.raises(FaultyDefinition, match="doctype"), transaction() as session:
        catalogue.apply(session, both, now=now())
    with transaction() as session:
        assert catalogue.apply(session, [second], now=now())[0].licence_type.doctype == default_doctype(second["code"])


def test_a_type_that_there_is_not_is_not_found(context: None) -> None:
    with pytest.raises(LicenceTypeNotFound):
        catalogue.get_type("licence-to-kill")


NEW_MEMBERS = {
    "holder": "either",
    "most_holders": 2,
    "checked_acts": ["revoke", "annul"],
    "gathers": ["food-business-licence"],
    "open_to": ["verify"],
    "doctype": "org.example.driving.1",
    "face": {
        "layout": "booklet",
        "accent": "red",
        "title": {"zh": "示例证书", "en": "Example"},
        "statement": {"zh": "{holder_name}可驾驶{vehicle_class}。", "en": "{holder_name} may drive {vehicle_class}."},
        "front": ["holder_name", "vehicle_class"],
        "back": ["issuer", "validity"],
        "labels": {"holder_name": {"zh": "姓名", "en": "Name"}},
        "portrait": True,
        "seal": False,
    },
    "validity": {"rule": "dated", "max_years": 6, "ends_on": "month", "renewable_days_before": 90, "renewable_days_after": 365},
}


def test_what_a_file_leaves_out_has_its_default() -> None:
    assert (DRIVING.most_holders, DRIVING.checked_acts, DRIVING.gathers, DRIVING.validity.ends_on) == (1, (), (), "day")
    birth = read_definition(DOCUMENTS["birth-certificate"])
    assert birth.doctype == f"1.2.156.3005.2.{birth.code}"
    assert all(one.hideable for one in birth.fields)


def test_a_type_is_written_as_it_was_read() -> None:
    document = {**DOCUMENTS["driving-licence"], **copy.deepcopy(NEW_MEMBERS)}
    document["fields"] = [{**one, "hideable": False, "hidden_by_default": False} for one in document["fields"]]
    licence_type = read_definition(document)
    defaults = {name: document_of(licence_type)[name] for name in ("fields", "defining_authority")}
    assert document_of(licence_type) == {**document_of(DRIVING), **document, **defaults}
    assert read_definition(document_of(licence_type)) == licence_type


def test_a_licence_is_read_by_the_version_it_was_issued_under(context: None) -> None:
    code = "11100000000013127D904"
    document = altered("slug", "test-versions") | {"code": code}
    for colour in ("slate", "green"):
        with transaction() as session:
            catalogue.apply(session, [document | {"colour": colour}], now=now())
    assert [(one.version, one.colour) for one in (catalogue.get_version(code, 1), catalogue.get_version(code, 2))] == [(1, "slate"), (2, "green")]
    with pytest.raises(LicenceTypeNotFound):
        catalogue.get_version(code, 3)
