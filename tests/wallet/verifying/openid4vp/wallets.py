"""A wallet of another house, in Python: it holds licences bound to a key of its own, fetches a request and answers it, rightly or not.

It shares no code with the verifier's side but for signing, so that both can be wrong in their own way.
"""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import cbor2
import jwt
from flask import Flask, current_app
from joserfc import jwe
from joserfc.jwk import ECKey
from werkzeug.test import TestResponse

from keys import cose, suites
from runtime.clock import now
from runtime.database import transaction
from runtime.ids import new_id
from runtime.settings import Settings
from tests.world_verifying import CAUSE, Counter, new_browser
from wallet.issuing import formats, sd_jwt, status_places
from wallet.issuing.contents import content_of
from wallet.issuing.oid4vci import elsewhere
from wallet.issuing.status_lists import Place
from wallet.register.licences import Licence, get_licence

SD_JWT, MDOC, VC_JWT = formats.SD_JWT_VC, formats.MDOC, formats.VC_JWT_1_1
Changes = dict[str, Any]


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Held:
    """A licence in the wallet: its credential, the key that it is bound to, and its place in a status list."""

    credential: bytes | str
    key: suites.PrivateKey
    place: Place

    @property
    def jwk(self) -> dict[str, str]:
        return suites.public_jwk(self.key.public_key())


def fetch_licence(app: Flask, licence: Licence, form: str = SD_JWT, *, suite: suites.Suite = suites.ES256, holder_id: UUID | None = None) -> Held:
    """Have a licence issued to this wallet, in a form; for one of several holders, as it is kept whom it was issued for."""
    settings, key = app.extensions["kabao_settings"], suite.generate()
    with app.app_context():
        (place,) = status_places.draw_many(settings, 1, now=now())
        with transaction() as session:
            if holder_id is not None:
                elsewhere.add(session, [_row(licence, holder_id, form, place)])
            content = content_of(session, settings, get_licence(session, licence.id), holder_id=holder_id)
            made = formats.FORMATS[form].make(settings, content, holder_key=suites.public_jwk(key.public_key()), place=place, now=now())
    return Held(made, key, place)


def _row(licence: Licence, holder_id: UUID, form: str, place: Place) -> dict[str, Any]:
    ids = {"holder_id": holder_id, "id": new_id(), "licence_id": licence.id, "batch_id": new_id(), "person_id": holder_id}
    about = {"client_id": "elsewhere", "format": form, "key_thumbprint": "", "status_list": place.list_id, "status_index": place.index}
    return {**ids, **about, "issued_at": now(), "expires_at": None, "told": None, "ended_at": None, "ended_why": None}


@dataclass
class Got:
    """A request that was fetched, its signature not looked at."""

    header: dict[str, Any]
    payload: dict[str, Any]

    @property
    def encryption_key(self) -> dict[str, Any] | None:
        keys = self.payload["client_metadata"].get("jwks", {}).get("keys")
        return keys[0] if keys else None


