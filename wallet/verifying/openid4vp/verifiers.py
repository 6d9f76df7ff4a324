"""By which name a department, or the service itself, asks: its certificate's hash, or the host that the certificate names. OpenID4VP 1.0 section
5.9.3, HAIP 1.0."""

import base64
import hashlib
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from keys import certificates, ring
from keys.ring import Signer
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings
from wallet.register.departments import get_department
from wallet.verifying.openid4vp.requests import HASH, SAN_DNS, SERVICE

OURSELVES = Text("卡包统一身份认证", "Kabao identity service")


class NoDnsName(Refusal):
    """The department's certificate names no host by which this service is reached."""

    code, status = "no-dns-name", 422
    title = Text("部门证书未载明本服务的域名，请使用x509_hash。", "The department's certificate does not name this service's host: use x509_hash.")


def signer_of(department: str) -> Signer:
    """Return the key by which a department signs what it asks, the service a key that signs nothing else; raises KeyNotReady."""
    return ring.signer(ring.IDENTITY if department == SERVICE else certificates.department_use(department))


def name_of(department: str) -> Text:
    """Return who asks, in words."""
    return OURSELVES if department == SERVICE else get_department(department).name


def identifier_of(settings: Settings, department: str, prefix: str) -> str:
    """Return the client identifier of a department; raises KeyNotReady, NoDnsName."""
    leaf = signer_of(department).certificates[0]
    if prefix == HASH:
        return f"{HASH}:{base64.urlsafe_b64encode(hashlib.sha256(leaf.public_bytes(Encoding.DER)).digest()).rstrip(b'=').decode()}"
    host = (urlsplit(settings.public_url).hostname or "").encode("idna").decode()
    if host not in leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName):
        raise NoDnsName(field="client_id_prefix")
    return f"{SAN_DNS}:{host}"


def prefix_of(identifier: str) -> str:
    """Return the prefix of a client identifier of ours."""
    return identifier.partition(":")[0]
