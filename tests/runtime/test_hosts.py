"""By which names we may be asked for: our own, with and without the port that its scheme has, and this machine's in development alone."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from runtime import hosts
from runtime.settings import Settings

HTTPS = {"public_url": "https://ID.example.gov.cn"}
BOTH = {**HTTPS, "mtls_url": "https://mtls.example.gov.cn:8443"}
PLAIN = {"public_url": "http://127.0.0.1:8000", "development": True}
CASES: dict[str, tuple[dict[str, object], str, bool]] = {
    "our name": (HTTPS, "id.example.gov.cn", True),
    "in capitals": (HTTPS, "ID.EXAMPLE.GOV.CN", True),
    "with its scheme's port": (HTTPS, "id.example.gov.cn:443", True),
    "with another scheme's port": (HTTPS, "id.example.gov.cn:80", False),
    "with another port": (HTTPS, "id.example.gov.cn:8443", False),
    "a longer name": (HTTPS, "id.example.gov.cn.elsewhere.example", False),
    "a name beneath it": (HTTPS, "x.id.example.gov.cn", False),
    "no name": (HTTPS, "", False),
    "a port alone": (HTTPS, ":443", False),
    "for certificates": (BOTH, "mtls.example.gov.cn:8443", True),
    "for certificates, without its port": (BOTH, "mtls.example.gov.cn", False),
    "our name beside that": (BOTH, "id.example.gov.cn", True),
    "for certificates, where there is none": (HTTPS, "mtls.example.gov.cn:8443", False),
    "this machine's": (HTTPS, "localhost", False),
    "this machine's in development": (PLAIN, "localhost:5000", True),
    "its address in development": (PLAIN, "127.0.0.1", True),
    "its other address in development": (PLAIN, "[::1]", True),
    "its other address with a port": (PLAIN, "[::1]:8000", True),
    "another address in development": (PLAIN, "[::2]", False),
    "another machine's in development": (PLAIN, "elsewhere.example:8000", False),
}


@pytest.mark.parametrize(("how", "host", "is_ours"), CASES.values(), ids=CASES)
def test_a_name_is_ours_or_not(how: dict[str, object], host: str, is_ours: bool) -> None:
    settings = Settings(database_url="", master_key=bytes(range(32)), **how)  # type: ignore[arg-type]
    assert hosts.is_ours(host, settings) is is_ours


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_probes_may_come_by_any_name(client: FlaskClient, path: str) -> None:
    assert client.get(path, headers={"Host": "10.1.2.3:8000"}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/signin", "/healthz/x", "/token"])
@pytest.mark.parametrize("host", ["elsewhere.example", "127.0.0.1.elsewhere.example"])
def test_anything_else_by_another_name_is_misdirected(app: Flask, client: FlaskClient, path: str, host: str) -> None:
    answer = client.get(path, headers={"Host": host, "X-Forwarded-Host": "127.0.0.1:8000", "Accept": "application/json"})
    assert (answer.status_code, answer.json["code"]) == (421, "unknown-host")


def test_who_names_no_host_is_not_taken_to_mean_us(client: FlaskClient) -> None:
    assert client.get("/signin", environ_overrides={"HTTP_HOST": ""}).status_code == 421
