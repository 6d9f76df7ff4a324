"""The lean way answers as Flask's does, and takes nothing from anybody's eyes: the same doors, asked in both ways, side by side."""

import base64
import gzip
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask, after_this_request, g
from flask.testing import FlaskClient
from sqlalchemy import event
from werkzeug.test import Client, TestResponse

from idp.oauth import clients
from runtime import lean, quick, seats, telemetry
from runtime.clock import now
from runtime.database import engine, transaction
from runtime.guard import allow, anyone
from runtime.languages import Text
from runtime.lean import Answer, Lean
from tests.rough_input import BODIES, FORM, HEADERS, ODD_TEXTS, body
from tests.world_clients import DEPARTMENT, System, new_system, token_of
from tests.world_wallet import new_department

OAUTH = ("/token", "/introspect", "/revoke")
API = ("/api/v1/verifications", "/api/v1/licences")
ASKED = ("/userinfo",)
SECRET = "a-secret-of-many-letters-0123456789-0123456789"
# Each hook of the application, and why the lean way may do without calling it. A new hook wants a thought, and a line here.
HOOKS = {
    "runtime.telemetry._begin": "the same correlation id and clock, in the same places",
    "runtime.hosts._check": "another's name is handed on",
    "runtime.seats._check_seat": "of what takes long nothing goes this way",
    "runtime.rough_input._refuse_nul": "NUL is handed on",
    "idp.oauth.cross_origin._preflight": "OPTIONS is handed on",
    "runtime.guard._admit": "the same caller is asked",
    "flask_wtf.csrf.CSRFProtect.init_app.<locals>.csrf_protect": "these views are exempt, and cookies are handed on",
    "runtime.telemetry._end": "the same count and line",
    "runtime.languages._remember": "learned; a query and cookies are handed on",
    "idp.oauth.cross_origin._mark": "learned; another origin is handed on",
    "runtime.pages.init_app.<locals>.<lambda>": "what is long enough to compress leaves by Flask",
    "runtime.pages._headers": "learned",
    "runtime.pages._https_only": "learned",
}


@pytest.fixture(scope="module")
def secret_client(app: Flask) -> str:
    with app.app_context(), transaction() as session:
        registered = clients.register_client(
            session,
            client_id="lean-system",
            name=Text("测试", "Test"),
            owner=DEPARTMENT,
            scopes=["verifications"],
            auth_method=clients.CLIENT_SECRET_BASIC,
            client_secret=SECRET,
            now=now(),
        )
        return str(registered.client_id)


