"""@openid4vc/openid4vp (npm) is the wallet that our requests ask, in each mode and by each name, with licences that @sd-jwt, @owf/mdoc and did-jwt-vc
show."""

from typing import Any

import pytest

from keys import certificates, suites
from tests.at_address import AddressedKabao
from tests.interop.conftest import Program, private_jwk
from tests.wallet.issuing.oid4vci.wallets import Holder, new_holder
from tests.wallet.verifying.openid4vp.wallets import MDOC, SD_JWT, VC_JWT, fetch_licence
from tests.world_clients import bearer, new_system
from tests.world_verifying import CAUSE, new_browser
from tests.world_wallet import new_department
from wallet.issuing import formats
from wallet.register.catalogue import get_type

pytestmark = pytest.mark.interop
TYPE = "driving-licence"


@pytest.fixture
def holder(kabao: AddressedKabao) -> Holder:
    return new_holder(kabao.app)


@pytest.fixture
def token(kabao: AddressedKabao) -> str:
    """A token of a department that may verify."""
    with kabao.app.app_context():
        department = new_department(verify=[TYPE])
    with kabao.world() as session:
        system = new_system(session, department=department, scopes=["verifications"])
    form = {"grant_type": "client_credentials", "scope": "verifications", **system.proof(aud=kabao.url)}
    token: str = new_browser(kabao.app).post("/token", data=form).get_json()["access_token"]
    return token


def ask(kabao: AddressedKabao, token: str, *, form: str, **more: Any) -> dict[str, Any]:
    wanted = [{"type": TYPE, "fields": ["vehicle_class"], "optional": ["holder_name"], "formats": [form]}]
    asked = new_browser(kabao.app).post("/api/v1/requests", json={"credentials": wanted, "cause": CAUSE, **more}, headers=bearer(token))
    assert asked.status_code == 201, asked.text
    found: dict[str, Any] = asked.get_json()
    return found


def read(kabao: AddressedKabao, token: str, made: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = new_browser(kabao.app).get(f"/api/v1/requests/{made['id']}", headers=bearer(token)).get_json()["result"]
    return found


def answered(node: Program, kabao: AddressedKabao, holder: Holder, made: dict[str, Any], form: str, **more: Any) -> dict[str, Any]:
    held = fetch_licence(kabao.app, holder.licence, form)
    with kabao.app.app_context():
        root, doctype = certificates.root_pem().decode(), get_type(TYPE).doctype
    told = {"credential": formats.as_text(held.credential), "jwk": private_jwk(held.key), "root": root, "doctype": doctype}
    return node("asked", link=made["link"], **{**told, **more})


@pytest.mark.parametrize("form", [SD_JWT, MDOC, VC_JWT])
@pytest.mark.parametrize(("mode", "enc"), [("direct_post", None), ("direct_post.jwt", "A128GCM"), ("direct_post.jwt", "A256GCM")])
def test_each_mode(node: Program, kabao: AddressedKabao, holder: Holder, token: str, form: str, mode: str, enc: str | None) -> None:
    made = ask(kabao, token, form=form, response_mode=mode)
    got = answered(node, kabao, holder, made, form, enc=enc)
    assert (got["status"], got["told"], got["prefix"], got["version"]) == (200, {}, "x509_hash", 100)
    assert got["encrypted"] == (enc is not None)
    assert got.get("satisfies", True), "what it holds is what our query asks for, says dcql"
    result = read(kabao, token, made)
    assert result["verdict"] == "valid", [one for one in result["presentations"][0]["checks"] if one["reason"]]
    assert set(result["presentations"][0]["fields"]) == {"vehicle_class", "holder_name"}


def test_an_act_that_the_wallet_shows_and_its_key_confirms(node: Program, kabao: AddressedKabao, holder: Holder, token: str) -> None:
    made = ask(kabao, token, form=SD_JWT, confirm="同意将车辆转移登记给李某")
    got = answered(node, kabao, holder, made, SD_JWT, leave_out=["holder_name"])
    assert (got["status"], got["acts"]) == (200, ["同意将车辆转移登记给李某"])
    result = read(kabao, token, made)
    assert (result["verdict"], result["confirmed"]) == ("valid", "同意将车辆转移登记给李某")
    assert set(result["presentations"][0]["fields"]) == {"vehicle_class"}


def test_the_holder_goes_on_where_the_portal_waits(node: Program, kabao: AddressedKabao, holder: Holder, token: str) -> None:
    made = ask(kabao, token, form=SD_JWT, return_to="https://hall.example.gov.cn/back")
    got = answered(node, kabao, holder, made, SD_JWT)
    assert got["told"]["redirect_uri"].startswith("https://hall.example.gov.cn/back?response_code=")


WRONG: dict[str, tuple[str, str, dict[str, Any]]] = {
    "made for another": ("audience", "wrong_audience", {"audience": "x509_hash:another"}),
    "made for two": ("audience", "wrong_audience", {"claims": {"aud": ["https://other.example"]}}),
    "of another occasion": ("nonce", "wrong_nonce", {"claims": {"nonce": "another"}}),
    "over": ("holder_binding", "stale_binding", {"claims": {"exp": 1_700_000_000}}),
    "of the past": ("holder_binding", "stale_binding", {"claims": {"iat": 1_700_000_000}}),
    "by another key": ("holder_binding", "bad_binding", {"jwk": private_jwk(suites.ES256.generate())}),
    "of two credentials": ("form", "malformed", {"twice": True}),
}


@pytest.mark.parametrize(("check", "reason", "wrong"), WRONG.values(), ids=WRONG)
def test_a_wrong_w3c_presentation_from_elsewhere_fails_by_just_that_check(
    node: Program, kabao: AddressedKabao, holder: Holder, token: str, check: str, reason: str, wrong: dict[str, Any]
) -> None:
    made = ask(kabao, token, form=VC_JWT)
    more = dict(wrong)
    held = formats.as_text(fetch_licence(kabao.app, holder.licence, VC_JWT).credential)
    more |= {"credential": [held, held]} if more.pop("twice", False) else {}
    assert answered(node, kabao, holder, made, VC_JWT, **more)["status"] == 200
    (one,) = read(kabao, token, made)["presentations"]
    assert [(row["check"], row["reason"]) for row in one["checks"] if row["outcome"] == "failed"] == [(check, reason)]
    assert (one["verdict"], one["fields"]) == ("invalid", {})
