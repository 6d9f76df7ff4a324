"""Wallets and keys that a maker vouches for (OpenID4VCI 1.0 appendices D and E, draft-ietf-oauth-attestation-based-client-auth-07, HAIP 1.0)."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from structlog.testing import capture_logs

from idp.oauth.attested import key_attestation, wallet_attestation
from idp.oauth.attested import makers as trusted
from idp.oauth.client_kinds import ATTEST_JWT
from idp.oauth.exchange import pre_authorized
from keys import suites
from runtime.clock import now
from runtime.database import transaction
from tests.wallet.issuing.oid4vci.makers import Maker, attested, certificate, encoded, proof_of_instance
from tests.wallet.issuing.oid4vci.wallets import (
    PRE_AUTHORIZED_CODE,
    TYPE,
    Holder,
    Wallet,
    details_for,
    error_of,
    new_key,
    new_wallet,
    proof,
    wallet_of,
)
from tests.world_clients import System
from tests.world_proofs import Prover
from wallet.issuing.oid4vci.proofs import BATCH, UNATTESTED


@pytest.fixture
def maker(app: Flask) -> Maker:
    return Maker().trust(app)


@pytest.fixture
def attested_wallet(app: Flask) -> System:
    """A wallet that proves itself by its maker's word."""
    return new_wallet(app, auth_method=ATTEST_JWT)


@pytest.fixture
def only_haip(app: Flask) -> Iterator[None]:
    """Hold the installation to HAIP."""
    before = app.extensions["kabao_settings"]
    app.extensions["kabao_settings"] = replace(before, haip_required=True)
    yield
    app.extensions["kabao_settings"] = before


def redeem(app: Flask, http: FlaskClient, holder: Holder, headers: dict[str, str], **changes: str) -> Any:
    with app.app_context(), transaction() as session:
        details = details_for(app, holder.licence)
        code = pre_authorized.issue(session, holder.grantee, client_id=None, authorization_details=details, tx_code=False, now=now()).code
    return http.post("/token", data={"grant_type": PRE_AUTHORIZED_CODE, "pre-authorized_code": code, **changes}, headers=headers)


def attestation_request(wallet: Wallet, text: str) -> Any:
    return wallet.ask(proofs={"attestation": [text]})


def test_one_attestation_has_a_credential_for_each_of_its_keys(wallet: Wallet, maker: Maker) -> None:
    keys = [new_key() for _ in range(5)]
    answer = attestation_request(wallet, maker.attest_keys(*keys, nonce=wallet.nonce()))
    assert answer.status_code == 200, answer.text
    assert len(answer.json["credentials"]) == len(keys)


def test_an_attestation_beside_a_proof_counts_for_all_its_keys(wallet: Wallet, maker: Maker) -> None:
    keys, nonce = [new_key() for _ in range(3)], wallet.nonce()
    text = maker.attest_keys(*keys, nonce=nonce)
    answer = wallet.ask(proof(nonce, keys[1], headers={"key_attestation": text}))
    assert answer.status_code == 200, answer.text
    assert len(answer.json["credentials"]) == len(keys)


def test_a_key_is_named_by_its_place_in_the_attestation(wallet: Wallet, maker: Maker) -> None:
    key, nonce = new_key(), wallet.nonce()
    named = {"jwk": ..., "kid": "0", "key_attestation": maker.attest_keys(key, nonce=nonce)}
    assert wallet.ask(proof(nonce, key, headers=named)).status_code == 200
    nonce = wallet.nonce()
    beyond = {"jwk": ..., "kid": "7", "key_attestation": maker.attest_keys(key, nonce=nonce)}
    assert error_of(wallet.ask(proof(nonce, key, headers=beyond))) == (400, "invalid_proof")


def test_a_proof_by_a_key_that_its_attestation_does_not_name_is_refused(wallet: Wallet, maker: Maker) -> None:
    nonce = wallet.nonce()
    other = maker.attest_keys(new_key(), nonce=nonce)
    assert error_of(wallet.ask(proof(nonce, new_key(), headers={"key_attestation": other}))) == (400, "invalid_proof")


def test_a_proof_by_a_key_of_another_proof_s_attestation_is_refused(wallet: Wallet, maker: Maker) -> None:
    keys, nonce = [new_key() for _ in range(2)], wallet.nonce()
    attestations = [maker.attest_keys(key, nonce=nonce) for key in keys]
    crossed = [proof(nonce, key, headers={"key_attestation": text}) for key, text in zip(keys, reversed(attestations), strict=True)]
    assert error_of(wallet.ask(*crossed)) == (400, "invalid_proof")
    own = [proof(nonce, key, headers={"key_attestation": text}) for key, text in zip(keys, attestations, strict=True)]
    assert len(wallet.ask(*own).json["credentials"]) == 2


