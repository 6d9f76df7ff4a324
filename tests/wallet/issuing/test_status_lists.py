"""The vector is the 2-bit one of Token Status List draft -20, appendix "Test vectors for Status List encoding"."""

import base64
import zlib
from datetime import timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient

from keys import ring
from runtime.clock import now, shifted
from runtime.database import transaction
from runtime.settings import Settings
from tests.wallet.issuing.desks import Desk
from tests.world_people import Person
from wallet.issuing import records, status_lists
from wallet.issuing.credentials import credential_of
from wallet.issuing.status_jobs import close_full_status_lists, rebuild_status_lists
from wallet.issuing.status_lists import INVALID, SIZE, SUSPENDED, VALID, Place, encode
from wallet.register.licences import get_licence

VECTOR = {0: 1, 1993: 2, 25460: 1, 159495: 3, 495669: 1, 554353: 1, 645645: 2, 723232: 1, 854545: 1, 934534: 2, 1000345: 3}
VECTOR_LST = (
    "eNrt2zENACEQAEEuoaBABP5VIO01fCjIHTMStt9ovGVIAAAAAABAbiEBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEB5WwIAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAID0ugQAAAAAAAAAAAAAAAAAQG12SgAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAOCSIQEAAAAAAAAAAAAAAAAAAAAAAAD8ExIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAwJEuAQAAAAAAAAAAAAAA"
    "AAAAAAAAAMB9SwIAAAAAAAAAAAAAAAAAAACoYUoAAAAAAAAAAAAAAEBqH81gAQw"
)
WHY = {"reason": "测试吊销", "legal_basis": "《测试法》第一条"}


def decoded(lst: str) -> bytes:
    return zlib.decompress(base64.urlsafe_b64decode(lst + "=" * (-len(lst) % 4)))


def status_at(lst: str, index: int) -> int:
    return decoded(lst)[index >> 2] >> (index & 3) * 2 & 3


def place_in(app: Flask, licence_id: str) -> Place:
    with app.app_context(), transaction() as session:
        return credential_of(session, get_licence(session, UUID(licence_id))).place


def rebuild(app: Flask, settings: Settings) -> int:
    with app.app_context(), transaction() as session:
        return status_lists.rebuild(session, settings, now=now())


def fetched(app: Flask, client: FlaskClient, place: Place) -> dict[str, Any]:
    answer = client.get(f"/status/{place.list_id}", headers={"Accept": "application/statuslist+jwt"})
    assert answer.status_code == 200
    with app.app_context():
        return ring.verify(answer.text, use=ring.STATUS, typ="statuslist+jwt", audience=None)


def test_the_published_vector_is_encoded_as_published() -> None:
    assert decoded(encode(VECTOR.items())) == decoded(VECTOR_LST)
    assert {index: status_at(encode(VECTOR.items()), index) for index in VECTOR} == VECTOR


def test_the_example_of_the_text_is_packed_as_drawn() -> None:
    statuses = (1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3)
    assert decoded(encode(enumerate(statuses), size=12)) == bytes([0xC9, 0x44, 0xF9])


def test_a_list_has_room_for_a_million_credentials() -> None:
    assert len(decoded(encode(()))) == SIZE * 2 // 8


def test_the_token_is_as_the_specification_has_it(app: Flask, client: FlaskClient, desk: Desk, person: Person) -> None:
    place = place_in(app, desk.issue(person)["id"])
    answer = client.get(f"/status/{place.list_id}")
    assert answer.headers["Content-Type"] == "application/statuslist+jwt"
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    header = jwt.get_unverified_header(answer.text)
    assert (header["typ"], len(header["x5c"])) == ("statuslist+jwt", 1)
    claims = fetched(app, client, place)
    assert set(claims) == {"sub", "iat", "exp", "ttl", "status_list"}
    assert claims["sub"] == f"http://127.0.0.1:8000/status/{place.list_id}"
    assert (claims["ttl"], claims["exp"] - claims["iat"], claims["status_list"]["bits"]) == (60, 24 * 3600, 2)


def test_a_revocation_shows_in_the_list_after_the_job_and_nothing_else_does(
    app: Flask, client: FlaskClient, settings: Settings, desk: Desk, person: Person
) -> None:
    revoked, kept = desk.issue(person), desk.issue(person)
    places = [place_in(app, licence["id"]) for licence in (revoked, kept)]
    rebuild(app, settings)
    before = decoded(fetched(app, client, places[0])["status_list"]["lst"])
    desk.post(f"/licences/{revoked['id']}/revocation", WHY)
    assert rebuild(app, settings) == 1
    lst = fetched(app, client, places[0])["status_list"]["lst"]
    assert [status_at(lst, place.index) for place in places] == [INVALID, VALID]
    assert sum(one != other for one, other in zip(before, decoded(lst), strict=True)) == 1
    assert rebuild(app, settings) == 0


