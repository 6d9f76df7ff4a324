"""What anyone is told of a list: its newest token, in both forms, and the names of all lists."""

import gzip
import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest
from cryptography import x509
from flask import Flask
from flask.testing import FlaskClient

from keys import certificates, cose, ring, sealing
from runtime.clock import now, shifted
from runtime.database import transaction
from runtime.settings import Settings
from tests.wallet.issuing.desks import Desk
from tests.world_people import Person
from wallet.issuing import records, status_building, status_lists
from wallet.issuing.credentials import credential_of
from wallet.issuing.status_jobs import MOVED, rebuild_status_lists
from wallet.issuing.status_lists import INVALID, SIZE, SUSPENDED, VALID, NoSuchPlace, Place
from wallet.issuing.status_packing import StatusBits, read_status_list
from wallet.register.licences import get_licence

JWT, CWT = "application/statuslist+jwt", "application/statuslist+cwt"
WHY = {"reason": "测试吊销", "legal_basis": "《测试法》第一条"}


def place_in(app: Flask, licence_id: str) -> Place:
    with app.app_context(), transaction() as session:
        return credential_of(session, get_licence(session, UUID(licence_id))).place


def rebuild(app: Flask) -> None:
    with app.app_context():
        rebuild_status_lists()


def fetched(app: Flask, client: FlaskClient, place: Place) -> dict[str, Any]:
    answer = client.get(f"/status/{place.list_id}", headers={"Accept": JWT})
    assert answer.status_code == 200
    with app.app_context():
        return ring.verify(answer.text, use=ring.STATUS, typ="statuslist+jwt", audience=None)


def bits_of(app: Flask, client: FlaskClient, place: Place) -> StatusBits:
    return read_status_list(fetched(app, client, place)["status_list"])


def test_the_token_is_as_the_specification_has_it(app: Flask, client: FlaskClient, desk: Desk, person: Person) -> None:
    place = place_in(app, desk.issue(person)["id"])
    with app.app_context(), transaction() as session:
        status_lists.set_status(session, place, SUSPENDED)
    rebuild(app)
    answer = client.get(f"/status/{place.list_id}")
    assert answer.headers["Content-Type"] == JWT
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    header = jwt.get_unverified_header(answer.text)
    assert (header["typ"], len(header["x5c"])) == ("statuslist+jwt", 1)
    claims = fetched(app, client, place)
    assert set(claims) == {"sub", "iat", "exp", "ttl", "status_list"}
    assert claims["sub"] == f"http://127.0.0.1:8000/status/{place.list_id}"
    assert (claims["ttl"], claims["exp"] - claims["iat"]) == (60, 24 * 3600)
    assert (claims["status_list"]["bits"], claims["status_list"]["aggregation_uri"]) == (2, "http://127.0.0.1:8000/status")


def test_a_worker_signs_the_lists_anew_whose_tokens_name_a_former_address(app: Flask, client: FlaskClient, desk: Desk, person: Person) -> None:
    place, settings = place_in(app, desk.issue(person)["id"]), app.extensions["kabao_settings"]
    with app.app_context(), transaction() as session:
        former = replace(settings, public_url="https://former.example.gov.cn")
        assert status_building.rebuild(session, former, place.list_id, now=now())
    assert fetched(app, client, place)["sub"] == f"https://former.example.gov.cn/status/{place.list_id}"
    app.extensions.pop(MOVED, None)  # as after a start
    rebuild(app)
    said = fetched(app, client, place)
    assert said["sub"] == f"{settings.public_url}/status/{place.list_id}"
    with app.app_context(), transaction() as session:
        assert status_building.find_moved(session, settings) == []
    rebuild(app)
    assert fetched(app, client, place)["iat"] == said["iat"], "once"


def test_the_cwt_says_the_same_and_is_as_the_specification_has_it(app: Flask, client: FlaskClient, desk: Desk, person: Person) -> None:
    place = place_in(app, desk.issue(person)["id"])
    answer = client.get(f"/status/{place.list_id}", headers={"Accept": CWT})
    assert answer.headers["Content-Type"] == CWT
    assert answer.data[0] == 0xD2, "tagged as a COSE_Sign1, and not as a CWT"
    message = cose.read_sign1(answer.data)
    assert message.protected == {1: -7, 16: CWT}
    (leaf,) = message.chain
    with app.app_context():
        leaf.verify_directly_issued_by(certificates.root_certificate())
    assert isinstance(leaf, x509.Certificate)
    claims = cose.read_cbor(cose.verify1(message, leaf.public_key()))  # type: ignore[arg-type]
    said = fetched(app, client, place)
    assert (claims[2], claims[6], claims[4], claims[65534]) == (said["sub"], said["iat"], said["exp"], said["ttl"])
    assert claims[65533]["aggregation_uri"] == said["status_list"]["aggregation_uri"]
    assert read_status_list(claims[65533]) == read_status_list(said["status_list"])