def test_keys_that_are_attested_and_keys_that_are_not_are_refused_together(wallet: Wallet, maker: Maker) -> None:
    key, nonce = new_key(), wallet.nonce()
    attested_one = proof(nonce, key, headers={"key_attestation": maker.attest_keys(key, nonce=nonce)})
    assert error_of(wallet.ask(attested_one, proof(nonce))) == (400, "invalid_proof")


def test_an_attestation_beside_a_proof_must_be_as_fresh_as_that(wallet: Wallet, maker: Maker) -> None:
    key, used = new_key(), wallet.nonce()
    assert wallet.ask(proof(used)).status_code == 200
    for stale in (used, "A" * 52):
        nonce = wallet.nonce()
        named = {"key_attestation": maker.attest_keys(key, nonce=stale)}
        assert error_of(wallet.ask(proof(nonce, key, headers=named))) == (400, "invalid_nonce")


def test_two_attestations_are_refused(wallet: Wallet, maker: Maker) -> None:
    nonce = wallet.nonce()
    texts = [maker.attest_keys(new_key(), nonce=nonce) for _ in range(2)]
    assert error_of(wallet.ask(proofs={"attestation": texts})) == (400, "invalid_proof")


KEYS = [new_key() for _ in range(2)]
Forge = Callable[[Maker, str], str]
WRONG_ATTESTATIONS: dict[str, tuple[Forge, str]] = {
    "of nobody's": (lambda _, nonce: Maker().attest_keys(*KEYS, nonce=nonce), "invalid_proof"),
    "with the root along": (
        lambda maker, nonce: maker.attest_keys(*KEYS, nonce=nonce, headers={"x5c": [encoded(maker.leaf), encoded(maker.root)]}),
        "invalid_proof",
    ),
    "by a leaf signed by itself": (
        lambda maker, nonce: maker.attest_keys(*KEYS, nonce=nonce, headers={"x5c": [encoded(certificate(maker.key, "itself"))]}),
        "invalid_proof",
    ),
    "of another type": (lambda maker, nonce: maker.attest_keys(*KEYS, nonce=nonce, headers={"typ": "keyattestation+jwt"}), "invalid_proof"),
    "expired": (lambda maker, nonce: maker.attest_keys(*KEYS, nonce=nonce, exp=int(time.time()) - 60), "invalid_proof"),
    "from tomorrow": (lambda maker, nonce: maker.attest_keys(*KEYS, nonce=nonce, iat=int(time.time()) + 86400), "invalid_proof"),
    "without iat": (lambda maker, nonce: maker.attest_keys(*KEYS, nonce=nonce, iat=...), "invalid_proof"),
    "of no keys": (lambda maker, nonce: maker.attest_keys(nonce=nonce), "invalid_proof"),
    "of keys that are texts": (lambda maker, nonce: maker.attest_keys(nonce=nonce, attested_keys=["a"]), "invalid_proof"),
    "of one key twice": (lambda maker, nonce: maker.attest_keys(KEYS[0], KEYS[0], nonce=nonce), "invalid_proof"),
    "of more keys than a batch": (lambda maker, nonce: maker.attest_keys(*(new_key() for _ in range(BATCH + 1)), nonce=nonce), "invalid_proof"),
    "of an RSA key": (lambda maker, nonce: maker.attest_keys(suites.RS256.generate(), nonce=nonce), "invalid_proof"),
    "without a nonce": (lambda maker, _: maker.attest_keys(*KEYS, nonce=""), "invalid_nonce"),
    "with another's nonce": (lambda maker, _: maker.attest_keys(*KEYS, nonce="A" * 52), "invalid_nonce"),
    "with storage that is a text": (lambda maker, nonce: maker.attest_keys(*KEYS, nonce=nonce, key_storage="high"), "invalid_proof"),
}


@pytest.mark.parametrize(("forge", "error"), WRONG_ATTESTATIONS.values(), ids=WRONG_ATTESTATIONS)
def test_an_attestation_that_is_wrong_is_refused(wallet: Wallet, maker: Maker, forge: Forge, error: str) -> None:
    assert error_of(attestation_request(wallet, forge(maker, wallet.nonce()))) == (400, error)


