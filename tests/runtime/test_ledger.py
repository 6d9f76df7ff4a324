"""The ledger on a database of its own, since these tests do what nobody may: change, move and remove its rows."""

import base64
import json
import os
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from flask import Flask
from sqlalchemy import text

from demo import postgres
from keys import ring
from keys.init import init_keys
from runtime import ledger, merkle
from runtime.clock import now
from runtime.database import transaction
from runtime.settings import Settings
from tests import schema
from tests.conftest import MASTER_KEY
from wallet.verifying.ledger_commands import signed_claims, verify_ledger
from wallet.verifying.ledger_jobs import CHECKPOINT, seal_now
from wsgi import create_app


@pytest.fixture
def app(server: postgres.PostgresServer) -> Iterator[Flask]:
    url = schema.create(server, "test_ledger_" + os.environ.get("PYTEST_XDIST_WORKER", "main"))
    app = create_app(Settings(database_url=url, master_key=MASTER_KEY, development=True))
    with app.app_context():
        with transaction() as session:
            init_keys(session, app.extensions["kabao_settings"], now=now())
        yield app
    app.extensions["kabao_cache"].stop()
    app.extensions["kabao_engine"].dispose()


def act(count: int = 1) -> list[UUID]:
    with transaction() as session:
        return [
            ledger.record(session, "test.done", actor="operator", object_id=uuid4(), now=now(), number=number, zh="字") for number in range(count)
        ]


def faults() -> list[ledger.Fault]:
    with transaction() as session:
        return [found for found in ledger.verify(session, verify_signature=signed_claims) if isinstance(found, ledger.Fault)]


def size() -> int:
    with transaction() as session:
        return int(session.execute(text("SELECT max(size) FROM ledger_checkpoints")).scalar_one())


def test_what_is_recorded_is_sealed_and_every_row_can_be_proven(app: Flask) -> None:
    entries = [entry for count in (1, 2, 5) for entry in act(count) if seal_now() >= 0]
    seal_now()
    assert faults() == []
    for entry in entries:
        with transaction() as session:
            proof = ledger.prove(session, entry)
        assert proof is not None
        signed = ring.verify(proof.checkpoint, use=ring.LEDGER, typ=CHECKPOINT, audience=None)
        root = base64.b64decode(signed["root"])
        assert signed["size"] == proof.size == size()
        assert merkle.verify_inclusion(proof.leaf, index=proof.position, size=proof.size, path=proof.path, expected_root=root)
        assert json.dumps(proof.as_json())


def test_a_row_is_proven_only_once_it_is_sealed(app: Flask) -> None:
    (entry,) = act()
    with transaction() as session:
        assert ledger.prove(session, entry) is None
        assert ledger.prove(session, uuid4()) is None
    assert seal_now() > 0
    with transaction() as session:
        assert ledger.prove(session, entry) is not None


def test_a_row_that_is_sealed_between_two_looks_of_one_transaction_is_proven(app: Flask) -> None:
    (entry_id,) = act()
    with transaction() as session:
        seen = session.get_one(ledger.LedgerEntry, entry_id)
        assert seen.position is None
        sealing = threading.Thread(target=_seal, args=(app,))
        sealing.start()
        sealing.join()
        proof = ledger.prove(session, entry_id)
    assert proof is not None
    assert merkle.leaf_of(proof.row) == proof.leaf


def _seal(app: Flask) -> None:
    with app.app_context():
        seal_now()


def test_nothing_new_is_nothing_sealed(app: Flask) -> None:
    act()
    seal_now()
    before = size()
    assert (seal_now(), size()) == (0, before)


def test_a_batch_larger_than_one_is_sealed_in_several(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    seal_now()
    monkeypatch.setattr(ledger, "BATCH", 4)
    act(11)
    assert seal_now() == 11
    assert faults() == []


TAMPERING = {
    "its act": "UPDATE ledger_entries SET act = 'test.undone' WHERE position = 3",
    "its actor": "UPDATE ledger_entries SET actor = 'department:x' WHERE position = 3",
    "its time": "UPDATE ledger_entries SET recorded_at = recorded_at - interval '1 microsecond' WHERE position = 3",
    "its object": "UPDATE ledger_entries SET object_id = 'x' WHERE position = 3",
    "its subject": "UPDATE ledger_entries SET subject_id = gen_random_uuid() WHERE position = 3",
    "its detail": "UPDATE ledger_entries SET detail = '{}' WHERE position = 3",
    "its being there": "DELETE FROM ledger_entries WHERE position = 3",
    "its place": "UPDATE ledger_entries SET position = CASE position WHEN 3 THEN -4 ELSE -3 END WHERE position IN (3, 4);"
    "UPDATE ledger_entries SET position = -position WHERE position < 0",
    "that it is the last": "DELETE FROM ledger_entries WHERE position = (SELECT max(position) FROM ledger_entries)",
    "the root": "UPDATE ledger_checkpoints SET root = decode('00', 'hex')",
    "a signature": "UPDATE ledger_checkpoints SET signed = left(signed, -8) || 'AAAAAAAA'",
    "which root is signed": "UPDATE ledger_checkpoints SET signed = (SELECT signed FROM ledger_checkpoints ORDER BY size DESC LIMIT 1)",
    "how many a checkpoint counts": "UPDATE ledger_checkpoints SET size = size + 100 WHERE size = (SELECT max(size) FROM ledger_checkpoints)",
}


@pytest.mark.parametrize("tamper", TAMPERING.values(), ids=TAMPERING)
def test_a_change_is_found(app: Flask, tamper: str) -> None:
    act(6)
    seal_now()
    act(6)
    seal_now()
    assert faults() == []
    assert app.test_cli_runner().invoke(verify_ledger).exit_code == 0
    with transaction() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))  # as whoever owns the database can pass by its triggers
        for statement in tamper.split(";"):
            session.execute(text(statement))
    assert faults() != []
    told = app.test_cli_runner().invoke(verify_ledger)
    assert told.exit_code == 1
    assert "FAULT" in told.output


