"""What a wallet may do once it does once, when two hundred send it at the same moment to the real endpoints (OpenID4VCI 1.0)."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from demo import postgres
from runtime.clock import now
from tests.flows.at_once import at_once
from tests.served import Answer, Kabao, kabao
from tests.wallet.issuing.oid4vci.wallets import Holder, Wallet, new_holder, proof, with_token
from tests.world_clients import bearer
from wallet.issuing import status_lists
from wallet.issuing.oid4vci.elsewhere import CredentialElsewhere
from wallet.register.licences import Licence, china_date

MANY = 200
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(server: postgres.PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kabao]:
    with kabao(server, name="test_wallet_races", folder=tmp_path_factory.mktemp("wallet_races"), worker=False) as running:
        yield running


@pytest.fixture
def holder(served: Kabao) -> Holder:
    return new_holder(served.app)


@pytest.fixture
def wallet(served: Kabao, holder: Holder) -> Wallet:
    return with_token(served.app, served.app.test_client(), holder)


def race(served: Kabao, wallet: Wallet, path: str, documents: list[Any]) -> list[Answer]:
    return at_once(served.processes, "POST", path, [{"document": each, "headers": bearer(wallet.token)} for each in documents])


def told(answers: list[Answer]) -> Counter[tuple[int, str]]:
    """Count the answers by their status and their error."""
    return Counter((answer.status, answer.json.get("error", "") if answer.body else "") for answer in answers)


def kept(served: Kabao, holder: Holder) -> list[CredentialElsewhere]:
    with served.world() as session:
        return list(session.scalars(select(CredentialElsewhere).where(CredentialElsewhere.holder_id == holder.grantee.holder_id)))


def test_a_nonce_is_good_for_one_of_two_hundred_requests(served: Kabao, wallet: Wallet, holder: Holder) -> None:
    nonce = wallet.nonce()
    asked = [{"credential_identifier": wallet.identifiers["driving-licence"][0], "proofs": {"jwt": [proof(nonce)]}} for _ in range(MANY)]
    assert told(race(served, wallet, "/credential", asked)) == {(200, ""): 1, (400, "invalid_nonce"): MANY - 1}
    assert len(kept(served, holder)) == 1


def test_a_transaction_gives_its_credentials_to_one_of_two_hundred(served: Kabao) -> None:
    begins = china_date(now()) + timedelta(days=1)
    early = new_holder(served.app, valid_from=begins, valid_until=begins + timedelta(days=700))
    wallet = with_token(served.app, served.app.test_client(), early)
    waiting = wallet.ask(proof(wallet.nonce())).json["transaction_id"]
    with served.world() as session:
        session.execute(update(Licence).where(Licence.id == early.licence.id).values(valid_from=begins - timedelta(days=2)))
    answers = race(served, wallet, "/deferred", [{"transaction_id": waiting}] * MANY)
    assert told(answers) == {(200, ""): 1, (400, "invalid_transaction_id"): MANY - 1}
    assert len(kept(served, early)) == 1


def test_two_hundred_notifications_are_heard_and_end_the_credential_once(served: Kabao, wallet: Wallet, holder: Holder) -> None:
    notification_id = wallet.ask(proof(wallet.nonce())).json["notification_id"]
    events = ["credential_accepted", "credential_deleted"] * (MANY // 2)
    answers = race(served, wallet, "/notification", [{"notification_id": notification_id, "event": each} for each in events])
    assert Counter(answer.status for answer in answers) == {204: MANY}
    (credential,) = kept(served, holder)
    assert credential.ended_why == "deleted"
    with served.world() as session:
        assert status_lists.state_of(session, credential.place) == status_lists.INVALID
