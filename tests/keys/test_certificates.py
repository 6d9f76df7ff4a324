import base64

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from flask import Flask

from keys import certificates, profiles, ring, suites
from runtime.clock import now
from runtime.database import transaction
from runtime.settings import Settings

CODE = "11379999MB0000017A"


@pytest.fixture(scope="module")
def leaf(app: Flask, settings: Settings) -> x509.Certificate:
    with app.app_context(), transaction() as session:
        row = certificates.issue_leaf(
            session,
            settings,
            use=certificates.department_use(CODE),
            common_name="虚构市公安局",
            uri=certificates.department_uri(settings, CODE),
            organisation_code=CODE,
            now=now(),
        )
        assert len(row.chain) == 1, "the root does not travel"
        return x509.load_der_x509_certificate(base64.b64decode(row.chain[0]))


def test_a_leaf_names_its_department_and_signs_no_certificate(leaf: x509.Certificate, settings: Settings) -> None:
    assert leaf.subject.get_attributes_for_oid(NameOID.ORGANIZATION_IDENTIFIER)[0].value == f"GOVCN-{CODE}"
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [certificates.department_uri(settings, CODE)]
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not leaf.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign


def test_a_leaf_chains_to_the_root(app: Flask, leaf: x509.Certificate) -> None:
    with app.app_context():
        root = certificates.root_certificate()
    leaf.verify_directly_issued_by(root)
    root.verify_directly_issued_by(root)


def test_the_key_set_of_a_department_is_not_published_but_its_signatures_carry_the_chain(app: Flask, leaf: x509.Certificate) -> None:
    import jwt

    with app.app_context():
        token = ring.signer(certificates.department_use(CODE)).sign({}, typ="dc+sd-jwt")
    header = jwt.get_unverified_header(token)
    assert x509.load_der_x509_certificate(base64.b64decode(header["x5c"][0])) == leaf
    assert app.test_client().get(f"/jwks/department:{CODE}").status_code == 404


def test_the_root_is_published(app: Flask) -> None:
    assert x509.load_pem_x509_certificate(app.test_client().get("/certificates/root.pem").data).subject.get_attributes_for_oid(NameOID.COMMON_NAME)


def test_a_departments_name_of_many_characters_is_whole_in_its_certificate_and_in_the_next(settings: Settings) -> None:
    name = "虚构壮族自治州人力资源和社会保障局行政审批服务中心"
    subject = profiles.Holder(name, "https://id.example.gov.cn/x", CODE).subject()
    assert subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == name
    common = str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    assert name.startswith(common), "in part: X.520 gives a common name 64 octets here"
    assert len(common) > 20
    key = suites.ES256.generate()
    root = profiles.root(settings, key, now=now())
    leaf = profiles.leaf(settings, profiles.Authority(root, key, "root"), profiles.Holder(name, "https://x/y", CODE), key.public_key(), now=now())
    assert profiles.holder_of(leaf).name == name
