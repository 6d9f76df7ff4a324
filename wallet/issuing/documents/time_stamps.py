"""Time stamps (RFC 3161) for what is sealed here, by a key of their own under the root.

They say when the service's own clock saw a signature, and are worth as much as the operator's word, but for being of a key that signs nothing
else. Where the operator named another authority, its stamps come first: `outside_time_stamps`.
"""

import base64
import hashlib
import secrets
from datetime import datetime

from asn1crypto import algos, cms, core, tsp, x509
from pyhanko.sign.general import as_signing_certificate_v2, simple_cms_attribute
from pyhanko.sign.timestamps.api import TimeStamper

from keys import ring

POLICY = "2.25.198774502417753061843937150846202116493"  # ours alone: an OID made of a UUID
ALGORITHM = "sha256_ecdsa"
CERTIFICATE_HASH = "sha512"  # not the default one: see `pades`


class OwnTimeStamper(TimeStamper):
    """Answers each request itself, with the clock as it was given."""

    def __init__(self, *, now: datetime) -> None:
        super().__init__()
        self.now = now
        self.signer = ring.signer(ring.TIME_STAMPING)
        self.certificate = x509.Certificate.load(base64.b64decode((self.signer.chain or [""])[0]))

    async def async_request_tsa_response(self, req: tsp.TimeStampReq) -> tsp.TimeStampResp:
        """Stamp what is asked for."""
        answer = tsp.TimeStampResp({"status": tsp.PKIStatusInfo({"status": "granted"}), "time_stamp_token": self._token(req)})
        return tsp.TimeStampResp.load(answer.dump())

    def _token(self, request: tsp.TimeStampReq) -> cms.ContentInfo:
        stamped = tsp.TSTInfo(
            {
                "version": "v1",
                "policy": POLICY,
                "message_imprint": request["message_imprint"],
                "serial_number": secrets.randbits(64),
                "gen_time": self.now,
                "accuracy": tsp.Accuracy({"seconds": 1}),
                "nonce": request["nonce"],
                "tsa": x509.GeneralName(name="directory_name", value=self.certificate.subject),
            }
        ).dump()
        signed = cms.SignedData(
            {
                "version": "v3",
                "digest_algorithms": [algos.DigestAlgorithm({"algorithm": "sha256"})],
                "encap_content_info": {"content_type": "tst_info", "content": cms.ParsableOctetString(stamped)},
                "certificates": [self.certificate],
                "signer_infos": [self._signature(stamped)],
            }
        )
        return cms.ContentInfo({"content_type": "signed_data", "content": signed})

    def _signature(self, stamped: bytes) -> cms.SignerInfo:
        named = tsp.SigningCertificateV2.load(as_signing_certificate_v2(self.certificate, hash_algo=CERTIFICATE_HASH).dump())
        built = cms.CMSAttributes(
            [
                simple_cms_attribute("content_type", "tst_info"),
                simple_cms_attribute("signing_time", cms.Time({"utc_time": core.UTCTime(self.now)})),
                simple_cms_attribute("signing_certificate_v2", named),
                simple_cms_attribute("message_digest", hashlib.sha256(stamped).digest()),
            ]
        )
        attributes = cms.CMSAttributes.load(built.dump())  # what is built is encoded anew wherever it stands, at each level once more
        issuer_and_serial = {"issuer": self.certificate.issuer, "serial_number": self.certificate.serial_number}
        return cms.SignerInfo(
            {
                "version": "v1",
                "sid": cms.SignerIdentifier({"issuer_and_serial_number": issuer_and_serial}),
                "digest_algorithm": algos.DigestAlgorithm({"algorithm": "sha256"}),
                "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": ALGORITHM}),
                "signed_attrs": attributes,
                "signature": self.signer.sign_der(attributes.dump()),
            }
        )
