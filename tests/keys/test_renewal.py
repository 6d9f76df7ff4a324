"""Certificates over the years, in a database of its own: profiles, renewal, revocation, authorities outside, and a root that follows another."""

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID
from flask import Flask
from sqlalchemy import select

from demo import postgres
from keys import certificates, issued_certificates, outside, paths, profiles, renewal, revocation_lists, ring, suites, trust_anchors
from keys.init import init_keys
from keys.issued_certificates import Reason
from keys.key_schedule import What
from keys.outside import CertificateRefused
from keys.profiles import Holder
from runtime import backlog
from runtime.clock import now
from runtime.database import transaction
from runtime.settings import Settings
from tests import schema
from wsgi import create_app

CODE, NAME = "11379999MB0000017A", "虚构市公安局"
YEAR, DAY = timedelta(days=365), timedelta(days=1)
AT_THE_END = certificates.department_use("of-the-last-days")


@pytest.fixture(scope="module")
def own(server: postgres.PostgresServer) -> Settings:
    url = schema.create(server, "renewal_" + os.environ.get("PYTEST_XDIST_WORKER", "main"))
    return Settings(database_url=url, master_key=bytes(range(7, 39)), development=True, public_url="https://kabao.example")


@pytest.fixture(scope="module")
def house(own: Settings) -> Iterator[Flask]:
    app = create_app(own)
    with app.app_context():
        with transaction() as session:
            init_keys(session, own, now=now() - DAY)  # a root that follows within the second would end with it
        yield app
    app.extensions["kabao_cache"].stop()
    app.extensions["kabao_engine"].dispose()


@pytest.fixture
def use(house: Flask, own: Settings) -> str:
    """A department of its own."""
    use = certificates.department_use(os.urandom(6).hex())
    with transaction() as session:
        issue(session, own, use)
    return use


def uri_of(use: str) -> str:
    return f"https://kabao.example/departments/{use.partition(':')[2]}"


def issue(session: Any, settings: Settings, use: str, at: datetime | None = None) -> ring.SigningKey:
    code = use.partition(":")[2]
    return certificates.issue_leaf(session, settings, use=use, common_name=NAME, uri=uri_of(use), organisation_code=code, now=at or now())


def leaf(use: str) -> x509.Certificate:
    return ring.signer(use).certificates[0]


def test_a_departments_certificate_says_all_that_others_look_for(house: Flask, use: str) -> None:
    one = leaf(use)
    usage = one.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert usage.value.content_commitment
    assert not usage.value.key_cert_sign
    basic = one.extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical
    assert not basic.value.ca
    names = one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [uri_of(use)]
    assert names.get_values_for_type(x509.DNSName) == ["kabao.example"]
    subject = {attribute.oid: attribute.value for attribute in one.subject}
    assert subject[NameOID.COMMON_NAME] == subject[NameOID.ORGANIZATION_NAME] == NAME
    assert subject[NameOID.ORGANIZATION_IDENTIFIER] == f"GOVCN-{use.partition(':')[2]}"
    root = certificates.root_certificate()
    own_id = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert one.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier == own_id
    lists = one.extensions.get_extension_for_oid(ExtensionOID.CRL_DISTRIBUTION_POINTS).value
    kid = certificates.kid_of(root)
    assert lists[0].full_name[0].value == f"https://kabao.example/certificates/{kid}.crl"
    assert one.not_valid_after_utc <= root.not_valid_after_utc


def test_another_implementation_verifies_the_chain_and_the_revocation_list(house: Flask, own: Settings, use: str, tmp_path: Path) -> None:
    good, bad = leaf(use), None
    with transaction() as session:
        other = f"department:{os.urandom(6).hex()}"
        bad = certificates.leaf_of(issue(session, own, other))
        session.flush()
        issued_certificates.revoke(session, use=other, serial=bad.serial_number, reason=Reason.KEY_COMPROMISE, at=now(), now=now())
        revocation_lists.renew(session, own, now=now())
    kid = certificates.kid_of(certificates.root_certificate())
    client = house.test_client()
    (tmp_path / "root.pem").write_bytes(client.get("/certificates/root.pem", base_url=own.public_url).data)
    crl = client.get(f"/certificates/{kid}.crl", base_url=own.public_url)
    assert crl.content_type == "application/pkix-crl"
    (tmp_path / "crl.pem").write_bytes(x509.load_der_x509_crl(crl.data).public_bytes(Encoding.PEM))
    said = {}
    for name, one in {"good": good, "bad": bad}.items():
        (tmp_path / name).write_bytes(one.public_bytes(Encoding.PEM))
        done = ["openssl", "verify", "-x509_strict", "-crl_check", "-CRLfile", "crl.pem", "-CAfile", "root.pem", name]
        said[name] = subprocess.run(done, cwd=tmp_path, capture_output=True, text=True, timeout=20, check=False)
    assert said["good"].returncode == 0, said["good"].stderr
    assert "certificate revoked" in said["bad"].stderr


