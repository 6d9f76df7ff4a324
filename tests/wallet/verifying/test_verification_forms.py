"""A verification asked for by a form with a file: the same door, the same bounds, the same errors."""

import base64
from io import BytesIO
from typing import Any

import pytest

from tests.wallet.verifying.test_one_door import made, picture_of
from tests.world_clients import bearer
from tests.world_verifying import CAUSE, Counter
from wallet.verifying.files import MOST_BYTES

PATH = "/api/v1/verifications"


def post(counter: Counter, fields: dict[str, Any], *, token: str | None = None, **headers: str) -> Any:
    sent = {name: (BytesIO(value), "photo") if isinstance(value, bytes) else value for name, value in fields.items()}
    named = {**bearer(token or counter.token), **headers}
    return counter.client.post(PATH, data=sent, content_type="multipart/form-data", headers=named)


def photo(text: str) -> bytes:
    return base64.b64decode(picture_of(text))


def test_a_photo_is_verified_as_it_is(counter: Counter) -> None:
    answer = post(counter, {"file": photo(counter.code("holder_name")), "cause.text": CAUSE["text"], "cause.matter": "370100-GA-0021"})
    assert (answer.status_code, answer.json["verdict"]) == (201, "valid")
    assert answer.json["fields"] == {"holder_name": counter.person.name}


def test_a_document_larger_than_other_requests_may_be_is_read(counter: Counter) -> None:
    document = made(counter, "pdf")
    answer = post(counter, {"file": document, "cause.text": "核对", "binding": "none"})
    assert answer.json["verdict"] == "valid"
    large = post(counter, {"file": b"%PDF-" + b"x" * 2_000_000, "cause.text": "核对", "binding": "none"})
    assert (large.status_code, large.json["code"], large.json["field"]) == (422, "file-unusable", "file")


def test_the_same_key_gives_the_same_answer_by_form_or_by_json(counter: Counter) -> None:
    picture = photo(counter.code())
    first = post(counter, {"file": picture, "cause.text": CAUSE["text"]}, **{"Idempotency-Key": "form-1"})
    again = post(counter, {"file": picture, "cause.text": CAUSE["text"]}, **{"Idempotency-Key": "form-1"})
    as_json = counter.post("verifications", {"file": base64.b64encode(picture).decode(), "cause": CAUSE}, key="form-1")
    assert first.status_code == 201
    assert first.json == again.json == as_json.json


REFUSED: dict[str, tuple[dict[str, Any], int, str, str | None]] = {
    "no file": ({"cause.text": "核对"}, 422, "invalid-request", "presented"),
    "no cause": ({"file": b"AAAA"}, 422, "invalid-request", "cause"),
    "an empty file": ({"file": b"", "cause.text": "核对"}, 422, "invalid-request", "file"),
    "another kind of file": ({"file": b"GIF89a", "cause.text": "核对"}, 422, "file-unusable", "file"),
    "a picture without a code": ({"file": b"\x89PNG\r\n\x1a\n", "cause.text": "核对"}, 422, "file-unusable", "file"),
    "something else besides": ({"file": b"AAAA", "cause.text": "核对", "surplus": "1"}, 422, "invalid-request", "surplus"),
    "a member twice": ({"file": b"AAAA", "cause": "核对", "cause.text": "核对"}, 422, "invalid-request", "cause.text"),
    "a member within a text": ({"file": b"AAAA", "cause.text": "核对", "cause.text.x": "y"}, 422, "invalid-request", "cause.text.x"),
    "a cause of spaces": ({"file": b"AAAA", "cause.text": " "}, 422, "invalid-request", "cause.text"),
    "NUL": ({"file": b"AAAA", "cause.text": "a\0b"}, 400, "bad-request", None),
    "a code and a file": ({"file": b"AAAA", "presented": "a~", "binding": "none", "cause.text": "核对"}, 422, "invalid-request", "file"),
}


@pytest.mark.parametrize(("fields", "status", "code", "field"), REFUSED.values(), ids=REFUSED)
def test_a_form_is_refused_as_a_document_is(counter: Counter, fields: dict[str, Any], status: int, code: str, field: str | None) -> None:
    answer = post(counter, fields)
    assert (answer.status_code, answer.json["code"], answer.json.get("field")) == (status, code, field), answer.json


def test_a_form_longer_than_any_file_may_be_is_too_large(counter: Counter) -> None:
    answer = post(counter, {"file": b"\x89PNG\r\n\x1a\n" + bytes(MOST_BYTES + 300 * 1024), "cause.text": "核对"})
    assert answer.status_code == 413


def test_nothing_of_a_form_is_read_before_its_sender_is_known(counter: Counter) -> None:
    assert post(counter, {"file": bytes(2_000_000), "cause.text": "a\0b"}, token="x").status_code == 401


def test_forms_without_files_are_no_documents(counter: Counter) -> None:
    answer = counter.client.post(PATH, data={"cause.text": "核对"}, headers=bearer(counter.token))
    assert answer.status_code == 415


def test_the_description_names_both_ways(counter: Counter) -> None:
    described = counter.client.get("/api/openapi.json").json["paths"]["/api/v1/verifications"]["post"]["requestBody"]["content"]
    assert set(described) == {"application/json", "multipart/form-data"}
