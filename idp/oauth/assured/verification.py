"""What our proofs amount to in the words of Identity Assurance: framework, level, time and evidence.

The trust framework is our own, described in docs/claims.md: levels as `ial` has them. A person whom nobody has matched (L1) has no verified
claims at all.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from idp.oauth import scopes
from idp.signin import proofs
from idp.signin.proofs import IdentityProof, Method
from runtime.settings import Settings

TRUST_FRAMEWORK = "cn_egov_real_name"
LEVEL = "L{}"
POPULATION_REGISTER = "population_register"
REGISTRY_NAME = "人口基础信息库"
ELECTRONIC_RECORD, DOCUMENT = "electronic_record", "document"
CHECKS = {Method.REGISTRY: ("data",), Method.COUNTER: ("vpip", "pvp"), Method.LICENCE: ("vcrypt",)}
IDENTITY_CARD, OTHER_DOCUMENT = "idcard", "identity_document"
DOCUMENTS = {"11100000000013127D001": IDENTITY_CARD}
CLAIMS = tuple(claim for scope in (scopes.PROFILE, scopes.NUMBER, scopes.BIRTHDATE) for claim in scopes.CLAIMS[scope])


def verification_of(session: Session, person_id: UUID, *, now: datetime) -> dict[str, Any] | None:
    """Return how well and how a person is proven now, moments not yet written out; None where they are not."""
    every = proofs.proofs_of(session, person_id)
    best = proofs.best_of(every, now=now)
    if best is None:
        return None
    holding = {proof.method: proof for proof in reversed(every) if proof.holds_at(now)}
    return {
        "trust_framework": TRUST_FRAMEWORK,
        "assurance_level": LEVEL.format(best.level),
        "time": best.proved_at.astimezone(UTC),
        "evidence": [_evidence(proof) for proof in sorted(holding.values(), key=lambda proof: proof.level, reverse=True)],
    }


def announced(settings: Settings) -> Mapping[str, Any]:
    """Return what discovery says of it (Identity Assurance 1.0 section 8)."""
    return {
        "verified_claims_supported": True,
        "trust_frameworks_supported": [TRUST_FRAMEWORK],
        "evidence_supported": [DOCUMENT, ELECTRONIC_RECORD],
        "documents_supported": [IDENTITY_CARD, OTHER_DOCUMENT],
        "documents_check_methods_supported": [*CHECKS[Method.COUNTER], *CHECKS[Method.LICENCE]],
        "electronic_records_supported": [POPULATION_REGISTER],
        "claims_in_verified_claims_supported": list(CLAIMS),
    }


def _evidence(proof: IdentityProof) -> dict[str, Any]:
    method = Method(proof.method)
    details = [_check(proof, name) for name in CHECKS[method]]
    if method is Method.REGISTRY:
        record = {"type": POPULATION_REGISTER, "source": {"name": REGISTRY_NAME}}
        return {"type": ELECTRONIC_RECORD, "check_details": details, "record": record}
    document = {"type": DOCUMENTS.get(proof.document_type or "", OTHER_DOCUMENT)}
    return {"type": DOCUMENT, "check_details": details, "document_details": document}


def _check(proof: IdentityProof, method: str) -> dict[str, Any]:
    named = {"organization": proof.department_text.zh} if proof.department_text else {}
    return {"check_method": method, **named, "time": proof.proved_at.astimezone(UTC)}
