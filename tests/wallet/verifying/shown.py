"""The same licence in every form that can be shown, right or wrong, made by the keys of `presented`. No database."""

import hashlib
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import cbor2
from cryptography import x509

from keys import cose, suites
from tests.wallet.verifying.presented import EXPECTED, ISSUER, NOW, VCT, encode, key, leaf, sign, without_none
from wallet.issuing import compact_text, mdoc
from wallet.verifying.compact_reading import CompactPresentation
from wallet.verifying.mdoc_reading import read_device_response, read_issuer_signed
from wallet.verifying.presentations import Presentation
from wallet.verifying.vc_jwt_reading import VcJwtPresentation
from wallet.verifying.vp_jwt_reading import read_jwt

DOCTYPE = "1.2.156.3005.2.11100000000013127D011"
DEPARTMENT = ISSUER.rpartition("/")[2]
STATUS = {"status_list": {"idx": 7, "uri": "https://kabao.example/status/1"}}
IDENTIFIER = "1.2.156.3005.2.test"
TRANSCRIPT = cbor2.dumps([None, None, ["a handover", "n-0S6_WzA2Mj"]])
TIME = int(NOW.timestamp())
BOUND = {"cnf": {"jwk": suites.public_jwk(key("holder").public_key())}}
ELEMENTS = {"licence_identifier": IDENTIFIER, "holder_name": "欧阳试", "birth_date": cbor2.CBORTag(1004, "1990-05-18")}