@pytest.fixture
def proof(secret_client: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{secret_client}:{SECRET}".encode()).decode()}


@pytest.fixture
def layer(app: Flask) -> Lean:
    found: Any = app.wsgi_app
    while not isinstance(found, Lean):
        found = found.inner if hasattr(found, "inner") else found.app
    return found


@pytest.fixture
def handed_on(layer: Lean, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the requests that the lean way has left to Flask."""
    seen: list[str] = []
    inner = layer.inner

    def listen(environ: dict[str, Any], start_response: Any) -> Any:
        seen.append(environ["PATH_INFO"])
        return inner(environ, start_response)

    monkeypatch.setattr(layer, "inner", listen)
    return seen


def knocks() -> Iterator[Any]:
    """Yield what may be sent to a machines' endpoint, besides what is right."""
    for what, request in BODIES.items():
        yield pytest.param({"method": "POST", **request}, id=what)
    for what, headers in HEADERS.items():
        yield pytest.param({"method": "POST", **body("grant_type=client_credentials&token=a", FORM), "headers": headers}, id=f"headers: {what}")
    for what, text in ODD_TEXTS.items():
        odd = quote(text[:2000], errors="surrogatepass")
        yield pytest.param({"method": "POST", **body(f"grant_type={odd}&token={odd}&client_id={odd}", FORM)}, id=f"form: {what}")
    for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"):
        yield pytest.param({"method": method}, id=method)
    plain = body("grant_type=client_credentials&token=a", FORM)
    others: dict[str, dict[str, Any]] = {
        "with a query": {"query_string": "lang=en&a=%00"},
        "another host": {"headers": {"Host": "elsewhere.example"}},
        "our host in capitals": {"headers": {"Host": "127.0.0.1:8000".upper()}},
        "no host": {"headers": {"Host": ""}},
        "another origin": {"headers": {"Origin": "https://elsewhere.example"}},
        "a preflight": {"method": "OPTIONS", "headers": {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}},
        "a cookie": {"headers": {"Cookie": "kabao_session=a; kabao_lang=en"}},
        "a content type in capitals": {"content_type": FORM.upper()},
        "a content type with a charset": {"content_type": FORM + "; charset=utf-8"},
        "a correlation id": {"headers": {"X-Request-ID": "not an id\t"}},
        "English": {"headers": {"Accept-Language": "en"}},
        "a page": {"headers": {"Accept": "text/html"}},
        "compressed": {"headers": {"Accept-Encoding": "gzip, br"}},
        "a length that is none": {"environ_overrides": {"CONTENT_LENGTH": "²"}},
        "a length that is negative": {"environ_overrides": {"CONTENT_LENGTH": "-1"}},
        "a body cut short": {"environ_overrides": {"CONTENT_LENGTH": "500"}},
        "a length of a million digits": {"environ_overrides": {"CONTENT_LENGTH": "9" * 1_000_000}},
        "twice the same": {"data": "grant_type=a&grant_type=a"},
        "blanks and empty pairs": {"data": "&&grant_type=+a+&=&==&a"},
        "two proofs": {"data": "grant_type=client_credentials&client_secret=a&client_assertion=b"},
        "a proof by Basic that is none": {"headers": {"Authorization": "Basic ÿ"}},
        "a proof by Basic that is nobody's": {"headers": {"Authorization": "Basic YTpi"}},
        "a DPoP proof that is none": {"headers": {"DPoP": "a.b.c"}},
        "plain": {},
    }
    yield from (pytest.param({"method": "POST", **plain, **other}, id=what) for what, other in others.items())


def said(response: TestResponse) -> tuple[int, str, bytes, list[tuple[str, str]]]:
    """Return all of an answer but what no two have in common."""
    varying = {"x-request-id", "date"}
    headers = sorted((name.title(), value) for name, value in response.headers if name.lower() not in varying)
    return response.status_code, response.status, response.data.replace(response.headers.get("X-Request-ID", "-").encode(), b"ID"), headers


@pytest.mark.parametrize("path", OAUTH + API + ASKED)
@pytest.mark.parametrize("request_", list(knocks()))
def test_both_ways_answer_alike(app: Flask, layer: Lean, path: str, request_: dict[str, Any]) -> None:
    by_lean, by_flask = (Client(one, TestResponse, use_cookies=False) for one in (layer, layer.inner))
    base = {"base_url": "http://127.0.0.1:8000"} if "Host" not in request_.get("headers", {}) else {}
    assert said(by_lean.open(path, **base, **request_)) == said(by_flask.open(path, **base, **request_))


DOCUMENTS: dict[str, Any] = {
    **{
        what: request["data"]
        for what, request in BODIES.items()
        if request.get("content_type") == "application/json" and len(request["data"]) < 90_000
    },
    "nothing that is asked for": b"{}",
    "a wrong kind": b'{"presented": 1, "cause": "a", "binding": []}',
    "NUL, escaped": b'{"presented": "a\\u0000", "cause": {"text": "b"}}',
    "half a pair": b'{"presented": "\\ud800", "cause": {"text": "b"}}',
    "a code that is none": b'{"presented": "KABAO1:AAAA", "cause": {"text": "b"}}',
    "no cause": b'{"presented": "KABAO1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "cause": {"text": ""}}',
    "an unknown code": b'{"presented": "KABAO1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "cause": {"text": "b"}}',
    "no nonce": b'{"presented": "a~b", "cause": {"text": "b"}}',
    "a licence of no type": b'{"type": "none", "holder": {"number": "1"}, "fields": {}, "valid_from": "2026-01-01"}',
    "a licence of no day": b'{"type": "driving-licence", "holder": {"number": "1"}, "fields": {}, "valid_from": "2026-02-30"}',
    "a licence of nobody": b'{"type": "driving-licence", "holder": {"number": "1"}, "fields": {"vehicle_class": "C1"}, "valid_from": "2026-01-01"}',
}


@pytest.fixture(scope="module")
def department_token(app: Flask) -> str:
    with app.app_context():
        department = new_department(verify=["driving-licence"], issue=["driving-licence"])
    with app.app_context(), transaction() as session:
        system = new_system(session, department=department, scopes=["verifications", "licences:issue"])
    return token_of(app.test_client(), system, "verifications licences:issue")


@pytest.mark.parametrize("key", [None, "a-key", "", "é" * 200], ids=str)
@pytest.mark.parametrize("document", list(DOCUMENTS))
@pytest.mark.parametrize("path", API)
def test_both_ways_answer_alike_to_documents(layer: Lean, department_token: str, path: str, document: str, key: str | None) -> None:
    headers = {"Authorization": f"Bearer {department_token}", **({} if key is None else {"Idempotency-Key": key.encode().decode("latin-1")})}
    by_lean, by_flask = (Client(one, TestResponse, use_cookies=False) for one in (layer, layer.inner))
    request = {"data": DOCUMENTS[document], "content_type": "application/json", "headers": headers, "base_url": "http://127.0.0.1:8000"}
    assert said(by_lean.post(path, **request)) == said(by_flask.post(path, **request))


@pytest.mark.parametrize("accepted", [{}, {"Accept-Encoding": "identity"}, {"Accept-Encoding": "gzip"}], ids=str)
def test_both_ways_dress_a_long_answer_alike(layer: Lean, monkeypatch: pytest.MonkeyPatch, app: Flask, accepted: dict[str, str]) -> None:
    route, long = layer.routes["/token"], Answer(b"{" + b" " * 5000 + b"}", 200, (("Content-Type", "application/json"),))
    monkeypatch.setitem(layer.routes, "/token", lean.Route(route.rule, lambda _: long, route.takes, route.caller))
    monkeypatch.setitem(app.view_functions, route.rule.endpoint, lean.by_flask(allow(anyone)(lambda _: long), takes=route.takes))
    answers = [Client(one, TestResponse).post("/token", data={"a": "b"}, headers=accepted) for one in (layer, layer.inner)]
    for answer in answers:
        if answer.headers.get("Content-Encoding") == "gzip":
            answer.data = gzip.decompress(answer.data)  # what is packed says in which second it was
    assert said(answers[0]) == said(answers[1])


@pytest.mark.parametrize("path", OAUTH)
def test_both_ways_answer_alike_to_what_is_right(app: Flask, client: FlaskClient, layer: Lean, proof: dict[str, str], path: str) -> None:
    token = client.post("/token", data={"grant_type": "client_credentials"}, headers=proof).json["access_token"]  # type: ignore[index]
    form = {"/token": {"grant_type": "client_credentials"}}.get(path, {"token": token})
    first, second = (Client(one, TestResponse).post(path, data=form, headers=proof) for one in (layer, layer.inner))
    assert [first.status_code, sorted(name for name, _ in first.headers)] == [200, sorted(name for name, _ in second.headers)]
    assert first.mimetype == second.mimetype
    assert {**(first.json or {}), "access_token": ""} == {**(second.json or {}), "access_token": ""}


def test_what_is_right_is_not_handed_on(client: FlaskClient, proof: dict[str, str], handed_on: list[str]) -> None:
    assert client.post("/token", data={"grant_type": "client_credentials"}, headers=proof).status_code == 200
    assert client.post("/token", data={"grant_type": "client_credentials"}, headers={"Authorization": "Basic YTpi"}).status_code == 401
    assert client.post("/introspect", data={"token": "a"}, headers=proof).json == {"active": False}
    assert handed_on == []


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param({"query_string": "a=b"}, id="a query"),
        pytest.param({"headers": {"Origin": "https://elsewhere.example"}}, id="another origin"),
        pytest.param({"headers": {"Cookie": "a=b"}}, id="a cookie"),
        pytest.param({"headers": {"Host": "elsewhere.example"}}, id="another host"),
        pytest.param({"headers": {"Transfer-Encoding": "chunked"}}, id="chunks"),
        pytest.param({"headers": {"Content-Encoding": "gzip"}}, id="a compressed body"),
        pytest.param({"environ_overrides": {"SCRIPT_NAME": "/beneath"}}, id="a place beneath another"),
        pytest.param({"data": "a=%00"}, id="NUL"),
        pytest.param({"data": "a=\xff".encode("latin-1")}, id="not ASCII"),
        pytest.param({"data": "a=" + "b" * lean.LONGEST}, id="long"),
        pytest.param({"content_type": "application/json"}, id="another content type"),
        pytest.param({"method": "OPTIONS"}, id="another method"),
    ],
)
def test_what_is_not_plain_is_handed_on(layer: Lean, handed_on: list[str], request_: dict[str, Any]) -> None:
    Client(layer, TestResponse, use_cookies=False).open("/token", **{"method": "POST", **body("grant_type=a", FORM), **request_})
    assert handed_on == ["/token"]


