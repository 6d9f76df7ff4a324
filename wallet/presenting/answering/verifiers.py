"""Who is behind a request: somebody whom the register knows, or a stranger with a certificate.

A stranger is never given a name of their own choosing: what is shown of them is the host that the answer goes to, for nothing else was proven.
"""

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from keys import certificates, paths
from keys.paths import UNREADABLE, CertificateRevoked, UntrustedChain
from runtime.languages import Text
from runtime.settings import Settings
from wallet.presenting.answering.refusals import WRONG_NAME, RequestRefused
from wallet.presenting.answering.request_objects import RequestObject
from wallet.register.departments import DepartmentNotFound, get_department


@dataclass(frozen=True, slots=True)
class Verifier:
    """Who asks. `department` is its code, where the certificate is a department's of ours; `is_trusted` if a root of ours vouches for it."""

    name: Text
    is_trusted: bool
    department: str | None = None


def verifier_of(asked: RequestObject, settings: Settings, *, now: datetime) -> Verifier:
    """Return who asks; raises RequestRefused for a certificate that was revoked, is out of its period, or whose chain does not hold."""
    anchors = certificates.anchors()
    try:
        path = paths.check_path(asked.chain, roots=(*anchors.roots, *anchors.outside), asks=True)
    except UntrustedChain:
        _check_stranger(asked, now=now)
        return _stranger(asked, settings)
    try:
        path.check_held(now.timestamp())
        path.check_not_revoked(anchors.revoked, now.timestamp())
    except (UntrustedChain, CertificateRevoked) as error:
        raise RequestRefused("a certificate that does not hold now", shown=WRONG_NAME) from error
    if path.root not in anchors.roots and path.fingerprints[0] not in anchors.imported:
        return _stranger(asked, settings)
    return _known(asked, path.certificates[0], settings)


def _known(asked: RequestObject, leaf: x509.Certificate, settings: Settings) -> Verifier:
    """Return the department that a certificate of ours names; one of the service's own speaks for the service alone."""
    prefix = certificates.department_uri(settings, "")
    for uri in _uris(leaf):
        if uri.startswith(prefix):
            try:
                code = uri.removeprefix(prefix)
                return Verifier(get_department(code).name, is_trusted=True, department=code)
            except DepartmentNotFound:
                continue
    return Verifier(_host(asked), is_trusted=True)


def _check_stranger(asked: RequestObject, *, now: datetime) -> None:
    try:
        chain = [paths.read_certificate(one) for one in asked.chain]
        for certificate, authority in pairwise(chain):
            certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, *UNREADABLE) as error:
        raise RequestRefused("a chain that does not hold", shown=WRONG_NAME) from error
    if not all(one.not_valid_before_utc <= now <= one.not_valid_after_utc for one in chain):
        raise RequestRefused("a certificate out of its period", shown=WRONG_NAME)


def _stranger(asked: RequestObject, settings: Settings) -> Verifier:
    """Return somebody unknown by where their answer goes; whoever poses as this service, under whose own name nobody is careful, is refused."""
    if asked.host == urlsplit(settings.public_url).hostname:
        raise RequestRefused("a stranger at our own address", shown=WRONG_NAME)
    return Verifier(_host(asked), is_trusted=False)


def _host(asked: RequestObject) -> Text:
    return Text(asked.host, asked.host)


def _uris(leaf: x509.Certificate) -> list[str]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except UNREADABLE:
        return []
    return sorted(names.get_values_for_type(x509.UniformResourceIdentifier))
