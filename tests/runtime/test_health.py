import dataclasses

import pytest
from flask import Flask
from flask.testing import FlaskClient

from keys.sealing import SealBroken
from migrations import shape
from runtime import starting
from runtime.database import build_engine
from runtime.settings import Settings


def test_a_live_process_with_a_migrated_database_is_ready(client: FlaskClient) -> None:
    assert client.get("/healthz").json == {"status": "ok"}
    assert client.get("/readyz").json == {"status": "ok", "database": "ok", "schema": "ok", "master_key": "ok"}
    assert b"kabao_requests_total" in client.get("/metrics").data


def test_a_process_that_is_newer_than_its_database_is_not_ready(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shape, "NEWEST", "9999")
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json) == (503, {"status": "unavailable", "database": "ok", "schema": "unavailable"})
    with pytest.raises(shape.OldShape, match="kabao init"):
        starting.look(app)
    monkeypatch.setattr(shape, "NEWEST", "0001")
    assert client.get("/readyz").status_code == 200, "one that is older goes on while the shape is newer"


def test_no_process_begins_with_another_master_key_and_one_whose_database_is_away_waits(
    app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings: Settings = app.extensions["kabao_settings"]
    starting.look(app)
    monkeypatch.setitem(app.extensions, "kabao_settings", dataclasses.replace(settings, master_key=bytes(range(32)), former_master_key=None))
    with pytest.raises(SealBroken):
        starting.look(app)
    away = dataclasses.replace(settings, database_url="postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setitem(app.extensions, "kabao_engine", build_engine(away))
    starting.look(app)
    assert "the database does not answer yet" in caplog.text
    assert "Connection refused" in caplog.text


def test_a_process_tells_as_it_begins_which_settings_it_does_not_know(
    app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    starting.look(app)
    assert "not known" not in caplog.text
    unknown = dataclasses.replace(app.extensions["kabao_settings"], unknown_names=("KABAO_POOLSIZE (is it KABAO_POOL_SIZE?)",))
    monkeypatch.setitem(app.extensions, "kabao_settings", unknown)
    starting.look(app)
    assert "KABAO_POOLSIZE (is it KABAO_POOL_SIZE?)" in caplog.text


def test_a_process_with_another_master_key_is_not_ready(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    other = dataclasses.replace(app.extensions["kabao_settings"], master_key=bytes(range(32)), former_master_key=None)
    monkeypatch.setitem(app.extensions, "kabao_settings", other)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json) == (503, {"status": "unavailable", "database": "ok", "master_key": "unavailable"})
    assert client.get("/healthz").status_code == 200, "it lives: to begin it anew would not help"


def test_the_key_set_is_published_without_private_members(client: FlaskClient) -> None:
    keys = client.get("/jwks").json["keys"]
    assert {(key["kty"], key.get("use", "sig")) for key in keys} >= {("EC", "sig"), ("RSA", "sig")}
    assert not any({"d", "p", "q", "dp", "dq", "qi", "k"} & set(key) for key in keys)


def test_an_unknown_address_is_a_problem(client: FlaskClient) -> None:
    answer = client.get("/api/v1/nothing", headers={"Accept-Language": "en"})
    assert (answer.status_code, answer.json["title"]) == (404, "There is nothing at this address.")
    assert (
        "没有" in client.get("/nothing", headers={"Accept": "text/html"}).text
        or client.get("/nothing", headers={"Accept": "text/html"}).status_code == 404
    )


def test_the_api_describes_itself(client: FlaskClient) -> None:
    assert client.get("/api/openapi.json").json["openapi"] == "3.1.0"
