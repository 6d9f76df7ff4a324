"""The person of the paths is the one of OpenID4VP 1.0 section 7.3, the queries are of the kinds of its appendix D."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet.presenting.dcql import Answer, Candidate, MalformedQuery, answer, choose, match, read_query, select

SD_JWT, MDOC, W3C = "dc+sd-jwt", "mso_mdoc", "jwt_vc_json"
LICENCE, PERMIT = "https://kabao.example/types/driving", "https://kabao.example/types/permit"
PERSON: dict[str, Any] = {
    "name": "Arthur Dent",
    "address": {"street_address": "42 Market Street", "locality": "Milliways", "postal_code": "12345"},
    "degrees": [
        {"type": "Bachelor of Science", "university": "University of Betelgeuse"},
        {"type": "Master of Science", "university": "University of Betelgeuse"},
    ],
    "nationalities": ["British", "Betelgeusian"],
}
DRIVER = {"holder_name": "李测试", "licence_class": "C1", "points": 3, "organ_donor": True, "classes": ["C1", "D"], "address": {"city": "济南"}}


def credential(
    name: str = "a", form: str = SD_JWT, types: tuple[str, ...] = (LICENCE,), claims: dict[str, Any] | None = None, **more: Any
) -> Candidate:
    return Candidate(name, form, frozenset(types), DRIVER if claims is None else claims, **more)


def asked(*, form: str = SD_JWT, meta: dict[str, Any] | None = None, name: str = "q", **more: Any) -> dict[str, Any]:
    return {"id": name, "format": form, "meta": {"vct_values": [LICENCE]} if meta is None else meta, **more}


def query(*credentials: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"credentials": list(credentials), **more}


def answered(unverified: dict[str, Any], *held: Candidate) -> Answer:
    return answer(read_query(json.loads(json.dumps(unverified))), held)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (["name"], ["Arthur Dent"]),
        (["address"], [PERSON["address"]]),
        (["address", "street_address"], ["42 Market Street"]),
        (["degrees", None, "type"], ["Bachelor of Science", "Master of Science"]),
        (["nationalities", 1], ["Betelgeusian"]),
        (["nationalities", None], ["British", "Betelgeusian"]),
        (["nationalities", 2], []),
        (["degrees", 0, "year"], []),
        (["nobody"], []),
        (["name", "first"], []),
        (["name", 0], []),
        (["address", 0], []),
        (["address", None], []),
        (["degrees", "type"], []),
    ],
    ids=str,
)
def test_a_path_points_at_what_the_specification_says(path: list[Any], found: list[Any]) -> None:
    assert select(PERSON, tuple(path)) == found


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (["space", "name"], ["x"]),
        (["space"], []),
        (["space", "name", "more"], []),
        (["space", "whole", "part"], []),
        (["space", 0], []),
        (["other", "name"], []),
        (["space", None], []),
    ],
    ids=str,
)
def test_a_path_into_a_mobile_document_is_a_name_space_and_an_element(path: list[Any], found: list[Any]) -> None:
    assert select({"space": {"name": "x", "whole": {"part": "y"}}}, tuple(path), is_mdoc=True) == found


@pytest.mark.parametrize(
    ("wanted", "held", "paths"),
    [
        (asked(), credential(), []),
        (asked(meta={}), credential(types=("anything",)), []),
        (asked(claims=[{"path": ["licence_class"]}, {"path": ["address", "city"]}]), credential(), [("licence_class",), ("address", "city")]),
        (asked(claims=[{"path": ["licence_class"]}, {"path": ["licence_class"]}]), credential(), [("licence_class",)]),
        (asked(claims=[{"path": ["missing"]}]), credential(), None),
        (asked(meta={"vct_values": [PERMIT]}), credential(), None),
        (asked(meta={"vct_values": [PERMIT]}), credential(types=(LICENCE, PERMIT)), []),
        (asked(form=MDOC, meta={"doctype_value": LICENCE}), credential(), None),
        (asked(form=MDOC, meta={"doctype_value": "d"}), credential(form=MDOC, types=("d",), claims={}), []),
        (asked(form=MDOC, meta={"doctype_value": "d"}), credential(form=MDOC, types=("e",), claims={}), None),
        (
            asked(form=MDOC, meta={"doctype_value": "d"}, claims=[{"path": ["s", "e"], "intent_to_retain": True}]),
            credential(form=MDOC, types=("d",), claims={"s": {"e": 1}}),
            [("s", "e")],
        ),
        (asked(form=W3C, meta={"type_values": [["A", "B"], ["C"]]}), credential(form=W3C, types=("A", "X", "B")), []),
        (asked(form=W3C, meta={"type_values": [["A", "B"], ["C"]]}), credential(form=W3C, types=("A", "X")), None),
        (asked(form="ldp_vc", meta={}), credential(), None),
        (asked(claims=[{"path": ["points"], "values": [2, 3]}]), credential(), [("points",)]),
        (asked(claims=[{"path": ["points"], "values": ["3"]}]), credential(), None),
        (asked(claims=[{"path": ["points"], "values": [True]}]), credential(claims={"points": 1}), None),
        (asked(claims=[{"path": ["organ_donor"], "values": [True]}]), credential(), [("organ_donor",)]),
        (asked(claims=[{"path": ["organ_donor"], "values": [1]}]), credential(), None),
        (asked(claims=[{"path": ["classes", None], "values": ["D"]}]), credential(), [("classes", None)]),
        (asked(claims=[{"path": ["classes", None], "values": ["E"]}]), credential(), None),
        (asked(), credential(bindable=False), None),
        (asked(require_cryptographic_holder_binding=False), credential(bindable=False), []),
        (asked(trusted_authorities=[{"type": "aki", "values": ["AA", "BB"]}]), credential(authorities=frozenset({("aki", "BB")})), []),
        (asked(trusted_authorities=[{"type": "aki", "values": ["AA"]}]), credential(authorities=frozenset({("etsi_tl", "AA")})), None),
        (
            asked(trusted_authorities=[{"type": "new", "values": ["x"]}, {"type": "aki", "values": ["AA"]}]),
            credential(authorities=frozenset({("aki", "AA")})),
            [],
        ),
    ],
)
def test_a_credential_satisfies_a_query_or_does_not(wanted: dict[str, Any], held: Candidate, paths: list[Any] | None) -> None:
    found = match(read_query(query(wanted)).credentials[0], held)
    assert (None if found is None else list(found.paths)) == paths


ALTERNATIVES = asked(
    claims=[{"id": "a", "path": ["holder_name"]}, {"id": "b", "path": ["birth_date"]}, {"id": "c", "path": ["over_18"], "values": [True]}],
    claim_sets=[["a", "c"], ["b"], ["a"]],
)


@pytest.mark.parametrize(
    ("claims", "paths"),
    [
        ({"holder_name": "x", "over_18": True, "birth_date": "y"}, [("holder_name",), ("over_18",)]),
        ({"holder_name": "x", "over_18": False, "birth_date": "y"}, [("birth_date",)]),
        ({"holder_name": "x"}, [("holder_name",)]),
        ({"over_18": True}, None),
    ],
    ids=["the first", "the second, as a value is another", "the last", "none"],
)
def test_the_first_combination_of_claims_that_can_be_shown_is_chosen(claims: dict[str, Any], paths: list[Any] | None) -> None:
    found = match(read_query(query(ALTERNATIVES)).credentials[0], credential(claims=claims))
    assert (None if found is None else list(found.paths)) == paths


THREE = [asked(name=name, meta={"vct_values": [f"urn:{name}"]}) for name in ("id", "other", "extra")]
SETS = [{"options": [["id"], ["other"]]}, {"options": [["extra"]], "required": False}]


@pytest.mark.parametrize(
    ("sets", "held", "chosen", "also"),
    [
        (None, "id other extra", ("id", "other", "extra"), ()),
        (None, "id other", None, ()),
        (SETS, "id other extra", ("id",), ("extra",)),
        (SETS, "other", ("other",), ()),
        (SETS, "extra", None, ()),
        ([{"options": [["id", "other"], ["extra"]]}], "id extra", ("extra",), ()),
        ([{"options": [["id", "other"], ["extra"]]}], "id", None, ()),
        ([{"options": [["id"]]}, {"options": [["id", "extra"]]}], "id extra", ("id", "extra"), ()),
        ([{"options": [["id"]], "required": False}], "", (), ()),
        ([{"options": [["id"]], "required": False}], "id", (), ("id",)),
        ([{"options": [["id"]]}, {"options": [["id", "extra"]], "required": False}], "id extra", ("id",), ("extra",)),
    ],
)
def test_a_whole_is_satisfied_or_nothing_is_shown(sets: Any, held: str, chosen: Any, also: Any) -> None:
    asks = query(*THREE, **({"credential_sets": sets} if sets else {}))
    found = answered(asks, *[credential(name, types=(f"urn:{name}",)) for name in held.split()])
    assert (found.chosen, found.also, found.is_satisfied) == (chosen, also, chosen is not None)
    assert choose(read_query(asks), held.split()) == chosen


def test_all_that_match_are_told_in_the_order_of_the_wallet() -> None:
    found = answered(query(asked(multiple=True)), credential("first"), credential("other", types=(PERMIT,)), credential("second"))
    assert [one.candidate.id for one in found.matches["q"]] == ["first", "second"]
    assert read_query(query(asked(multiple=True))).credentials[0].multiple


def test_one_credential_may_satisfy_two_queries() -> None:
    asks = query(asked(name="name", claims=[{"path": ["holder_name"]}]), asked(name="class", claims=[{"path": ["licence_class"]}]))
    found = answered(asks, credential())
    assert {name: [one.paths for one in hits] for name, hits in found.matches.items()} == {
        "name": [(("holder_name",),)],
        "class": [(("licence_class",),)],
    }


def test_what_is_not_known_in_a_query_is_left_out() -> None:
    asks = query(asked(future=1, claims=[{"path": ["points"], "future": {}}]), future=[])
    assert answered(asks, credential()).chosen == ("q",)


WRONG = {
    "no object": ([], "dcql_query"),
    "nothing": ({}, "dcql_query.credentials"),
    "no credentials": (query(), "dcql_query.credentials"),
    "too many credentials": (query(*[asked(name=f"q{n}") for n in range(17)]), "dcql_query.credentials"),
    "an id twice": (query(asked(), asked()), "credentials"),
    "an id with a space": (query(asked(name="a b")), "dcql_query.credentials.0.id"),
    "no id": (query({"format": SD_JWT, "meta": {}}), "dcql_query.credentials.0.id"),
    "an empty format": (query(asked(form="")), "dcql_query.credentials.0.format"),
    "an empty step": (query(asked(claims=[{"path": [""]}])), "dcql_query.credentials.0.claims.0.path.0"),
    "no format": (query({"id": "q", "meta": {}}), "dcql_query.credentials.0.format"),
    "no meta": (query({"id": "q", "format": SD_JWT}), "dcql_query.credentials.0.meta"),
    "no vct": (query(asked(meta={"doctype_value": "d"})), "dcql_query.credentials.0.meta.vct_values"),
    "no doctype": (query(asked(form=MDOC, meta={"vct_values": ["d"]})), "dcql_query.credentials.0.meta.doctype_value"),
    "flat types": (query(asked(form=W3C, meta={"type_values": ["A"]})), "dcql_query.credentials.0.meta.type_values.0"),
    "no claims": (query(asked(claims=[])), "dcql_query.credentials.0.claims"),
    "no path": (query(asked(claims=[{"path": []}])), "dcql_query.credentials.0.claims.0.path"),
    "a negative step": (query(asked(claims=[{"path": [-1]}])), "dcql_query.credentials.0.claims.0.path.0"),
    "a true step": (query(asked(claims=[{"path": [True]}])), "dcql_query.credentials.0.claims.0.path.0"),
    "a path too long": (query(asked(claims=[{"path": ["x"] * 9}])), "dcql_query.credentials.0.claims.0.path"),
    "a fraction": (query(asked(claims=[{"path": ["x"], "values": [1.5]}])), "dcql_query.credentials.0.claims.0.values.0"),
    "no values": (query(asked(claims=[{"path": ["x"], "values": []}])), "dcql_query.credentials.0.claims.0.values"),
    "a claim id twice": (query(asked(claims=[{"id": "a", "path": ["x"]}, {"id": "a", "path": ["y"]}])), "dcql_query.credentials.0.claims"),
    "sets without claims": (query(asked(claim_sets=[["a"]])), "dcql_query.credentials.0.claim_sets.0"),
    "sets of claims without ids": (query(asked(claims=[{"path": ["x"]}], claim_sets=[["a"]])), "dcql_query.credentials.0.claims"),
    "an unknown claim": (query(asked(claims=[{"id": "a", "path": ["x"]}], claim_sets=[["b"]])), "dcql_query.credentials.0.claim_sets.0"),
    "an unknown credential": (query(asked(), credential_sets=[{"options": [["z"]]}]), "dcql_query.credential_sets.0.options.0"),
    "no options": (query(asked(), credential_sets=[{}]), "dcql_query.credential_sets.0.options"),
    "an empty option": (query(asked(), credential_sets=[{"options": [[]]}]), "dcql_query.credential_sets.0.options.0"),
    "required by word": (query(asked(), credential_sets=[{"options": [["q"]], "required": "yes"}]), "dcql_query.credential_sets.0.required"),
    "no sets": (query(asked(), credential_sets=[]), "dcql_query.credential_sets"),
    "no authorities": (query(asked(trusted_authorities=[])), "dcql_query.credentials.0.trusted_authorities"),
    "an authority of no kind": (query(asked(trusted_authorities=[{"values": ["x"]}])), "dcql_query.credentials.0.trusted_authorities.0.type"),
    "multiple by number": (query(asked(multiple=1)), "dcql_query.credentials.0.multiple"),
    "kept by word": (query(asked(claims=[{"path": ["x"], "intent_to_retain": "y"}])), "dcql_query.credentials.0.claims.0.intent_to_retain"),
}


@pytest.mark.parametrize(("unverified", "at"), WRONG.values(), ids=WRONG)
def test_what_is_no_query_is_refused_by_its_place(unverified: Any, at: str) -> None:
    with pytest.raises(MalformedQuery) as refused:
        read_query(unverified)
    assert refused.value.at == at


MEMBERS = ("credentials", "credential_sets", "id", "format", "meta", "claims", "claim_sets", "path", "values", "options", "trusted_authorities")
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["q", SD_JWT, MDOC, "", "a b"])
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=5), max_leaves=25)


@given(JSON)
def test_whatever_is_sent_is_a_query_or_is_refused(sent: Any) -> None:
    with suppress(MalformedQuery):
        answer(read_query(sent), [credential()])
