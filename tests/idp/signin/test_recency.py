"""How long a proof counts as recent, at each door that asks for one."""

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.signin.recency import is_recent
from runtime.clock import now, shifted
from tests.idp.signin.proofs_at_hand import reach
from tests.world_people import BROWSER, Person, sign_in

DOORS = ["/account/download", "/account/close", "/account/ways/totp/new"]


@pytest.mark.parametrize(("minutes", "recent"), [(0, True), (9, True), (-9, True), (11, False), (-11, False), (-60, False)])
def test_a_proof_is_recent_for_ten_minutes_and_never_from_the_future(minutes: int, recent: bool) -> None:
    assert is_recent(now() - timedelta(minutes=minutes), now=now()) == recent


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("minutes", [11, -11])
def test_a_proof_of_another_time_opens_no_door(app: Flask, client: FlaskClient, person: Person, door: str, minutes: int) -> None:
    reach(app, person, "someone@example.cn")
    sign_in(client, person)
    assert client.get(door, headers=BROWSER).status_code == 200
    with shifted(timedelta(minutes=minutes)):
        assert client.get(door, headers=BROWSER).location.startswith("/signin/step-up")