NOT_PLAIN: dict[str, dict[str, Any]] = {
    "a query": {"query_string": "a=b"},
    "another origin": {"headers": {"Origin": "https://elsewhere.example"}},
    "a cookie": {"headers": {"Cookie": "a=b"}},
    "another host": {"headers": {"Host": "elsewhere.example"}},
    "a body": {"data": "a=b", "content_type": FORM},
    "a content type": {"content_type": FORM},
    "another method": {"method": "HEAD"},
    "a form": {"method": "POST", "data": "a=b", "content_type": FORM},
}


@pytest.mark.parametrize("what", list(NOT_PLAIN))
def test_what_asks_with_more_than_headers_is_handed_on(layer: Lean, handed_on: list[str], what: str) -> None:
    Client(layer, TestResponse, use_cookies=False).open("/userinfo", **{"method": "GET", **NOT_PLAIN[what]})
    assert handed_on == ["/userinfo"]


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer a", "bearer a.b.c", "DPoP a.b.c", "Basic YTpi", "Bearer é", "Bearer " + "a" * 9000]
)
@pytest.mark.parametrize(
    "more", [{}, {"Accept": "text/html"}, {"Accept-Language": "en"}, {"X-Request-ID": "not an id\t"}, {"DPoP": "a.b.c"}], ids=str
)
def test_both_ways_answer_alike_to_who_asks(layer: Lean, authorization: str | None, more: dict[str, str]) -> None:
    headers = {**more, **({} if authorization is None else {"Authorization": authorization.encode().decode("latin-1")})}
    by_lean, by_flask = (Client(one, TestResponse, use_cookies=False) for one in (layer, layer.inner))
    request: dict[str, Any] = {"headers": headers, "base_url": "http://127.0.0.1:8000"}
    assert said(by_lean.get("/userinfo", **request)) == said(by_flask.get("/userinfo", **request))


