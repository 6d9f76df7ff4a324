"""The certificate that a credential carries: its key, and the names it stands for. Whether a root vouches for it is for `keys.paths` to say.

Pure. What was found once about a certificate is kept, since it cannot change.
"""

from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509

from keys import paths, suites
from keys.paths import UNREADABLE

KEPT = 1024


@dataclass(frozen=True, slots=True)
class Leaf:
    """The certificate of a signing key: the key, its suite, and the URIs that it speaks for."""

    certificate: x509.Certificate
    key: suites.PublicKey
    suite: str
    uris: frozenset[str]
    encoded: str
    fingerprint: str


@lru_cache(maxsize=KEPT)
def read_leaf(unverified: str) -> Leaf:
    """Read a certificate as `x5c` carries it. Nothing is trusted yet; one without a URI speaks for nobody.

    Raises ValueError for what is not a certificate of a key that we support.
    """
    certificate = paths.read_certificate(unverified)
    try:
        key = certificate.public_key()
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = frozenset(names.get_values_for_type(x509.UniformResourceIdentifier))
    except x509.ExtensionNotFound:
        uris = frozenset()
    except UNREADABLE as error:
        raise ValueError("not a certificate that can be read") from error
    suite = suites.suite_of(key)  # type: ignore[arg-type]
    return Leaf(certificate, key, suite.name, uris, unverified, paths.fingerprint_of(certificate))  # type: ignore[arg-type]
