"""What is not ready yet is fetched later (OpenID4VCI 1.0 section 9), and what became of it is told (section 11)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from keys import certificates, ring
from keys.ring import SigningKey
from runtime import cache
from runtime.clock import now, shifted
from runtime.database import transaction
from tests.wallet.issuing.oid4vci.wallets import Holder, Wallet, error_of, new_holder, new_wallet, proof, some_id, with_token
from wallet.issuing import status_lists
from wallet.issuing.life import revoke_licence
from wallet.issuing.oid4vci import deferred
from wallet.issuing.oid4vci.elsewhere import CredentialElsewhere
from wallet.register.licences import china_date, get_licence

THREADS = 40


@pytest.fixture
def early(app: Flask) -> Holder:
    """Someone whose licence begins in a day."""
    begins = china_date(now()) + timedelta(days=1)
    return new_holder(app, valid_from=begins, valid_until=begins + timedelta(days=700))


def begin(wallet: Wallet, *, count: int = 1) -> str:
    nonce = wallet.nonce()
    answer = wallet.ask(*(proof(nonce) for _ in range(count)))
    assert answer.status_code == 202, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json["interval"] == deferred.INTERVAL.total_seconds()
    assert "credentials" not in answer.json
    return str(answer.json["transaction_id"])


def later(app: Flask, client: FlaskClient, holder: Holder, wallet: Wallet) -> Wallet:
    """Return the wallet with a token that is good a day later."""
    return with_token(app, client, holder, _System(wallet.client_id))  # type: ignore[arg-type]


class _System:
    def __init__(self, client_id: str) -> None:
        self.client_id = client_id


def test_a_licence_that_has_not_begun_is_fetched_once_it_has(app: Flask, client: FlaskClient, early: Holder) -> None:
    wallet = with_token(app, client, early)
    transaction_id = begin(wallet, count=3)
    again = wallet.send("/deferred", {"transaction_id": transaction_id})
    assert (again.status_code, again.json["transaction_id"]) == (202, transaction_id)
    with shifted(timedelta(days=2)):
        mine = later(app, client, early, wallet)
        answer = mine.send("/deferred", {"transaction_id": transaction_id})
        assert answer.status_code == 200, answer.text
        assert len(answer.json["credentials"]) == 3
        assert answer.json["notification_id"]
        assert error_of(mine.send("/deferred", {"transaction_id": transaction_id})) == (400, "invalid_transaction_id")


def test_a_department_without_a_key_is_waited_for(app: Flask, wallet: Wallet, holder: Holder) -> None:
    use = certificates.department_use(holder.department)
    set_state(app, use, ring.RETIRED)
    transaction_id = begin(wallet)
    set_state(app, use, ring.ACTIVE)
    assert wallet.send("/deferred", {"transaction_id": transaction_id}).status_code == 200


def set_state(app: Flask, use: str, state: str) -> None:
    with app.app_context(), transaction() as session:
        session.execute(update(SigningKey).where(SigningKey.use == use).values(state=state))
        cache.changed(session, ring.TOPIC)


REFUSED: dict[str, Any] = {
    "nothing": {},
    "null": {"transaction_id": None},
    "a number": {"transaction_id": 7},
    "an array": {"transaction_id": []},
    "an empty text": {"transaction_id": ""},
    "a long text": {"transaction_id": "a" * 10_000},
    "another's": {"transaction_id": some_id()},
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_a_transaction_that_is_not_known_is_refused(wallet: Wallet, body: Any) -> None:
    assert error_of(wallet.send("/deferred", body)) == (400, "invalid_transaction_id")


def test_half_a_surrogate_pair_is_no_json(wallet: Wallet) -> None:
    assert error_of(wallet.send("/deferred", {"transaction_id": "\ud800"})) == (400, "invalid_credential_request")


def test_a_transaction_is_its_wallets_and_its_holders_alone(app: Flask, client: FlaskClient, early: Holder) -> None:
    mine = with_token(app, client, early)
    body = {"transaction_id": begin(mine)}
    assert error_of(with_token(app, client, early, new_wallet(app)).send("/deferred", body)) == (400, "invalid_transaction_id")
    assert error_of(with_token(app, client, new_holder(app), _System(mine.client_id)).send("/deferred", body)) == (400, "invalid_transaction_id")  # type: ignore[arg-type]


def test_a_transaction_ends(app: Flask, client: FlaskClient, early: Holder) -> None:
    mine = with_token(app, client, early)
    body = {"transaction_id": begin(mine)}
    with shifted(deferred.LIFETIME + timedelta(seconds=1)):
        assert error_of(later(app, client, early, mine).send("/deferred", body)) == (400, "invalid_transaction_id")


def test_what_can_never_be_issued_is_denied(app: Flask, client: FlaskClient, early: Holder) -> None:
    mine = with_token(app, client, early)
    body = {"transaction_id": begin(mine)}
    revoke(app, early)
    assert error_of(mine.send("/deferred", body)) == (400, "credential_request_denied")
    assert error_of(mine.ask(proof(mine.nonce()))) == (400, "credential_request_denied")


def revoke(app: Flask, holder: Holder) -> None:
    with app.app_context(), transaction() as session:
        licence = get_licence(session, holder.licence.id)
        revoke_licence(session, licence, reason="测试", legal_basis="测试", department=holder.department, now=now())


def test_only_so_many_transactions_wait(app: Flask, client: FlaskClient, early: Holder) -> None:
    mine = with_token(app, client, early)
    for _ in range(deferred.MOST):
        begin(mine)
    assert error_of(mine.ask(proof(mine.nonce()))) == (400, "credential_request_denied")


def test_of_many_who_fetch_at_once_one_is_given_the_credentials(app: Flask, client: FlaskClient, holder: Holder, wallet: Wallet) -> None:
    use = certificates.department_use(holder.department)
    set_state(app, use, ring.RETIRED)
    body = {"transaction_id": begin(wallet)}
    set_state(app, use, ring.ACTIVE)
    headers, ready = {"Authorization": f"Bearer {wallet.token}"}, Barrier(THREADS)

    def fetch(_: int) -> int:
        ready.wait()
        return app.test_client().post("/deferred", json=body, headers=headers).status_code

    with ThreadPoolExecutor(THREADS) as threads:
        assert sorted(threads.map(fetch, range(THREADS))) == [200] + [400] * (THREADS - 1)
    with app.app_context(), transaction() as session:
        mine = select(CredentialElsewhere).where(CredentialElsewhere.holder_id == holder.grantee.holder_id)
        assert len(session.scalars(mine).all()) == 1


def issued(app: Flask, holder: Holder) -> list[CredentialElsewhere]:
    with app.app_context(), transaction() as session:
        return list(session.scalars(select(CredentialElsewhere).where(CredentialElsewhere.holder_id == holder.grantee.holder_id)))


def statuses(app: Flask, holder: Holder) -> set[int | None]:
    with app.app_context(), transaction() as session:
        return {status_lists.state_of(session, one.place) for one in issued(app, holder)}


def test_a_notification_is_noted_as_often_as_it_comes(app: Flask, wallet: Wallet, holder: Holder) -> None:
    notification_id = wallet.ask(proof(wallet.nonce())).json["notification_id"]
    for _ in range(2):
        answer = wallet.send("/notification", {"notification_id": notification_id, "event": "credential_accepted", "event_description": "Stored."})
        assert (answer.status_code, answer.data) == (204, b"")
    assert [one.told for one in issued(app, holder)] == ["credential_accepted"]
    assert statuses(app, holder) == {status_lists.VALID}


@pytest.mark.parametrize("event", ["credential_failure", "credential_deleted"])
def test_what_a_wallet_could_not_keep_is_made_invalid(app: Flask, wallet: Wallet, holder: Holder, event: str) -> None:
    notification_id = wallet.ask(proof(wallet.nonce())).json["notification_id"]
    assert wallet.send("/notification", {"notification_id": notification_id, "event": event}).status_code == 204
    assert statuses(app, holder) == {status_lists.INVALID}


WRONG: dict[str, tuple[Any, str]] = {
    "no id": ({"event": "credential_accepted"}, "invalid_notification_request"),
    "an id that is a number": ({"notification_id": 7, "event": "credential_accepted"}, "invalid_notification_request"),
    "no event": ({"notification_id": "x"}, "invalid_notification_request"),
    "another event": ({"notification_id": "x", "event": "credential_eaten"}, "invalid_notification_request"),
    "an event in capitals": ({"notification_id": "x", "event": "CREDENTIAL_ACCEPTED"}, "invalid_notification_request"),
    "an event that is an array": ({"notification_id": "x", "event": []}, "invalid_notification_request"),
    "a description beyond ASCII": (
        {"notification_id": "x", "event": "credential_failure", "event_description": "证照"},
        "invalid_notification_request",
    ),
    "an id of nobody's": ({"notification_id": "nobody", "event": "credential_accepted"}, "invalid_notification_id"),
    "another's id": (
        {"notification_id": "0198c000-0000-7000-8000-000000000000", "event": "credential_accepted"},
        "invalid_notification_id",
    ),
    "an array": ([], "invalid_notification_request"),
}


@pytest.mark.parametrize(("body", "error"), WRONG.values(), ids=WRONG)
def test_a_notification_that_is_wrong_is_refused_by_its_name(wallet: Wallet, body: Any, error: str) -> None:
    assert error_of(wallet.send("/notification", body)) == (400, error)


def test_another_wallet_tells_nothing_of_these(app: Flask, client: FlaskClient, holder: Holder, wallet: Wallet) -> None:
    notification_id = wallet.ask(proof(wallet.nonce())).json["notification_id"]
    other = with_token(app, client, holder, new_wallet(app))
    body = {"notification_id": notification_id, "event": "credential_deleted"}
    assert error_of(other.send("/notification", body)) == (400, "invalid_notification_id")
    assert statuses(app, holder) == {status_lists.VALID}
