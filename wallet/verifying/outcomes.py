"""How each check of a presentation ended, and why: the words in which the checks answer. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a check failed, or had nothing to ask. The list is closed, so that no reason can carry what a stranger wrote."""

    MALFORMED = "malformed"
    NO_CERTIFICATE = "no_certificate"
    BAD_SIGNATURE = "bad_signature"
    WRONG_TYPE = "wrong_type"
    UNTRUSTED = "untrusted"
    CERTIFICATE_REVOKED = "certificate_revoked"
    NOT_GRANTED = "not_granted"
    LIST_EXPIRED = "list_expired"
    WRONG_ISSUER = "wrong_issuer"
    BAD_DISCLOSURES = "bad_disclosures"
    NOT_AS_ASKED = "not_as_asked"
    COPY_EXPIRED = "copy_expired"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    NOT_BOUND = "not_bound"
    UNEXPECTED_BINDING = "unexpected_binding"
    BAD_BINDING = "bad_binding"
    BOUND_BY_MAC = "bound_by_mac"
    STALE_BINDING = "stale_binding"
    OTHER_HOLDER = "other_holder"
    WRONG_AUDIENCE = "wrong_audience"
    WRONG_NONCE = "wrong_nonce"
    NOT_CONFIRMED = "not_confirmed"
    NO_STATUS = "no_status"
    STATUS_UNKNOWN = "status_unknown"
    IDENTIFIER_KEPT = "identifier_kept"
    NOT_REGISTERED = "not_registered"
    SOURCE_UNAVAILABLE = "source_unavailable"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    NOT_IN_FORCE = "not_in_force"
    HOLDER_ENDED = "holder_ended"
    SHORT_LIVED = "short_lived"


class Result(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_ASKED = "not_asked"
    NOT_REACHED = "not_reached"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One check and how it ended; `reason` where it failed, and where there was nothing to ask though the verifier would have asked."""

    check: str
    result: Result
    reason: Reason | None = None