def test_the_job_itself_builds_the_list(app: Flask, client: FlaskClient, desk: Desk, person: Person) -> None:
    issued = desk.issue(person)
    desk.post(f"/licences/{issued['id']}/revocation", WHY)
    place = place_in(app, issued["id"])
    with app.app_context():
        rebuild_status_lists()
        close_full_status_lists()
    assert status_at(fetched(app, client, place)["status_list"]["lst"], place.index) == INVALID


def test_a_suspension_can_be_taken_back(app: Flask, client: FlaskClient, settings: Settings, desk: Desk, person: Person) -> None:
    place = place_in(app, desk.issue(person)["id"])
    for status in (SUSPENDED, VALID):
        with app.app_context(), transaction() as session:
            status_lists.set_status(session, place, status)
            assert status_lists.state_of(session, place) == status
        rebuild(app, settings)
        assert status_at(fetched(app, client, place)["status_list"]["lst"], place.index) == status


def test_a_token_is_renewed_long_before_it_expires(app: Flask, client: FlaskClient, settings: Settings, desk: Desk, person: Person) -> None:
    place = place_in(app, desk.issue(person)["id"])
    rebuild(app, settings)
    iat = fetched(app, client, place)["iat"]
    with shifted(timedelta(hours=13)):
        assert rebuild(app, settings) >= 1
        assert fetched(app, client, place)["iat"] - iat >= 12 * 3600
    with app.app_context(), transaction() as session:  # back to the present, for the tests that follow
        session.query(status_lists.StatusList).update({"built_at": now() - timedelta(hours=13)})
    rebuild(app, settings)


def test_who_knows_the_token_gets_little(app: Flask, client: FlaskClient, desk: Desk, person: Person) -> None:
    path = f"/status/{place_in(app, desk.issue(person)['id']).list_id}"
    etag = client.get(path).headers["ETag"]
    again = client.get(path, headers={"If-None-Match": etag})
    assert (again.status_code, again.data) == (304, b"")
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/statuslist+jwt", 200),
        ("*/*", 200),
        ("application/*", 200),
        ("application/statuslist+cwt", 406),
        ("text/html", 406),
        ("x" * 500, 406),
    ],
)
def test_only_what_the_caller_accepts_is_given(app: Flask, client: FlaskClient, desk: Desk, person: Person, accept: str, status: int) -> None:
    path = f"/status/{place_in(app, desk.issue(person)['id']).list_id}"
    assert client.get(path, headers={"Accept": accept}).status_code == status


def test_the_past_is_not_given(app: Flask, client: FlaskClient, desk: Desk, person: Person) -> None:
    path = f"/status/{place_in(app, desk.issue(person)['id']).list_id}"
    assert client.get(f"{path}?time=1686925000").status_code == 501


@pytest.mark.parametrize("list_id", ["0", "nothing", "x" * 300, "%00", "'--"])
def test_a_list_that_there_is_not_is_not_found(client: FlaskClient, list_id: str) -> None:
    assert client.get(f"/status/{list_id}").status_code == (400 if list_id == "%00" else 404)


def test_a_taken_place_is_drawn_again(app: Flask, desk: Desk, person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = place_in(app, desk.issue(person)["id"])
    with app.app_context(), transaction() as session:
        free = next(index for index in range(SIZE) if status_lists.state_of(session, Place(taken.list_id, index)) is None)
    drawn = iter([taken.index, taken.index, free])
    monkeypatch.setattr(records, "draw", lambda list_id: Place(list_id, next(drawn)))
    assert place_in(app, desk.issue(person)["id"]) == Place(taken.list_id, free)


def test_places_are_drawn_from_the_whole_list() -> None:
    drawn = [status_lists.draw("abc").index for _ in range(4000)]
    assert len(set(drawn)) > 3950
    assert min(drawn) < SIZE // 100
    assert SIZE - SIZE // 100 < max(drawn) < SIZE


def test_a_half_full_list_is_closed_and_another_opened(
    app: Flask, settings: Settings, desk: Desk, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = place_in(app, desk.issue(person)["id"])
    monkeypatch.setattr(status_lists, "FULL", 1)
    with app.app_context(), transaction() as session:
        status_lists.close_full(session)
    assert place_in(app, desk.issue(person)["id"]).list_id != first.list_id


def test_places_are_known_by_their_uri(settings: Settings) -> None:
    uri = status_lists.uri_of(settings, "abc")
    assert status_lists.place_of(settings, uri, 7) == Place("abc", 7)
    assert status_lists.place_of(settings, "https://elsewhere.example/status/abc", 7) is None
    assert status_lists.place_of(settings, uri, -1) is None
    assert status_lists.place_of(settings, uri, SIZE) is None
