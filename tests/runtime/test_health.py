from flask.testing import FlaskClient


def test_a_live_process_with_a_migrated_database_is_ready(client: FlaskClient) -> None:
    assert client.get("/healthz").json == {"status": "ok"}
    assert client.get("/readyz").json == {"status": "ok", "database": "ok"}
    assert b"kabao_requests_total" in client.get("/metrics").data


def test_the_key_set_is_published_without_private_members(client: FlaskClient) -> None:
    keys = client.get("/jwks").json["keys"]
    assert {(key["kty"], key.get("use", "sig")) for key in keys} >= {("EC", "sig"), ("RSA", "sig")}
    assert not any({"d", "p", "q", "dp", "dq", "qi", "k"} & set(key) for key in keys)


def test_an_unknown_address_is_a_problem(client: FlaskClient) -> None:
    answer = client.get("/api/v1/nothing", headers={"Accept-Language": "en"})
    assert (answer.status_code, answer.json["title"]) == (404, "There is nothing at this address.")
    assert (
        "没有" in client.get("/nothing", headers={"Accept": "text/html"}).text
        or client.get("/nothing", headers={"Accept": "text/html"}).status_code == 404
    )


def test_the_api_describes_itself(client: FlaskClient) -> None:
    assert client.get("/api/openapi.json").json["openapi"] == "3.1.0"