@dataclass
class Wallet:
    """The wallet. `binding` changes what its key signs over; None takes a member away."""

    app: Flask
    held: Held
    binding: Changes = field(default_factory=dict)
    transcript: list[Any] | None = None

    def fetch(self, link: str, **form: str) -> TestResponse:
        """Fetch the request that a link leads to."""
        path = urlsplit(parse_qs(urlsplit(link).query)["request_uri"][0]).path
        browser = new_browser(self.app)
        return browser.post(path, data=form) if form else browser.get(path)

    def get(self, link: str, **form: str) -> Got:
        """Fetch it and read it."""
        response = self.fetch(link, **form)
        assert response.status_code == 200, response.text
        return Got(jwt.get_unverified_header(response.text), jwt.decode(response.text, options={"verify_signature": False}))

    def present(self, got: Got, fields: tuple[str, ...]) -> str:
        """Return the presentation of the licence with some fields, bound to a request."""
        if isinstance(self.held.credential, bytes):
            return self.present_mdoc(got, fields)
        return self.present_sd_jwt(got, fields) if "~" in self.held.credential else self.present_w3c(got)

    def present_w3c(self, got: Got) -> str:
        """Return a presentation of the whole credential (OpenID4VP 1.0 appendix B.1.3.1.5); of a W3C credential nothing can be kept back."""
        vp = {"@context": ["https://www.w3.org/2018/credentials/v1"], "type": ["VerifiablePresentation"]}
        made_at = int(now().timestamp())
        payload = {
            "iat": made_at,
            "nbf": made_at,
            "exp": made_at + 60,
            "aud": got.payload["client_id"],
            "nonce": got.payload["nonce"],
            "vp": {**vp, "verifiableCredential": [self.held.credential]},
            **self.binding,
        }
        payload = {name: value for name, value in payload.items() if value is not None}
        return jwt.encode(payload, self.held.key, algorithm=suites.suite_of(self.held.key).name)

    def present_sd_jwt(self, got: Got, fields: tuple[str, ...]) -> str:
        parts = sd_jwt.parse(str(self.held.credential))
        text = sd_jwt.combine(parts.jwt, [one for one in parts.disclosures if one.name in fields])
        acts = got.payload.get("transaction_data")
        payload = {
            "iat": int(now().timestamp()),
            "aud": got.payload["client_id"],
            "nonce": got.payload["nonce"],
            "sd_hash": encoded(hashlib.sha256(text.encode()).digest()),
            **({"transaction_data_hashes": [encoded(hashlib.sha256(one.encode()).digest()) for one in acts]} if acts else {}),
            **self.binding,
        }
        payload = {name: value for name, value in payload.items() if value is not None}
        return text + jwt.encode(payload, self.held.key, algorithm=suites.suite_of(self.held.key).name, headers={"typ": "kb+jwt"})

    def present_mdoc(self, got: Got, fields: tuple[str, ...]) -> str:
        signed = cbor2.loads(self.held.credential)  # type: ignore[arg-type]
        (space,) = signed["nameSpaces"]
        items = [one for one in signed["nameSpaces"][space] if cbor2.loads(one.value)["elementIdentifier"] in fields]
        names = cbor2.CBORTag(24, cbor2.dumps({}))
        transcript = self.transcript or session_transcript(got)
        signed_over = cbor2.dumps(cbor2.CBORTag(24, cbor2.dumps(["DeviceAuthentication", transcript, space, names])))
        proof = cose.sign1(cose.KeySigner(self.held.key, suites.suite_of(self.held.key).name), signed_over, is_detached=True)
        document = {
            "docType": space,
            "issuerSigned": {**signed, "nameSpaces": {space: items}},
            "deviceSigned": {"nameSpaces": names, "deviceAuth": {"deviceSignature": proof}},
        }
        return encoded(cbor2.dumps({"version": "1.0", "documents": [document], "status": 0}))

    def answer(self, got: Got, presentations: dict[str, list[str]], **changes: Any) -> TestResponse:
        """Send an answer as the request wants it."""
        parameters = {"vp_token": presentations, "state": got.payload["state"], **changes}
        parameters = {name: value for name, value in parameters.items() if value is not None}
        if got.payload["response_mode"] == "direct_post.jwt":
            return self.post(got, {"response": encrypt(got, parameters)})
        return self.post(got, {name: value if isinstance(value, str) else json.dumps(value) for name, value in parameters.items()})

    def post(self, got: Got, form: Any) -> TestResponse:
        """Post something to where the answer goes."""
        return new_browser(self.app).post(urlsplit(got.payload["response_uri"]).path, data=form)


def session_transcript(got: Got) -> list[Any]:
    """Return the session transcript of a request (OpenID4VP 1.0 appendix B.2.6.1)."""
    jwk = got.encryption_key
    members = {name: jwk[name] for name in ("crv", "kty", "x", "y")} if jwk else None
    thumbprint = hashlib.sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest() if members else None
    info = [got.payload["client_id"], got.payload["nonce"], thumbprint, got.payload["response_uri"]]
    return [None, None, ["OpenID4VPHandover", hashlib.sha256(cbor2.dumps(info)).digest()]]


def encrypt(got: Got, parameters: Any, *, enc: str = "A128GCM", **header: Any) -> str:
    """Return parameters encrypted to the request's key."""
    jwk = got.encryption_key
    assert jwk is not None
    key = ECKey.import_key({name: jwk[name] for name in ("kty", "crv", "x", "y")})
    head = {"alg": "ECDH-ES", "enc": enc, "kid": jwk["kid"], **header}
    registry = jwe.JWERegistry(algorithms=["ECDH-ES", "ECDH-ES+A128KW", "A128GCM", "A256GCM", "A128CBC-HS256", "DEF"])
    plain = parameters if isinstance(parameters, bytes) else json.dumps(parameters).encode()
    return jwe.encrypt_compact(head, plain, key, registry=registry)


def ask(counter: Counter, **more: Any) -> TestResponse:
    """Ask for the vehicle class, unless said."""
    wanted = {} if more.keys() & {"dcql_query", "statements"} else {"credentials": [{"type": "driving-licence", "fields": ["vehicle_class"]}]}
    how = {name: more.pop(name) for name in ("key", "token") if name in more}
    return counter.post("requests", {**wanted, "cause": CAUSE, **more}, **how)


def asked(counter: Counter, **more: Any) -> dict[str, Any]:
    """Ask, and return the request."""
    response = ask(counter, **more)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.get_json()
    return made


def settings() -> Settings:
    found: Settings = current_app.extensions["kabao_settings"]
    return found
