"""A registry that is asked over real HTTP: the reference server, and servers that are slow, broken or lie."""

import importlib.util
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from threading import Thread
from types import ModuleType
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.serving import make_server

from idp.subjects import directory, registries, registry_answers, registry_http
from idp.subjects.numbers import parse_number
from idp.subjects.records import Record, RegistryUnavailable
from keys import request_signing
from runtime import clock
from runtime.clock import now
from runtime.database import transaction
from runtime.settings import Settings
from tests.conftest import ROOT
from tests.rough_servers import answering, listening
from tests.world_people import PASSWORD, citizen_number, credit_code, new_person, post_form

Use = Callable[..., None]


def load_example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("example_registry", ROOT / "examples" / "registry" / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["example_registry"] = module
    spec.loader.exec_module(module)
    return module


example = load_example()


@pytest.fixture
def use(app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Use:
    """Choose the registries' addresses, for people and for organisations."""

    def choose(url: str, **more: Any) -> None:
        chosen = {"people_registry_url": f"{url}/registry/people", "organisations_registry_url": f"{url}/registry/organisations", **more}
        monkeypatch.setitem(app.extensions, "kabao_settings", replace(settings, **chosen))
        registry_http.breaker_of.cache_clear()

    return choose


@pytest.fixture
def book(client: FlaskClient, use: Use) -> Iterator[dict[str, Any]]:
    """The reference server, asked by this application; gives its two books."""
    books = example.books_of({})
    served = example.create_app(books, read_keys=lambda: client.get("/jwks/requests").json, url="")
    server = make_server("127.0.0.1", 0, served, threaded=True)
    url = served.extensions["desk"].url = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    use(url)
    books["url"] = url
    yield books
    server.shutdown()
    server.server_close()


def find(number: str) -> Record | None:
    with transaction() as session:
        return registries.open_registry(session).find(parse_number(number))


def test_a_match_is_a_record_with_all_that_the_registry_says(context: None, book: dict[str, Any]) -> None:
    child, father, former = citizen_number(), citizen_number(), citizen_number()
    book["people"].add(
        [{"number": child, "name": "方小满", "born": "2018-07-04", "guardians": [father], "former_numbers": [former], "state": "active"}]
    )
    for asked in (child, former):
        record = find(asked)
        assert record is not None
        assert (record.number.value, record.name, str(record.born)) == (child, "方小满", "2018-07-04")
        assert [each.value for each in (*record.guardians, *record.former_numbers)] == [father, former]


def test_no_match_is_none(context: None, book: dict[str, Any]) -> None:
    assert find(citizen_number()) is None
    with transaction() as session:
        assert registries.open_registry(session).represented_by(parse_number(citizen_number())) == []


def test_organisations_are_asked_for_by_number_and_by_representative(context: None, book: dict[str, Any]) -> None:
    firm, boss = credit_code(), citizen_number()
    book["organisations"].add([{"number": firm, "name": "立诚机械有限公司", "representative": boss, "state": "dissolved"}])
    record = find(firm)
    assert record is not None
    assert record.representative is not None
    assert (record.representative.value, record.state) == (boss, "dissolved")
    with transaction() as session:
        found = registries.open_registry(session).represented_by(parse_number(boss))
    assert [each.number.value for each in found] == [firm]


def test_each_registry_is_chosen_by_itself(context: None, use: Use) -> None:
    with transaction() as session:
        person = new_person(session)
    use("http://127.0.0.1:9", people_registry_url=None)
    assert find(person.number) is not None
    with pytest.raises(RegistryUnavailable):
        find(credit_code())


def test_the_reference_server_hears_only_what_kabao_signed_once(context: None, book: dict[str, Any], client: FlaskClient) -> None:
    url, body = f"{book['url']}/registry/people", b'{"ask":"record","number":"x"}'
    desk = example.Desk(book, lambda: client.get("/jwks/requests").json, book["url"])
    headers = request_signing.sign_headers("POST", url, body, now=now())
    assert not example.verified(desk, example.Asked("POST", url, {}), body)
    assert not example.verified(desk, example.Asked("POST", url, headers), b"{}")
    assert not example.verified(desk, example.Asked("POST", url.replace("people", "organisations"), headers), body)
    assert not example.verified(
        desk, example.Asked("POST", url, {**headers, "Signature-Input": headers["Signature-Input"].replace('keyid="', 'keyid="x')}), body
    )
    assert example.verified(desk, example.Asked("POST", url, headers), body)
    assert not example.verified(desk, example.Asked("POST", url, headers), body)
    late = request_signing.sign_headers("POST", url, body, now=now() - timedelta(minutes=3))
    assert not example.verified(desk, example.Asked("POST", url, late), body)


def reply(document: Any, *, status: str = "200 OK", kind: str = "application/json", headers: str = "") -> bytes:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


NUMBER, OTHER = "379999196803120015", "379999197002150024"
RECORD = {"number": NUMBER, "name": "方立诚"}
NO_MATCH = {"answer": "no_match"}

NOT_ANSWERS = {
    "an error of its own": reply(NO_MATCH, status="500 Broken"),
    "not found": reply(NO_MATCH, status="404 Not Found"),
    "created": reply(NO_MATCH, status="201 Created"),
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "a redirect": reply(b"", status="302 Found", headers="Location: http://127.0.0.1:1/\r\n"),
    "a page": reply(b"<html>no_match</html>", kind="text/html"),
    "text": reply(NO_MATCH, kind="text/plain"),
    "not JSON": reply(b"no_match"),
    "half of JSON": reply(b'{"answer": "no_match"'),
    "very deep JSON": reply(b"[" * 200_000),
    "a list": reply([NO_MATCH]),
    "null": reply(None),
    "another word": reply({"answer": "none"}),
    "nothing said": reply({}),
    "a match without a record": reply({"answer": "match"}),
    "a match of nothing": reply({"answer": "match", "record": None}),
    "another's record": reply({"answer": "match", "record": {**RECORD, "number": OTHER}}),
    "a record without a name": reply({"answer": "match", "record": {"number": NUMBER}}),
    "a name that is no text": reply({"answer": "match", "record": {**RECORD, "name": ["方立诚"]}}),
    "half a surrogate pair": reply(b'{"answer": "match", "record": {"number": "' + NUMBER.encode() + b'", "name": "\\ud800"}}'),
    "no number": reply({"answer": "match", "record": {**RECORD, "number": "12345"}}),
    "an unknown state": reply({"answer": "match", "record": {**RECORD, "state": "frozen"}}),
    "a person that was dissolved": reply({"answer": "match", "record": {**RECORD, "state": "dissolved"}}),
    "a date that is none": reply({"answer": "match", "record": {**RECORD, "born": "1968-13-40"}}),
    "guardians that are no list": reply({"answer": "match", "record": {**RECORD, "guardians": OTHER}}),
    "a guardian that is an organisation": reply({"answer": "match", "record": {**RECORD, "guardians": ["11100000000013338W"]}}),
    "a huge body": reply(b'{"answer": "no_match", "x": "' + b"x" * 300_000 + b'"}'),
    "a body that is cut short": reply(NO_MATCH).replace(b"Content-Length: 22", b"Content-Length: 99"),
    "no HTTP": b"220 mail.example ready\r\n",
    "nothing": b"",
}


@pytest.mark.parametrize("raw", NOT_ANSWERS.values(), ids=NOT_ANSWERS)
def test_whatever_is_no_answer_is_unavailable_and_never_no_match(context: None, use: Use, raw: bytes) -> None:
    with listening(answering(raw)) as port:
        use(f"http://127.0.0.1:{port}")
        with pytest.raises(RegistryUnavailable) as raised:
            find(NUMBER)
    assert raised.value.status == 503
    assert NUMBER not in str(raised.value)


def test_a_slow_registry_is_unavailable_in_time_and_then_left_alone(context: None, use: Use) -> None:
    asked: list[int] = []

    def slow(connection: Any) -> None:
        asked.append(1)
        connection.recv(65536)
        time.sleep(0.5)

    with listening(slow) as port:
        use(f"http://127.0.0.1:{port}", registry_timeout=timedelta(seconds=0.1))
        began = time.monotonic()
        for _ in range(8):
            with pytest.raises(RegistryUnavailable):
                find(NUMBER)
        assert time.monotonic() - began < 1.5
    assert len(asked) <= 5


def counting(document: Any, headers: str = "") -> tuple[list[int], Callable[[Any], None]]:
    asked: list[int] = []

    def behave(connection: Any) -> None:
        asked.append(1)
        answering(reply(document, headers=headers))(connection)

    return asked, behave


@pytest.mark.parametrize(
    ("match", "control", "after", "times"),
    [
        pytest.param(True, "", 100, 1, id="kept"),
        pytest.param(True, "", 301, 2, id="no longer than our bound"),
        pytest.param(True, "max-age=60", 59, 1, id="as long as it says"),
        pytest.param(True, "private, max-age=60", 61, 2, id="no longer than it says"),
        pytest.param(True, "max-age=999999999", 301, 2, id="whatever it says"),
        pytest.param(True, "no-store", 0, 2, id="not at all"),
        pytest.param(True, "max-age=0", 0, 2, id="for no time"),
        pytest.param(False, "", 29, 1, id="no match is kept"),
        pytest.param(False, "max-age=300", 31, 2, id="no match is kept briefly"),
    ],
)
def test_answers_are_kept_for_a_stated_time(context: None, use: Use, match: bool, control: str, after: int, times: int) -> None:
    number = citizen_number()
    document = {"answer": "match", "record": {"number": number, "name": "方立诚"}} if match else NO_MATCH
    asked, behave = counting(document, f"Cache-Control: {control}\r\n" if control else "")
    with listening(behave) as port:
        use(f"http://127.0.0.1:{port}")
        find(number)
        with clock.shifted(timedelta(seconds=after)):
            assert (find(number) is not None) is match
    assert len(asked) == times


def test_what_is_kept_rests_sealed_and_is_dropped_when_told(context: None, use: Use) -> None:
    number = citizen_number()
    asked, behave = counting({"answer": "match", "record": {"number": number, "name": "方立诚"}})
    with listening(behave) as port:
        use(f"http://127.0.0.1:{port}")
        find(number)
        with transaction() as session:
            rows = session.scalars(select(registry_answers.RegistryAnswer)).all()
            assert rows
            assert not any(number.encode() in row.answer_sealed or number.encode() in row.question_index for row in rows)
            registry_answers.drop(session, parse_number(number))
        find(number)
    assert len(asked) == 2
    registry_answers.forget(now=now() + timedelta(days=1))
    with transaction() as session:
        assert session.scalars(select(registry_answers.RegistryAnswer)).all() == []


def test_a_registry_that_comes_back_is_asked_again(context: None, use: Use, book: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    number, url = citizen_number(), book["url"]
    book["people"].add([{"number": number, "name": "方立诚"}])
    breaker = registry_http.breaker_of(f"{url}/registry/people")
    for _ in range(5):
        with pytest.raises(ZeroDivisionError), breaker.attempt():
            raise ZeroDivisionError
    with pytest.raises(RegistryUnavailable, match="BreakerOpen"):
        find(number)
    monkeypatch.setattr(breaker, "_clock", lambda: time.monotonic() + 31)
    assert find(number) is not None
    assert not breaker.is_open


def test_who_is_met_by_a_number_that_changed_before_is_one_subject(context: None, book: dict[str, Any]) -> None:
    old, new = citizen_number(), citizen_number()
    book["people"].add([{"number": old, "name": "许静"}])
    with transaction() as session:
        known = directory.ensure_subject(session, parse_number(old), now=now()).id
        registry_answers.drop(session, parse_number(old))
    book["people"].add([{"number": new, "name": "许静", "former_numbers": [old]}])
    with transaction() as session:
        for number in (new, old):
            subject = directory.ensure_subject(session, parse_number(number), now=now())
            assert (subject.id, directory.number_of(subject).value) == (known, new)


def test_registering_says_which_of_the_three_answers_it_was(app: Flask, use: Use, book: dict[str, Any], client: FlaskClient) -> None:
    number, firm = citizen_number(), citizen_number()
    book["people"].add([{"number": number, "name": "许静"}])
    form = {"number": firm, "name": "许静", "password": PASSWORD, "repeat": PASSWORD}
    page = post_form(client, "/account/new", form)
    assert (page.status_code, "不相符" in page.text) == (422, True)
    use("http://127.0.0.1:9")
    page = post_form(client, "/account/new", {**form, "number": number})
    assert (page.status_code, "暂时无法查询" in page.text) == (503, True)
    use(book["url"])
    assert post_form(client, "/account/new", {**form, "number": number}).status_code == 303