def moment(seconds: float) -> cbor2.CBORTag:
    """Return a date-time as CBOR has it, so many seconds from now."""
    return cbor2.CBORTag(0, datetime.fromtimestamp(TIME + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


def embedded(content: Any) -> cbor2.CBORTag:
    """Return CBOR in CBOR."""
    return cbor2.CBORTag(24, content if isinstance(content, bytes) else cbor2.dumps(content))


@dataclass
class Mdoc:
    """A mobile document in the making; every member may be spoilt before `shown()`."""

    chain: list[x509.Certificate] = field(default_factory=lambda: [leaf()])
    signed_by: str = "leaf"
    protected: dict[int, Any] = field(default_factory=dict)
    elements: dict[str, Any] = field(
        default_factory=lambda: {"licence_identifier": IDENTIFIER, "holder_name": "欧阳试", "birth_date": cbor2.CBORTag(1004, "1990-05-18")}
    )
    tampered: dict[str, Any] = field(default_factory=dict)
    extra: tuple[cbor2.CBORTag, ...] = ()
    doctype: str | None = None
    mso: dict[str, Any] = field(default_factory=dict)
    validity: dict[str, Any] = field(default_factory=dict)
    bound_by: str | None = "holder"
    bound_to: bytes = TRANSCRIPT
    transcript: bytes | None = TRANSCRIPT

    def items(self, changes: dict[str, Any] | None = None) -> list[cbor2.CBORTag]:
        """Return each element, some changed."""
        told = {**self.elements, **(changes or {})}
        return [
            embedded({"digestID": at, "random": bytes(32), "elementIdentifier": name, "elementValue": one})
            for at, (name, one) in enumerate(told.items())
        ]

    def issuer_signed(self) -> dict[str, Any]:
        """Return the `IssuerSigned`."""
        digests = {at: hashlib.sha256(cbor2.dumps(one)).digest() for at, one in enumerate(self.items())}
        security = without_none(
            {
                "version": "1.0",
                "digestAlgorithm": "SHA-256",
                "valueDigests": {DOCTYPE: digests},
                "deviceKeyInfo": {"deviceKey": mdoc.cose_key(suites.public_jwk(key("holder").public_key()))},
                "docType": DOCTYPE,
                "validityInfo": {"signed": moment(-1000), "validFrom": moment(-1000), "validUntil": moment(1000), **self.validity},
                "status": STATUS,
                **self.mso,
            }
        )
        signer = cose.KeySigner(key(self.signed_by), suites.suite_of(key(self.signed_by)).name, [encode(one) for one in self.chain])
        auth = cose.sign1(signer, cbor2.dumps(embedded(security)))
        if self.protected:
            auth[0] = cbor2.dumps({**cbor2.loads(auth[0]), **self.protected})
        return {"nameSpaces": {DOCTYPE: [*self.items(self.tampered), *self.extra]}, "issuerAuth": auth}

    def response(self) -> bytes:
        """Return the `DeviceResponse`."""
        document: dict[str, Any] = {"docType": self.doctype or DOCTYPE, "issuerSigned": self.issuer_signed()}
        if self.bound_by:
            names = embedded({})
            signed = cbor2.dumps(embedded(b"\x84" + cbor2.dumps("DeviceAuthentication") + self.bound_to + cbor2.dumps(DOCTYPE) + cbor2.dumps(names)))
            proof = cose.sign1(cose.KeySigner(key(self.bound_by), suites.suite_of(key(self.bound_by)).name), signed, is_detached=True)
            document["deviceSigned"] = {"nameSpaces": names, "deviceAuth": {"deviceSignature": proof}}
        return cbor2.dumps({"version": "1.0", "documents": [document], "status": 0})

    def shown(self) -> Presentation:
        """Return it as the checks take it."""
        (found,) = read_device_response(self.response(), transcript=self.transcript)
        return found

    def alone(self) -> Presentation:
        """Return it without the device's proof."""
        return read_issuer_signed(cbor2.dumps(self.issuer_signed()))


@dataclass
class VcJwt:
    """A W3C credential in the making."""

    chain: list[x509.Certificate] = field(default_factory=lambda: [leaf()])
    signed_by: str = "leaf"
    header: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    credential: dict[str, Any] = field(default_factory=dict)
    subject: dict[str, Any] = field(default_factory=dict)
    is_1_1: bool = False

    def text(self) -> str:
        """Sign it; a member whose value is None is left out."""
        credential = without_none(
            {
                "type": ["VerifiableCredential", "DrivingLicence"],
                "issuer": ISSUER,
                "credentialSubject": {"licence_identifier": IDENTIFIER, "holder_name": "欧阳试", "vehicle_class": "C1", **self.subject},
                "credentialSchema": {"id": f"{VCT}/schema", "type": "JsonSchema"},
                **self.credential,
            }
        )
        claims = without_none({"iss": ISSUER, "iat": TIME - 1000, "nbf": TIME - 1000, "exp": TIME + 1000, "status": STATUS, **self.claims})
        payload = {"vc": credential, **claims} if self.is_1_1 else {**credential, **claims}
        return sign(payload, self.signed_by, {"typ": "JWT" if self.is_1_1 else "vc+jwt", "x5c": [encode(one) for one in self.chain], **self.header})

    def shown(self) -> Presentation:
        """Return it as the checks take it."""
        return VcJwtPresentation(self.text())


@dataclass
class VpJwt:
    """A W3C presentation in the making, around a credential that is bound to the holder; `credentials` are in it in that one's place."""

    credential: VcJwt = field(default_factory=lambda: VcJwt(is_1_1=True, claims=BOUND))
    credentials: Any = None
    bound_by: str = "holder"
    header: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    vp: dict[str, Any] = field(default_factory=dict)

    def text(self) -> str:
        """Sign it; a member whose value is None is left out."""
        held = [self.credential.text()] if self.credentials is None else self.credentials
        vp = without_none({"type": ["VerifiablePresentation"], "verifiableCredential": held, **self.vp})
        bound = {"iat": TIME, "aud": EXPECTED.audience, "nonce": EXPECTED.nonce, "vp": vp}
        return sign(without_none({**bound, **self.claims}), self.bound_by, {"typ": "JWT", **self.header})

    def shown(self) -> Presentation:
        """Return it as the checks take it."""
        return read_jwt(self.text())


@dataclass
class Compact:
    """A compact code in the making."""

    signed_by: str = "leaf"
    protected: dict[int, Any] = field(default_factory=dict)
    claims: dict[int, Any] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)
    known: tuple[x509.Certificate, ...] | None = None

    def text(self) -> str:
        """Sign it and write it down."""
        licence = {"t": "driving-licence", "licence_identifier": IDENTIFIER, "holder_name": "欧阳试", **self.fields}
        claims = without_none({1: DEPARTMENT, 4: TIME + 1000, 6: TIME - 1000, 65535: STATUS, -70001: licence, **self.claims})  # type: ignore[dict-item]
        signer = cose.KeySigner(key(self.signed_by), suites.suite_of(key(self.signed_by)).name)
        message = cose.sign1(signer, cbor2.dumps(claims), protected={cose.KEY_ID: b"12345678"})
        if self.protected:
            message[0] = cbor2.dumps({**cbor2.loads(message[0]), **self.protected})
        return compact_text.PREFIX + compact_text.to_base45(zlib.compress(cose.to_bytes(message)))

    def shown(self) -> Presentation:
        """Return it as the checks take it, for one who knows the department's certificates."""
        return CompactPresentation(self.text(), chains_of=self._chains)

    def _chains(self, department: str, kid: bytes) -> Iterable[list[str]]:
        known = (leaf(),) if self.known is None else self.known
        return [[encode(one)] for one in known] if (department, kid) == (DEPARTMENT, b"12345678") else []