def test_the_revocation_list_is_renewed_before_it_ends_and_counts_up(house: Flask, own: Settings) -> None:
    kid = certificates.kid_of(certificates.root_certificate())
    with transaction() as session:
        revocation_lists.renew(session, own, now=now())  # whatever others have revoked since the last one
    before = x509.load_der_x509_crl(revocation_lists.find(kid) or b"")
    with transaction() as session:
        assert revocation_lists.renew(session, own, now=now()) == 0
        assert revocation_lists.renew(session, own, now=now() + 5 * DAY) == 1
    after = x509.load_der_x509_crl(revocation_lists.find(kid) or b"")
    number = ExtensionOID.CRL_NUMBER
    assert after.extensions.get_extension_for_oid(number).value.crl_number == before.extensions.get_extension_for_oid(number).value.crl_number + 1
    assert after.is_signature_valid(certificates.root_certificate().public_key())
    assert house.test_client().get("/certificates/nothing.crl", base_url=own.public_url).status_code == 404


def test_a_certificate_is_renewed_by_schedule_and_what_it_signed_stays_good(house: Flask, own: Settings, use: str) -> None:
    old = ring.signer(use)
    ends = old.certificates[0].not_valid_after_utc

    def steps(at: datetime) -> list[What]:
        with transaction() as session:
            return [step.what for step in renewal.advance(session, own, now=at) if step.use == use]

    assert steps(ends - 61 * DAY) == []
    assert steps(ends - 59 * DAY) == [What.PUBLISH]
    assert ring.signer(use).kid == old.kid, "published, not yet signing"
    assert steps(ends - 59 * DAY + own.key_published_ahead - timedelta(minutes=1)) == [], "others are to know it first"
    assert steps(ends - 59 * DAY + own.key_published_ahead) == [What.SIGN]
    fresh = ring.signer(use)
    assert fresh.kid != old.kid
    assert profiles.holder_of(fresh.certificates[0]) == profiles.holder_of(old.certificates[0])
    late = ends - 59 * DAY + own.key_published_ahead + own.key_retired
    assert steps(late) == [What.ERASE]
    with transaction() as session:
        row = session.get_one(ring.SigningKey, old.kid)
        assert (row.state, row.wrapped) == (ring.RETIRED, None)
    assert old.kid in ring.verifying_keys(use), "the public half goes on verifying"
    path = paths.check_path(old.chain or [], roots=certificates.anchors().roots)
    path.check_held((ends - 60 * DAY).timestamp())
    with pytest.raises(paths.UntrustedChain):
        path.check_held((ends + DAY).timestamp())


def test_a_revocation_is_known_at_once_and_only_once(house: Flask, own: Settings, use: str) -> None:
    one = leaf(use)
    with transaction() as session:
        issued_certificates.revoke(session, use=use, serial=one.serial_number, reason=Reason.SUPERSEDED, at=now(), now=now())
    assert certificates.anchors().revoked[paths.fingerprint_of(one)].is_compromised is False
    with transaction() as session, pytest.raises(issued_certificates.CertificateNotFound):
        issued_certificates.revoke(session, use=use, serial=one.serial_number, reason=Reason.SUPERSEDED, at=now(), now=now())


# An authority outside


class Outside:
    """An authority that is not ours."""

    def __init__(self, **changed: Any) -> None:
        self.key = suites.ES256.generate()
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "虚构电子认证中心")])
        self.certificate = profiles._authority(self.name, self.name, self.key.public_key(), now=now() - YEAR, ends=now() + 9 * YEAR, path_length=1)
        self.certificate = self.certificate.sign(self.key, SHA256())

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def sign(self, request: x509.CertificateSigningRequest, **changed: Any) -> x509.Certificate:
        """Sign what is asked for, with something spoilt."""
        builder = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(self.name)
            .public_key(changed.get("key", request.public_key()))
            .serial_number(x509.random_serial_number())
            .not_valid_before(changed.get("begins", now() - DAY))
            .not_valid_after(changed.get("ends", now() + 2 * YEAR))
        )
        for extension in request.extensions:
            value: Any = changed.get(extension.oid.dotted_string, extension.value)
            builder = builder.add_extension(value, critical=extension.critical) if value else builder
        if "more" in changed:
            builder = builder.add_extension(changed["more"], critical=True)
        return builder.sign(changed.get("by", self.key), SHA256())


