"""A wallet takes up an offer of credentials (OpenID4VCI 1.0 section 6)."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from idp.oauth.clients import NONE, PRE_AUTHORIZED_CODE
from idp.oauth.exchange import pre_authorized
from idp.oauth.exchange.pre_authorized import Offered, PreAuthorizedCode
from idp.oauth.grantees import Grantee
from idp.signin import sessions
from idp.signin.doors import DOORS
from idp.subjects import appointments
from runtime.clock import now, shifted
from runtime.database import transaction
from runtime.ids import new_id
from tests.idp.oauth.exchange.conftest import claims_of, new_exchanger
from tests.idp.subjects.firms import new_firm
from tests.world_clients import System, bearer, new_portal
from tests.world_people import BROWSER, PASSWORD, Person, new_person, open_account, sign_in

LICENCE, PERMIT = "driving-licence", "work-permit"
DETAILS = [
    {"type": "openid_credential", "credential_configuration_id": LICENCE, "credential_identifiers": ["c-1", "c-2"]},
    {"type": "openid_credential", "credential_configuration_id": PERMIT, "credential_identifiers": ["c-3"]},
]
THREADS, ROUNDS = 200, 10


@pytest.fixture
def wallet(app: Flask) -> System:
    """A wallet that is registered and proves nothing."""
    with app.app_context(), transaction() as session:
        return new_portal(session, scopes=[], auth_method=NONE, grant_types=[PRE_AUTHORIZED_CODE], redirect_uris=[])


@pytest.fixture
def holder(app: Flask) -> tuple[Person, Grantee]:
    with app.app_context(), transaction() as session:
        person = new_person(session)
        person_id = open_account(session, person)
    return person, Grantee(person_id, person_id)


def offer(app: Flask, grantee: Grantee, *, client_id: str | None = None, tx_code: bool = False) -> Offered:
    with app.app_context(), transaction() as session:
        return pre_authorized.issue(session, grantee, client_id=client_id, authorization_details=DETAILS, tx_code=tx_code, now=now())


def redeem(http_client: FlaskClient, code: str | None, **changes: Any) -> Any:
    form = {"grant_type": PRE_AUTHORIZED_CODE, "pre-authorized_code": code, **changes}
    return http_client.post("/token", data={name: value for name, value in form.items() if value is not None})


@contextmanager
def anonymous_as(app: Flask, client_id: str) -> Iterator[None]:
    """Let wallets without a client id be served, as a client."""
    before = app.extensions["kabao_settings"]
    app.extensions["kabao_settings"] = replace(before, anonymous_wallet_client=client_id)
    yield
    app.extensions["kabao_settings"] = before


def test_a_wallet_gets_a_token_for_what_was_offered(app: Flask, client: FlaskClient, wallet: System, holder: tuple[Person, Grantee]) -> None:
    response = redeem(client, offer(app, holder[1]).code, client_id=wallet.client_id)
    assert response.status_code == 200, response.text
    assert response.headers["Cache-Control"] == "no-store"
    answer = response.json
    assert answer["authorization_details"] == DETAILS
    assert (answer["token_type"], answer["scope"]) == ("Bearer", "")
    assert "refresh_token" not in answer
    assert claims_of(answer["access_token"])["client_id"] == wallet.client_id
    assert client.get("/userinfo", headers=bearer(answer["access_token"])).status_code == 401, "it is good for the offer alone"


def test_a_wallet_may_ask_for_some_of_the_offer(app: Flask, client: FlaskClient, wallet: System, holder: tuple[Person, Grantee]) -> None:
    asked = json.dumps([{"type": "openid_credential", "credential_configuration_id": PERMIT}])
    response = redeem(client, offer(app, holder[1]).code, client_id=wallet.client_id, authorization_details=asked)
    assert response.json["authorization_details"] == DETAILS[1:]


NOT_OFFERED = {
    "another credential": json.dumps([{"type": "openid_credential", "credential_configuration_id": "passport"}]),
    "another type": json.dumps([{"type": "licence", "credential_configuration_id": LICENCE}]),
    "no configuration": json.dumps([{"type": "openid_credential"}]),
    "a configuration that is no text": json.dumps([{"type": "openid_credential", "credential_configuration_id": {}}]),
    "no JSON": "{",
    "an object": "{}",
    "an empty list": "[]",
    "a list of texts": '["openid_credential"]',
    "too deep": "[" * 4000,
    "too long": json.dumps([{"type": "x" * 9000}]),
    "too many": json.dumps([{"type": "openid_credential", "credential_configuration_id": LICENCE}] * 21),
}


@pytest.mark.parametrize("details", NOT_OFFERED.values(), ids=NOT_OFFERED)
def test_what_was_not_offered_is_refused_and_uses_nothing_up(
    app: Flask, client: FlaskClient, wallet: System, holder: tuple[Person, Grantee], details: str
) -> None:
    code = offer(app, holder[1]).code
    response = redeem(client, code, client_id=wallet.client_id, authorization_details=details)
    assert (response.status_code, response.json["error"]) == (400, "invalid_authorization_details")
    assert redeem(client, code, client_id=wallet.client_id).status_code == 200


def test_a_code_is_good_once(app: Flask, client: FlaskClient, wallet: System, holder: tuple[Person, Grantee]) -> None:
    code = offer(app, holder[1]).code
    assert redeem(client, code, client_id=wallet.client_id).status_code == 200
    assert redeem(client, code, client_id=wallet.client_id).json["error"] == "invalid_grant"


def test_a_code_expires(app: Flask, client: FlaskClient, wallet: System, holder: tuple[Person, Grantee]) -> None:
    code = offer(app, holder[1]).code
    with shifted(pre_authorized.LIFETIME):
        assert redeem(client, code, client_id=wallet.client_id).json["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("code", "error"), [(None, "invalid_request"), ("nonsense", "invalid_grant"), ("x" * 100_000, "invalid_grant"), ("证照", "invalid_grant")]
)
def test_an_unknown_code_is_refused(client: FlaskClient, wallet: System, code: str | None, error: str) -> None:
    response = redeem(client, code, client_id=wallet.client_id)
    assert (response.status_code, response.json["error"]) == (400, error)


def test_a_transaction_code_is_wanted_just_where_it_was_made(app: Flask, client: FlaskClient, wallet: System, holder: tuple[Person, Grantee]) -> None:
    plain, guarded = offer(app, holder[1]), offer(app, holder[1], tx_code=True)
    assert plain.tx_code is None
    assert guarded.tx_code is not None
    assert (len(guarded.tx_code), guarded.tx_code.isdigit()) == (6, True)
    for wrong in ({"code": plain.code, "tx_code": "123456"}, {"code": guarded.code}):
        assert redeem(client, client_id=wallet.client_id, **wrong).json["error"] == "invalid_request"
    assert redeem(client, plain.code, client_id=wallet.client_id).status_code == 200
    assert redeem(client, guarded.code, client_id=wallet.client_id, tx_code=guarded.tx_code).status_code == 200


def test_five_wrong_transaction_codes_end_the_code(app: Flask, client: FlaskClient, wallet: System, holder: tuple[Person, Grantee]) -> None:
    code, right = offer(app, holder[1], tx_code=True)
    assert right is not None
    for number in range(pre_authorized.TRIES):
        wrong = "x" * 1000 if number == 0 else f"{(int(right) + number) % 10**6:06}"
        assert redeem(client, code, client_id=wallet.client_id, tx_code=wrong).json["error"] == "invalid_grant"
    late = redeem(client, code, client_id=wallet.client_id, tx_code=right)
    assert (late.status_code, "access_token" in late.json) == (200, True), "one of them was no transaction code at all, and nothing is guessed by it"
    code, right = offer(app, holder[1], tx_code=True)
    assert right is not None
    for number in range(1, pre_authorized.TRIES + 1):
        assert redeem(client, code, client_id=wallet.client_id, tx_code=f"{(int(right) + number) % 10**6:06}").json["error"] == "invalid_grant"
    assert redeem(client, code, client_id=wallet.client_id, tx_code=right).json["error"] == "invalid_grant"


def test_many_offers_are_no_way_to_more_guesses(app: Flask, client: FlaskClient, wallet: System, holder: tuple[Person, Grantee]) -> None:
    statuses = []
    for _ in range(2):
        code, right = offer(app, holder[1], tx_code=True)
        assert right is not None
        for number in range(1, pre_authorized.TRIES + 1):
            answer = redeem(client, code, client_id=wallet.client_id, tx_code=f"{(int(right) + number) % 10**6:06}")
            statuses.append(answer.status_code)
    room = DOORS["transaction code"].pair.size
    assert statuses == [400] * room + [429] * (2 * pre_authorized.TRIES - room)
    assert int(answer.headers["Retry-After"]) > 0
    with shifted(timedelta(minutes=3)):
        code, right = offer(app, holder[1], tx_code=True)
        assert redeem(client, code, client_id=wallet.client_id, tx_code=right).status_code == 200


def test_neither_code_is_kept(app: Flask, holder: tuple[Person, Grantee]) -> None:
    code, digits = offer(app, holder[1], tx_code=True)
    with app.app_context(), transaction() as session:
        row = session.scalars(select(PreAuthorizedCode).where(PreAuthorizedCode.holder_id == holder[1].holder_id)).one()
        kept = [value.hex() if isinstance(value, bytes) else str(value) for value in vars(row).values()]
    assert digits is not None
    assert not any(secret in value for value in kept for secret in (code, digits, code.encode().hex(), digits.encode().hex()))


def test_a_code_for_one_wallet_is_of_no_use_to_another(app: Flask, client: FlaskClient, wallet: System, holder: tuple[Person, Grantee]) -> None:
    with app.app_context(), transaction() as session:
        other = new_portal(session, scopes=[], auth_method=NONE, grant_types=[PRE_AUTHORIZED_CODE], redirect_uris=[])
    code = offer(app, holder[1], client_id=wallet.client_id).code
    assert redeem(client, code, client_id=other.client_id).json["error"] == "invalid_grant"
    assert redeem(client, code, client_id=wallet.client_id).status_code == 200


def test_a_wallet_without_a_client_id_is_refused_unless_the_operator_serves_such(
    app: Flask, client: FlaskClient, wallet: System, portal: System, holder: tuple[Person, Grantee]
) -> None:
    code = offer(app, holder[1]).code
    name = "pre-authorized_grant_anonymous_access_supported"
    for client_id, is_served in (("", False), ("nobody", False), (portal.client_id, False), (wallet.client_id, True)):
        with anonymous_as(app, client_id):
            metadata = client.get("/.well-known/oauth-authorization-server").json
            assert metadata is not None
            assert metadata[name] is is_served
            response = redeem(client, code)
        if not is_served:
            assert (response.status_code, response.json["error"]) == (401, "invalid_client")
    assert response.status_code == 200
    assert claims_of(response.json["access_token"])["client_id"] == wallet.client_id


def test_a_confidential_client_must_prove_itself(app: Flask, client: FlaskClient, holder: tuple[Person, Grantee]) -> None:
    with app.app_context(), transaction() as session:
        system = new_exchanger(session, scopes=[], grant_types=[PRE_AUTHORIZED_CODE])
    code = offer(app, holder[1]).code
    response = redeem(client, code, client_id=system.client_id)
    assert (response.status_code, response.json["error"]) == (401, "invalid_client")
    assert redeem(client, code, **system.proof()).status_code == 200


def test_a_client_without_the_grant_is_refused(app: Flask, client: FlaskClient, portal: System, holder: tuple[Person, Grantee]) -> None:
    assert redeem(client, offer(app, holder[1]).code, **portal.proof()).json["error"] == "unauthorized_client"


def test_what_ends_the_holder_s_tokens_ends_the_offer(app: Flask, client: FlaskClient, wallet: System, holder: tuple[Person, Grantee]) -> None:
    code = offer(app, holder[1]).code
    with app.app_context(), transaction() as session:
        sessions.cut(session, holder[1].person_id, now=now())
    assert redeem(client, code, client_id=wallet.client_id).json["error"] == "invalid_grant"


def test_the_end_of_a_mandate_ends_the_offer(app: Flask, client: FlaskClient, wallet: System) -> None:
    with app.app_context(), transaction() as session:
        firm = new_firm(session)
        person_id, mandate_id = firm.appoint(session)
    code = offer(app, Grantee(firm.id, person_id)).code
    with app.app_context(), transaction() as session:
        appointments.remove(session, by=firm.boss_id, organisation_id=firm.id, mandate_id=mandate_id, now=now())
    assert redeem(client, code, client_id=wallet.client_id).json["error"] == "invalid_grant"


def test_the_holder_sees_it_in_the_history(app: Flask, client: FlaskClient, wallet: System, holder: tuple[Person, Grantee]) -> None:
    assert redeem(client, offer(app, holder[1]).code, client_id=wallet.client_id).status_code == 200
    assert sign_in(client, holder[0], PASSWORD).status_code == 303
    assert "领取了为其准备的凭证" in client.get("/account/history", headers=BROWSER).text


def test_codes_that_nobody_can_bring_are_forgotten(app: Flask, holder: tuple[Person, Grantee]) -> None:
    offer(app, holder[1])
    with app.app_context():
        pre_authorized.forget(now=now())
        with transaction() as session:
            mine = select(PreAuthorizedCode).where(PreAuthorizedCode.holder_id == holder[1].holder_id)
            assert len(session.scalars(mine).all()) == 1
        pre_authorized.forget(now=now() + pre_authorized.REMEMBERED + timedelta(seconds=1))
        with transaction() as session:
            assert not session.scalars(mine).all()


def at_once(app: Flask, code: str, tx_codes: list[str | None]) -> int:
    """Return how many of so many who redeem a code at once get something."""
    gate = Barrier(16)

    def one(numbered: tuple[int, str | None]) -> bool:
        number, tx_code = numbered
        if number < gate.parties:
            gate.wait(timeout=30)
        with app.app_context(), transaction() as session:
            return pre_authorized.redeem(session, code, tx_code, now=now()) is not None

    with ThreadPoolExecutor(gate.parties) as pool:
        return sum(pool.map(one, enumerate(tx_codes)))


@pytest.mark.parametrize("_", range(ROUNDS))
def test_two_hundred_redeem_one_code_and_one_wins(app: Flask, _: int) -> None:
    me = new_id()
    assert at_once(app, offer(app, Grantee(me, me)).code, [None] * THREADS) == 1


@pytest.mark.parametrize("_", range(ROUNDS))
def test_two_hundred_who_guess_at_once_have_five_tries_between_them(app: Flask, _: int) -> None:
    me = new_id()
    code, right = offer(app, Grantee(me, me), tx_code=True)
    assert right is not None
    assert at_once(app, code, [f"{(int(right) + number) % 10**6:06}" for number in range(1, THREADS + 1)]) == 0
    with app.app_context(), transaction() as session:
        row = session.scalars(select(PreAuthorizedCode).where(PreAuthorizedCode.holder_id == me)).one()
        assert (row.tries, row.spent_at) == (pre_authorized.TRIES, None)
