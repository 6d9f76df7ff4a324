"""What is asked for, in words of DCQL: licences by their type and fields, a yes or no, or a query as it stands. OpenID4VP 1.0 section 6.

A licence's identifier is always asked for: without it nobody can tell how the licence stands. Fields that may be left out make combinations, the
fullest first, of which a wallet shows the first that its holder agrees to. A W3C credential shows all of a licence or nothing, so of several forms it
is the last that will do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from idp.subjects.numbers import NumberRefused, parse_number
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings
from wallet.issuing import formats, w3c_types
from wallet.issuing.contents import type_uri
from wallet.presenting.dcql import CredentialQuery, MalformedQuery, Query, read_query
from wallet.presenting.dcql_reading import MDOC, SD_JWT_VC, VC_JWT
from wallet.presenting.statements import CLAIMS, ORGANISATION_CODE, REPRESENTS, TYPE_PREFIX, Question, find_question
from wallet.register.catalogue import LicenceTypeNotFound, all_types, get_type
from wallet.register.definitions import LicenceType
from wallet.verifying import trusting

IDENTIFIER = "licence_identifier"
OF_EVERY_LICENCE = ("holder_name", "holder_number", "licence_number", IDENTIFIER, "licence_valid_from", "licence_valid_until")
MOST_OPTIONAL = 4


class QueryRefused(Refusal):
    """What is asked for cannot be asked for; `shown` says why."""

    code, status, title = "query-refused", 422, Text("所请求的内容有误。", "What is asked for is not acceptable.")


NOT_DCQL = Text("不是有效的DCQL查询。", "It is no valid DCQL query.")
NO_FIELD = Text("此类证照没有所请求的项目。", "Licences of this type have no such field.")
NO_TYPE = Text("请写明本系统已有的证照类型。", "Name types of licence that are known here.")
NO_ORGANISATION = Text("请写明单位的统一社会信用代码。", "Name an organisation by its credit code.")
TWICE = Text("同一项目不能请求两次。", "A field is asked for twice.")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A licence that is wanted: its type, the fields that must be shown and those that may be, the forms that will do, and whether several will."""

    type: str
    fields: Sequence[str]
    optional: Sequence[str] = ()
    formats: Sequence[str] = (SD_JWT_VC,)
    multiple: bool = False


