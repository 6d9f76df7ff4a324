"""A department's system passes a person's token on (RFC 8693)."""

from flask.testing import FlaskClient

from tests.idp.oauth.exchange.conftest import ACCESS_TOKEN, claims_of, exchange
from tests.world_clients import System, bearer


def test_a_token_is_passed_on_and_says_who_acts(client: FlaskClient, system: System, token: str) -> None:
    response = exchange(client, system, token, scope="openid profile")
    assert response.status_code == 200, response.text
    assert response.headers["Cache-Control"] == "no-store"
    answer, before = response.json, claims_of(token)
    assert (answer["issued_token_type"], answer["token_type"], answer["scope"]) == (ACCESS_TOKEN, "Bearer", "openid profile")
    assert "refresh_token" not in answer
    after = claims_of(answer["access_token"])
    assert after["act"] == {"sub": system.client_id, "sub_type": "client"}
    assert after["client_id"] == system.client_id
    assert after["sub"] != before["sub"], "another sector, another name"
    assert after["exp"] <= before["exp"]
    assert [after[name] for name in ("acr", "auth_time", "iat_ms", "sub_type")] == [
        before[name] for name in ("acr", "auth_time", "iat_ms", "sub_type")
    ]
    who = client.get("/userinfo", headers=bearer(answer["access_token"]))
    assert (who.status_code, who.json["sub"]) == (200, after["sub"])
