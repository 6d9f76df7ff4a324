from cryptography import x509
from flask import Flask

from keys import profiles, ring


def test_the_key_of_time_stamps_does_nothing_else_and_its_successors_neither(app: Flask) -> None:
    with app.app_context():
        leaf = ring.signer(ring.TIME_STAMPING).certificates[0]
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert usage.critical
    assert list(usage.value) == [x509.oid.ExtendedKeyUsageOID.TIME_STAMPING]
    assert profiles.holder_of(leaf).stamps_time


def test_no_other_key_stamps_time(app: Flask) -> None:
    with app.app_context():
        leaf = ring.signer(ring.RECEIPT).certificates[0]
    assert not profiles.holder_of(leaf).stamps_time
