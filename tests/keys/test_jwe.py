"""What others write to us opens, and nothing else does."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from joserfc import jwe as theirs
from joserfc.jwk import ECKey, OctKey, RSAKey

from keys import jwe, suites


@pytest.fixture
def published(client: FlaskClient) -> dict[str, dict[str, Any]]:
    keys = client.get("/jwks").json["keys"]
    return {key["kty"]: key for key in keys if key["use"] == "enc"}


def written(jwk: dict[str, Any], header: dict[str, Any], plain: bytes = b"inside") -> str:
    key = (RSAKey if jwk["kty"] == "RSA" else ECKey).import_key(jwk)
    registry = theirs.JWERegistry(algorithms=[header["alg"], header["enc"], "DEF"], strict_check_header=False)
    return theirs.encrypt_compact(header, plain, key, registry=registry)


def test_the_key_set_says_what_each_key_is_for(client: FlaskClient) -> None:
    keys = client.get("/jwks").json["keys"]
    assert {key["alg"] for key in keys if key["use"] == "sig"} == set(suites.SUITES)
    assert sorted(key.get("alg", key["kty"]) for key in keys if key["use"] == "enc") == ["EC", "RSA-OAEP-256"]
    assert not any(suites.PRIVATE_MEMBERS & key.keys() for key in keys)


@pytest.mark.parametrize("enc", jwe.ENCS)
@pytest.mark.parametrize("alg", jwe.ALGS)
@pytest.mark.parametrize("is_named", [True, False], ids=["with kid", "without kid"])
def test_what_is_written_to_us_opens(app: Flask, published: dict[str, Any], alg: str, enc: str, is_named: bool) -> None:
    jwk = published["RSA" if alg in jwe.RSA_ALGS else "EC"]
    token = written(jwk, {"alg": alg, "enc": enc, **({"kid": jwk["kid"]} if is_named else {})})
    with app.app_context():
        assert jwe.decrypt(token) == b"inside"


@pytest.mark.parametrize("alg", jwe.ALGS)
def test_what_we_write_opens_for_whom_it_is_meant(app: Flask, alg: str) -> None:
    key = (suites.RSA_OAEP_256 if alg in jwe.RSA_ALGS else suites.ECDH_ES).generate()
    token = jwe.encrypt(b"inside", jwk=suites.public_jwk(key.public_key()), alg=alg, enc="A256GCM", headers={"cty": "JWT"})
    opened = theirs.decrypt_compact(token, (RSAKey if alg in jwe.RSA_ALGS else ECKey).import_key(key), algorithms=[alg, "A256GCM"])
    assert opened.plaintext == b"inside"
    assert opened.protected["cty"] == "JWT"


@pytest.mark.parametrize(
    ("alg", "enc"),
    [("RSA-OAEP", "A128GCM"), ("RSA1_5", "A128GCM"), ("dir", "A128GCM"), ("ECDH-ES", "A192GCM"), ("ECDH-ES", "none"), ("RSA-OAEP-256", "A128GCM")],
)
def test_nothing_is_written_by_other_algorithms(alg: str, enc: str) -> None:
    with pytest.raises(ValueError, match="by this algorithm"):
        jwe.encrypt(b"inside", jwk=suites.public_jwk(suites.ECDH_ES.generate().public_key()), alg=alg, enc=enc, headers={})


def changed(token: str, **header: Any) -> str:
    first, rest = token.split(".", 1)
    whole = {**json.loads(base64.urlsafe_b64decode(first + "==")), **header}
    return base64.urlsafe_b64encode(json.dumps(whole).encode()).rstrip(b"=").decode() + "." + rest


GOOD = {"alg": "ECDH-ES", "enc": "A128GCM"}
HOSTILE = {
    "empty": lambda token, jwk: "",
    "not a token": lambda token, jwk: "a.b.c.d.e",
    "parts that are empty": lambda token, jwk: "....",
    "three parts": lambda token, jwk: ".".join(token.split(".")[:3]),
    "not ASCII": lambda token, jwk: token + "卡",
    "too long": lambda token, jwk: token + "A" * jwe.LONGEST,
    "a header that is a list": lambda token, jwk: "W10." + token.split(".", 1)[1],
    "a header nested without end": lambda token, jwk: base64.urlsafe_b64encode(b"[" * 10_000).rstrip(b"=").decode() + "." + token.split(".", 1)[1],
    "compressed": lambda token, jwk: written(jwk, {**GOOD, "zip": "DEF"}, b"0" * 60_000),
    "zip of another type": lambda token, jwk: changed(token, zip=["DEF"]),
    "crit": lambda token, jwk: changed(token, crit=["exp"], exp=1),
    "b64": lambda token, jwk: changed(token, b64=False),
    "alg none": lambda token, jwk: changed(token, alg="none"),
    "alg of another type": lambda token, jwk: changed(token, alg=["ECDH-ES"]),
    "alg of another family": lambda token, jwk: changed(token, alg="RSA-OAEP-256"),
    "PBES2 with many rounds": lambda token, jwk: changed(token, alg="PBES2-HS256+A128KW", p2c=2**31, p2s="AAAA"),
    "dir": lambda token, jwk: theirs.encrypt_compact({"alg": "dir", "enc": "A128GCM"}, b"x", OctKey.generate_key(128), algorithms=["dir", "A128GCM"]),
    "enc unknown": lambda token, jwk: changed(token, enc="A1GCM"),
    "enc of another type": lambda token, jwk: changed(token, enc={}),
    "kid unknown": lambda token, jwk: changed(token, kid="unknown"),
    "kid of another type": lambda token, jwk: changed(token, kid={}),
    "an ephemeral key of another curve": lambda token, jwk: changed(token, epk={"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"}),
    "an ephemeral key that is not on the curve": lambda token, jwk: changed(
        token, epk={"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 42 + "E"}
    ),
    "an ephemeral key of another type": lambda token, jwk: changed(token, epk="epk"),
    "no ephemeral key": lambda token, jwk: changed(token, epk=None),
    "an ephemeral key that is symmetric": lambda token, jwk: changed(token, epk={"kty": "oct", "k": "AAAA"}),
    "apu of another type": lambda token, jwk: changed(token, apu=5),
    "changed header": lambda token, jwk: changed(token, typ="x"),
    "changed tag": lambda token, jwk: token[:-6] + "AAAAAA",
    "no tag": lambda token, jwk: token.rsplit(".", 1)[0] + ".",
    "short tag": lambda token, jwk: token[:-16],
    "no nonce": lambda token, jwk: ".".join(part if place != 2 else "" for place, part in enumerate(token.split("."))),
    "an encrypted key where none belongs": lambda token, jwk: ".".join(part if place != 1 else "AAAA" for place, part in enumerate(token.split("."))),
    "to another's key": lambda token, jwk: written({**suites.public_jwk(suites.ECDH_ES.generate().public_key()), "kid": jwk["kid"]}, GOOD),
}


@pytest.mark.parametrize("forge", HOSTILE.values(), ids=HOSTILE)
def test_what_is_not_as_it_should_be_does_not_open(app: Flask, published: dict[str, Any], forge: Any) -> None:
    unverified = forge(written(published["EC"], GOOD), published["EC"])
    with app.app_context(), pytest.raises(jwe.NotDecrypted, match="not decrypted"):
        jwe.decrypt(unverified)


def test_what_the_caller_does_not_allow_does_not_open(app: Flask, published: dict[str, Any]) -> None:
    token = written(published["EC"], GOOD)
    with app.app_context():
        for bounds in ({"algs": ("RSA-OAEP-256",)}, {"encs": ("A256GCM",)}):
            with pytest.raises(jwe.NotDecrypted):
                jwe.decrypt(token, **bounds)


def test_what_its_sender_wrote_for_another_key_does_not_open_either(app: Flask, published: dict[str, Any]) -> None:
    with app.app_context(), pytest.raises(jwe.NotDecrypted):
        jwe.decrypt(written(published["EC"], {**GOOD, "kid": "unknown"}))


@pytest.mark.parametrize(
    "more",
    [{"iss": "https://portal.example.gov.cn", "aud": ["x"]}, {"jku": "https://x.example/keys"}, {"purpose": {"of": "their own"}}],
    ids=["claims that stand there too", "an address of keys", "one of their own"],
)
def test_what_is_not_understood_of_a_header_is_ignored(app: Flask, published: dict[str, Any], more: dict[str, Any]) -> None:
    """RFC 7516 section 4, RFC 7519 section 5.3: unless it is critical, it takes nothing away, and nothing is fetched for it."""
    with app.app_context():
        assert jwe.decrypt(written(published["EC"], {**GOOD, **more})) == b"inside"


def test_what_is_for_one_key_must_name_it(app: Flask) -> None:
    key, bounds = suites.ECDH_ES.generate(), {"kid": "mine", "algs": ("ECDH-ES",), "encs": ("A128GCM",)}
    jwk = suites.public_jwk(key.public_key())
    assert jwe.decrypt_for(written(jwk, {**GOOD, "kid": "mine"}), key, **bounds) == b"inside"
    for header in (GOOD, {**GOOD, "kid": "another"}):
        with pytest.raises(jwe.NotDecrypted):
            jwe.decrypt_for(written(jwk, header), key, **bounds)


def test_a_retired_key_opens_and_is_not_shown(app: Flask, published: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with app.app_context():
        retired = {kid: replace(known, is_active=False) for kid, known in jwe.decryption_keys().items()}
        monkeypatch.setattr(jwe, "decryption_keys", lambda: retired)
        assert jwe.published() == []
        assert jwe.decrypt(written(published["EC"], GOOD)) == b"inside"
