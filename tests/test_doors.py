"""Every door of the house, and what a stranger may throw at it: nothing answers 500, nothing comes back unescaped, and an API
answers a problem that a program can read.

The table is the application's own map of routes, so a new route is thrown at from its first day.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import EnvironHeaders
from werkzeug.routing import Rule
from werkzeug.test import TestResponse
from werkzeug.wsgi import get_current_url

from idp.oauth.scopes import OF_SYSTEMS
from idp.signin import sessions
from idp.subjects.directory import ensure_subject
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.database import transaction
from runtime.problems import TYPE_PREFIX
from runtime.settings import Settings
from tests.rough_input import BODIES, FORM, FORM_NAMES, HEADERS, JSON, ODD_TIMES, ODD_VALUES, PATH_TEXTS, QUOTED, body, document
from tests.watched import Watched, all_of, is_looked_at
from tests.world_clients import bearer, new_system, token_of
from tests.world_people import Person, new_person, open_account
from tests.world_wallet import make_officer, new_department, new_licence
from wsgi import create_app

TYPE = "driving-licence"
INSTEAD, NO_EXAMPLE = "x-in-place-of", "a"
WITHOUT_BODY = {"GET", "HEAD", "OPTIONS"}
UNASKED_BODIES = ("no body", "odd content type", "multipart cut short", "half of JSON", "ten megabytes of form", "form with NUL")
SYSTEM_SCOPES = tuple(OF_SYSTEMS)
TWO_FACTORS = ["pwd", "otp", "mfa"]  # what asks for them is a door as well
CODE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
pytestmark = pytest.mark.slow


def routes() -> list[tuple[str, Rule]]:
    """Return every method of every route."""
    unconnected = Settings(database_url="postgresql://nobody@127.0.0.1:9/nothing", master_key=bytes(range(32)), development=True)
    rules = sorted(create_app(unconnected).url_map.iter_rules(), key=lambda rule: rule.rule)
    return [(method, rule) for rule in rules for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})]


def knocks() -> list[Any]:
    """Return who knocks at which door: a stranger at each, a system where programs go, a person who is signed in elsewhere."""
    found = []
    for method, rule in routes():
        known = "a system" if rule.rule.startswith(("/api/", "/userinfo")) else "a person"
        found += [pytest.param(method, rule, who, id=f"{method} {rule.rule} by {who}") for who in ("a stranger", known)]
    return found


each_route = pytest.mark.parametrize(("method", "rule", "knocker"), knocks(), indirect=["knocker"])


def address(rule: Rule, value: str) -> str:
    """Return the address of a route, one value in every place of its path."""
    return re.sub(r"<[^>]+>", lambda _: value, rule.rule)


def real_address(rule: Rule, licence_id: str) -> str:
    """Return the address of a route where something is: a licence, a licence type, an act."""
    named = {"slug": TYPE, "name": "change" if rule.rule.startswith("/desk/licences/") else TYPE}
    return re.sub(r"<(?:[^>]*:)?(\w+)>", lambda place: named.get(place[1], licence_id), rule.rule)


class Knocker:
    """Sends what it is told to, and looks at what comes back."""

    def __init__(self, http: FlaskClient, headers: dict[str, str] | None = None) -> None:
        self.http = http
        self.headers = headers or {}
        self.faults: list[str] = []

    def knock(self, what: str, method: str, path: str, **request: Any) -> None:
        request["headers"] = {"Accept": "text/html", **self.headers, **request.get("headers", {})}
        try:
            response = self.http.open(path, method=method, **request)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is what the test is about)
            self.faults.append(f"{what}: {type(error).__name__}: {error}"[:300])
            return
        self.faults += [f"{what}: {fault}" for fault in faults_of(response, path)]
        response.close()


def faults_of(response: TestResponse, path: str) -> Iterator[str]:
    """Tell what is wrong with a response."""
    if response.status_code >= 500:
        yield f"status {response.status_code}"
    if "X-Injected" in response.headers:
        yield "a header was injected"
    if response.mimetype == "text/html" and "Content-Encoding" not in response.headers and "<script>door" in response.text:
        yield "the input came back unescaped"
    if response.status_code >= 400 and path.startswith("/api/v1"):
        yield from faults_of_problem(response)


def faults_of_problem(response: TestResponse) -> Iterator[str]:
    problem = response.get_json(silent=True, force=True)
    if response.mimetype != "application/problem+json" or not isinstance(problem, dict):
        yield f"status {response.status_code} is no problem+json but {response.mimetype}"
        return
    if not CODE.fullmatch(problem["code"]) or problem["type"] != TYPE_PREFIX + problem["code"] or problem["status"] != response.status_code:
        yield f"the problem is not of a stable type: {problem['type']}"
    if not problem["correlation_id"] or problem["correlation_id"] != response.headers["X-Request-ID"]:
        yield "there is no correlation id"


@dataclass(frozen=True)
class Town:
    """What stands behind the doors: a department's system with every scope and authority, and its officer, who holds a licence too."""

    person: Person
    licence_id: str
    token: str


