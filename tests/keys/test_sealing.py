from datetime import timedelta
from uuid import uuid4

import pytest
from flask import Flask

from keys import holder_keys, sealing
from keys.sealing import SealBroken
from runtime.clock import ahead_of_here, now, shifted
from runtime.database import transaction
from runtime.settings import Settings

NUMBER = "379999199001010019"


def test_a_sealed_text_opens_in_its_place_alone(app: Flask) -> None:
    row = uuid4()
    with app.app_context():
        sealed = sealing.seal("林晓月", table="subjects", column="name", row=row)
        assert sealing.unseal(sealed, table="subjects", column="name", row=row) == "林晓月"
        for table, column, other in [("accounts", "name", row), ("subjects", "number", row), ("subjects", "name", uuid4())]:
            with pytest.raises(SealBroken):
                sealing.unseal(sealed, table=table, column=column, row=other)


@pytest.mark.parametrize("place", [0, 1, 2, 13, 14, -1])
def test_a_changed_byte_is_noticed(app: Flask, place: int) -> None:
    with app.app_context():
        sealed = bytearray(sealing.seal(NUMBER, table="t", column="c", row="r"))
        sealed[place] ^= 1
        with pytest.raises(SealBroken):
            sealing.unseal(bytes(sealed), table="t", column="c", row="r")


@pytest.mark.parametrize("sealed", [b"", b"\x00", b"\x00\x01short"], ids=["empty", "a byte", "short"])
def test_what_was_never_sealed_is_refused(app: Flask, sealed: bytes) -> None:
    with app.app_context(), pytest.raises(SealBroken):
        sealing.unseal(sealed, table="t", column="c", row="r")


def test_an_index_says_nothing_and_finds_again_after_a_new_key(app: Flask, settings: Settings) -> None:
    with app.app_context():
        before = sealing.index_of(NUMBER)
        sealed = sealing.seal(NUMBER, table="t", column="c", row="r")
        assert NUMBER.encode() not in before
        with transaction() as session:
            sealing.add_data_key(session, settings, sealing.INDEX, now=now())
            sealing.add_data_key(session, settings, sealing.SEAL, now=now())
        assert sealing.index_of(NUMBER) != before
        assert before in sealing.indexes_of(NUMBER)
        assert sealing.unseal(sealed, table="t", column="c", row="r") == NUMBER


def test_a_key_that_is_made_is_read_by_and_not_written_under_before_its_moment(app: Flask, settings: Settings) -> None:
    with app.app_context():
        before = sealing.index_of(NUMBER)
        with transaction() as session:
            version = sealing.add_data_key(session, settings, sealing.INDEX, now=now(), used_from=now() + timedelta(minutes=2))
        assert sealing.index_of(NUMBER) == before
        assert [index[:2] for index in sealing.indexes_of(NUMBER)][:2] == [before[:2], sealing.prefix_of(version)]
        with shifted(timedelta(minutes=3)):
            assert sealing.index_of(NUMBER).startswith(sealing.prefix_of(version))
            assert before in sealing.indexes_of(NUMBER)


@pytest.mark.parametrize(("ahead", "begun"), [(0, False), (1, False), (3, True), (-3, False)])
def test_the_moment_of_a_key_is_the_databases_whatever_this_clock_shows(ahead: int, begun: bool) -> None:
    keys = {1: b"1" * 32, 2: b"2" * 32}
    sealer = sealing.Sealer({}, keys, {(sealing.INDEX, 2): now() + timedelta(minutes=2)}, ahead=timedelta(minutes=ahead))
    assert (sealer.current(sealing.INDEX) == 2) is begun


def test_a_clock_that_goes_wrong_is_noticed() -> None:
    assert ahead_of_here(now()) == timedelta(0)
    assert round(ahead_of_here(now() + timedelta(minutes=5)).total_seconds()) == 300
    assert round(ahead_of_here(now() - timedelta(minutes=5)).total_seconds()) == -300


@pytest.mark.parametrize(("ahead", "is_told"), [(timedelta(hours=1), True), (timedelta(hours=-1), True), (timedelta(seconds=9), False)])
def test_a_clock_that_is_not_the_databases_is_told_in_the_log(
    app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, ahead: timedelta, is_told: bool
) -> None:
    monkeypatch.setattr(sealing.clock, "ahead_of_here", lambda _: ahead)
    with app.app_context():
        sealing._load()
    assert (f"'behind_seconds': {round(ahead.total_seconds())}" in caplog.text) is is_told


def test_a_holder_key_signs_for_its_own_credential_alone(app: Flask) -> None:
    mine, another = uuid4(), uuid4()
    with app.app_context():
        key = holder_keys.create(mine)
        assert set(key.jwk) == {"kty", "crv", "x", "y"}
        assert holder_keys.sign(key.sealed, {"nonce": "n"}, credential_id=mine, typ="kb+jwt").count(".") == 2
        with pytest.raises(SealBroken):
            holder_keys.sign(key.sealed, {"nonce": "n"}, credential_id=another, typ="kb+jwt")
