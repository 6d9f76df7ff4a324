"""A receipt in an archive stands in the ledger of the service that signed it, and in no other's, though one root vouches for both."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import current_app

from keys import certificates, profiles, suites
from keys.issued_certificates import encode
from keys.profiles import Holder
from keys.ring import Signer
from runtime.clock import now
from runtime.database import transaction
from tests.wallet.verifying.test_archives import HOUR, first, looked_at, resealed, rewritten
from tests.world_verifying import Counter
from wallet.verifying import archives, archiving
from wallet.verifying.archiving import Period
from wallet.verifying.ledger_jobs import seal_now
from wallet.verifying.presentations import read_object


def signed_by(files: dict[str, bytes], service: str, signer: str = archives.LEDGER_SIGNER, **members: Any) -> None:
    """Let another key under our root sign the checkpoint, as a service's, with some members changed."""
    settings, key = current_app.extensions["kabao_settings"], suites.ES256.generate()
    with transaction() as session:
        authority = certificates.authority(session, settings)
    leaf = profiles.leaf(settings, authority, Holder("elsewhere", service + signer), key.public_key(), now=now() - HOUR)
    name = first(files, archives.CHECKPOINTS)
    claims = read_object(files[name].decode(), 1)
    another = Signer(certificates.kid_of(leaf), suites.ES256.name, key, [encode(leaf)])
    files[name] = another.sign(claims | members, typ=archives.CHECKPOINT_TYPE).encode()


@pytest.fixture
def faults_after(counter: Counter) -> Callable[..., list[str]]:
    """What is found in an archive whose checkpoint was signed anew, by an insider who could seal it again."""
    counter.verify(counter.code())
    seal_now()
    with transaction() as session:
        period = archiving.begin(session, Period(counter.department, now() - HOUR, now() + HOUR), actor="test", now=now())
    archive = b"".join(archiving.write(current_app.extensions["kabao_settings"], period, now=now()))

    def look(service: str, **more: Any) -> list[str]:
        def change(files: dict[str, bytes]) -> None:
            signed_by(files, service, **more)
            resealed(files)

        return [one.what for one in looked_at(rewritten(archive, change)).faults]

    return look


def test_a_checkpoint_counts_for_the_service_that_signed_it_alone(faults_after: Callable[..., list[str]]) -> None:
    own = current_app.extensions["kabao_settings"].public_url
    assert faults_after(own) == [], "another key of the same service is as good"
    assert faults_after("https://elsewhere.example") == ["it does not stand in the ledger"]
    assert faults_after(f"{own}.example") == ["it does not stand in the ledger"]
    assert faults_after(own, signer=archives.RECEIPT_SIGNER) == ["it was signed for another purpose"]
    assert faults_after(own, size=10**9) == ["the checkpoint is of another size"]
    assert faults_after(own, root="AAAA") == ["it does not stand in the ledger"]
    assert faults_after(own, root="no base64") == ["it cannot be read"]
