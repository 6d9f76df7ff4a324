"""@openid4vc/openid4vci (npm) receives licences by each flow, and @sd-jwt/sd-jwt-vc verifies what it got."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import update

from demo.browser import Browser
from idp.oauth.client_kinds import ATTEST_JWT
from keys import certificates, suites
from runtime.clock import now
from runtime.ids import new_id
from tests.at_address import AddressedKabao
from tests.interop.conftest import Program, private_jwk
from tests.interop.test_openid_client import visit
from tests.wallet.issuing.oid4vci.makers import Maker, encoded
from tests.wallet.issuing.oid4vci.wallets import Holder, new_holder, new_wallet
from tests.world_clients import System
from tests.world_people import Person, new_person, open_account
from tests.world_types import FIELDS, new_type
from tests.world_wallet import new_department
from wallet.issuing import pending
from wallet.issuing.oid4vci import offers
from wallet.issuing.oid4vci.elsewhere import CredentialElsewhere
from wallet.issuing.pending import Doer
from wallet.register.acts import Act
from wallet.register.licences import Licence, china_date, get_licence

pytestmark = pytest.mark.interop
TYPE = "driving-licence"
Asked = dict[str, Any]


@pytest.fixture
def holder(kabao: AddressedKabao) -> Holder:
    return new_holder(kabao.app)


@pytest.fixture
def system(kabao: AddressedKabao, portal_url: str) -> System:
    return new_wallet(kabao.app, redirect_uris=[f"{portal_url}/callback"])


@pytest.fixture
def asked(kabao: AddressedKabao, system: System, portal_url: str) -> Asked:
    """What every wallet here is told."""
    with kabao.app.app_context():
        root = certificates.root_pem().decode()
    return {
        "issuer": kabao.url,
        "client_id": system.client_id,
        "redirect_uri": f"{portal_url}/callback",
        "configuration": TYPE,
        "root": root,
    }


def offered(kabao: AddressedKabao, holder: Holder, *, pre_authorize: bool = True, by_value: bool = False) -> dict[str, Any]:
    """Return an offer of the holder's licence as a link, and the transaction code that goes with it."""
    settings = kabao.app.extensions["kabao_settings"]
    with kabao.world() as session:
        licence = get_licence(session, holder.licence.id)
        made = offers.make(session, licence, holder.grantee, pre_authorize=pre_authorize, settings=settings, actor="operator", now=now())
    return {"offer": made.link_by_value() if by_value else made.link(settings), **({"tx_code": made.tx_code} if made.tx_code else {})}


