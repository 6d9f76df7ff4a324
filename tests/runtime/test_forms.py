"""Forms take what browsers post, and nothing else that finds its way into a request."""

import io
import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_wtf import FlaskForm
from wtforms import BooleanField, StringField

from runtime.forms import PostedForm
from tests.world_people import BROWSER, csrf_token

JSON = [{"receipt": 5}, {"receipt": {"a": 1}}, {"receipt": "\ud800"}, {"receipt": "a\0b"}, [1], 5, None]


@pytest.mark.parametrize("sent", JSON, ids=repr)
def test_a_form_sent_as_json_is_an_empty_form(client: FlaskClient, sent: Any) -> None:
    token = csrf_token(client.get("/receipts/check", headers=BROWSER).text)
    headers = {**BROWSER, "X-CSRFToken": token}
    assert client.post("/receipts/check", data=json.dumps(sent), content_type="application/json", headers=headers).status_code == 422


def test_a_file_in_the_place_of_a_text_is_no_text(client: FlaskClient) -> None:
    token = csrf_token(client.get("/receipts/check", headers=BROWSER).text)
    form = {"csrf_token": token, "receipt": (io.BytesIO(b"x"), "receipt.txt")}
    assert client.post("/receipts/check", data=form, headers=BROWSER).status_code == 422


def test_every_form_is_one_of_these(app: Flask) -> None:
    assert FlaskForm.__subclasses__() == [PostedForm]


class Box(PostedForm):
    """A form with a box that is ticked as a rule."""

    ticked = BooleanField(default=True)
    word = StringField(default="usual")


FORM = {"content_type": "application/x-www-form-urlencoded"}
ASKED: dict[str, tuple[dict[str, Any], tuple[bool, str | None]]] = {
    "a page that is only asked for": ({"method": "GET"}, (True, "usual")),
    "one whose address says something": ({"method": "GET", "query_string": "word=queried"}, (True, "usual")),
    "one with a body": ({"method": "GET", "data": "word=sent", **FORM}, (True, "usual")),
    "another method": ({"method": "PUT", "data": "word=sent", **FORM}, (True, "usual")),
    "what is posted": ({"method": "POST", "data": "word=sent&ticked=y", **FORM}, (True, "sent")),
    "an unticked box": ({"method": "POST", "data": "word=sent", **FORM}, (False, "sent")),
    "a post whose address says something": ({"method": "POST", "query_string": "word=queried&ticked=y", "data": "", **FORM}, (False, "usual")),
}


@pytest.mark.parametrize(("asked", "read"), ASKED.values(), ids=ASKED)
def test_a_form_is_filled_from_what_is_posted_alone(app: Flask, asked: dict[str, Any], read: tuple[bool, str | None]) -> None:
    with app.test_request_context("/", **asked):
        form = Box(meta={"csrf": False})
        assert (form.ticked.data, form.word.data) == read