def test_a_body_that_is_cut_short_is_handed_on(layer: Lean, handed_on: list[str]) -> None:
    response = Client(layer, TestResponse).post("/token", **body("grant_type=a", FORM), environ_overrides={"CONTENT_LENGTH": "500"})
    assert (response.status_code, handed_on) == (400, ["/token"])


def test_every_hook_of_the_application_was_thought_of(app: Flask) -> None:
    hooks = [hook for named in (app.before_request_funcs, app.after_request_funcs) for hook in named.get(None, [])]
    assert {f"{hook.__module__}.{hook.__qualname__}" for hook in hooks} <= set(HOOKS)
    own = {rule.endpoint.partition(".")[0] for rule in app.url_map.iter_rules() if hasattr(app.view_functions[rule.endpoint], "lean")}
    assert own.isdisjoint({*app.before_request_funcs, *app.after_request_funcs, *app.url_value_preprocessors})
    assert not app.teardown_appcontext_funcs
    assert not app.teardown_request_funcs


def test_nothing_that_takes_long_goes_this_way(layer: Lean) -> None:
    assert not [path for path in layer.routes if path.startswith(seats.TAKES_LONG)]


def test_each_lean_route_names_its_caller(app: Flask, layer: Lean) -> None:
    assert {path: app.view_functions[route.rule.endpoint].allowed_caller for path, route in layer.routes.items()} == {  # type: ignore[attr-defined]
        path: route.caller for path, route in layer.routes.items()
    }
    assert set(OAUTH + API + ASKED) <= set(layer.routes)


def test_a_lean_request_is_counted_and_logged_once(
    client: FlaskClient, proof: dict[str, str], handed_on: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry.REQUEST_LOG, "disabled", False)
    telemetry.REQUEST_LOG.setLevel(logging.INFO)
    count, _ = telemetry._counters("/token", "POST", 200)
    before = count._value.get()
    client.post("/token", data={"grant_type": "client_credentials"}, headers={**proof, "X-Request-ID": "counter-7-of-hall-3"})
    assert count._value.get() == before + 1
    line = json.loads(capsys.readouterr().err.strip().splitlines()[-1])
    assert {name: line[name] for name in ("route", "method", "status", "correlation_id", "event")} == {
        "route": "/token",
        "method": "POST",
        "status": 200,
        "correlation_id": "counter-7-of-hall-3",
        "event": "answered",
    }
    assert line["timestamp"].endswith("Z")
    assert handed_on == []


