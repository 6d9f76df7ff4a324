"""What a verification comes to, in one word that a program can act on: a false licence, an expired one and one whose register is away are not the
same. Pure.
"""

from enum import StrEnum

from wallet.verifying.outcomes import Outcome, Reason, Result


class Conclusion(StrEnum):
    """The word. `unknown`: the source answers and cannot tell; `source_unavailable`: it does not answer; to be asked again."""

    VALID = "valid"
    FALSE = "false"
    EXPIRED = "expired"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    NOT_YET_VALID = "not_yet_valid"
    NOT_IN_FORCE = "not_in_force"
    UNTRUSTED_ISSUER = "untrusted_issuer"
    NOT_SHOWN_BY_HOLDER = "not_shown_by_holder"
    OTHER_TYPE = "other_type"
    NOT_AS_ASKED = "not_as_asked"
    NOT_CONFIRMED = "not_confirmed"
    UNREADABLE = "unreadable"
    UNKNOWN = "unknown"
    SOURCE_UNAVAILABLE = "source_unavailable"


OF_REASONS = {
    Reason.MALFORMED: Conclusion.UNREADABLE,
    Reason.NO_CERTIFICATE: Conclusion.UNTRUSTED_ISSUER,
    Reason.BAD_SIGNATURE: Conclusion.FALSE,
    Reason.WRONG_TYPE: Conclusion.OTHER_TYPE,
    Reason.UNTRUSTED: Conclusion.UNTRUSTED_ISSUER,
    Reason.CERTIFICATE_REVOKED: Conclusion.UNTRUSTED_ISSUER,
    Reason.NOT_GRANTED: Conclusion.UNTRUSTED_ISSUER,
    Reason.LIST_EXPIRED: Conclusion.SOURCE_UNAVAILABLE,
    Reason.WRONG_ISSUER: Conclusion.FALSE,
    Reason.BAD_DISCLOSURES: Conclusion.FALSE,
    Reason.NOT_AS_ASKED: Conclusion.NOT_AS_ASKED,
    Reason.NOT_CONFIRMED: Conclusion.NOT_CONFIRMED,
    Reason.COPY_EXPIRED: Conclusion.EXPIRED,
    Reason.NOT_YET_VALID: Conclusion.NOT_YET_VALID,
    Reason.EXPIRED: Conclusion.EXPIRED,
    Reason.NOT_BOUND: Conclusion.NOT_SHOWN_BY_HOLDER,
    Reason.UNEXPECTED_BINDING: Conclusion.NOT_SHOWN_BY_HOLDER,
    Reason.BAD_BINDING: Conclusion.NOT_SHOWN_BY_HOLDER,
    Reason.STALE_BINDING: Conclusion.NOT_SHOWN_BY_HOLDER,
    Reason.BOUND_BY_MAC: Conclusion.NOT_SHOWN_BY_HOLDER,
    Reason.OTHER_HOLDER: Conclusion.NOT_SHOWN_BY_HOLDER,
    Reason.WRONG_AUDIENCE: Conclusion.NOT_SHOWN_BY_HOLDER,
    Reason.WRONG_NONCE: Conclusion.NOT_SHOWN_BY_HOLDER,
    Reason.NO_STATUS: Conclusion.UNKNOWN,
    Reason.STATUS_UNKNOWN: Conclusion.UNKNOWN,
    Reason.IDENTIFIER_KEPT: Conclusion.UNKNOWN,
    Reason.NOT_REGISTERED: Conclusion.UNKNOWN,
    Reason.SOURCE_UNAVAILABLE: Conclusion.SOURCE_UNAVAILABLE,
    Reason.SUSPENDED: Conclusion.SUSPENDED,
    Reason.REVOKED: Conclusion.REVOKED,
    Reason.NOT_IN_FORCE: Conclusion.NOT_IN_FORCE,
    Reason.HOLDER_ENDED: Conclusion.NOT_IN_FORCE,
}
CANNOT_TELL = frozenset({Conclusion.UNKNOWN, Conclusion.SOURCE_UNAVAILABLE})


def conclude(outcomes: tuple[Outcome, ...]) -> Conclusion:
    """Return what the outcomes of all checks come to."""
    failed = next((one for one in outcomes if one.result is Result.FAILED), None)
    return Conclusion.VALID if failed is None or failed.reason is None else OF_REASONS[failed.reason]
