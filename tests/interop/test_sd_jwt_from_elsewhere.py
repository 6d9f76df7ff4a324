"""What @sd-jwt/sd-jwt-vc (npm) issues and presents is read and verified by ours."""

from datetime import timedelta
from typing import Any

import pytest

from tests.interop.conftest import Program, private_jwk
from tests.wallet.verifying.presented import ISSUER, NOW, VCT, encode, key, leaf, trust
from wallet.issuing import sd_jwt
from wallet.verifying.checks import Expected, NotVerified, verify

pytestmark = pytest.mark.interop
AUDIENCE, NONCE = "https://counter.example/check", "一次性 n-0S6_WzA2Mj"


@pytest.fixture(scope="module")
def made(node: Program) -> dict[str, Any]:
    moment = int(NOW.timestamp())
    return node(
        "issuer",
        jwk=private_jwk(key("leaf")),
        header={"x5c": [encode(leaf())]},
        claims={
            "iss": ISSUER,
            "vct": VCT,
            "iat": moment,
            "exp": moment + 1000,
            "status": {"status_list": {"idx": 1, "uri": "https://kabao.example/status/1"}},
            "holder_name": "欧阳试",
            "address": {"city": "东营", "street": "试验路 1 号"},
            "classes": ["C1", "D", "E"],
        },
        frame={"_sd": ["holder_name"], "address": {"_sd": ["street"]}, "classes": {"_sd": [0, 1]}},
        shown={"holder_name": True, "classes": {"1": True}},
        binding={"iat": moment, "aud": AUDIENCE, "nonce": NONCE},
    )


def revealed(text: str) -> dict[str, Any]:
    parts = sd_jwt.parse(text)
    return sd_jwt.reveal(sd_jwt.read_json(parts.jwt.split(".")[1]), parts.disclosures)


def test_a_credential_of_theirs_opens_to_what_was_put_in(made: dict[str, Any]) -> None:
    claims = revealed(made["credential"])
    assert claims["holder_name"] == "欧阳试"
    assert claims["address"] == {"city": "东营", "street": "试验路 1 号"}
    assert claims["classes"] == ["C1", "D", "E"]


def test_a_presentation_of_theirs_shows_what_was_chosen(made: dict[str, Any]) -> None:
    claims = revealed(made["presentation"])
    assert (claims["holder_name"], claims["address"], claims["classes"]) == ("欧阳试", {"city": "东营"}, ["D", "E"])
    parts = sd_jwt.parse(made["presentation"])
    assert sd_jwt.read_json(parts.key_binding.split(".")[1])["sd_hash"] == sd_jwt.sd_hash(parts.bound_text)
    assert sd_jwt.combine(parts.jwt, parts.disclosures, parts.key_binding) == made["presentation"]


@pytest.mark.parametrize(("audience", "nonce", "failed"), [(AUDIENCE, NONCE, None), ("x", NONCE, "audience"), (AUDIENCE, "x", "nonce")])
def test_a_presentation_of_theirs_goes_through_our_checks(made: dict[str, Any], audience: str, nonce: str, failed: str | None) -> None:
    expected = Expected(binding=True, audience=audience, nonce=nonce, vcts=None, binding_age=timedelta(minutes=5))
    try:
        verify(made["presentation"], expected=expected, trust=trust(), status_of=lambda _: "valid", now=NOW)
        found = None
    except NotVerified as refused:
        found = refused.check
    assert found == failed
