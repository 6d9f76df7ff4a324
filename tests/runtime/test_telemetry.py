"""The last filter before a log line is written, and what a log may hold of what callers make up."""

import errno
import json
import logging
from io import BytesIO, StringIO, TextIOWrapper

import pytest
from flask import Flask
from flask.testing import FlaskClient

from runtime import request_lines, telemetry
from runtime.problems import loggable
from runtime.telemetry import mask_sensitive

NUMBER, CODE, TOKEN = "379999199001010014", "91379999MA00000019", "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize("secret", [NUMBER, CODE, TOKEN])
@pytest.mark.parametrize("place", [lambda secret: secret, lambda secret: ["name", secret], lambda secret: {"deep": [f"({secret})"]}])
def test_numbers_and_tokens_are_masked_wherever_they_stand(place: object, secret: str) -> None:
    assert secret not in str(mask_sensitive(None, "info", {"event": "x", "what": place(secret)}))  # type: ignore[operator]


def test_an_exception_keeps_its_frames_and_loses_what_people_wrote() -> None:
    found = mask_sensitive(None, "error", {"exception": f'File "a.py", line 3\nValueError: 李海燕 {NUMBER} is not a date'})["exception"]
    assert found == 'File "a.py", line 3\nValueError: [masked] [masked] is not a date'


@pytest.mark.parametrize("encoding", ["utf-8", "gbk", "latin-1"])
def test_a_line_is_json_whatever_the_encoding_of_its_place(app: Flask, monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    place = TextIOWrapper(written := BytesIO(), encoding=encoding, errors="backslashreplace", write_through=True)
    with monkeypatch.context() as there:
        there.setattr("sys.stderr", place)
        telemetry.configure_logging("INFO")
        logging.getLogger("here").warning("卡包é𠮷")
    telemetry.configure_logging("INFO")
    assert json.loads(written.getvalue().decode())["event"] == "卡包é𠮷"


def test_ids_and_counts_are_left_as_they_are() -> None:
    line = {"event": "answered", "status": 200, "ms": 1.5, "correlation_id": "01995b6e-8c1a-7d2e-9f30-5a1b2c3d4e5f", "field": None}
    assert mask_sensitive(None, "info", line) == line


def test_a_method_that_a_caller_made_up_is_counted_with_the_others(client: FlaskClient) -> None:
    for path in ("/healthz", "/nowhere"):
        assert client.open(path, method="BREW379999199001010014").status_code in (404, 405)
    assert "BREW" not in client.get("/metrics").text


@pytest.mark.parametrize("field", [None, "holder.number", "fields.vehicle_class", "licences.12.holder", "Idempotency-Key"])
def test_the_name_of_a_member_is_logged(field: str | None) -> None:
    assert loggable(field) == field


@pytest.mark.parametrize("field", [NUMBER, "fields.李海燕", f"fields.{NUMBER}", "a b", "x" * 60, "", "line\nbreak"])
def test_a_name_that_a_caller_made_up_is_not_logged(field: str) -> None:
    assert loggable(field) == "-"


class Full(StringIO):
    """A log on a disk without room."""

    def write(self, _: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_log_that_takes_no_line_costs_its_lines_and_no_answer(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    before = telemetry.LOST._value.get()
    monkeypatch.setattr("sys.stderr", Full())
    assert client.get("/healthz").status_code == 200
    with request_lines.at_once():
        for _ in range(2):
            assert client.get("/healthz").status_code == 200
    assert telemetry.LOST._value.get() == before + 3


def test_lines_of_requests_that_are_answered_together_are_written_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    def answer(name: str) -> None:
        telemetry.answered("/token", "POST", 200, correlation_id=name, began=0.0)

    def written() -> list[str]:
        return [json.loads(line)["correlation_id"] for line in capsys.readouterr().err.splitlines()]

    logging.getLogger("kabao.request").setLevel(logging.INFO)
    with request_lines.at_once():
        answer("the-first")
        answer("the-second")
        assert written() == []
    assert written() == ["the-first", "the-second"]
    answer("the-third")
    assert written() == ["the-third"]
