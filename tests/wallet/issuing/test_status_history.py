"""What lists said once: the token that was valid at a time, for as long as the history goes back."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from keys import cose, ring
from runtime.clock import now, shifted
from runtime.database import transaction
from runtime.settings import Settings
from wallet.issuing import status_history, status_lists
from wallet.issuing.status_building import StatusBuild
from wallet.issuing.status_history import MOST_A_MINUTE
from wallet.issuing.status_jobs import forget_old_status_lists, rebuild_status_lists
from wallet.issuing.status_lists import INVALID, SUSPENDED, VALID, Place, StatusEntry, StatusList
from wallet.issuing.status_packing import StatusBits, read_status_list

Ask = Callable[..., Any]
DAY = timedelta(days=1)


@pytest.fixture
def place(app: Flask, settings: Settings) -> Iterator[Place]:
    """A place in a list of its own, that was opened four days ago, suspended two days ago, revoked yesterday and signed anew today."""
    with app.app_context():
        app.extensions[status_history.EXTENSION] = status_history.Past()
        with shifted(-4 * DAY), transaction() as session:
            place = Place(status_lists.make_list(session, settings, now=now(), bits=2), 77)
            session.add(StatusEntry(list_id=place.list_id, index=place.index, status=VALID))
        for ago, status in ((2 * DAY, SUSPENDED), (DAY, INVALID)):
            with shifted(-ago):
                change(place, status)
        rebuild_status_lists()
        yield place
        with transaction() as session:
            session.query(StatusList).filter_by(id=place.list_id).delete()
            status_lists.cache.changed(session, status_lists.TOPIC)


def change(place: Place, status: int) -> None:
    with transaction() as session:
        status_lists.set_status(session, place, status)
    rebuild_status_lists()


def at(client: FlaskClient, place: Place, moment: datetime | int | str, accept: str = "application/statuslist+jwt") -> Any:
    time = int(moment.timestamp()) if isinstance(moment, datetime) else moment
    return client.get(f"/status/{place.list_id}?time={time}", headers={"Accept": accept})


def read(answer: Any) -> tuple[dict[str, Any], StatusBits]:
    assert answer.status_code == 200, answer.text
    key = ring.verifying_keys(ring.STATUS)[jwt.get_unverified_header(answer.text)["kid"]].key
    claims = jwt.decode(answer.text, key, algorithms=["ES256"], options={"verify_exp": False})
    return claims, read_status_list(claims["status_list"])


@pytest.mark.parametrize(
    ("ago", "status"),
    [
        (4 * DAY - timedelta(minutes=1), VALID),
        (2.5 * DAY, None),
        (2 * DAY - timedelta(minutes=1), SUSPENDED),
        (DAY - timedelta(minutes=1), INVALID),
        (timedelta(0), INVALID),
    ],
)
def test_the_token_of_a_time_is_the_one_that_was_valid_then(client: FlaskClient, place: Place, ago: timedelta, status: int | None) -> None:
    moment = now() - ago
    answer = at(client, place, moment)
    if status is None:  # the first token had ended, and nothing was published for a day
        assert (answer.status_code, answer.json["code"]) == (404, "time-not-kept")
        return
    claims, found = read(answer)
    assert claims["iat"] <= int(moment.timestamp()) < claims["exp"]
    assert found.status_at(place.index) == status
    assert claims["exp"] - claims["iat"] == 24 * 3600


def test_the_past_is_told_as_a_cwt_too(client: FlaskClient, place: Place) -> None:
    answer = at(client, place, now() - DAY - timedelta(hours=1), accept="application/statuslist+cwt")
    message = cose.read_sign1(answer.data)
    claims = cose.read_cbor(cose.verify1(message, message.chain[0].public_key()))  # type: ignore[arg-type]
    assert read_status_list(claims[65533]).status_at(place.index) == SUSPENDED


def test_the_present_is_answered_with_the_newest_token_and_no_new_signature(client: FlaskClient, place: Place) -> None:
    assert at(client, place, now()).data == client.get(f"/status/{place.list_id}").data


def test_the_second_of_a_build_belongs_to_it(client: FlaskClient, place: Place) -> None:
    with transaction() as session:
        built = session.scalars(select(StatusBuild.built_at).where(StatusBuild.list_id == place.list_id).order_by(StatusBuild.built_at)).first()
    assert built is not None
    claims, found = read(at(client, place, built))
    assert (claims["iat"], found.status_at(place.index)) == (int(built.timestamp()), SUSPENDED)


def test_what_was_built_of_the_past_is_kept(client: FlaskClient, place: Place) -> None:
    moment = now() - DAY - timedelta(hours=1)
    first = at(client, place, moment)
    assert at(client, place, moment + timedelta(seconds=7)).data == first.data
    headers = {"If-None-Match": first.headers["ETag"]}
    assert client.get(f"/status/{place.list_id}?time={int(moment.timestamp())}", headers=headers).status_code == 304


@pytest.mark.parametrize("time", ["", "now", "-1", "1.5", "1e3", "0x10", "1" * 12, "9" * 400, "１２", "%00", " 1"])
def test_a_time_that_is_none_is_refused_by_name(client: FlaskClient, place: Place, time: str) -> None:
    answer = at(client, place, time)
    assert answer.status_code == 400
    assert time == "%00" or (answer.json["code"], answer.json["field"]) == ("bad-time", "time")


def test_two_times_are_none(client: FlaskClient, place: Place) -> None:
    assert client.get(f"/status/{place.list_id}?time=1&time=2").json["code"] == "bad-time"


@pytest.mark.parametrize("time", [99_999_999_999, "in an hour"])
def test_the_future_is_refused_by_name(client: FlaskClient, place: Place, time: Any) -> None:
    answer = at(client, place, now() + timedelta(hours=1) if time == "in an hour" else time)
    assert (answer.status_code, answer.json["code"], answer.json["field"]) == (404, "time-in-the-future", "time")


@pytest.mark.parametrize("time", [0, 1, 1_000_000_000])
def test_a_time_before_the_list_is_not_kept(client: FlaskClient, place: Place, time: int) -> None:
    answer = at(client, place, time)
    assert (answer.status_code, answer.json["code"]) == (404, "time-not-kept")


def test_an_operator_may_keep_no_history(app: Flask, client: FlaskClient, settings: Settings, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.extensions, "kabao_settings", replace(settings, status_history=timedelta(0)))
    answer = at(client, place, now() - DAY - timedelta(hours=1))
    assert (answer.status_code, answer.json["code"]) == (501, "no-history")
    assert at(client, place, now()).status_code == 200


def test_what_is_older_than_the_history_is_forgotten_and_the_rest_stays_as_it_was(
    app: Flask, client: FlaskClient, settings: Settings, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.extensions, "kabao_settings", replace(settings, status_history=1.5 * DAY))
    assert at(client, place, now() - 2 * DAY + timedelta(hours=1)).json["code"] == "time-not-kept", "what is still there is told no more"
    forget_old_status_lists()
    app.extensions[status_history.EXTENSION] = status_history.Past()
    with transaction() as session:
        builds = select(StatusBuild.built_at).where(StatusBuild.list_id == place.list_id)
        assert len(session.scalars(builds).all()) == 2, "yesterday's and today's"
    monkeypatch.setitem(app.extensions, "kabao_settings", settings)
    assert at(client, place, now() - 2 * DAY - timedelta(hours=1)).json["code"] == "time-not-kept"
    for ago, status in ((DAY + timedelta(hours=1), SUSPENDED), (DAY - timedelta(hours=1), INVALID)):
        assert read(at(client, place, now() - ago))[1].status_at(place.index) == status
    forget_old_status_lists()  # there is nothing more to forget


def test_nobody_makes_us_sign_without_end(app: Flask, client: FlaskClient, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with transaction() as session:
        moments = [now() - timedelta(hours=3) + timedelta(minutes=step) for step in range(MOST_A_MINUTE + 5)]
        session.add_all(StatusBuild(list_id=place.list_id, built_at=moment, changes=b"") for moment in moments)
    answers = [at(client, place, moment) for moment in moments]
    assert [answer.status_code for answer in answers] == [200] * MOST_A_MINUTE + [503] * 5
    assert answers[-1].json["code"] == "history-busy"
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 61
    assert at(client, place, moments[MOST_A_MINUTE - 1]).status_code == 200, "what is kept is still given"
    assert len(app.extensions[status_history.EXTENSION]._kept) == status_history.KEPT
