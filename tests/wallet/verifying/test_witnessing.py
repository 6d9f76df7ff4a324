"""The ledger's checkpoints as anyone may have them, and what is believed of them."""

import base64
import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from keys import certificates, ring
from runtime import clock, ledger, merkle
from runtime.clock import now
from runtime.database import engine, transaction
from tests.wallet.verifying.presented import root as another_root
from wallet.verifying.ledger_jobs import CHECKPOINT, seal_now
from wallet.verifying.witnessing import Checkpoint, GoesNotOn, NotACheckpoint, check_goes_on, read_checkpoint


@pytest.fixture
def sizes(app: Flask, context: None) -> list[int]:
    """How many rows there were after some acts, and after more."""
    found = []
    for count in (3, 8):
        with transaction() as session:
            for number in range(count):
                ledger.record(session, "test.act", actor="operator", object_id=f"thing-{number}", now=now())
        seal_now()
        with transaction() as session:
            newest = ledger.newest_checkpoint(session)
            assert newest is not None
            found.append(newest.size)
    return found


def asked(client: FlaskClient, what: str, status: int = 200) -> Any:
    answer = client.get(f"/api/v1/ledger/{what}", headers={"Accept-Language": "en"})
    assert answer.status_code == status, answer.text
    return answer.json


def believed(unverified: str) -> Checkpoint:
    return read_checkpoint(unverified, roots=certificates.anchors().roots)


def signed(**claims: Any) -> str:
    told = {"size": 5, "root": base64.b64encode(merkle.EMPTY).decode(), "iat": int(now().timestamp())}
    return ring.signer(ring.LEDGER).sign({name: value for name, value in {**told, **claims}.items() if value is not None}, typ=CHECKPOINT)


def test_anyone_gets_the_newest_checkpoint_and_the_proof_that_it_goes_on(client: FlaskClient, sizes: list[int]) -> None:
    first, second = sizes
    newest = asked(client, "checkpoint")
    after = believed(newest["checkpoint"])
    assert (after.size, base64.b64encode(after.root).decode()) == (newest["size"], newest["root"]) == (second, newest["root"])
    with transaction() as session:
        row = session.get(ledger.LedgerCheckpoint, first)
        assert row is not None
        before = believed(row.signed)
    proof = asked(client, f"consistency?first={first}&second={second}")
    path = [base64.b64decode(one) for one in proof["path"]]
    check_goes_on(before, after, path=path)
    for wrong in (path[:-1], [*path, merkle.EMPTY], [merkle.EMPTY, *path[1:]], []):
        with pytest.raises(GoesNotOn):
            check_goes_on(before, after, path=wrong)
    with pytest.raises(GoesNotOn, match="where"):
        check_goes_on(after, before, path=[])


def test_a_proof_takes_one_statement_however_large_the_ledger(app: Flask, sizes: list[int]) -> None:
    sent: list[str] = []
    with transaction() as session:
        event.listen(engine(), "before_cursor_execute", hear := lambda *about: sent.append(about[2]))
        try:
            ledger.prove_consistency(session, 1, sizes[1])
        finally:
            event.remove(engine(), "before_cursor_execute", hear)
    assert len(sent) == 1, "all hashes at once"


def test_another_services_ledger_goes_on_from_none_of_ours(app: Flask, context: None) -> None:
    here = believed(signed())
    check_goes_on(here, here, path=[])
    with pytest.raises(GoesNotOn, match="it is the ledger of"):
        check_goes_on(dataclasses.replace(here, service="https://elsewhere.example"), here, path=[])


@pytest.mark.parametrize(
    ("query", "field"),
    [
        pytest.param("first=1", "second", id="no second"),
        pytest.param("first=0&second=2", "first", id="from nothing"),
        pytest.param("first=-1&second=2", "first", id="less than nothing"),
        pytest.param("first=2&second=1", "first", id="the wrong way round"),
        pytest.param("first=1&second=9223372036854775807", "second", id="more than there are"),
        pytest.param("first=1&second=9223372036854775808", "second", id="more than can be"),
        pytest.param("first=x&second=2", "first", id="no number"),
    ],
)
def test_sizes_that_are_none_are_refused_by_name(client: FlaskClient, sizes: list[int], query: str, field: str) -> None:
    refused = asked(client, f"consistency?{query}", 422)
    assert field in str(refused), refused


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"size": 0}, id="empty"),
        pytest.param({"size": -3}, id="less than empty"),
        pytest.param({"size": "5"}, id="a text for a size"),
        pytest.param({"size": True}, id="a truth for a size"),
        pytest.param({"size": 2**63}, id="beyond all measure"),
        pytest.param({"size": None}, id="no size"),
        pytest.param({"root": "AAAA"}, id="a short root"),
        pytest.param({"root": "*"}, id="no base64"),
        pytest.param({"root": None}, id="no root"),
        pytest.param({"iat": None}, id="no time"),
        pytest.param({"iat": 10**18}, id="no time of any calendar"),
    ],
)
def test_what_tells_of_no_ledger_is_no_checkpoint(app: Flask, context: None, claims: dict[str, Any]) -> None:
    with pytest.raises(NotACheckpoint):
        believed(signed(**claims))
    assert believed(signed()).size == 5


def test_a_checkpoint_of_a_stranger_of_another_purpose_or_before_its_time_is_none(app: Flask, context: None) -> None:
    genuine = signed()
    with pytest.raises(NotACheckpoint):
        read_checkpoint(genuine, roots=(another_root(),))
    told = {"size": 5, "root": base64.b64encode(merkle.EMPTY).decode(), "iat": int(now().timestamp())}
    with pytest.raises(NotACheckpoint, match="another purpose"):
        believed(ring.signer(ring.RECEIPT).sign(told, typ=CHECKPOINT))
    with pytest.raises(NotACheckpoint, match="another type"):
        believed(ring.signer(ring.LEDGER).sign(told, typ="receipt+jwt"))
    with pytest.raises(NotACheckpoint):
        believed(genuine[:-6] + "AAAAAA")
    with clock.shifted(timedelta(days=-4000)):
        early = signed()
    with pytest.raises(NotACheckpoint):
        believed(early)
