"""The department's signature under a document: PAdES, level B-LT (ETSI EN 319 142-1).

The signature, a time stamp over it, and in the document itself the certificates and the revocation list by which anybody can check both
years later, offline, who holds nothing but the root.
"""

import base64
import logging
from datetime import datetime
from io import BytesIO
from typing import Any

import structlog
from asn1crypto import algos, crl, tsp, x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.attributes import SigningCertificateV2Provider
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
from pyhanko.sign.general import as_signing_certificate_v2
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, Signer
from pyhanko.sign.timestamps.api import TimeStamper
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from keys import certificates, revocation_lists, ring
from runtime.settings import Settings
from wallet.issuing.documents.outside_time_stamps import OutsideTimeStamper, TimeStampUnavailable
from wallet.issuing.documents.time_stamps import OwnTimeStamper

FIELD = "Seal"
MECHANISMS = {"ES256": "sha256_ecdsa", "EdDSA": "ed25519", "Ed25519": "ed25519"}
ROOM_FOR_DER = 80
CERTIFICATE_HASH = "sha512"
log = structlog.get_logger(__name__)
logging.getLogger("pyhanko.sign.signers").setLevel(logging.ERROR)  # it warns that nothing is fetched, which is as it should be


async def _encoded_once(provider: SigningCertificateV2Provider, dry_run: bool = False) -> tsp.SigningCertificateV2:  # noqa: FBT001, FBT002
    """Return the attribute that names the signer's certificate, read back, and with a hash that is not the default one.

    What asn1crypto builds (and it builds a default anew when it reads) it encodes again at every level above: one signature in six took seconds.
    """
    return tsp.SigningCertificateV2.load(as_signing_certificate_v2(provider.signing_cert, hash_algo=CERTIFICATE_HASH).dump())


SigningCertificateV2Provider.build_attr_value = _encoded_once  # type: ignore[assignment, method-assign]


class DepartmentSigner(Signer):
    """Signs with a key of the ring, wherever that lives."""

    def __init__(self, signer: ring.Signer) -> None:
        chain = [x509.Certificate.load(base64.b64decode(one)) for one in signer.chain or ()]
        mechanism = algos.SignedDigestAlgorithm({"algorithm": MECHANISMS[signer.suite]})
        super().__init__(signing_cert=chain[0], cert_registry=SimpleCertificateStore.from_certs(chain), signature_mechanism=mechanism)
        self.signer = signer

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:  # noqa: FBT001, FBT002 (its base has it so)
        """Return the signature as CMS carries it."""
        return bytes(ROOM_FOR_DER) if dry_run else self.signer.sign_der(data)


def seal(document: bytes, settings: Settings, *, department: str, reason: str, now: datetime) -> bytes:
    """Return the document with the department's signature; raises KeyNotReady if it has no key, and TimeStampUnavailable."""
    return seal_by(document, settings, use=certificates.department_use(department), reason=reason, now=now)


def seal_by(document: bytes, settings: Settings, *, use: str, reason: str, now: datetime) -> bytes:
    """Return the document with the signature of a use's key, which has a certificate; raises KeyNotReady.

    The time stamp is the named authority's. Where that gives none it is our own instead, or, if the operator wants no other: TimeStampUnavailable.
    """
    if settings.time_stamp_url is None:
        return _sealed(document, OwnTimeStamper(now=now), use=use, reason=reason, now=now)
    try:
        return _sealed(document, OutsideTimeStamper(settings, now=now), use=use, reason=reason, now=now)
    except TimeStampUnavailable as unavailable:
        log.warning("no time stamp from outside", reason=unavailable.reason)
        if not settings.time_stamp_fallback:
            raise
    return _sealed(document, OwnTimeStamper(now=now), use=use, reason=reason, now=now)


def _sealed(document: bytes, stamper: TimeStamper, *, use: str, reason: str, now: datetime) -> bytes:
    signer = DepartmentSigner(ring.signer(use))
    metadata = PdfSignatureMetadata(
        field_name=FIELD,
        md_algorithm="sha256",
        subfilter=SigSeedSubFilter.PADES,
        embed_validation_info=True,
        certify=True,
        docmdp_permissions=MDPPerm.NO_CHANGES,
        reason=reason,
        validation_context=_context(now=now),
        signer_key_usage={"digital_signature"},
    )
    out = BytesIO()
    PdfSigner(metadata, signer=signer, timestamper=stamper).sign_pdf(IncrementalPdfFileWriter(BytesIO(document)), output=out)
    return out.getvalue()


def _context(*, now: datetime) -> Any:
    """Return what the signer's own certificate and the time stamp's are checked against before they go into the document."""
    roots = certificates.anchors().roots
    held = [revocation_lists.find(certificates.kid_of(root)) for root in roots]
    return ValidationContext(
        trust_roots=[x509.Certificate.load(root.public_bytes(Encoding.DER)) for root in roots],
        crls=[crl.CertificateList.load(one) for one in held if one is not None],
        allow_fetching=False,
        revocation_mode="require",
        moment=now,
    )