@pytest.fixture(scope="module")
def authority(house: Flask) -> Outside:
    one = Outside()
    with transaction() as session:
        trust_anchors.add(session, one.pem, now=now())
    return one


def asked(own: Settings, use: str) -> x509.CertificateSigningRequest:
    with transaction() as session:
        pem = outside.request(session, own, use, Holder(NAME, uri_of(use), use.partition(":")[2]), now=now())
    return x509.load_pem_x509_csr(pem)


def pem(*given: x509.Certificate) -> bytes:
    return b"".join(one.public_bytes(Encoding.PEM) for one in given)


def test_a_department_signs_with_a_certificate_from_outside(house: Flask, own: Settings, use: str, authority: Outside) -> None:
    request = asked(own, use)
    assert request.is_signature_valid
    assert asked(own, use).public_key() == request.public_key(), "asked again, the same key waits"
    with transaction() as session:
        row = outside.take(session, own, use, pem(authority.sign(request), authority.certificate), uri=uri_of(use), now=now())
        assert len(row.chain or []) == 1, "the root does not travel"
    with transaction() as session:
        renewal.switch(session, use, now=now() + timedelta(minutes=6))
    signed = ring.signer(use)
    assert signed.certificates[0].issuer == authority.name
    anchors = certificates.anchors()
    assert paths.fingerprint_of(signed.certificates[0]) in anchors.imported
    assert authority.certificate in anchors.outside
    with transaction() as session:
        assert [step for step in renewal.plan(session, own) if step.use == use and step.what is What.PUBLISH] == []
        assert renewal.warn_of_ends(session, now=now()) == 0
        assert renewal.warn_of_ends(session, now=now() + 2 * YEAR - DAY) == 1


def test_a_key_that_waits_for_its_certificate_signs_nothing_and_no_other_is_made_beside_it(house: Flask, own: Settings, use: str) -> None:
    asked(own, use)
    before = ring.signer(use).kid
    with transaction() as session, pytest.raises(ring.KeyNotReady, match="no next key with a certificate"):
        renewal.switch(session, use, now=now() + DAY)
    with transaction() as session, pytest.raises(ring.KeyNotReady, match="has a next key already"):
        renewal.renew(session, own, use, now=now())
    with transaction() as session:
        assert [step for step in renewal.plan(session, own) if step.use == use] == []
    assert ring.signer(use).kid == before


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "another key": ({"key": suites.ES256.generate().public_key()}, "another key"),
    "an authority's": ({ExtensionOID.BASIC_CONSTRAINTS.dotted_string: x509.BasicConstraints(ca=True, path_length=None)}, "usage"),
    "for certificates": ({ExtensionOID.KEY_USAGE.dotted_string: profiles.usage(signs_certificates=True)}, "usage"),
    "no usage": ({ExtensionOID.KEY_USAGE.dotted_string: None}, "usage"),
    "another department's name": (
        {
            ExtensionOID.SUBJECT_ALTERNATIVE_NAME.dotted_string: x509.SubjectAlternativeName(
                [x509.UniformResourceIdentifier("https://kabao.example/departments/other")]
            )
        },
        "does not name",
    ),
    "no names": ({ExtensionOID.SUBJECT_ALTERNATIVE_NAME.dotted_string: None}, "does not name"),
    "ended": ({"begins": datetime(2020, 1, 1, tzinfo=UTC), "ends": datetime(2021, 1, 1, tzinfo=UTC)}, "has ended"),
    "not begun": ({"begins": datetime(2090, 1, 1, tzinfo=UTC), "ends": datetime(2091, 1, 1, tzinfo=UTC)}, "has not begun"),
    "signed by a stranger": ({"by": suites.ES256.generate()}, "does not lead"),
    "something critical": ({"more": x509.InhibitAnyPolicy(0)}, "usage"),
    "a web server's": ({"more": x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])}, "usage"),
}


@pytest.mark.parametrize(("spoilt", "why"), BAD.values(), ids=BAD.keys())
def test_a_certificate_from_outside_is_checked(house: Flask, own: Settings, use: str, authority: Outside, spoilt: dict[str, Any], why: str) -> None:
    given = pem(authority.sign(asked(own, use), **spoilt))
    with transaction() as session, pytest.raises(CertificateRefused, match=why):
        outside.take(session, own, use, given, uri=uri_of(use), now=now())


@pytest.mark.parametrize(
    "given", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"x" * 70_000], ids=["empty", "none", "huge"]
)
def test_a_file_that_is_no_certificate_is_refused(house: Flask, own: Settings, use: str, given: bytes) -> None:
    with transaction() as session, pytest.raises(CertificateRefused, match="PEM"):
        outside.take(session, own, use, given, uri=uri_of(use), now=now())


