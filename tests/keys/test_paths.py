"""What is a path to a trusted root, and what is none; and when a path held."""

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID

from keys import paths
from keys.paths import CertificateRevoked, Revoked, UntrustedChain, check_path
from tests.wallet.verifying.presented import NOW, YEAR, certificate, encode, key, root

DAY = timedelta(days=1)


def authority(name: str, *, by: str = "root", path_length: int | None = 0, **changed: Any) -> x509.Certificate:
    """An authority between the root and a leaf."""
    usage = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"), False)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, by)]))
        .public_key(key(name).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(changed.get("begins", NOW - YEAR))
        .not_valid_after(changed.get("ends", NOW + YEAR))
        .add_extension(x509.BasicConstraints(ca=changed.get("ca", True), path_length=path_length if changed.get("ca", True) else None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=False, key_cert_sign=changed.get("signs", True), crl_sign=False, **usage), critical=True)
    )
    return (builder.add_extension(changed["extra"], critical=True) if "extra" in changed else builder).sign(key(by), SHA256())


def path(*chain: x509.Certificate, roots: tuple[x509.Certificate, ...] | None = None) -> paths.Path:
    return check_path([encode(one) for one in chain], roots=roots or (root(),))


def test_a_leaf_leads_to_its_root_by_itself_or_through_an_authority() -> None:
    assert path(certificate()).root == root()
    between = path(certificate(issuer="between"), authority("between"))
    assert [one.subject.rfc4514_string() for one in between.certificates] == ["CN=leaf", "CN=between", "CN=root"]


def test_two_roots_stand_side_by_side() -> None:
    other = certificate(subject="other root", issuer="other root", uri=None, ca=True, signs=False)
    assert path(certificate(issuer="other root"), roots=(root(), other)).root == other
    assert path(certificate(), roots=(other, root())).root == root()


def test_whoever_holds_the_former_root_alone_follows_its_word_for_the_new_one() -> None:
    vouched = authority("new root", by="root")
    leaf = certificate(issuer="new root")
    assert path(leaf, vouched).root == root()
    new = certificate(subject="new root", issuer="new root", uri=None, ca=True, signs=False)
    assert path(leaf, vouched, roots=(new, root())).root == new


SERVER, CLIENT, MAIL = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.EMAIL_PROTECTION
MDOC_SIGNER = x509.ObjectIdentifier("1.0.18013.5.1.2")


@pytest.mark.parametrize(
    ("purposes", "signs"),
    [
        pytest.param([SERVER, CLIENT], False, id="a web server's"),
        pytest.param([CLIENT], False, id="a client's"),
        pytest.param([ExtendedKeyUsageOID.TIME_STAMPING], False, id="an authority's for time stamps"),
        pytest.param([ExtendedKeyUsageOID.OCSP_SIGNING], False, id="a responder's"),
        pytest.param([ExtendedKeyUsageOID.CODE_SIGNING], False, id="a maker's of programs"),
        pytest.param([paths.MDOC_READER], False, id="a reader's"),
        pytest.param([CLIENT, MAIL], True, id="a public body's, as authorities in the field issue it"),
        pytest.param([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE], True, id="for anything"),
        pytest.param([MDOC_SIGNER], True, id="a signer's of mobile documents"),
    ],
)
def test_a_certificate_that_is_for_another_protocol_signs_nothing_but_may_ask(purposes: list[x509.ObjectIdentifier], signs: bool) -> None:
    """RFC 5280 section 4.2.1.12: for the purposes that it names alone."""
    one = certificate(extra=x509.ExtendedKeyUsage(purposes))
    assert paths.may_sign(one) is signs
    chain = [encode(one)]
    assert check_path(chain, roots=(root(),), asks=True).root == root()
    if signs:
        assert check_path(chain, roots=(root(),)).root == root()
    else:
        with pytest.raises(UntrustedChain):
            check_path(chain, roots=(root(),))