@dataclass(frozen=True, slots=True)
class WantedAnswer:
    """A yes or no that is wanted: of which kind, about which type of licence (`holds`), for which organisation (`represents`, None for any)."""

    kind: str
    type: str | None = None
    organisation: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A query that may be sent, as JSON and as it was read, and the codes of the types that it is about."""

    document: dict[str, Any]
    query: Query
    types: list[str]


def compose(settings: Settings, wanted: Sequence[Wanted], answers: Sequence[WantedAnswer] = ()) -> Asked:
    """Return the query that asks for licences and answers; raises QueryRefused."""
    credentials: list[dict[str, Any]] = []
    sets, types = [], []
    for place, one in enumerate(wanted):
        licence_type = _type(one.type, f"credentials.{place}.type")
        types.append(licence_type.code)
        _check_fields(licence_type, one, f"credentials.{place}")
        forms = sorted(dict.fromkeys(one.formats), key=lambda form: form == VC_JWT)
        names = [(f"{licence_type.slug}-{place + 1}" + (f"-{form.partition('_')[2] or 'sd'}" if len(forms) > 1 else ""))[-64:] for form in forms]
        credentials += [_credential(settings, licence_type, one, form, name) for form, name in zip(forms, names, strict=True)]
        sets.append({"options": [[name] for name in names]})
    alternatives = {"credential_sets": sets} if len(credentials) > len(wanted) else {}
    for place, answer in enumerate(answers):
        question = _question(answer, f"statements.{place}")
        types += [question.type_code] if question.type_code is not None else []
        credentials.append(_answer(question, answer, f"{question.kind}-{len(wanted) + place + 1}", f"statements.{place}"))
        sets.append({"options": [[credentials[-1]["id"]]]})
    document = {"credentials": credentials, **alternatives}
    return Asked(document, read_query(document), list(dict.fromkeys(types)))


def read(settings: Settings, unverified: Mapping[str, Any]) -> Asked:
    """Return a query as it was written; raises QueryRefused for one that is none, that names a type not known here or nothing but a format."""
    try:
        query = read_query(unverified)
    except MalformedQuery as error:
        raise QueryRefused("malformed", field=error.at, shown=NOT_DCQL) from error
    types = []
    for place, one in enumerate(query.credentials):
        at = f"dcql_query.credentials.{place}"
        if len({claim.path for claim in one.claims}) != len(one.claims):
            raise QueryRefused("twice", field=f"{at}.claims", shown=TWICE)
        types += _types_of(settings, one, at)
    return Asked(dict(unverified), query, list(dict.fromkeys(types)))


def is_answer(wanted: CredentialQuery) -> bool:
    """Whether a yes or no is wanted."""
    return any(name.startswith(TYPE_PREFIX) for alternative in wanted.types for name in alternative)


def _types_of(settings: Settings, wanted: CredentialQuery, at: str) -> list[str]:
    """Return the codes of the types that a credential query may be answered with.

    Every alternative must be known here: a type of ours, or the name by which an issuer of another province's list has it.
    """
    known = trusting.granted_names() | {name: one.code for one in all_types() for name in names_of(settings, one)}
    questions = [question for alternative in wanted.types for name in alternative if (question := find_question(name)) is not None]
    if wanted.format == SD_JWT_VC and questions and len(questions) == len(wanted.types):
        return [question.type_code for question in questions if question.type_code is not None]
    codes = [next((known[name] for name in alternative if name in known), None) for alternative in wanted.types]
    if wanted.format not in formats.FORMATS or not codes or None in codes:
        raise QueryRefused("a type or format that is not known", field=f"{at}.meta", shown=NO_TYPE)
    return [code for code in codes if code is not None]


def names_of(settings: Settings, licence_type: LicenceType) -> tuple[str, ...]:
    """Return what credentials of a type call it: its address, its document name, its W3C type."""
    return type_uri(settings, licence_type), licence_type.doctype, w3c_types.type_of(licence_type.slug)


def _question(wanted: WantedAnswer, at: str) -> Question:
    return Question(wanted.kind, _type(wanted.type, f"{at}.type").slug if wanted.type is not None else None)


def _answer(question: Question, wanted: WantedAnswer, name: str, at: str) -> dict[str, Any]:
    """Return the query for an answer. Only a yes is an answer to whether someone may act for an organisation: a no would name nobody."""
    values: dict[str, list[Any]] = {REPRESENTS: [True]}
    if wanted.organisation is not None:
        values[ORGANISATION_CODE] = [_organisation(wanted.organisation, f"{at}.organisation.number")]
    claims = [{"path": [claim], **({"values": values[claim]} if claim in values else {})} for claim in CLAIMS[question.kind]]
    return {"id": name, "format": SD_JWT_VC, "meta": {"vct_values": [question.vct]}, "claims": claims}


def _organisation(unverified_number: str, at: str) -> str:
    try:
        number = parse_number(unverified_number)
    except NumberRefused as error:
        raise NumberRefused(error.why, field=at) from error
    if number.is_person:
        raise QueryRefused("a person's number", field=at, shown=NO_ORGANISATION)
    return number.value


def _type(name: str, at: str) -> LicenceType:
    try:
        return get_type(name)
    except LicenceTypeNotFound as error:
        raise QueryRefused("no such type", field=at, shown=NO_TYPE) from error


def _check_fields(licence_type: LicenceType, wanted: Wanted, at: str) -> None:
    known = {one.name for one in licence_type.fields} | {*OF_EVERY_LICENCE}
    names = [*wanted.fields, *wanted.optional]
    if not known.issuperset(names):
        raise QueryRefused("no such field", field=f"{at}.fields", shown=NO_FIELD)
    if len(set(names)) != len(names):
        raise QueryRefused("a field twice", field=f"{at}.optional", shown=TWICE)


def _credential(settings: Settings, licence_type: LicenceType, wanted: Wanted, form: str, name: str) -> dict[str, Any]:
    vct, doctype, w3c_type = names_of(settings, licence_type)
    meta = {SD_JWT_VC: {"vct_values": [vct]}, MDOC: {"doctype_value": doctype}, VC_JWT: {"type_values": [[w3c_type]]}}[form]
    above = {MDOC: [doctype], VC_JWT: [w3c_types.SUBJECT]}.get(form, [])
    needed = list(dict.fromkeys([IDENTIFIER, *wanted.fields]))
    optional = [one for one in wanted.optional if one != IDENTIFIER]
    kept = {"intent_to_retain": True} if form == MDOC else {}
    claims = [{"id": one, "path": [*above, one], **kept} for one in (*needed, *optional)]
    choices = {"claim_sets": [[*needed, *some] for some in _some_of(optional)]} if optional else {}
    several = {"multiple": True} if wanted.multiple else {}
    return {"id": name, "format": form, "meta": meta, "claims": claims, **choices, **several}


def _some_of(optional: Sequence[str]) -> list[Sequence[str]]:
    """Return the combinations of what is optional, the fullest first; of many, only all, all but one, and none."""
    few = len(optional) <= MOST_OPTIONAL
    sizes = range(len(optional), -1, -1) if few else (len(optional), len(optional) - 1, 0)
    return [some for size in sizes for some in combinations(optional, size)]
