"""What is left for later is done right when it is wanted, whoever comes first."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from werkzeug.routing import Map, Rule

from runtime.application import LateRule
from runtime.settings import Settings
from wsgi import create_app

SHAPES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("/plain", {}, {}),
    ("/plain", {}, {"more": "a b", "none": None}),
    ("/<name>/x", {}, {"name": "a/b 卡"}),
    ("/<int:count>", {}, {"count": 7, "page": 2}),
    ("/<path:way>/<uuid:id>", {}, {"way": "a/b", "id": "01a2057a-511d-776d-9e4b-b6b9cb64c822"}),
    ("/all/<int:page>", {"page": 1}, {"page": 1}),
]


@pytest.mark.parametrize(("rule", "defaults", "values"), SHAPES)
def test_an_address_is_built_as_werkzeug_builds_it(rule: str, defaults: dict[str, Any], values: dict[str, Any]) -> None:
    late, early = (Map([kind(rule, endpoint="it", defaults=defaults)]).bind("x.example") for kind in (LateRule, Rule))
    assert [late.build("it", values) for _ in range(2)] == [early.build("it", values)] * 2


def test_the_interface_is_described_whole_to_all_who_ask_first_at_once(app: Flask) -> None:
    fresh = create_app(app.extensions["kabao_settings"])
    with ThreadPoolExecutor(8) as crowd:
        found = list(crowd.map(lambda _: fresh.test_client().get("/api/openapi.json").json, range(8)))
    assert found[0]["paths"]
    assert found == [app.test_client().get("/api/openapi.json").json] * 8


def test_every_page_of_a_process_shares_what_was_compiled(app: Flask) -> None:
    settings: Settings = app.extensions["kabao_settings"]
    assert create_app(settings).jinja_env.bytecode_cache is create_app(settings).jinja_env.bytecode_cache is not None