def test_a_revocation_shows_in_the_list_after_the_job_and_nothing_else_does(app: Flask, client: FlaskClient, desk: Desk, person: Person) -> None:
    revoked, kept = desk.issue(person), desk.issue(person)
    places = [place_in(app, licence["id"]) for licence in (revoked, kept)]
    rebuild(app)
    before = bits_of(app, client, places[0])
    desk.post(f"/licences/{revoked['id']}/revocation", WHY)
    rebuild(app)
    after, iat = bits_of(app, client, places[0]), fetched(app, client, places[0])["iat"]
    assert [after.status_at(place.index) for place in places] == [INVALID, VALID]
    assert sum(one != other for one, other in zip(before.packed, after.packed, strict=True)) == 1
    with shifted(timedelta(minutes=1)):
        rebuild(app)
    assert fetched(app, client, places[0])["iat"] == iat, "nothing is built when nothing changed"


def test_a_suspension_can_be_taken_back(app: Flask, client: FlaskClient, desk: Desk, person: Person) -> None:
    place = place_in(app, desk.issue(person)["id"])
    for status in (SUSPENDED, VALID):
        with app.app_context(), transaction() as session:
            status_lists.set_status(session, place, status)
            assert status_lists.state_of(session, place) == status
        rebuild(app)
        assert bits_of(app, client, place).status_at(place.index) == status


def test_of_several_changes_the_last_one_counts(app: Flask, client: FlaskClient, desk: Desk, person: Person) -> None:
    place = place_in(app, desk.issue(person)["id"])
    for status in (SUSPENDED, VALID, INVALID):
        with app.app_context(), transaction() as session:
            status_lists.set_status(session, place, status)
    rebuild(app)
    assert bits_of(app, client, place).status_at(place.index) == INVALID


def test_many_places_change_at_once_and_what_is_invalid_stays_so(app: Flask, client: FlaskClient, desk: Desk, person: Person) -> None:
    places = [place_in(app, desk.issue(person)["id"]) for _ in range(4)]
    with app.app_context(), transaction() as session:
        status_lists.set_status(session, places[0], INVALID)
        for status in (SUSPENDED, VALID, SUSPENDED):
            status_lists.set_statuses(session, [*places[:3], places[1]], status)
        assert [status_lists.state_of(session, one) for one in places] == [INVALID, SUSPENDED, SUSPENDED, VALID]
        status_lists.set_statuses(session, [], INVALID)
    rebuild(app)
    assert [bits_of(app, client, one).status_at(one.index) for one in places] == [INVALID, SUSPENDED, SUSPENDED, VALID]


def test_of_many_places_one_that_nobody_holds_changes_none(app: Flask, desk: Desk, person: Person) -> None:
    place = place_in(app, desk.issue(person)["id"])
    with pytest.raises(NoSuchPlace), app.app_context(), transaction() as session:
        status_lists.set_statuses(session, [place, status_lists.Place("no-such-list", 1)], SUSPENDED)
    with app.app_context(), transaction() as session:
        assert status_lists.state_of(session, place) == VALID


