"""What happens to a licence reaches every credential of it, wherever it lives; and its holder takes it back."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Thread
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from idp.oauth.clients import AUTHORIZATION_CODE, PRE_AUTHORIZED_CODE
from idp.subjects import changes
from idp.subjects.directory import get_subject
from idp.subjects.history import Told
from idp.subjects.records import DECEASED
from runtime.clock import now
from runtime.database import transaction
from tests.wallet.issuing.oid4vci.wallets import TYPE, Holder, Wallet, error_of, new_wallet, proof, wallet_of, with_token
from tests.world_people import BROWSER, csrf_token, sign_in
from wallet.issuing import status_lists
from wallet.issuing.life import act_on, revoke_licence
from wallet.issuing.oid4vci import elsewhere, identifiers, issuing, taking_back
from wallet.issuing.oid4vci.elsewhere import CredentialElsewhere
from wallet.issuing.oid4vci.proofs import BATCH
from wallet.issuing.requests import ActRequest
from wallet.register.acts import Act
from wallet.register.licences import get_licence

THREADS = 12


def rows_of(app: Flask, holder: Holder) -> list[CredentialElsewhere]:
    with app.app_context(), transaction() as session:
        mine = select(CredentialElsewhere).where(CredentialElsewhere.holder_id == holder.grantee.holder_id)
        return list(session.scalars(mine.order_by(CredentialElsewhere.id)))


def statuses_of(app: Flask, holder: Holder) -> list[int | None]:
    with app.app_context(), transaction() as session:
        return [status_lists.state_of(session, one.place) for one in rows_of(app, holder)]


def batch(wallet: Wallet, count: int = 3, **more: Any) -> Any:
    nonce = wallet.nonce()
    return wallet.ask(*(proof(nonce) for _ in range(count)), **more)


def act(app: Flask, holder: Holder, act: Act) -> None:
    with app.app_context(), transaction() as session:
        licence = get_licence(session, holder.licence.id)
        request = ActRequest(act, "测试", "测试")
        act_on(session, app.extensions["kabao_settings"], licence, request, department=holder.department, now=now())


def test_a_revocation_reaches_every_wallet(app: Flask, wallet: Wallet, holder: Holder) -> None:
    batch(wallet)
    batch(wallet, configuration=f"{TYPE}.mso_mdoc")
    with app.app_context(), transaction() as session:
        licence = get_licence(session, holder.licence.id)
        revoke_licence(session, licence, reason="测试", legal_basis="测试", department=holder.department, now=now())
    assert statuses_of(app, holder) == [status_lists.INVALID] * 6
    assert error_of(batch(wallet)) == (400, "credential_request_denied")


def test_a_suspension_and_its_end_do_too(app: Flask, wallet: Wallet, holder: Holder) -> None:
    batch(wallet)
    act(app, holder, Act.SUSPEND)
    assert statuses_of(app, holder) == [status_lists.SUSPENDED] * 3
    assert error_of(batch(wallet)) == (400, "credential_request_denied")
    act(app, holder, Act.RESUME)
    assert statuses_of(app, holder) == [status_lists.VALID] * 3
    assert batch(wallet).status_code == 200


def test_what_was_taken_back_is_not_resumed(app: Flask, client: FlaskClient, wallet: Wallet, holder: Holder) -> None:
    batch(wallet)
    take_back(client, holder, wallet.client_id)
    act(app, holder, Act.SUSPEND)
    act(app, holder, Act.RESUME)
    assert statuses_of(app, holder) == [status_lists.INVALID] * 3


def take_back(http: FlaskClient, holder: Holder, client_id: str) -> None:
    sign_in(http, holder.person)
    at = f"/wallet/cards/{holder.licence.id}/wallets"
    token = csrf_token(http.get(at, headers=BROWSER).text)
    assert http.post(f"{at}/taking-back", data={"csrf_token": token, "client_id": client_id}, headers=BROWSER).status_code == 303


def test_a_holder_sees_which_wallets_have_it_and_takes_it_back(app: Flask, client: FlaskClient, wallet: Wallet, holder: Holder) -> None:
    batch(wallet)
    sign_in(client, holder.person)
    assert "测试门户" in client.get(f"/wallet/cards/{holder.licence.id}/wallets", headers=BROWSER).text
    take_back(client, holder, wallet.client_id)
    assert statuses_of(app, holder) == [status_lists.INVALID] * 3
    assert "测试门户" not in client.get(f"/wallet/cards/{holder.licence.id}/wallets", headers=BROWSER).text
    assert error_of(wallet.ask(proof(wallet.nonce()))) == (401, "invalid_token"), "its tokens ended with them"


def test_a_holder_who_ends_takes_every_wallet_s_along_and_a_request_under_way_comes_too_late(
    app: Flask, wallet: Wallet, holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch(wallet)

    def end_first(*_: Any, **__: Any) -> None:
        with transaction() as session:
            changes.set_state(session, get_subject(session, holder.grantee.holder_id), DECEASED, told=Told("registry", now()))

    monkeypatch.setattr(issuing, "warm", end_first)  # once the token was looked at, before the licence is
    assert error_of(batch(wallet)) == (400, "credential_request_denied")
    assert statuses_of(app, holder) == [status_lists.INVALID] * 3
    assert {one.ended_why for one in rows_of(app, holder)} == {elsewhere.HOLDER_ENDED}
    assert error_of(batch(wallet)) == (401, "invalid_token")


def test_what_is_issued_while_the_licence_is_taken_back_is_taken_back_too(
    app: Flask, wallet: Wallet, holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    taking = Thread(target=take_back_at_once, args=(app, holder, wallet.client_id))
    issue = issuing.issue

    def while_it_is_taken_back(*args: Any, **named: Any) -> Any:
        taking.start()
        taking.join(timeout=1)
        return issue(*args, **named)

    monkeypatch.setattr(issuing, "issue", while_it_is_taken_back)
    assert batch(wallet).status_code == 200
    taking.join()
    assert statuses_of(app, holder) == [status_lists.INVALID] * 3


def test_a_request_that_waits_while_the_licence_is_taken_back_gets_nothing(
    app: Flask, wallet: Wallet, holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuing, "warm", lambda *_, **__: take_back_at_once(app, holder, wallet.client_id))
    assert error_of(batch(wallet)) == (400, "credential_request_denied")
    assert rows_of(app, holder) == []


def take_back_at_once(app: Flask, holder: Holder, client_id: str) -> None:
    with app.app_context(), transaction() as session:
        taking_back.take_back(session, get_licence(session, holder.licence.id), holder.grantee, client_id=client_id, now=now())


def test_a_wallet_that_was_taken_back_from_cannot_refresh(app: Flask, client: FlaskClient, holder: Holder) -> None:
    system = new_wallet(app)
    sign_in(client, holder.person)
    tokens = refreshable(app, client, holder, system)
    take_back(client, holder, system.client_id)
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": system.client_id}
    assert error_of(client.post("/token", data=form)) == (400, "invalid_grant")


def test_a_wallet_without_a_refresh_token_can_fetch_no_more_once_it_was_taken_back_from(app: Flask, client: FlaskClient, holder: Holder) -> None:
    wallet = with_token(app, client, holder, new_wallet(app, grant_types=[AUTHORIZATION_CODE, PRE_AUTHORIZED_CODE]))
    assert batch(wallet).status_code == 200
    take_back(client, holder, wallet.client_id)
    assert error_of(batch(wallet)) == (401, "invalid_token")


def refreshable(app: Flask, http: FlaskClient, holder: Holder, system: Any) -> dict[str, Any]:
    from idp.oauth.exchange import pre_authorized
    from tests.wallet.issuing.oid4vci.wallets import PRE_AUTHORIZED_CODE, details_for

    with app.app_context(), transaction() as session:
        details = details_for(app, holder.licence)
        code = pre_authorized.issue(session, holder.grantee, client_id=None, authorization_details=details, tx_code=False, now=now()).code
    form = {"grant_type": PRE_AUTHORIZED_CODE, "pre-authorized_code": code, "client_id": system.client_id}
    tokens: dict[str, Any] = http.post("/token", data=form).json  # type: ignore[assignment]
    return tokens


def test_a_renewed_licence_is_fetched_by_the_wallet_that_had_the_old_one(app: Flask, client: FlaskClient, holder: Holder) -> None:
    system = new_wallet(app)
    tokens = refreshable(app, client, holder, system)
    mine = wallet_of(client, system.client_id, tokens)
    assert batch(mine).status_code == 200
    act(app, holder, Act.REPLACE)
    assert statuses_of(app, holder) == [status_lists.INVALID] * 3
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": system.client_id}
    refreshed = wallet_of(client, system.client_id, client.post("/token", data=form).json)
    with app.app_context(), transaction() as session:
        successor = get_licence(session, holder.licence.id).successor_id
    assert refreshed.identifiers[TYPE] == [str(successor)]
    assert batch(refreshed).status_code == 200
    assert statuses_of(app, holder)[3:] == [status_lists.VALID] * 3


def test_a_licence_lives_in_a_bounded_number_of_wallets(app: Flask, client: FlaskClient, holder: Holder) -> None:
    for _ in range(elsewhere.MOST_WALLETS):
        assert batch(with_token(app, client, holder, new_wallet(app)), 1).status_code == 200
    last = with_token(app, client, holder, new_wallet(app))
    assert error_of(batch(last, 1)) == (400, "credential_request_denied")


def test_a_wallet_that_fetches_more_gives_up_its_oldest(app: Flask, wallet: Wallet, holder: Holder) -> None:
    for _ in range(elsewhere.MOST_OF_WALLET // BATCH):
        assert batch(wallet, BATCH).status_code == 200
    assert batch(wallet, 5).status_code == 200
    found = rows_of(app, holder)
    assert [one.ended_why for one in found[:6]] == [elsewhere.SUPERSEDED] * 5 + [None]
    assert sum(one.ended_at is None for one in found) == elsewhere.MOST_OF_WALLET


def test_a_revocation_misses_no_credential_that_is_issued_meanwhile(app: Flask, wallet: Wallet, holder: Holder) -> None:
    nonces = [wallet.nonce() for _ in range(THREADS - 1)]
    bodies = [{"credential_identifier": wallet.identifiers[TYPE][0], "proofs": {"jwt": [proof(nonce) for _ in range(3)]}} for nonce in nonces]
    ready = Barrier(THREADS)

    def one(number: int) -> int:
        ready.wait()
        if number == len(bodies):
            with app.app_context(), transaction() as session:
                licence = get_licence(session, holder.licence.id)
                revoke_licence(session, licence, reason="测试", legal_basis="测试", department=holder.department, now=now())
            return 0
        answer = app.test_client().post("/credential", json=bodies[number], headers={"Authorization": f"Bearer {wallet.token}"})
        return int(answer.status_code)

    with ThreadPoolExecutor(THREADS) as threads:
        answers = list(threads.map(one, range(THREADS)))
    assert set(answers) <= {0, 200, 400}
    assert set(statuses_of(app, holder)) <= {status_lists.INVALID}


@pytest.mark.parametrize("text", ["", "nonsense", "driving-licence", "00000000-0000-0000-0000-000000000000"])
def test_identifiers_that_name_no_licence_stay_as_they_are(app: Flask, holder: Holder, text: str) -> None:
    with app.app_context(), transaction() as session:
        assert identifiers.followed(session, [text], holder_id=holder.grantee.holder_id) == [text]