def test_a_maker_trusted_for_wallets_alone_vouches_for_no_key(app: Flask, wallet: Wallet) -> None:
    maker = Maker().trust(app, trusted.CLIENTS)
    assert error_of(attestation_request(wallet, maker.attest_keys(*KEYS, nonce=wallet.nonce()))) == (400, "invalid_proof")


def test_a_maker_that_is_trusted_no_longer_vouches_for_nothing(app: Flask, wallet: Wallet, maker: Maker) -> None:
    with app.app_context(), transaction() as session:
        trusted.distrust(session, maker.issuer, now=now())
    assert error_of(attestation_request(wallet, maker.attest_keys(*KEYS, nonce=wallet.nonce()))) == (400, "invalid_proof")


def test_a_maker_may_be_known_by_its_key_alone(app: Flask, wallet: Wallet) -> None:
    maker = Maker()
    jwk = {**suites.public_jwk(maker.key.public_key()), "kid": f"k-{maker.issuer}"}
    with app.app_context(), transaction() as session:
        trusted.trust(session, issuer=maker.issuer, jwks={"keys": [jwk]}, roots=[], purposes=[trusted.KEYS], now=now())
    text = maker.attest_keys(*KEYS, nonce=wallet.nonce(), headers={"x5c": ..., "kid": jwk["kid"]})
    assert attestation_request(wallet, text).status_code == 200


def test_a_maker_may_have_two_keys_of_one_kid(app: Flask, wallet: Wallet) -> None:
    maker = Maker()
    kid = f"k-{maker.issuer}"
    jwks = {"keys": [{**suites.public_jwk(key.public_key()), "kid": kid} for key in (suites.RS256.generate(), maker.key)]}
    with app.app_context(), transaction() as session:
        trusted.trust(session, issuer=maker.issuer, jwks=jwks, roots=[], purposes=[trusted.KEYS], now=now())
    text = maker.attest_keys(*KEYS, nonce=wallet.nonce(), headers={"x5c": ..., "kid": kid})
    assert attestation_request(wallet, text).status_code == 200


def test_an_attested_wallet_gets_a_token(app: Flask, client: FlaskClient, holder: Holder, maker: Maker, attested_wallet: System) -> None:
    answer = redeem(app, client, holder, attested(maker, attested_wallet.client_id, new_key()))
    assert answer.status_code == 200, answer.text
    assert wallet_of(client, attested_wallet.client_id, answer.json).identifiers[TYPE]


def test_only_the_installation_that_began_refreshes(app: Flask, client: FlaskClient, holder: Holder, maker: Maker, attested_wallet: System) -> None:
    instance, wallet_id = new_key(), attested_wallet.client_id
    token = redeem(app, client, holder, attested(maker, wallet_id, instance)).json["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": token}
    assert error_of(client.post("/token", data=form, headers=attested(maker, wallet_id, new_key()))) == (400, "invalid_grant")
    assert client.post("/token", data=form, headers=attested(maker, wallet_id, instance)).status_code == 200


Headers = Callable[[Maker, str, suites.PrivateKey], dict[str, str]]
ATTESTATION, PROOF = wallet_attestation.ATTESTATION, wallet_attestation.PROOF


def changed(attestation: dict[str, Any] | None = None, pop: dict[str, Any] | None = None, **headers: Any) -> Headers:
    """Return how headers are made with some claims changed."""

    def make(maker: Maker, client_id: str, instance: suites.PrivateKey) -> dict[str, str]:
        return {
            ATTESTATION: maker.attest_wallet(client_id, instance, headers=headers or None, **(attestation or {})),
            PROOF: proof_of_instance(client_id, instance, **(pop or {})),
        }

    return make


