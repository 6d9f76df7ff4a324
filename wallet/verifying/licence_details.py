"""Authorization details of type `licence`: which licences may be looked at or drawn, which of their fields, and what for (RFC 9396).

    {"type": "licence", "actions": ["draw"], "licence_types": ["driving-licence"], "datatypes": ["vehicle_class"], "cause": "..."}

A token with such details is good for just these licences, and for the cause that the person read. To look at one (`read`) is to learn that it is in
force, and none of its fields: a draw that asks for none. To draw one is to read it, too.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from idp.oauth import resources
from idp.oauth.requests import authorization_details
from idp.oauth.requests.authorization_details import Detail, Faulty, Holder, Words
from idp.oauth.requests.detail_fields import check_locations, check_names, check_text, check_texts
from runtime.languages import Text
from runtime.problems import NotAllowed
from runtime.settings import Settings
from wallet.register.catalogue import LicenceType, LicenceTypeNotFound, get_type
from wallet.register.identifiers import MalformedIdentifier, parse_identifier

LICENCE = "licence"
READ, DRAW = "read", "draw"
ACTIONS = (READ, DRAW)
MOST_TYPES, MOST_FIELDS, LONGEST_NAME, LONGEST_CAUSE = 20, 100, 60, 200
REQUIRED = ("actions", "licence_types", "cause")
OPTIONAL = ("identifier", "datatypes", "locations")
SEPARATOR = Text("、", ", ")


class BeyondDetails(NotAllowed):
    """The token was given for other licences, or for less of this one."""

    code, status = "beyond-authorization-details", 403
    title = Text("访问令牌未被授权用于此证照或项目。", "The access token was not given for this licence, or not for these fields.")


class LicenceDetails:
    """The type, as RFC 9396 asks of one."""

    scopes = frozenset({"licences", "draws"})

    def check(self, detail: Detail, *, settings: Settings) -> None:
        """Check the fields; raises Faulty."""
        check_names(detail, required=REQUIRED, optional=OPTIONAL)
        check_texts(detail["actions"], "actions", most=len(ACTIONS), longest=LONGEST_NAME)
        if not set(detail["actions"]) <= set(ACTIONS):
            raise Faulty("actions are read and draw.")
        check_texts(detail["licence_types"], "licence_types", most=MOST_TYPES, longest=LONGEST_NAME)
        check_text(detail["cause"], "cause", longest=LONGEST_CAUSE)
        if "locations" in detail:
            check_locations(detail["locations"], [resources.own(settings)])
        types = _known_types(detail)
        if "datatypes" in detail:
            _check_datatypes(detail["datatypes"], types)
        if "identifier" in detail:
            _check_identifier(detail["identifier"], types)

    def covers(self, granted: Detail, asked: Detail) -> bool:
        """Whether the licences, fields and actions asked for are among those granted, for the same cause."""
        if asked["cause"] != granted["cause"] or not (_codes(asked) <= _codes(granted) and _actions(asked) <= _actions(granted)):
            return False
        if "identifier" in granted and asked.get("identifier") != granted["identifier"]:
            return False
        return "datatypes" not in granted or ("datatypes" in asked and set(asked["datatypes"]) <= set(granted["datatypes"]))

    def words(self, detail: Detail) -> Words:
        """Return which licences, to do what, and why."""
        types = [each for each in map(_find_type, detail["licence_types"]) if each is not None]
        names = _listed(Text(f"“{each.name.zh}”", each.name.en) for each in types)
        facts = [(Text("用途", "What for"), Text("{}", "{}").format(detail["cause"]))]
        if "datatypes" in detail:
            facts.append((Text("仅限项目", "Only these fields"), _listed(_label(types, name) for name in detail["datatypes"])))
        if "identifier" in detail:
            facts.append((Text("仅限证照标识", "Only the licence"), Text("{}", "{}").format(detail["identifier"])))
        drawn = Text(f"调用您的{names.zh}", f"Draw your: {names.en}")
        seen = Text(f"查看是否有效（不看内容）：{names.zh}", f"See whether it is in force, and nothing of what it says: {names.en}")
        return Words(drawn if DRAW in detail["actions"] else seen, tuple(facts))

    def enriched(self, detail: Detail, *, holder: Holder | None) -> dict[str, Any]:
        """Return the detail as it was allowed."""
        return dict(detail)


def limits_of(details: Iterable[Mapping[str, Any]], type_code: str, *, cause: str, fields: list[str] | None) -> list[Mapping[str, Any]] | None:
    """Return the details of a token that let a type be drawn for a cause, None if it has none of this kind; raises BeyondDetails if it has others.

    `fields` are those asked for, None for all; who asks for none looks at the licence, and does not draw it.
    """
    licences = [one for one in details if one.get("type") == LICENCE]
    if not licences:
        return None
    of_type = [one for one in licences if type_code in _codes(one)]
    for_cause = [one for one in of_type if one["cause"].strip() == cause.strip()]
    found = [one for one in for_cause if DRAW in one["actions"] or fields == []]
    if not found:
        field = "type" if not of_type else "cause" if not for_cause else "fields"
        raise BeyondDetails("another licence type, another cause, or to look at alone", field=field)
    return found


def fields_within(limits: list[Mapping[str, Any]], asked: list[str] | None, *, identifier: str) -> list[str] | None:
    """Return the fields that a draw of a licence may give, None for all; raises BeyondDetails.

    One of the details must allow the whole; where no fields are asked for, the first that knows the licence says which.
    """
    fitting = [one for one in limits if one.get("identifier") in (None, identifier)]
    if not fitting:
        raise BeyondDetails("another licence", field="type")
    if asked is None:
        free = any("datatypes" not in one for one in fitting)
        return None if free else list(fitting[0]["datatypes"])
    if not any("datatypes" not in one or set(asked) <= set(one["datatypes"]) for one in fitting):
        raise BeyondDetails("other fields", field="fields")
    return asked


def _known_types(detail: Detail) -> list[LicenceType]:
    found = [_find_type(each) for each in detail["licence_types"]]
    known = [each for each in found if each is not None]
    if len(known) < len(found):
        raise Faulty("licence_types names one that there is not.")
    if len({each.code for each in known}) < len(known):
        raise Faulty("licence_types names the same twice.")
    return known


def _find_type(code_or_slug: str) -> LicenceType | None:
    try:
        return get_type(code_or_slug)
    except LicenceTypeNotFound:
        return None


def _check_datatypes(value: Any, types: list[LicenceType]) -> None:
    check_texts(value, "datatypes", most=MOST_FIELDS, longest=LONGEST_NAME)
    if any(all(each.find_field(name) is None for each in types) for name in value):
        raise Faulty("datatypes names a field that these licences do not have.")


def _check_identifier(value: Any, types: list[LicenceType]) -> None:
    check_text(value, "identifier", longest=128)
    try:
        parsed = parse_identifier(value, strict=True)
    except MalformedIdentifier as error:
        raise Faulty("identifier is not a licence identifier.") from error
    if [each.code for each in types] != [parsed.type_code]:
        raise Faulty("identifier is of another type than licence_types says.")


def _codes(detail: Detail) -> set[str]:
    return {each.code for each in map(_find_type, detail["licence_types"]) if each is not None}


def _actions(detail: Detail) -> set[str]:
    return {*detail["actions"], *([READ] if DRAW in detail["actions"] else [])}


def _label(types: list[LicenceType], name: str) -> Text:
    found = next((field for each in types if (field := each.find_field(name)) is not None), None)
    return found.label if found is not None else Text(name, name)


def _listed(texts: Iterable[Text]) -> Text:
    known = list(texts)
    return Text(SEPARATOR.zh.join(each.zh for each in known), SEPARATOR.en.join(each.en for each in known))


authorization_details.declare(LICENCE, LicenceDetails())