@pytest.fixture(autouse=True)
def no_queries_for_cookies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the client from reading each address twice to choose its cookies: they hang on the path, and queries are long here."""
    monkeypatch.setattr("werkzeug.test.get_current_url", partial(get_current_url, strip_querystring=True))


@pytest.fixture(scope="module")
def town(app: Flask) -> Town:
    with app.app_context():
        department = new_department(issue=[TYPE], verify=[TYPE], draw=[TYPE], supervise=[TYPE])
    with app.app_context(), transaction() as session:
        person = new_person(session)
        open_account(session, person)
        make_officer(session, department=department, person=person)
        system = new_system(session, department=department, scopes=SYSTEM_SCOPES)
    with app.app_context(), transaction() as session:
        licence = new_licence(session, type=TYPE, department=department, number=person.number)
    return Town(person, str(licence.id), token_of(app.test_client(), system, " ".join(SYSTEM_SCOPES)))


@pytest.fixture
def knocker(request: pytest.FixtureRequest, app: Flask, town: Town) -> Iterator[Knocker]:
    """Someone at the door: nobody known, a system with every scope, a person who is signed in."""
    http = app.test_client()
    if request.param == "a person":
        with app.app_context(), transaction() as session:
            subject_id = ensure_subject(session, parse_number(town.person.number), now=now()).id
            _, token = sessions.begin(session, subject_id=subject_id, amr=TWO_FACTORS, now=now())
        http.set_cookie("kabao_session", token)
    knocker = Knocker(http, bearer(town.token) if request.param == "a system" else None)
    yield knocker
    assert not knocker.faults, "\n".join(knocker.faults[:20])


def csrf_token(http: FlaskClient) -> str:
    """Return a token that the forms of this browser take, from whichever page has one."""
    for page in ("/signin", "/account", "/account/new"):
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', http.get(page).text)
        if found:
            return found[1]
    return ""


@each_route
def test_a_body_of_any_kind_is_answered(method: str, rule: Rule, knocker: Knocker, town: Town) -> None:
    for what in UNASKED_BODIES if method in WITHOUT_BODY else BODIES:
        knocker.knock(what, method, real_address(rule, town.licence_id), **BODIES[what])


@pytest.fixture
def seen(app: Flask, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names in their environment that requests were asked for."""
    names: set[str] = set()
    inner = app.wsgi_app
    monkeypatch.setattr(EnvironHeaders, "getlist", all_of)
    monkeypatch.setattr(app, "wsgi_app", lambda environ, start_response: inner(Watched(environ, names), start_response))
    return names


@each_route
def test_headers_of_any_kind_are_answered(method: str, rule: Rule, knocker: Knocker, town: Town, seen: set[str]) -> None:
    """Those that the route asks for: see `tests.watched` for why that is all of them."""
    knocker.knock("no header", method, real_address(rule, town.licence_id))
    asked_for = {what: headers for what, headers in HEADERS.items() if is_looked_at(headers, set(seen))}
    assert len(asked_for) > 3, seen
    for what, headers in asked_for.items():
        knocker.knock(what, method, real_address(rule, town.licence_id), headers=headers)


def test_who_looks_at_a_header_is_noticed(app: Flask, town: Town, seen: set[str]) -> None:
    app.test_client().get("/signin")
    assert not is_looked_at({"Authorization": "x"}, seen)
    assert is_looked_at({"Cookie": "x"}, seen)
    app.test_client().get("/userinfo")
    assert is_looked_at({"Authorization": "x"}, seen)
    dict(**Watched({}, seen))
    assert is_looked_at({"X-Anything": "x"}, seen)


@each_route
def test_paths_and_queries_of_any_kind_are_answered(method: str, rule: Rule, knocker: Knocker, town: Town) -> None:
    for what, value in PATH_TEXTS.items() if rule.arguments else ():
        knocker.knock(f"path: {what}", method, address(rule, value))
    for what, odd in QUOTED.items():
        knocker.knock(f"query: {what}", method, real_address(rule, town.licence_id), query_string="&".join(f"{name}={odd}" for name in FORM_NAMES))
    knocker.knock(
        "query: everything twice", method, real_address(rule, town.licence_id), query_string="&".join(f"{name}=1&{name}=2" for name in FORM_NAMES)
    )
    knocker.knock("query: not UTF-8", method, real_address(rule, town.licence_id), query_string="&".join(f"{name}=%ff%00" for name in FORM_NAMES))