WRONG_WALLETS: dict[str, tuple[Headers, str]] = {
    "no proof of the key": (lambda maker, name, key: {ATTESTATION: maker.attest_wallet(name, key)}, "invalid_client"),
    "a proof alone": (lambda _, name, key: {PROOF: proof_of_instance(name, key)}, "invalid_client"),
    "another maker": (lambda _, name, key: attested(Maker(), name, key), "invalid_client"),
    "another installation's proof": (
        lambda maker, name, key: {ATTESTATION: maker.attest_wallet(name, key), PROOF: proof_of_instance(name, new_key())},
        "invalid_client",
    ),
    "another wallet": (changed({"sub": "portal-of-nobody"}), "invalid_client"),
    "another issuer": (changed({"iss": "https://maker.example"}), "invalid_client"),
    "no end": (changed({"exp": ...}), "invalid_client"),
    "an end that has come": (changed({"exp": int(time.time()) - 3600}), "use_fresh_attestation"),
    "from tomorrow": (changed({"nbf": int(time.time()) + 86400}), "invalid_client"),
    "no key": (changed({"cnf": ...}), "invalid_client"),
    "a private key": (changed({"cnf": {"jwk": {"kty": "EC", "crv": "P-256", "x": "A", "y": "A", "d": "A"}}}), "invalid_client"),
    "another type": (changed(typ="JWT"), "invalid_client"),
    "a proof for another server": (changed(pop={"aud": "https://elsewhere.example"}), "invalid_client"),
    "an old proof": (changed(pop={"iat": int(time.time()) - 3600}), "invalid_client"),
    "a proof from tomorrow": (changed(pop={"iat": int(time.time()) + 86400}), "invalid_client"),
    "a proof without jti": (changed(pop={"jti": ...}), "invalid_client"),
    "a proof by another wallet": (changed(pop={"iss": "another"}), "invalid_client"),
    "a proof of another type": (changed(pop={"typ": "JWT"}), "invalid_client"),
    "nonsense": (lambda *_: {ATTESTATION: "a", PROOF: "b"}, "invalid_client"),
    "a long attestation": (lambda *_: {ATTESTATION: "a" * 60_000 + ".b.c", PROOF: "a.b.c"}, "invalid_client"),
}


@pytest.mark.parametrize(("make", "error"), WRONG_WALLETS.values(), ids=WRONG_WALLETS)
def test_a_wallet_whose_attestation_is_wrong_is_not_known(
    app: Flask, client: FlaskClient, holder: Holder, maker: Maker, attested_wallet: System, make: Headers, error: str
) -> None:
    headers = make(maker, attested_wallet.client_id, new_key())
    with capture_logs() as said:
        answer = redeem(app, client, holder, headers)
    assert answer.json["error"] == error
    assert answer.status_code in (400, 401)
    (line,) = [one for one in said if one["event"] == "client not proven"]
    assert line["why"]
    assert line["client_id"] in (None, attested_wallet.client_id)
    assert not any(text in str(said) for text in headers.values() if len(text) > 1)


def test_the_log_names_a_wallet_only_once_its_maker_did(
    app: Flask, client: FlaskClient, holder: Holder, maker: Maker, attested_wallet: System
) -> None:
    named = {"another maker": None, "a private key": attested_wallet.client_id, "an old proof": attested_wallet.client_id}
    for case, client_id in named.items():
        with capture_logs() as said:
            redeem(app, client, holder, WRONG_WALLETS[case][0](maker, attested_wallet.client_id, new_key()))
        assert [one["client_id"] for one in said if one["event"] == "client not proven"] == [client_id], case


def test_a_proof_of_an_installation_is_good_once(app: Flask, client: FlaskClient, holder: Holder, maker: Maker, attested_wallet: System) -> None:
    headers = attested(maker, attested_wallet.client_id, new_key())
    assert redeem(app, client, holder, headers).status_code == 200
    assert redeem(app, client, holder, headers).json["error"] == "invalid_client"


def test_an_attestation_and_a_secret_are_one_proof_too_many(
    app: Flask, client: FlaskClient, holder: Holder, maker: Maker, attested_wallet: System
) -> None:
    answer = redeem(app, client, holder, attested(maker, attested_wallet.client_id, new_key()), client_secret="x")
    assert error_of(answer) == (400, "invalid_request")