def verified(node: Program, asked: Asked, got: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the claims of what a wallet got, once they are verified and bound to its keys."""
    claims: list[dict[str, Any]] = node("held", root=asked["root"], credentials=got["credentials"])["claims"]
    assert [one["cnf"]["jwk"]["x"] for one in claims] == got["thumbprints"]
    return claims


def by_signing_in(node: Program, asked: Asked, person: Person, offer: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Go the way of the authorization code, the person at the browser included."""
    begun = node("wallet", step="begin", **asked, **offer, **more)
    assert set(parse_qs(urlsplit(begun["url"]).query)) == {"client_id", "request_uri"}, "the request was pushed"
    callback = visit(Browser(language="zh"), person, begun["url"])
    code = parse_qs(urlsplit(callback).query)["code"][0]
    return node("wallet", step="finish", **asked, **more, offer_object=begun["offer_object"], code=code, verifier=begun["verifier"])


@pytest.mark.parametrize("by_value", [False, True], ids=["by reference", "by value"])
def test_a_pre_authorized_code_with_a_transaction_code(node: Program, kabao: AddressedKabao, holder: Holder, asked: Asked, by_value: bool) -> None:
    got = node("wallet", step="finish", **asked, **offered(kabao, holder, by_value=by_value))
    (claims,) = verified(node, asked, got)
    assert claims["vct"] == f"{kabao.url}/types/{TYPE}"
    assert claims["holder_name"] == holder.person.name
    assert got["signed_metadata"], "the library took the signed metadata, and the root vouched for it"
    with kabao.world() as session:
        rows = session.query(CredentialElsewhere).filter_by(holder_id=holder.grantee.holder_id).all()
    assert [row.told for row in rows] == ["credential_accepted"]


def test_an_offer_of_a_department_without_a_transaction_code_and_a_client(node: Program, kabao: AddressedKabao, holder: Holder, asked: Asked) -> None:
    from idp.oauth.exchange import pre_authorized
    from tests.wallet.issuing.oid4vci.wallets import PRE_AUTHORIZED_CODE, details_for

    details = details_for(kabao.app, holder.licence)
    with kabao.world() as session:
        code = pre_authorized.issue(session, holder.grantee, client_id=None, authorization_details=details, tx_code=False, now=now()).code
    offer = {"credential_issuer": kabao.url, "credential_configuration_ids": [TYPE], "grants": {PRE_AUTHORIZED_CODE: {"pre-authorized_code": code}}}
    got = node("wallet", step="finish", **asked, offer_object=offer, dpop=True)
    assert got["token_type"] == "DPoP"
    verified(node, asked, got)


@pytest.mark.parametrize("by_details", [False, True], ids=["by scope", "by authorization_details"])
def test_an_authorization_code_with_pushed_requests_and_bound_tokens(
    node: Program, kabao: AddressedKabao, holder: Holder, asked: Asked, by_details: bool
) -> None:
    got = by_signing_in(node, asked, holder.person, offered(kabao, holder, pre_authorize=False), by_details=by_details, dpop=True)
    assert got["token_type"] == "DPoP"
    assert got["refresh_token"]
    assert [str(holder.licence.id)] in [one["credential_identifiers"] for one in got["details"]]
    verified(node, asked, got)


def test_a_batch(node: Program, kabao: AddressedKabao, holder: Holder, asked: Asked) -> None:
    got = node("wallet", step="finish", **asked, **offered(kabao, holder), count=10)
    claims = verified(node, asked, got)
    assert len({one["status"]["status_list"]["idx"] for one in claims}) == 10
    assert len({one["cnf"]["jwk"]["x"] for one in claims}) == 10


def test_encrypted_requests_and_answers(node: Program, kabao: AddressedKabao, holder: Holder, asked: Asked) -> None:
    got = node("wallet", step="finish", **asked, **offered(kabao, holder), encrypt=True)
    assert got["encrypted"] == 1
    verified(node, asked, got)


def test_keys_that_a_maker_attests(node: Program, kabao: AddressedKabao, holder: Holder, asked: Asked) -> None:
    maker = Maker().trust(kabao.app)
    told = {"jwk": private_jwk(maker.key), "issuer": maker.issuer, "x5c": [encoded(maker.leaf)]}
    got = node("wallet", step="finish", **asked, **offered(kabao, holder), maker=told, count=5)
    assert len(verified(node, asked, got)) == 5


def test_a_wallet_that_its_maker_attests(node: Program, kabao: AddressedKabao, holder: Holder, asked: Asked, portal_url: str) -> None:
    maker, instance = Maker().trust(kabao.app), suites.ES256.generate()
    system = new_wallet(kabao.app, auth_method=ATTEST_JWT, redirect_uris=[f"{portal_url}/callback"])
    attestation = maker.attest_wallet(system.client_id, instance, headers={"alg": "ES256"})
    told = {**asked, "client_id": system.client_id, "client_attestation": attestation, "instance": private_jwk(instance)}
    verified(node, asked, by_signing_in(node, told, holder.person, offered(kabao, holder, pre_authorize=False), dpop=True))


def test_a_licence_that_begins_later(node: Program, kabao: AddressedKabao, asked: Asked) -> None:
    begins = china_date(now()) + timedelta(days=1)
    early = new_holder(kabao.app, valid_from=begins, valid_until=begins + timedelta(days=700))

    def let_it_begin() -> None:
        with kabao.world() as session:
            session.execute(update(Licence).where(Licence.id == early.licence.id).values(valid_from=begins - timedelta(days=2)))

    with waited_for(let_it_begin) as address:
        got = node("wallet", step="finish", **asked, **offered(kabao, early), await_at=address, encrypt=True)
    assert got["deferred"]
    assert got["encrypted"] == 2
    verified(node, asked, got)


def test_a_licence_that_waits_for_its_second_officer(node: Program, kabao: AddressedKabao, asked: Asked) -> None:
    settings = kabao.app.extensions["kabao_settings"]
    with kabao.world():
        slug, _ = new_type(checked_acts=["issue"])
        department = new_department(issue=[slug])
    with kabao.world() as session:
        person = new_person(session)
        open_account(session, person)
    with kabao.world() as session:
        order = pending.order_of(Act.ISSUE, {"type": slug, "holder": {"number": person.number}, "fields": FIELDS, "valid_from": "2024-02-01"})
        waiting = pending.submit(session, settings, order, doer=Doer(department, "one"), now=now(), result_id=new_id()).request
    assert waiting is not None

    def approve() -> None:
        with kabao.world() as session:
            pending.approve(session, settings, waiting.id, doer=Doer(department, "another"), now=now())

    offer = {"offer_object": {"credential_issuer": kabao.url, "credential_configuration_ids": [slug], "grants": {"authorization_code": {}}}}
    told = {**asked, "configuration": slug}
    with waited_for(approve) as address:
        got = by_signing_in(node, told, person, offer, await_at=address, count=2)
    assert got["deferred"]
    assert [one["vct"] for one in verified(node, told, got)] == [f"{kabao.url}/types/{slug}"] * 2


@contextmanager
def waited_for(act: Callable[[], None]) -> Iterator[str]:
    """Do something once a wallet says that it waits."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            act()
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *_: Any) -> None:  # noqa: A002 (the name in the standard library)
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