def test_a_root_that_nobody_trusts_vouches_for_nobody(house: Flask, own: Settings, use: str) -> None:
    stranger = Outside()
    given = pem(stranger.sign(asked(own, use)), stranger.certificate)
    with transaction() as session, pytest.raises(CertificateRefused, match="does not lead"):
        outside.take(session, own, use, given, uri=uri_of(use), now=now())


@pytest.mark.parametrize("kind", ["leaf", "text", "ended"])
def test_what_is_no_root_is_not_trusted(house: Flask, use: str, kind: str) -> None:
    one = {"leaf": pem(leaf(use)), "text": b"root", "ended": Outside().pem}[kind]
    with transaction() as session, pytest.raises(trust_anchors.AnchorRefused):
        trust_anchors.add(session, one, now=now() + (20 * YEAR if kind == "ended" else timedelta(0)))


def test_a_certificate_that_ends_with_its_root_is_not_renewed_each_hour_and_the_root_s_end_is_told_a_year_ahead(house: Flask, own: Settings) -> None:
    ends = certificates.root_certificate().not_valid_after_utc
    with transaction() as session:
        late = issue(session, own, AT_THE_END, at=ends - 59 * DAY)
        session.flush()
        assert certificates.leaf_of(late).not_valid_after_utc == ends, "no certificate outlasts its root"
        assert [step for step in renewal.plan(session, own) if step.use == AT_THE_END] == []
        told = [renewal.warn_of_ends(session, now=ends - YEAR + timedelta(seconds=second)) for second in (-1, 0)]
        assert told[1] == told[0] + 1


def test_keys_whose_certificates_end_soon_are_counted_for_the_alarm(house: Flask, own: Settings) -> None:
    def ending() -> str:
        return next(line for line in backlog.written().decode().splitlines() if line.startswith("kabao_certificates_ending "))

    before = ending()
    use = certificates.department_use(os.urandom(6).hex())
    with transaction() as session:
        issue(session, own, use, at=now() - profiles.LEAF_LIFETIME + 46 * DAY)
    backlog._kept = (0.0, b"")
    assert ending() == before
    with transaction() as session:
        issue(session, own, certificates.department_use(os.urandom(6).hex()), at=now() - profiles.LEAF_LIFETIME + 44 * DAY)
    backlog._kept = (0.0, b"")
    assert float(ending().split()[1]) == float(before.split()[1]) + 1


# A root that follows another; the last, since every leaf after it is under the new one


def test_z_a_root_follows_another_and_both_are_trusted(house: Flask, own: Settings, use: str) -> None:
    before, old = certificates.root_certificate(), ring.signer(use)
    with transaction() as session:
        following = certificates.create_root(session, own, now=now())
    assert certificates.anchors().roots == (before, following)
    published = house.test_client().get("/certificates/root.pem", base_url=own.public_url).data
    assert x509.load_pem_x509_certificates(published) == [before, following]
    with transaction() as session:
        ring.activate_next(session, ring.ROOT, now=now() + timedelta(minutes=6))
        assert revocation_lists.renew(session, own, now=now()) >= 1, "the new root has its own list, the old one keeps its own"
    with transaction() as session:
        assert [step.what for step in renewal.plan(session, own) if step.use == AT_THE_END] == [What.PUBLISH], "another root gives it more time"
        renewal.renew(session, own, use, now=now())
    with transaction() as session:
        renewal.switch(session, use, now=now() + timedelta(minutes=6))
    fresh = ring.signer(use)
    assert len(fresh.chain or []) == 2
    for held in ((before,), (following,), (following, before)):
        path = paths.check_path(fresh.chain or [], roots=held)
        path.check_held(now().timestamp())
        assert path.root == held[0]
    assert paths.check_path(old.chain or [], roots=certificates.anchors().roots).root == before
    with transaction() as session:
        rows = session.scalars(select(ring.SigningKey).where(ring.SigningKey.use == ring.ROOT)).all()
        assert [step for step in renewal.plan(session, own) if step.use == ring.ROOT] == [], "the old one goes on signing its own list"
    assert sorted(row.state for row in rows) == [ring.ACTIVE, ring.RETIRED]
    for root in (before, following):
        kid = certificates.kid_of(root)
        assert house.test_client().get(f"/certificates/{kid}.crt", base_url=own.public_url).data == root.public_bytes(Encoding.DER)
        crl = x509.load_der_x509_crl(revocation_lists.find(kid) or b"")
        assert crl.is_signature_valid(root.public_key())
