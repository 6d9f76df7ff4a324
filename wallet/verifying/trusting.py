"""What this installation trusts when it verifies: its roots, and what other provinces' trust lists say of their issuers."""

from dataclasses import dataclass

from flask import current_app
from sqlalchemy import select

from keys import certificates, ring
from keys.issued_certificates import IssuedCertificate, encode
from runtime import cache
from runtime.database import transaction
from wallet.issuing import compact
from wallet.register.departments import DepartmentNotFound, get_department
from wallet.verifying import trust_sources
from wallet.verifying.checks import Trust
from wallet.verifying.listed import Granted, Listed


@dataclass(frozen=True, slots=True)
class _Known:
    """What the lists say, by certificate and by issuer."""

    by_certificate: dict[str, Listed]
    by_uri: dict[str, Listed]


def current_trust() -> Trust:
    """Return what credentials are judged by now, from the process's cache; raises KeyNotReady."""
    anchors = certificates.anchors()
    return Trust(anchors.roots, anchors.revoked, anchors.outside, anchors.imported, _known().by_certificate)


def chains_of(department: str, kid: bytes) -> list[list[str]]:
    """Return the certificates that a department of ours ever had for keys of a short id, for codes that bring none."""
    if not is_department(department):
        return []
    known = cache.get(ring.TOPIC, ("certificates", department), lambda: _load_chains(department)) or []
    return [chain for short, chain in known if short == kid]


def find_listed(uri: object) -> Listed | None:
    """Return what another province's list says of an issuer, by the `iss` of its credentials."""
    return _known().by_uri.get(uri) if isinstance(uri, str) else None


def find_granted(uri: object, vct: object) -> Granted | None:
    """Return which of our types an issuer elsewhere means by a `vct`."""
    listed = find_listed(uri)
    return listed.grants.get(vct) if listed is not None and isinstance(vct, str) else None


def granted_names() -> dict[str, str]:
    """Return what issuers elsewhere call the types that they were granted, `vct` or document name, each with the code of our type."""
    return {name: granted.type_code for listed in _known().by_uri.values() for name, granted in listed.grants.items()}


def _known() -> _Known:
    found = cache.get(trust_sources.TOPIC, "known", _load)
    assert found is not None
    return found


def _load_chains(department: str) -> list[tuple[bytes, list[str]]]:
    use = certificates.department_use(department)
    held = select(IssuedCertificate).where(IssuedCertificate.use == use).order_by(IssuedCertificate.made_at.desc())
    with transaction() as session:
        return [(compact.kid_of(row.kid), [encode(row.certificate)]) for row in session.scalars(held)]


def is_department(code: str) -> bool:
    """Whether a code is a department's of ours."""
    try:
        get_department(code)
    except DepartmentNotFound:
        return False
    return True


def _load() -> _Known:
    with transaction() as session:
        listed = trust_sources.all_listed(session, current_app.extensions["kabao_settings"])
    return _Known(listed, {one.uri: one for one in listed.values()})