NOT_SIGNED_BY_ROOT = certificate(issuer="stranger")
REFUSED: dict[str, list[x509.Certificate]] = {
    "nothing": [],
    "another root": [certificate(issuer="stranger")],
    "the root's name, another's key": [
        x509.CertificateBuilder(
            issuer_name=root().subject,
            subject_name=certificate().subject,
            public_key=key("leaf").public_key(),
            serial_number=1,
            not_valid_before=NOW - DAY,
            not_valid_after=NOW + DAY,
            extensions=list(certificate().extensions),
        ).sign(key("stranger"), SHA256())
    ],
    "a leaf that signed itself": [certificate(subject="leaf", issuer="leaf")],
    "a leaf that is an authority": [certificate(ca=True)],
    "a leaf that may not sign": [certificate(signs=False)],
    "the root alone": [root()],
    "the root travels along": [certificate(), root()],
    "the same twice": [certificate()] * 2,
    "an authority that is a leaf": [certificate(issuer="false"), authority("false", ca=False)],
    "an authority that may not sign certificates": [certificate(issuer="mute"), authority("mute", signs=False)],
    "authorities out of order": [authority("between"), certificate(issuer="between")],
    "a link that is missing": [certificate(issuer="far"), authority("between")],
    "a path that is too long for an authority": [certificate(issuer="lower"), authority("lower", by="upper"), authority("upper", path_length=0)],
    "more certificates than any path has": [certificate(issuer="a1"), *(authority(f"a{n}", by=f"a{n + 1}", path_length=None) for n in range(1, 6))],
    "something critical that is not understood": [certificate(extra=x509.InhibitAnyPolicy(0))],
    "an authority with something critical that is not understood": [certificate(issuer="odd"), authority("odd", extra=x509.InhibitAnyPolicy(0))],
    "a leaf that may sign certificates and does not say it is none that does": [certificate(ca=True, constrained=False)],
    "a leaf that is an authority, though it may sign no certificate": [
        certificate(constrained=False, extra=x509.BasicConstraints(ca=True, path_length=None))
    ],
}


@pytest.mark.parametrize("chain", REFUSED.values(), ids=REFUSED.keys())
def test_what_leads_to_no_root_is_not_trusted(chain: list[x509.Certificate]) -> None:
    with pytest.raises(UntrustedChain):
        path(*chain)


@pytest.mark.parametrize(
    "unverified",
    ["", "AAAA", "!", encode(certificate())[:-8], "A" * 9000, "!" + encode(certificate())],
    ids=["empty", "short", "no base64", "cut", "huge", "a letter that is none of base64's"],
)
def test_what_is_no_certificate_is_not_trusted(unverified: str) -> None:
    with pytest.raises(UntrustedChain):
        check_path([unverified], roots=(root(),))


def test_a_signature_over_a_weak_hash_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert path(certificate(subject="strong"))
    monkeypatch.setattr(paths, "HASHES", (SHA1,))
    with pytest.raises(UntrustedChain):
        path(certificate(subject="weak"))


@pytest.mark.parametrize(
    ("at", "held"),
    [(NOW, True), (NOW - 2 * YEAR, False), (NOW + YEAR - DAY, True), (NOW + YEAR + DAY, False)],
    ids=["within", "before", "just before the end", "after the end"],
)
def test_a_path_holds_while_every_certificate_does(at: Any, held: bool) -> None:
    found = path(certificate())
    if held:
        found.check_held(at.timestamp())
    else:
        with pytest.raises(UntrustedChain):
            found.check_held(at.timestamp())


@pytest.mark.parametrize(
    ("revoked", "signed", "is_good"),
    [
        pytest.param(Revoked(NOW, False), NOW - DAY, True, id="signed before"),
        pytest.param(Revoked(NOW, False), NOW, False, id="signed at the moment"),
        pytest.param(Revoked(NOW, False), NOW + DAY, False, id="signed after"),
        pytest.param(Revoked(NOW, True), NOW - DAY, False, id="signed before by a key that was compromised"),
    ],
)
def test_what_a_revoked_certificate_signed(revoked: Revoked, signed: Any, is_good: bool) -> None:
    found = path(certificate())
    by_fingerprint = {paths.fingerprint_of(certificate_of(found)): revoked}
    if is_good:
        found.check_not_revoked(by_fingerprint, signed.timestamp())
    else:
        with pytest.raises(CertificateRevoked):
            found.check_not_revoked(by_fingerprint, signed.timestamp())


def certificate_of(found: paths.Path) -> x509.Certificate:
    return found.certificates[0]


def test_a_chain_is_looked_at_once() -> None:
    chain = [encode(certificate(subject="kept"))]
    before = paths._find.cache_info().hits
    assert check_path(chain, roots=(root(),)) is check_path(list(chain), roots=(root(),))
    assert paths._find.cache_info().hits == before + 1