def test_a_wallet_under_haip_has_bound_tokens_and_attested_keys(app: Flask, client: FlaskClient, holder: Holder, maker: Maker) -> None:
    metadata = {"security_profile": "haip", "dpop_bound_access_tokens": True}
    system, prover, instance = new_wallet(app, auth_method=ATTEST_JWT, metadata=metadata), Prover(), new_key()
    prover.nonce = client.post("/nonce").headers["DPoP-Nonce"]
    bare = redeem(app, client, holder, attested(maker, system.client_id, instance))
    assert error_of(bare) == (400, "invalid_dpop_proof")
    tokens = redeem(app, client, holder, {**attested(maker, system.client_id, instance), **prover.headers()}).json
    assert tokens["token_type"] == "DPoP"
    wallet = wallet_of(client, system.client_id, tokens)
    nonce, key = wallet.nonce(), new_key()

    def ask(**proofs: list[str]) -> Any:
        body = {"credential_identifier": wallet.identifiers[TYPE][0], "proofs": proofs}
        return client.post("/credential", json=body, headers=prover.show(wallet.token, "POST", "/credential"))

    plain, by_nobody = ask(jwt=[proof(nonce, key)]), Maker().attest_keys(key, nonce=nonce)
    assert (error_of(plain), plain.json["error_description"]) == ((400, "invalid_proof"), UNATTESTED)
    assert error_of(ask(attestation=[by_nobody])) == (400, "invalid_proof")
    assert error_of(ask(jwt=[proof(nonce, key, headers={"key_attestation": by_nobody})])) == (400, "invalid_proof")
    vouched = proof(nonce, key, headers={"key_attestation": maker.attest_keys(key, nonce=nonce)})
    assert error_of(ask(jwt=[vouched, proof(nonce, new_key())])) == (400, "invalid_proof"), "each proof"
    answer = ask(jwt=[vouched])
    assert answer.status_code == 200, answer.text
    assert ask(attestation=[maker.attest_keys(new_key(), nonce=wallet.nonce())]).status_code == 200
    assert wallet.send("/credential", {}).status_code == 401, "the bare token is worth nothing"


def test_a_wallet_under_haip_keeps_its_refresh_token(app: Flask, client: FlaskClient, holder: Holder, maker: Maker) -> None:
    """HAIP 1.0 section 4 takes over FAPI 2.0 Security Profile section 5.3.2.1: no rotation, so an answer that was lost can be asked for again."""
    metadata = {"security_profile": "haip", "dpop_bound_access_tokens": True}
    system, prover, instance = new_wallet(app, auth_method=ATTEST_JWT, metadata=metadata), Prover(), new_key()
    prover.nonce = client.post("/nonce").headers["DPoP-Nonce"]
    token = redeem(app, client, holder, {**attested(maker, system.client_id, instance), **prover.headers()}).json["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": token}
    for _ in range(3):
        answer = client.post("/token", data=form, headers={**attested(maker, system.client_id, instance), **prover.headers()})
        assert answer.status_code == 200, answer.text
        assert answer.json.get("refresh_token", token) == token
    others = (attested(maker, system.client_id, new_key()) | prover.headers(), attested(maker, system.client_id, instance) | Prover().headers())
    assert [client.post("/token", data=form, headers=headers).status_code for headers in others] == [400, 400]


def test_an_installation_under_haip_issues_to_no_other_wallet(wallet: Wallet, only_haip: None) -> None:
    answer = wallet.ask(proof(wallet.nonce()))
    assert error_of(answer) == (403, "insufficient_scope")
    assert answer.json["error_description"] == "Only wallets that are registered as haip get credentials here."
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]


@pytest.mark.usefixtures("only_haip")
def test_the_metadata_says_of_every_form_that_keys_must_be_attested_where_all_must(client: FlaskClient) -> None:
    assert announced(client) == [{}]


def test_the_metadata_does_not_say_it_where_a_wallet_is_served_without(client: FlaskClient, wallet: Wallet) -> None:
    """OpenID4VCI 1.0 section 12.2.4: the member must not be there unless an attestation is required, and metadata are the same for everyone."""
    assert announced(client) == [None]
    assert wallet.ask(proof(wallet.nonce())).status_code == 200


def announced(client: FlaskClient) -> list[Any]:
    """What the metadata say of attested keys, over every configuration and type of proof: each different thing once."""
    found = client.get("/.well-known/openid-credential-issuer").json["credential_configurations_supported"].values()
    said = [kind.get("key_attestations_required") for one in found for kind in one["proof_types_supported"].values()]
    return [one for at, one in enumerate(said) if one not in said[:at]]


def test_discovery_says_how_wallets_prove_themselves(client: FlaskClient) -> None:
    found = client.get("/.well-known/oauth-authorization-server").json
    assert ATTEST_JWT in found["token_endpoint_auth_methods_supported"]
    assert "ES256" in found["client_attestation_signing_alg_values_supported"]
    assert "ES256" in found["client_attestation_pop_signing_alg_values_supported"]


def test_an_old_attestation_without_an_end_is_refused(wallet: Wallet, maker: Maker) -> None:
    made = int(time.time() - (key_attestation.WINDOW + timedelta(hours=1)).total_seconds())
    text = maker.attest_keys(*KEYS, nonce=wallet.nonce(), exp=..., iat=made)
    assert error_of(attestation_request(wallet, text)) == (400, "invalid_proof")
    assert jwt.get_unverified_header(text)["typ"] == key_attestation.TYPE