def test_what_is_logged_on_the_way_names_the_request(client: FlaskClient, capsys: pytest.CaptureFixture[str]) -> None:
    client.post("/token", data={"grant_type": "client_credentials", "grant": "é"}, headers={"X-Request-ID": "counter-8-of-hall-3"})
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    assert {line["correlation_id"] for line in lines} <= {"counter-8-of-hall-3"}


def test_what_one_answer_is_given_beside_is_given_to_no_other(app: Flask, layer: Lean, monkeypatch: pytest.MonkeyPatch) -> None:
    route = layer.routes["/token"]

    def view(_: Any) -> Answer:
        if g.correlation_id == "the-first-one":
            after_this_request(lambda response: response.headers.set("X-Once", "yes") or response)
        return Answer(b"{}", 202)

    monkeypatch.setitem(layer.routes, "/token", lean.Route(route.rule, view, route.takes, route.caller))
    answers = [app.test_client().post("/token", data={"a": "b"}, headers={"X-Request-ID": each}) for each in ("the-first-one", "the-second-one")]
    assert ["X-Once" in answer.headers for answer in answers] == [True, False]
    assert [answer.status_code for answer in answers] == [202, 202]


def test_an_answer_that_is_long_is_compressed(app: Flask, layer: Lean, monkeypatch: pytest.MonkeyPatch) -> None:
    route = layer.routes["/token"]
    long = lean.Route(
        route.rule, lambda _: Answer(b"{" + b" " * 5000 + b"}", 200, (("Content-Type", "application/json"),)), route.takes, route.caller
    )
    monkeypatch.setitem(layer.routes, "/token", long)
    given = app.test_client().post("/token", data={"a": "b"}, headers={"Accept-Encoding": "gzip"})
    assert given.headers["Content-Encoding"] == "gzip"


def test_whatever_else_goes_wrong_is_flasks_to_answer(app: Flask, layer: Lean, monkeypatch: pytest.MonkeyPatch) -> None:
    route = layer.routes["/token"]
    monkeypatch.setitem(layer.routes, "/token", lean.Route(route.rule, lambda _: Answer(b"", 1 // 0), route.takes, route.caller))
    answer = app.test_client().post("/token", data={"a": "b"}, headers={"X-Request-ID": "counter-9-of-hall-3"})
    assert (answer.status_code, answer.headers["X-Request-ID"]) == (500, "counter-9-of-hall-3")


@pytest.fixture
def statements(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], tuple[int, int]]]:
    """How many statements went by the session, and by quick connections, since the test began."""
    heard: list[str] = []
    ran: list[bytes] = []
    whole = quick.Quick.run

    def run(self: quick.Quick, statement: quick.Statement, *values: bytes) -> list[bytes]:
        ran.append(statement.name)
        return whole(self, statement, *values)

    monkeypatch.setattr(quick.Quick, "run", run)
    with app.app_context():
        event.listen(engine(), "before_cursor_execute", hear := lambda *said: heard.append(said[2]))
        yield lambda: (len(heard), len(ran))
        event.remove(engine(), "before_cursor_execute", hear)


def test_a_token_takes_no_statement_but_that_of_its_assertion(
    app: Flask, client: FlaskClient, proof: dict[str, str], statements: Callable[[], tuple[int, int]]
) -> None:
    with app.app_context(), transaction() as session:
        system: System = new_system(session, scopes=["verifications"])
    form = {"grant_type": "client_credentials"}
    token = client.post("/token", data={**form, **system.proof()}).json["access_token"]  # type: ignore[index]

    def costs(*calls: Callable[[], object]) -> set[tuple[int, int]]:
        """What some calls cost, done again and again: the first fill the caches, which word of a new client may empty once more."""
        found = set()
        for _ in range(6):
            before = statements()
            for call in calls:
                call()
            after = statements()
            found.add((after[0] - before[0], after[1] - before[1]))
        return found

    assert min(costs(lambda: client.post("/token", data={**form, **system.proof()}))) == (0, 1)
    by_secret = (lambda: client.post("/token", data=form, headers=proof), lambda: client.post("/introspect", data={"token": token}, headers=proof))
    assert min(costs(*by_secret)) == (0, 0)