def test_a_list_of_one_bit_is_half_as_large_and_holds_no_suspension(app: Flask, client: FlaskClient, settings: Settings) -> None:
    with app.app_context():
        narrow = status_lists.open_list(settings, now=now(), bits=1)
        assert status_lists.open_list(settings, now=now()) != narrow
        place = status_lists.draw(narrow)
        with transaction() as session:
            session.merge(status_lists.StatusEntry(list_id=narrow, index=place.index, status=VALID))
        with pytest.raises(NoSuchPlace), transaction() as session:
            status_lists.set_status(session, place, SUSPENDED)
        with pytest.raises(NoSuchPlace), transaction() as session:
            status_lists.set_statuses(session, [place], SUSPENDED)
        with transaction() as session:
            status_lists.set_status(session, place, INVALID)
    rebuild(app)
    read = bits_of(app, client, place)
    assert (read.bits, len(read.packed), read.status_at(place.index)) == (1, SIZE // 8, INVALID)


def test_a_place_that_nobody_holds_has_no_status(app: Flask, settings: Settings) -> None:
    with app.app_context():
        nobodys = Place(status_lists.open_list(settings, now=now(), bits=1), SIZE - 1)
        for place in (nobodys, Place("0" * 12, 1)):
            with pytest.raises(NoSuchPlace), transaction() as session:
                status_lists.set_status(session, place, INVALID)


def test_a_token_is_renewed_long_before_it_expires(app: Flask, client: FlaskClient, desk: Desk, person: Person) -> None:
    place = place_in(app, desk.issue(person)["id"])
    rebuild(app)
    iat = fetched(app, client, place)["iat"]
    with shifted(timedelta(hours=13)):
        rebuild(app)
        assert fetched(app, client, place)["iat"] - iat >= 12 * 3600
    with app.app_context(), transaction() as session:  # back to the present, for the tests that follow
        session.query(status_lists.StatusList).update({"built_at": now() - timedelta(hours=13)})
    rebuild(app)


def test_a_list_that_was_packed_by_an_upgrade_is_given_as_it_was_until_it_is_signed_anew(
    app: Flask, client: FlaskClient, desk: Desk, person: Person
) -> None:
    place = place_in(app, desk.issue(person)["id"])
    with app.app_context(), transaction() as session:
        session.query(status_lists.StatusList).filter_by(id=place.list_id).update({"cwt": b"", "built_at": now() - timedelta(hours=13)})
        status_lists.cache.changed(session, f"{status_lists.TOPIC}:{place.list_id}")
    assert client.get(f"/status/{place.list_id}", headers={"Accept": CWT}).status_code == 406
    rebuild(app)
    assert client.get(f"/status/{place.list_id}", headers={"Accept": CWT}).status_code == 200


@pytest.mark.parametrize("accept", [JWT, CWT])
def test_who_knows_the_token_gets_little(app: Flask, client: FlaskClient, desk: Desk, person: Person, accept: str) -> None:
    path = f"/status/{place_in(app, desk.issue(person)['id']).list_id}"
    first = client.get(path, headers={"Accept": accept})
    for headers in ({"If-None-Match": first.headers["ETag"]}, {"If-Modified-Since": first.headers["Last-Modified"]}):
        again = client.get(path, headers={"Accept": accept, **headers})
        assert (again.status_code, again.data) == (304, b"")
    for headers in ({"If-None-Match": '"other"'}, {"If-Modified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"}, {"If-Modified-Since": "soon"}):
        assert client.get(path, headers={"Accept": accept, **headers}).status_code == 200
    other = client.get(path, headers={"Accept": CWT if accept == JWT else JWT, "If-None-Match": first.headers["ETag"]})
    assert other.status_code == 200, "each form has a tag of its own"
    assert first.headers["Vary"] == "Accept, Accept-Encoding"


def test_a_jwt_is_compressed_for_transport_and_a_cwt_is_not(app: Flask, client: FlaskClient, desk: Desk, person: Person) -> None:
    path = f"/status/{place_in(app, desk.issue(person)['id']).list_id}"
    plain = client.get(path)
    packed = client.get(path, headers={"Accept-Encoding": "gzip, br"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < len(plain.data)
    assert packed.headers["ETag"] != plain.headers["ETag"]
    assert client.get(path, headers={"Accept-Encoding": "gzip", "If-None-Match": packed.headers["ETag"]}).status_code == 304
    for headers in ({"Accept-Encoding": "gzip;q=0"}, {"Accept-Encoding": "br"}, {"Accept": CWT, "Accept-Encoding": "gzip"}):
        assert "Content-Encoding" not in client.get(path, headers=headers).headers


@pytest.mark.parametrize(
    ("accept", "given"),
    [
        (JWT, JWT),
        ("*/*", JWT),
        ("application/*", JWT),
        (CWT, CWT),
        (f"{CWT}, {JWT};q=0.5", CWT),
        (f"{CWT};q=0.5, {JWT}", JWT),
        (f"{JWT};q=0, {CWT}", CWT),
        (f"{CWT};q=0, */*;q=0.1", JWT),
        ("", JWT),
        ("text/html", None),
        ("application/jwt", None),
        (f"{JWT};q=0", None),
        ("x" * 500, None),
    ],
)
def test_only_what_the_caller_accepts_is_given(app: Flask, client: FlaskClient, desk: Desk, person: Person, accept: str, given: str | None) -> None:
    path = f"/status/{place_in(app, desk.issue(person)['id']).list_id}"
    answer = client.get(path, headers={"Accept": accept})
    assert (answer.status_code, answer.headers["Content-Type"] == given) == ((200, True) if given else (406, False))


@pytest.mark.parametrize("list_id", ["0", "nothing", "x" * 300, "%00", "'--", "0" * 12, "A" * 12])
def test_a_list_that_there_is_not_is_not_found(client: FlaskClient, list_id: str) -> None:
    for query in ("", "?time=1"):
        assert client.get(f"/status/{list_id}{query}").status_code == (400 if list_id == "%00" else 404)


def test_every_list_is_named_where_the_metadata_says(app: Flask, client: FlaskClient, settings: Settings, desk: Desk, person: Person) -> None:
    place = place_in(app, desk.issue(person)["id"])
    metadata = client.get("/.well-known/oauth-authorization-server").json
    assert metadata["status_list_aggregation_endpoint"] == "http://127.0.0.1:8000/status"
    answer = client.get("/status")
    assert (answer.headers["Content-Type"], answer.headers["Access-Control-Allow-Origin"]) == ("application/json", "*")
    assert set(json.loads(answer.data)) == {"status_lists"}
    assert status_lists.uri_of(settings, place.list_id) in answer.json["status_lists"]
    for uri in answer.json["status_lists"]:
        assert client.get(uri.removeprefix("http://127.0.0.1:8000")).status_code == 200
    assert client.get("/status", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    with app.app_context(), transaction() as session:
        opened = status_lists.make_list(session, settings, now=now(), bits=2)
    assert client.get("/status").json["status_lists"][-1] == status_lists.uri_of(settings, opened)
    assert client.get("/status", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 200


def test_a_taken_place_is_drawn_again(app: Flask, desk: Desk, person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = place_in(app, desk.issue(person)["id"])
    with app.app_context(), transaction() as session:
        free = next(index for index in range(SIZE) if status_lists.state_of(session, Place(taken.list_id, index)) is None)
    drawn = iter([taken.index, taken.index, free])
    monkeypatch.setattr(records, "draw", lambda list_id: Place(list_id, next(drawn)))
    assert place_in(app, desk.issue(person)["id"]) == Place(taken.list_id, free)


def test_places_are_known_by_their_uri(settings: Settings) -> None:
    uri = status_lists.uri_of(settings, "abc")
    assert status_lists.place_of(settings, uri, 7) == Place("abc", 7)
    assert status_lists.place_of(settings, "https://elsewhere.example/status/abc", 7) is None
    assert status_lists.place_of(settings, uri, -1) is None
    assert status_lists.place_of(settings, uri, SIZE) is None


def test_what_is_said_of_a_moment_is_the_same_second_in_both_forms(app: Flask, client: FlaskClient, desk: Desk, person: Person) -> None:
    place = place_in(app, desk.issue(person)["id"])
    modified = client.get(f"/status/{place.list_id}").headers["Last-Modified"]
    iat = fetched(app, client, place)["iat"]
    assert datetime.strptime(modified + "+0000", "%a, %d %b %Y %H:%M:%S GMT%z").timestamp() == iat


def test_a_worker_whose_clock_is_ahead_signs_no_list_from_the_future(
    app: Flask, client: FlaskClient, desk: Desk, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = place_in(app, desk.issue(person)["id"])
    with app.app_context():
        known = replace(sealing.sealer(), ahead=-timedelta(hours=1))
        with transaction() as session:
            status_lists.set_status(session, place, SUSPENDED)
    begun = int(now().timestamp())
    with monkeypatch.context() as there:
        there.setattr(sealing, "_sealer", lambda: known)
        there.setattr("runtime.clock._shift", timedelta(hours=1))
        rebuild(app)
    claims = fetched(app, client, place)
    assert begun <= claims["iat"] <= now().timestamp()
    assert bits_of(app, client, place).status_at(place.index) == SUSPENDED