def test_one_sealer_works_at_a_time(app: Flask) -> None:
    act(40)
    sealed: list[int] = []

    def work() -> None:
        with app.app_context():
            sealed.append(seal_now())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seal_now()
    assert faults() == []
    with transaction() as session:
        assert session.execute(text("SELECT count(*) FROM ledger_entries WHERE position IS NULL")).scalar_one() == 0


def test_a_row_that_is_rolled_back_was_never_there(app: Flask) -> None:
    class Undone(Exception):
        pass

    with pytest.raises(Undone), transaction() as session:  # noqa: PT012
        entry = ledger.record(session, "test.done", actor="operator", object_id="x", now=now())
        raise Undone
    seal_now()
    with transaction() as session:
        assert session.get(ledger.LedgerEntry, entry) is None
    assert faults() == []


@pytest.mark.parametrize("typ", ["receipt+jwt", "JWT"])
def test_a_checkpoint_is_not_taken_from_another_type_of_token(app: Flask, typ: str) -> None:
    claims: dict[str, Any] = {"size": 1, "root": ""}
    assert signed_claims(ring.signer(ring.LEDGER).sign(claims, typ=typ))["size"] == -1
    assert signed_claims(ring.signer(ring.RECEIPT).sign(claims, typ=CHECKPOINT))["size"] == -1
    assert signed_claims(jwt.encode(claims, "x" * 32, algorithm="HS256"))["size"] == -1


def test_a_leaf_is_the_hash_of_one_text_whatever_the_order_of_its_members() -> None:
    """Whoever has a proof computes it of the row as they hold it."""
    members = {"b": "中", "a": {"y": [1, None], "x": True}}
    canonical = '{"a":{"x":true,"y":[1,null]},"b":"中"}'.encode()
    assert merkle.leaf_of(members) == merkle.leaf_of(dict(reversed(members.items()))) == merkle.leaf_hash(canonical)


ROOT = bytes(32)
AS_SIGNED = {"size": 2, "root": base64.b64encode(ROOT).decode()}


@pytest.mark.parametrize(
    ("signed", "kept", "found", "is_whole"),
    [
        (AS_SIGNED, ROOT, ROOT, True),
        ({**AS_SIGNED, "size": 3}, ROOT, ROOT, False),
        ({**AS_SIGNED, "root": base64.b64encode(bytes(31) + b"x").decode()}, ROOT, ROOT, False),
        (AS_SIGNED, bytes(31) + b"x", ROOT, False),
        (AS_SIGNED, ROOT, bytes(31) + b"x", False),
    ],
    ids=["all agree", "another size was signed", "another root was signed", "another root is kept", "the rows have another root"],
)
def test_size_and_root_are_held_against_what_was_signed_and_what_is_kept(signed: dict[str, Any], kept: bytes, found: bytes, is_whole: bool) -> None:
    checkpoint = ledger.LedgerCheckpoint(size=2, root=kept, sealed_at=now(), signed="signed")
    assert (list(ledger._compare(checkpoint, found, lambda text: signed)) == []) is is_whole


def test_the_newest_checkpoint_is_the_largest_whatever_the_clock_said(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        for number, moment in enumerate((now() + timedelta(hours=1), now())):
            ledger.record(session, "test.done", actor="operator", object_id=str(number), now=moment)
            assert ledger.seal(session, sign=lambda claims: "signed", now=moment) > 0
        newest = ledger.newest_checkpoint(session)
        assert newest is not None
        assert newest.size == session.scalar(text("SELECT max(size) FROM ledger_checkpoints"))
        session.rollback()


def test_a_row_is_hashed_by_its_moment_in_universal_time_to_the_microsecond() -> None:
    moment = datetime(2026, 11, 30, 8, 0, 0, 5, tzinfo=timezone(timedelta(hours=8)))
    entry = ledger.LedgerEntry(id=uuid4(), recorded_at=moment, act="a", actor="b", subject_id=None, object_id="c", detail={})
    assert entry.members()["recorded_at"] == "2026-11-30T00:00:00.000005+00:00"


def test_whoever_hears_of_an_act_is_told_in_its_own_transaction(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Any] = []
    monkeypatch.setitem(ledger.hears, "test.heard", [lambda session, entry: heard.append((session, entry["id"]))])
    with app.app_context(), transaction() as session:
        ledger.record(session, "test.unheard", actor="operator", object_id="a", now=now())
        entry_id = ledger.record(session, "test.heard", actor="operator", object_id="a", now=now())
        assert heard == [(session, entry_id)]
