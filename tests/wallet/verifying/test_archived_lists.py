"""What an archive's revocation lists say counts as far as a root signed them, and from when a key was no longer what it should be."""

from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from keys.paths import Revoked, fingerprint_of
from tests.wallet.verifying.presented import NOW, key, leaf, root
from wallet.verifying import archives
from wallet.verifying.archives import NotAnArchive

DAY = timedelta(days=1)
COMPROMISED = x509.CRLReason(x509.ReasonFlags.key_compromise)


def listed(*extensions: x509.ExtensionType, signed_by: str = "root") -> bytes:
    """A list in the name of the root that the tests trust, by which the issuer's certificate was revoked yesterday."""
    entry = x509.RevokedCertificateBuilder().serial_number(leaf().serial_number).revocation_date(NOW - DAY)
    for one in extensions:
        entry = entry.add_extension(one, critical=False)
    builder = x509.CertificateRevocationListBuilder().issuer_name(root().subject).last_update(NOW).next_update(NOW + DAY)
    return builder.add_revoked_certificate(entry.build()).sign(key(signed_by), SHA256()).public_bytes(Encoding.DER)


def said_of_the_leaf(*lists: bytes) -> Revoked | None:
    return archives._read_lists(list(lists), (root(),)).get(fingerprint_of(root()), {}).get(leaf().serial_number)


@pytest.mark.parametrize(
    ("extensions", "at", "is_compromised"),
    [
        ((), NOW - DAY, False),
        ((COMPROMISED,), NOW - DAY, True),
        ((x509.CRLReason(x509.ReasonFlags.superseded),), NOW - DAY, False),
        ((x509.InvalidityDate((NOW - 9 * DAY).replace(tzinfo=None)),), NOW - 9 * DAY, False),
        ((x509.InvalidityDate((NOW + 9 * DAY).replace(tzinfo=None)), COMPROMISED), NOW - DAY, True),
    ],
    ids=["no more", "in other hands", "another reason", "invalid before", "invalid after, which is no reprieve"],
)
def test_a_certificate_is_revoked_from_the_earlier_of_two_days(
    extensions: tuple[x509.ExtensionType, ...], at: datetime, is_compromised: bool
) -> None:
    assert said_of_the_leaf(listed(*extensions)) == Revoked(at, is_compromised)


def test_a_list_in_the_name_of_a_root_that_another_signed_says_nothing_and_takes_nothing_back() -> None:
    assert said_of_the_leaf(listed(COMPROMISED, signed_by="stranger")) is None
    assert said_of_the_leaf(listed(COMPROMISED), listed(signed_by="stranger")) == Revoked(NOW - DAY, is_compromised=True)


def test_what_is_no_list_is_refused() -> None:
    with pytest.raises(NotAnArchive):
        said_of_the_leaf(b"\x30\x00")