@each_route
def test_forms_of_any_kind_are_answered(method: str, rule: Rule, knocker: Knocker, town: Town) -> None:
    if method in WITHOUT_BODY or rule.rule.startswith("/api"):
        return
    proof = urlencode({"csrf_token": csrf_token(knocker.http)})
    for what, odd in QUOTED.items():
        fields = "&".join(f"{name}={odd}" for name in FORM_NAMES if name != "csrf_token")
        knocker.knock(f"form: {what}", method, real_address(rule, town.licence_id), **body(f"{proof}&{fields}", FORM))
    twice = "&".join(f"{name}=1&{name}=2" for name in FORM_NAMES)
    knocker.knock("form: everything twice", method, real_address(rule, town.licence_id), **body(f"{proof}&{twice}", FORM))
    knocker.knock("form: nothing but its token", method, real_address(rule, town.licence_id), **body(proof, FORM))


def documents(app: Flask, town: Town) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Return each JSON document that the API takes, as its own description gives an example of it, about someone who is there."""
    spec = app.test_client().get("/api/openapi.json").json
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {}) if isinstance(operation, dict) else {}
            if JSON in content:
                for example in examples_of(spec, content[JSON]["schema"]):
                    if "holder" in example:
                        example["holder"] = {"number": town.person.number}
                    yield method.upper(), re.sub(r"{[^}]+}", town.licence_id, path), example


def examples_of(spec: dict[str, Any], schema: dict[str, Any]) -> Iterator[Any]:
    """Yield the example of a document, and one for each member that stands in another's place and has an example of its own."""
    whole = example_of(spec, schema)
    members = spec["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]["properties"] if "$ref" in schema else {}
    instead = {name: member[INSTEAD] for name, member in members.items() if INSTEAD in member}
    yield {name: value for name, value in whole.items() if name not in instead} if instead else whole
    for one, other in instead.items():
        if whole[one] == NO_EXAMPLE:
            continue
        yield {name: value for name, value in whole.items() if name == one or name not in (*instead, other)}


def example_of(spec: dict[str, Any], schema: dict[str, Any]) -> Any:
    """Build an example of a schema from the examples of its members."""
    if "allOf" in schema:
        return example_of(spec, schema["allOf"][0])
    if "$ref" in schema:
        return example_of(spec, spec["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
    if "example" in schema or "properties" not in schema:
        return schema.get("example", [] if schema.get("type") == "array" else NO_EXAMPLE)
    return {name: example_of(spec, member) for name, member in schema["properties"].items()}


def places(example: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Return the path of every member, however deep, and of the first of every list."""
    inside = example.items() if isinstance(example, dict) else list(enumerate(example))[:1] if isinstance(example, list) else ()
    for name, inner in inside:
        yield (*path, name)
        yield from places(inner, (*path, name))


def changed(example: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """Return the example with the member at a path replaced."""
    if not path:
        return value
    copy = example.copy()
    copy[path[0]] = changed(example[path[0]], path[1:], value)
    return copy


def test_every_member_of_every_document_may_be_anything(app: Flask, town: Town) -> None:
    knocker = Knocker(app.test_client(), bearer(town.token))
    for method, path, example in documents(app, town):
        for place in places(example):
            for what, value in ODD_VALUES.items():
                knocker.knock(f"{method} {path} {'.'.join(map(str, place))}: {what}", method, path, **document(changed(example, place, value)))
    assert not knocker.faults, "\n".join(knocker.faults[:20])


def parameters(app: Flask, town: Town) -> Iterator[tuple[str, str, str]]:
    """Return each parameter of a query that the API describes: the method, the address where something is, and its name."""
    spec = app.test_client().get("/api/openapi.json").json
    for path, operations in spec["paths"].items():
        there = re.sub(r"{[^}]+}", town.licence_id, path.replace("{name}", TYPE).replace("{version}", "1"))
        for method, operation in operations.items():
            for one in operation.get("parameters", ()) if isinstance(operation, dict) else ():
                if one.get("in") == "query":
                    yield method.upper(), there, one["name"]


def test_every_parameter_of_every_query_may_be_anything(app: Flask, town: Town) -> None:
    """Each by itself: of many that nobody knows, the first is refused before any other is read."""
    knocker, asked = Knocker(app.test_client(), bearer(town.token)), list(parameters(app, town))
    assert ("GET", f"/api/v1/licences/{town.licence_id}", "at") in asked
    for method, path, name in asked:
        for what, odd in {**QUOTED, **ODD_TIMES}.items():
            knocker.knock(f"{method} {path} {name}: {what}", method, path, query_string=f"{name}={odd}")
    assert not knocker.faults, "\n".join(knocker.faults[:20])


def test_the_example_of_every_document_is_understood(app: Flask, town: Town) -> None:
    for method, path, example in documents(app, town):
        response = app.test_client().open(path, method=method, headers=bearer(town.token), **document(example))
        assert response.status_code < 500, path
        assert response.get_json(force=True).get("code") != "invalid-request", (path, response.text)
